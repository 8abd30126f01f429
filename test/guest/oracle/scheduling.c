/* Policies, priorities and nice, as they are asked for and told: what an ordinary user may, or (as root) everybody. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "say.h"

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
struct attributes { unsigned size, policy; unsigned long flags; int nice; unsigned priority; unsigned long runtime, deadline, period; unsigned least, most; };

static int apart(void (*what)(void)) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (!child) { what(); exit(0); }
  waitpid(child, &status, 0);
  return status;
}
static long policy(int number, int priority) {
  struct sched_param p = { priority };
  return CALL(sched_setscheduler, 0, number, &p);
}
static long parameter(int priority) {
  struct sched_param p = { priority };
  return CALL(sched_setparam, 0, &p);
}
static long attributes(int number, int flags, int nice, int priority) {
  struct attributes a = { sizeof a, number, flags, nice, priority };
  return CALL(sched_setattr, 0, &a, 0);
}
static void tell(void) {
  struct attributes a = { 0 };
  struct sched_param p = { -1 };
  struct timespec t;
  SAY(CALL(sched_getattr, 0, &a, sizeof a, 0));
  CALL(sched_getparam, 0, &p);
  long scheduler = CALL(sched_getscheduler, 0), interval = CALL(sched_rr_get_interval, 0, &t);
  printf("  policy %u flags %lu nice %d priority %u; %lx %d; getpriority %ld, interval %ld %d\n", a.policy, a.flags, a.nice, a.priority, scheduler, p.sched_priority, CALL(getpriority, PRIO_PROCESS, 0), interval, a.policy == SCHED_FIFO && t.tv_nsec);
  FILE *f = fopen("/proc/self/stat", "r");
  char line[1000], *at = fgets(line, sizeof line, f);
  fclose(f);
  at = strrchr(line, ')');
  for (int n = 2; at && (at = strchr(at, ' ')); n++) {
    at++;
    if (n == 17 || n == 18 || n == 39 || n == 40) printf("  %d: %d\n", n + 1, atoi(at));
  }
}
static void wrong(void) {
  struct attributes a = { sizeof a };
  struct { struct attributes known; long more; } b = { { sizeof b } };
  SAY(policy(4, 0)); SAY(policy(-1, 0)); SAY(policy(SCHED_FIFO, 0)); SAY(policy(SCHED_RR, 100)); SAY(policy(SCHED_OTHER, 1)); SAY(policy(SCHED_BATCH, -1));
  SAY(CALL(sched_setattr, 0, 0, 0)); SAY(CALL(sched_setattr, -1, &a, 0)); SAY(CALL(sched_setattr, 0, &a, 1)); SAY(CALL(sched_setattr, 0, 8, 0)); SAY(CALL(sched_setattr, 0x3fffffff, &a, 0));
  a.size = 47; SAY(CALL(sched_setattr, 0, &a, 0)); SAY(a.size >= 56); a.size = 0; SAY(CALL(sched_setattr, 0, &a, 0)); a.size = 4097; SAY(CALL(sched_setattr, 0, &a, 0)); a.size = 48; SAY(CALL(sched_setattr, 0, &a, 0));
  SAY(CALL(sched_setattr, 0, &b, 0)); b.more = 1; SAY(CALL(sched_setattr, 0, &b, 0));
  a.size = sizeof a; a.flags = 0x80; SAY(CALL(sched_setattr, 0, &a, 0)); a.flags = 0; a.policy = 77; SAY(CALL(sched_setattr, 0, &a, 0)); a.policy = -1; SAY(CALL(sched_setattr, 0, &a, 0));
  SAY(CALL(sched_getattr, 0, &a, 47, 0)); SAY(CALL(sched_getattr, 0, &a, 48, 0)); SAY(a.size); SAY(CALL(sched_getattr, 0, &b, sizeof b, 1)); SAY(CALL(sched_getattr, 0, 0, 48, 0)); SAY(CALL(sched_getattr, -1, &a, 48, 0)); SAY(CALL(sched_getattr, 0x3fffffff, &a, 48, 0)); SAY(CALL(sched_getattr, 0, 8, 48, 0));
  for (int p = -1; p < 7; p++) printf("%d: %ld %ld\n", p, CALL(sched_get_priority_min, p), CALL(sched_get_priority_max, p));
}
static void fair(void) {
  tell(); SAY(setpriority(PRIO_PROCESS, 0, 3)); tell();
  SAY(policy(SCHED_BATCH, 0)); tell(); SAY(attributes(SCHED_OTHER, 0, 7, 0)); tell(); SAY(attributes(SCHED_OTHER, 0, 100, 0)); tell();
  SAY(policy(SCHED_OTHER | 0x40000000, 0)); tell(); SAY(apart(tell)); SAY(policy(SCHED_OTHER, 0)); SAY(attributes(SCHED_BATCH, 1, 19, 0)); tell(); SAY(attributes(0, 8 | 1, 19, 0)); tell(); SAY(attributes(SCHED_IDLE, 0x11, 0, 0)); tell();
  SAY(policy(SCHED_OTHER | 0x40000000, 0));
}
static void ordinary(void) {
  SAY(policy(SCHED_FIFO, 1)); SAY(policy(SCHED_RR, 99)); SAY(attributes(SCHED_FIFO, 0, 0, 5)); SAY(attributes(SCHED_OTHER, 0, -1, 0)); SAY(setpriority(PRIO_PROCESS, 0, -1)); SAY(parameter(0)); SAY(parameter(1));
  struct rlimit l;
  SAY(getrlimit(RLIMIT_RTPRIO, &l)); SAY((long)l.rlim_max); l.rlim_max = l.rlim_cur = 5; SAY(setrlimit(RLIMIT_RTPRIO, &l));
}
static void root(void) {
  SAY(policy(SCHED_FIFO, 99)); tell(); SAY(apart(tell)); SAY(policy(SCHED_RR | 0x40000000, 7)); tell(); SAY(apart(tell)); SAY(parameter(8)); tell(); SAY(attributes(SCHED_FIFO, 0, -20, 3)); tell(); SAY(sched_yield());
  SAY(attributes(SCHED_OTHER, 1, -20, 0)); tell(); SAY(apart(tell)); SAY(setpriority(PRIO_PROCESS, 0, -100)); tell(); SAY(attributes(SCHED_BATCH, 0, 1, 1)); SAY(policy(SCHED_OTHER, 0)); SAY(setpriority(PRIO_PROCESS, 0, 0));
  struct sched_param p = { 1 };
  int ends[2];
  pipe(ends);
  pid_t child = fork();
  /* It is there for as long as its parent is. */
  if (!child) { close(ends[1]); read(ends[0], ends, 1); _exit(0); }
  SAY(CALL(sched_setscheduler, child, SCHED_RR, &p)); SAY(CALL(sched_getscheduler, child)); SAY(setresuid(1, 1, 1)); SAY(CALL(sched_setscheduler, child, SCHED_OTHER, &p)); p.sched_priority = 0; SAY(CALL(sched_setscheduler, child, SCHED_OTHER, &p)); SAY(CALL(sched_getscheduler, child)); SAY(setpriority(PRIO_PROCESS, child, 9));
}
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "forbidden")) return policy(SCHED_FIFO, 1) || setpriority(PRIO_PROCESS, 0, -1);
  setpriority(PRIO_PROCESS, 0, 0);
  if (argc > 1) { SAY(apart(root)); return 0; }
  wrong(); ordinary(); fair();
  return 0;
}
