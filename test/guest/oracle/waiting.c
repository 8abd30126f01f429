/* Calls that wait, with and without a mask of their own, and timers and signals beside them. By number, past the C library. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "say.h"

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
static int ends[2], last, lastValue, count;
static void handler(int s, siginfo_t *info, void *c) { last = s; lastValue = info->si_value.sival_int; count++; }
static uint64_t bit(int s) { return 1ull << (s - 1); }
static struct timespec *in(long ns) { static struct timespec t; t.tv_sec = ns / 1000000000; t.tv_nsec = ns % 1000000000; return &t; }

static void selecting(void) {
  struct { const uint64_t *set; size_t bytes; } mask = { (uint64_t[]){ 0 }, 8 }, short_ = { mask.set, 4 };
  fd_set r, w;
  FD_ZERO(&r); FD_ZERO(&w); FD_SET(ends[0], &r); FD_SET(ends[1], &w);
  SAY(CALL(pselect6, 20, &r, &w, 0, in(0), 0L)); SAY(FD_ISSET(ends[0], &r)); SAY(FD_ISSET(ends[1], &w));
  FD_SET(ends[0], &r);
  SAY(CALL(pselect6, 20, &r, 0, 0, in(1000000), 0L));
  SAY(write(ends[1], "x", 1)); FD_SET(ends[0], &r);
  SAY(CALL(pselect6, 20, &r, 0, 0, 0, 0L)); SAY(FD_ISSET(ends[0], &r));
  FD_CLR(ends[0], &r); FD_SET(40, &r);
  SAY(CALL(pselect6, 100, &r, 0, 0, in(0), 0L)); SAY(CALL(pselect6, -1, 0, 0, 0, in(0), 0L)); SAY(CALL(pselect6, 20, 8, 0, 0, in(0), 0L));
  SAY(CALL(pselect6, 0, 0, 0, 0, in(0), &short_)); SAY(CALL(pselect6, 0, 0, 0, 0, &(struct timespec){ 0, -1 }, 0L));
  SAY(raise(SIGUSR1)); SAY(last);
  SAY(CALL(pselect6, 0, 0, 0, 0, 0, &mask)); SAY(last); last = 0;
  SAY(read(ends[0], (char[1]){ 0 }, 1));
}
static void polling(void) {
  struct epoll_event e = { EPOLLIN, { .u64 = 77 } }, got[2];
  uint64_t none = 0;
  int ep = epoll_create1(0);
  SAY(epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &e));
  SAY(CALL(epoll_pwait2, ep, got, 2, in(0), 0, 8L)); SAY(CALL(epoll_pwait2, ep, got, 2, in(1000000), 0, 8L));
  SAY(write(ends[1], "y", 1)); SAY(CALL(epoll_pwait2, ep, got, 2, 0, 0, 8L)); printf("%x %d\n", got[0].events, (int)got[0].data.u64);
  SAY(read(ends[0], (char[1]){ 0 }, 1));
  SAY(raise(SIGUSR1)); SAY(CALL(epoll_pwait2, ep, got, 2, 0, &none, 8L)); SAY(last); last = 0;
  SAY(CALL(epoll_pwait2, ep, got, 0, in(0), 0, 8L)); SAY(CALL(epoll_pwait2, ends[0], got, 2, in(0), 0, 8L)); SAY(CALL(epoll_pwait2, 99, got, 2, in(0), 0, 8L));
  SAY(CALL(epoll_pwait2, ep, got, 2, 8, 0, 8L)); SAY(CALL(epoll_pwait2, ep, got, 2, &(struct timespec){ -1, 0 }, 0, 8L)); SAY(CALL(epoll_pwait2, ep, got, 2, in(0), &none, 7L));
  close(ep);
}
static void sleeping(void) {
  struct timespec left = { 5, 5 };
  struct timeval now = { 0 };
  struct timezone zone = { 9, 9 };
  SAY(CALL(nanosleep, in(1000000), &left)); SAY(left.tv_sec); SAY(CALL(nanosleep, 8, 0)); SAY(CALL(nanosleep, &(struct timespec){ 0, 1000000000 }, 0));
  SAY(CALL(gettimeofday, &now, &zone)); printf("%d %d %d\n", now.tv_sec > 1000000000, zone.tz_minuteswest, zone.tz_dsttime);
  SAY(CALL(gettimeofday, 0, 0)); SAY(CALL(gettimeofday, 8, 0)); SAY(CALL(restart_syscall));
}
static void timing(void) {
  struct itimerval t = { { 100, 5 }, { 1000, 0 } }, was;
  SAY(CALL(setitimer, ITIMER_REAL, &t, 0)); SAY(CALL(getitimer, ITIMER_REAL, &was));
  printf("%ld %ld %d\n", was.it_interval.tv_sec, was.it_interval.tv_usec, was.it_value.tv_sec >= 900 && was.it_value.tv_sec <= 1000);
  SAY(CALL(setitimer, ITIMER_REAL, 0, &was)); SAY(CALL(getitimer, ITIMER_REAL, &was)); SAY(was.it_value.tv_sec | was.it_value.tv_usec | was.it_interval.tv_sec);
  SAY(CALL(getitimer, ITIMER_VIRTUAL, &was)); SAY(was.it_value.tv_sec); SAY(CALL(getitimer, 9, &was)); SAY(CALL(getitimer, 0, 8));
  /* A periodic timer whose signal stays pending is counted instead; how often depends on the clock. */
  struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
  int id = 0;
  sigset_t set;
  siginfo_t info;
  sigemptyset(&set); sigaddset(&set, SIGRTMIN + 1); sigprocmask(SIG_BLOCK, &set, 0);
  SAY(CALL(timer_create, CLOCK_MONOTONIC, &event, &id)); SAY(CALL(timer_getoverrun, id)); SAY(CALL(timer_getoverrun, id + 1000));
  SAY(CALL(timer_settime, id, 0, &(struct itimerspec){ { 0, 1000000 }, { 0, 1000000 } }, 0));
  CALL(nanosleep, in(20000000), 0);
  SAY(CALL(rt_sigtimedwait, (uint64_t[]){ bit(SIGRTMIN + 1) }, &info, in(0), 8) == SIGRTMIN + 1);
  SAY(CALL(timer_getoverrun, id) == info.si_overrun); SAY(info.si_overrun > 0); SAY(CALL(timer_delete, id)); SAY(CALL(timer_getoverrun, id));
}
/* What is left of a timeout: it depends on the clock how much, but not whether. */
static const char *left(struct timespec *t) {
  int all = t->tv_sec == 1000 && t->tv_nsec == 0, none = t->tv_sec == 0 && t->tv_nsec == 0;
  *t = (struct timespec){ 1000, 0 };
  return all ? "all" : none ? "none" : "some";
}
#define LEFT(e) (errno = 0, printf("%s = %s, ", #e, result(e)), printf("left: %s\n", left(&t)))
/* Something is there, or a signal comes, a moment after a call that waits has begun. */
static int soon(void) {
  struct itimerspec once = { { 0, 0 }, { 0, 2000000 } };
  static int timer;
  if (timer == 0) timer = timerfd_create(CLOCK_MONOTONIC, 0);
  timerfd_settime(timer, 0, &once, 0);
  return timer;
}
/* Held back until the call lets it come. */
static void interruptSoon(void) { setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 2000 } }, 0); }
static void remaining(void) {
  struct timespec t = { 1000, 0 }, *fixed = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct pollfd p = { soon(), POLLIN, 0 };
  uint64_t nothing = 0;
  struct { const uint64_t *set; size_t bytes; } mask = { &nothing, 8 };
  fd_set r, none;
  FD_ZERO(&r); FD_ZERO(&none); FD_SET(soon(), &r); FD_SET(40, &none);
  soon(); LEFT(CALL(ppoll, &p, 1, &t, 0, 8L)); soon(); LEFT(CALL(pselect6, 20, &r, 0, 0, &t, 0L));
  t = (struct timespec){ 0, 1000000 }; LEFT(CALL(ppoll, 0, 0, &t, 0, 8L));
  t = (struct timespec){ 0, 1000000 }; LEFT(CALL(pselect6, 0, 0, 0, 0, &t, 0L));
  t = (struct timespec){ 0, 0 }; LEFT(CALL(ppoll, 0, 0, &t, 0, 8L));
  interruptSoon(); LEFT(CALL(ppoll, 0, 0, &t, &nothing, 8L)); interruptSoon(); LEFT(CALL(pselect6, 0, 0, 0, 0, &t, &mask));
  t.tv_nsec = -1; LEFT(CALL(ppoll, &p, 1, &t, 0, 8L)); LEFT(CALL(ppoll, 0, 0, &t, &(uint64_t){ 0 }, 7L));
  SAY(CALL(pselect6, 100, 0, &none, 0, &t, 0L)); SAY(CALL(ppoll, 0, 0, 8, 0, 8L));
  *fixed = t = (struct timespec){ 1000, 0 }; mprotect(fixed, 4096, PROT_READ);
  soon(); SAY(CALL(ppoll, &p, 1, fixed, 0, 8L)); interruptSoon(); SAY(CALL(ppoll, 0, 0, fixed, &nothing, 8L)); SAY(fixed->tv_sec);
  SAY(personality(0x4000000)); soon(); LEFT(CALL(ppoll, &p, 1, &t, 0, 8L)); interruptSoon(); LEFT(CALL(ppoll, 0, 0, &t, &nothing, 8L));
  SAY(personality(0)); munmap(fixed, 4096);
}
static void *thread(void *p) {
  *(int *)p = gettid();
  while (!__atomic_load_n((int *)p + 1, __ATOMIC_SEQ_CST)) usleep(500);
  return 0;
}
static void signalling(void) {
  uint64_t none = 0;
  siginfo_t info = { .si_code = SI_QUEUE };
  info.si_value.sival_int = 42;
  SAY(raise(SIGUSR1)); SAY(last); SAY(CALL(rt_sigsuspend, &none, 8)); SAY(last); SAY(CALL(rt_sigsuspend, &none, 7)); SAY(CALL(rt_sigsuspend, 8, 8));
  last = 0;
  SAY(CALL(tkill, gettid(), SIGUSR2)); SAY(last); SAY(CALL(tkill, -1, 0)); SAY(CALL(tkill, 0, SIGUSR2)); SAY(CALL(tkill, gettid(), 65)); SAY(CALL(tkill, 0x3fffffff, 0));
  SAY(CALL(rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR2, &info)); SAY(lastValue);
  SAY(CALL(rt_tgsigqueueinfo, getpid(), gettid(), 65, &info)); SAY(CALL(rt_tgsigqueueinfo, getpid(), 0x3fffffff, SIGUSR2, &info)); SAY(CALL(rt_tgsigqueueinfo, -1, 1, SIGUSR2, &info)); SAY(CALL(rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR2, 8));
  int shared[2] = { 0, 0 };
  pthread_t t;
  pthread_create(&t, 0, thread, shared);
  while (!__atomic_load_n(shared, __ATOMIC_SEQ_CST)) usleep(500);
  SAY(CALL(rt_tgsigqueueinfo, getpid(), shared[0], 0, &info));
  info.si_code = SI_USER;
  SAY(CALL(rt_tgsigqueueinfo, getpid(), shared[0], SIGUSR2, &info)); SAY(CALL(tkill, shared[0], 0));
  __atomic_store_n(shared + 1, 1, __ATOMIC_SEQ_CST);
  pthread_join(t, 0);
}
int main(void) {
  struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
  sigset_t set;
  setvbuf(stdout, 0, _IOFBF, 65536);
  sigaction(SIGUSR1, &a, 0); sigaction(SIGUSR2, &a, 0); sigaction(SIGALRM, &a, 0);
  sigemptyset(&set); sigaddset(&set, SIGUSR1); sigaddset(&set, SIGALRM); sigprocmask(SIG_BLOCK, &set, 0);
  SAY(pipe(ends));
  selecting(); polling(); sleeping(); remaining(); timing(); signalling();
  printf("%d signals\n", count);
  return 0;
}
