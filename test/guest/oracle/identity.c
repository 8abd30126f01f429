/* Users and groups, limits, names, priorities, shared memory between processes. Run as root where that matters. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define show(x) do { errno = 0; long r_ = (long)(x); printf("%s = %ld%s%s\n", #x, r_, r_ < 0 ? " " : "", r_ < 0 ? strerrorname_np(errno) : ""); } while (0)

static void user(void) {
  uid_t me = getuid(), r, e, s;
  show(setuid(me));
  show(setuid(me + 1));
  show(setreuid(-1, me));
  show(setreuid(me + 1, -1));
  show(setresuid(-1, -1, me));
  show(setresuid(me, me, me + 5));
  show(getresuid(&r, &e, &s));
  printf("%d %d %d\n", r == me, e == me, s == me);
  show(setgid(getgid()));
  show(setgid(getgid() + 1));
  show(setregid(getgid() + 1, -1));
  show(setresgid(-1, getgid() + 1, -1));
  show(setfsuid(me + 1) == (int)me);
  show(setfsuid(-1) == (int)me);
  gid_t groups[2] = { 5, 3 };
  show(setgroups(2, groups));
  show(getgroups(-1, groups));
}

static void limits(void) {
  struct rlimit l = { 0, 0 };
  show(getrlimit(RLIMIT_NOFILE, &l));
  l.rlim_max = 64; l.rlim_cur = 20;
  show(setrlimit(RLIMIT_NOFILE, &l));
  int fd, n = 0;
  while ((fd = dup(1)) >= 0) n = fd;
  printf("last %d %s\n", n, strerrorname_np(errno));
  show(fcntl(1, F_DUPFD, 25));
  show(dup2(1, 30));
  l.rlim_cur = 65;
  show(setrlimit(RLIMIT_NOFILE, &l));
  l.rlim_max = 65;
  show(setrlimit(RLIMIT_NOFILE, &l));
  l.rlim_cur = 64; l.rlim_max = 64;
  show(setrlimit(RLIMIT_NOFILE, &l));
  show(getrlimit(99, &l));
  show(prlimit(getpid(), RLIMIT_NOFILE, 0, &l));
  printf("%d %d\n", (int)l.rlim_cur, (int)l.rlim_max);
  for (int i = 3; i <= n; i++) close(i);
}

static void control(void) {
  char name[20] = "";
  int value = 9;
  show(prctl(PR_SET_NAME, "a name that is too long"));
  show(prctl(PR_GET_NAME, name));
  printf("[%s]\n", name);
  show(prctl(PR_SET_NAME, "short"));
  prctl(PR_GET_NAME, name);
  printf("[%s]\n", name);
  show(prctl(PR_GET_PDEATHSIG, &value));
  show(prctl(PR_SET_PDEATHSIG, SIGTERM));
  prctl(PR_GET_PDEATHSIG, &value);
  printf("%d\n", value);
  show(prctl(PR_SET_PDEATHSIG, 77));
  show(prctl(PR_SET_PDEATHSIG, 0));
  show(prctl(PR_GET_DUMPABLE));
  show(prctl(PR_SET_DUMPABLE, 0));
  show(prctl(PR_GET_DUMPABLE));
  show(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  show(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  show(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  show(prctl(9999, 0, 0, 0, 0));
  show(getpriority(PRIO_PROCESS, 0));
  show(setpriority(PRIO_PROCESS, 0, 5));
  show(getpriority(PRIO_PROCESS, 0));
  show(setpriority(PRIO_PROCESS, 0, 1));
  show(setpriority(PRIO_PROCESS, 0x3fffffff, 1));
  show(getpriority(7, 0));
  show(nice(100));
  struct sched_param p = { 0 };
  show(sched_getscheduler(0));
  show(sched_setscheduler(0, SCHED_OTHER, &p));
  show(sched_get_priority_max(SCHED_FIFO));
  show(sched_get_priority_min(SCHED_RR));
  show(sched_get_priority_max(77));
  show(sched_getparam(0, &p));
  p.sched_priority = 5;
  show(sched_setscheduler(0, SCHED_OTHER, &p));
}

static void family(void) {
  int status, p[2];
  char c;
  pipe(p);
  show(prctl(PR_SET_CHILD_SUBREAPER, 1));
  pid_t pid = fork();
  if (pid == 0) {
    if (fork() == 0) {
      pid_t was = getppid();
      write(p[1], "x", 1);
      while (getppid() == was) usleep(1000);
      _exit(44);
    }
    read(p[0], &c, 1);
    _exit(1);
  }
  waitpid(pid, &status, 0);
  printf("child %d\n", WEXITSTATUS(status));
  wait(&status);
  printf("grandchild %d\n", WEXITSTATUS(status));
  if ((pid = fork()) == 0) {
    if (fork() == 0) { prctl(PR_SET_PDEATHSIG, SIGUSR1); write(p[1], "x", 1); for (;;) pause(); }
    read(p[0], &c, 1);
    _exit(2);
  }
  waitpid(pid, &status, 0);
  wait(&status);
  printf("told of its parent's end: %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
}

struct common { sem_t ready, go; pthread_mutex_t lock; int total; char text[8192]; };
static void sharing(void) {
  struct common *m = mmap(0, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *private = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), status;
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&m->lock, &a);
  sem_init(&m->ready, 1, 0);
  sem_init(&m->go, 1, 0);
  *private = 1;
  strcpy(m->text + 4090, "before the fork");
  for (int i = 0; i < 4; i++) {
    if (fork() == 0) {
      sem_post(&m->ready);
      sem_wait(&m->go);
      for (int n = 0; n < 500; n++) { pthread_mutex_lock(&m->lock); m->total++; pthread_mutex_unlock(&m->lock); if (n % 50 == 0) sched_yield(); }
      m->text[i] = 'a' + i;
      *private = 2;
      _exit(strcmp(m->text + 4090, "before the fork"));
    }
  }
  for (int i = 0; i < 4; i++) sem_wait(&m->ready);
  for (int i = 0; i < 4; i++) sem_post(&m->go);
  int bad = 0;
  while (wait(&status) > 0) bad |= status;
  printf("shared %d [%s] private %d bad %d\n", m->total, m->text, *private, bad);
  show(munmap(m, sizeof *m));
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  if (getuid() == 0) { setgroups(0, 0); setresgid(1000, 1000, 1000); setresuid(1000, 1000, 1000); }
  user(); limits(); control(); family(); sharing();
  return 0;
}
