/* Who runs before whom. Run as root. "limits": what limits permit to who is not; "apart": on two harts. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char order[64];
static volatile unsigned long turns[2];
static void note(char letter) { char at[2] = { letter }; strcat(order, at); }

static void become(int policy, int priority) {
  struct sched_param p = { priority };
  if (sched_setscheduler(0, policy, &p)) printf("%s\n", strerrorname_np(errno));
}
struct plan { char letter; int policy, priority, rounds; int yields; };
/* Each round is longer than a turn. */
static void *go(void *argument) {
  struct plan *plan = argument;
  become(plan->policy, plan->priority);
  for (int round = 0; round < plan->rounds; round++) {
    for (volatile int i = 0; i < 5000; i++);
    note(plan->letter);
    if (plan->yields) sched_yield();
  }
  return 0;
}
/* All are ready before the first of them runs, behind a thread of a higher priority than theirs. */
static void run(const char *what, struct plan *plans, int count) {
  pthread_t threads[4];
  order[0] = 0;
  for (int n = 0; n < count; n++) pthread_create(&threads[n], 0, go, &plans[n]);
  become(SCHED_OTHER, 0);
  for (int n = 0; n < count; n++) pthread_join(threads[n], 0);
  become(SCHED_FIFO, 90);
  printf("%s: %s\n", what, order);
}
static void *counts(void *which) {
  setpriority(PRIO_PROCESS, 0, which ? 5 : 0);
  for (;;) turns[!!which]++;
}
/* Of two that differ by five steps of nice one runs 3.06 times as long as the other. */
static void weights(void) {
  pthread_t threads[2];
  struct timespec pause = { 0, 10000000 };
  become(SCHED_OTHER, 0);
  for (long n = 0; n < 2; n++) pthread_create(&threads[n], 0, counts, (void *)n);
  become(SCHED_FIFO, 90);
  nanosleep(&pause, 0);
  unsigned long ratio = turns[0] * 100 / turns[1];
  printf("%s\n", ratio > 295 && ratio < 317 ? "weighted" : "not weighted");
}
static void *spins(void *unused) { for (;;) turns[0]++; return unused; }
static void *notes(void *letter) { note(*(char *)letter); return 0; }
static pthread_t on(int hart, int policy, int priority, void *(*go)(void *), void *argument) {
  pthread_t thread;
  pthread_attr_t attributes;
  struct sched_param p = { priority };
  cpu_set_t harts;
  CPU_ZERO(&harts); CPU_SET(hart, &harts);
  pthread_attr_init(&attributes);
  pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&attributes, policy); pthread_attr_setschedparam(&attributes, &p);
  pthread_attr_setaffinity_np(&attributes, sizeof harts, &harts);
  pthread_create(&thread, &attributes, go, argument);
  return thread;
}
/* Who waits behind a thread that never ends finds the other hart. */
static void apart(void) {
  cpu_set_t first, both;
  CPU_ZERO(&first); CPU_SET(0, &first); both = first; CPU_SET(1, &both);
  sched_setaffinity(0, sizeof first, &first);
  on(0, SCHED_FIFO, 50, spins, 0);
  on(1, SCHED_OTHER, 0, spins, 0);
  pthread_t fair = on(0, SCHED_OTHER, 0, notes, "o"), real = on(0, SCHED_FIFO, 40, notes, "r");
  pthread_setaffinity_np(fair, sizeof both, &both); pthread_setaffinity_np(real, sizeof both, &both);
  pthread_join(real, 0); pthread_join(fair, 0);
  printf("%s\n", order);
}
static void limits(void) {
  struct rlimit r = { 5, 5 }, n = { 25, 25 };
  struct sched_param p = { 6 };
#define SAY(e) printf("%s\n", (e) ? strerrorname_np(errno) : "ok")
  setrlimit(RLIMIT_RTPRIO, &r); setrlimit(RLIMIT_NICE, &n); setresuid(1, 1, 1);
  SAY(setpriority(PRIO_PROCESS, 0, -5)); SAY(setpriority(PRIO_PROCESS, 0, -6));
  SAY(sched_setscheduler(0, SCHED_FIFO, &p)); p.sched_priority = 5; SAY(sched_setscheduler(0, SCHED_FIFO, &p));
  p.sched_priority = 6; SAY(sched_setparam(0, &p)); p.sched_priority = 2; SAY(sched_setparam(0, &p)); SAY(sched_setscheduler(0, SCHED_RR, &p));
  p.sched_priority = 0; SAY(sched_setscheduler(0, SCHED_IDLE, &p)); SAY(sched_setscheduler(0, SCHED_OTHER, &p));
  n.rlim_cur = 10; setrlimit(RLIMIT_NICE, &n); setpriority(PRIO_PROCESS, 0, 5); SAY(sched_setscheduler(0, SCHED_IDLE, &p)); SAY(sched_setscheduler(0, SCHED_OTHER, &p));
  /* Of a group those are changed that may be. */
  int ends[2];
  char c;
  pipe(ends); fflush(stdout);
  pid_t child = fork();
  if (!child) { setpriority(PRIO_PROCESS, 0, 15); write(ends[1], "c", 1); pause(); }
  read(ends[0], &c, 1);
  SAY(setpriority(PRIO_PGRP, 0, 8)); printf("%d %d\n", getpriority(PRIO_PROCESS, 0), getpriority(PRIO_PROCESS, child));
}
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "limits")) { limits(); return 0; }
  become(SCHED_FIFO, 90);
  if (argc > 1) { apart(); return 0; }
  run("fifo", (struct plan[]){ { 'a', SCHED_FIFO, 10, 2 }, { 'b', SCHED_FIFO, 20, 2 }, { 'c', SCHED_FIFO, 10, 2 }, { 'o', SCHED_OTHER, 0, 2 } }, 4);
  run("rr", (struct plan[]){ { 'a', SCHED_RR, 10, 3 }, { 'b', SCHED_RR, 10, 3 }, { 'o', SCHED_OTHER, 0, 1 } }, 3);
  run("fifo yields", (struct plan[]){ { 'a', SCHED_FIFO, 10, 3, 1 }, { 'b', SCHED_FIFO, 10, 3, 1 } }, 2);
  weights();
  return 0;
}
