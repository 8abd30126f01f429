/** Programs that take all they can get of one thing, for as long as they are left alone. */

export const floods = {
  "an endless loop": `int main(void) { for (volatile long i = 0;; i++) ; }`,
  "a fork bomb": `#include <unistd.h>
int main(void) { for (;;) fork(); }`,
  "a memory hog": `#include <stdlib.h>
int main(int argc, char **argv) { size_t n = 40 << 20; char *p = malloc(n);
  for (unsigned round = 1;; round++) for (size_t i = 0; i < n; i += 4096) p[i] = round; }`,
  "a console flood": `#include <string.h>
#include <unistd.h>
int main(void) { static char block[65536]; memset(block, 'x', sizeof block); for (;;) write(1, block, sizeof block); }`,
  "many small calls": `#include <sys/syscall.h>
#include <unistd.h>
int main(void) { for (;;) syscall(SYS_getppid); }`,
  "timers whose signals nobody takes": `#include <signal.h>
#include <time.h>
#include <unistd.h>
int main(void) { signal(SIGUSR1, SIG_IGN);
  struct sigevent event = {0}; event.sigev_notify = SIGEV_SIGNAL; event.sigev_signo = SIGUSR1;
  struct itimerspec often = {{0, 1}, {0, 1}}; timer_t timer;
  for (int i = 0; i < 100; i++) { timer_create(CLOCK_MONOTONIC, &event, &timer); timer_settime(timer, 0, &often, 0); }
  for (;;) pause(); }`,
  "timers whose signals are taken": `#include <signal.h>
#include <time.h>
#include <unistd.h>
static void taken(int number) { (void)number; }
int main(void) { signal(SIGUSR1, taken);
  struct sigevent event = {0}; event.sigev_notify = SIGEV_SIGNAL; event.sigev_signo = SIGUSR1;
  struct itimerspec often = {{0, 1}, {0, 1}}; timer_t timer;
  for (int i = 0; i < 100; i++) { timer_create(CLOCK_MONOTONIC, &event, &timer); timer_settime(timer, 0, &often, 0); }
  for (;;) pause(); }`,
  "timers of processor time": `#include <signal.h>
#include <sys/time.h>
int main(void) { signal(SIGVTALRM, SIG_IGN); signal(SIGPROF, SIG_IGN);
  struct itimerval often = {{0, 1}, {0, 1}}; setitimer(ITIMER_VIRTUAL, &often, 0); setitimer(ITIMER_PROF, &often, 0);
  for (volatile long i = 0;; i++) ; }`,
  "timer descriptors that nobody reads": `#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
int main(void) { int set = epoll_create1(0);
  struct itimerspec often = {{0, 1}, {0, 1}};
  for (int i = 0; i < 100; i++) { int fd = timerfd_create(CLOCK_MONOTONIC, 0); timerfd_settime(fd, 0, &often, 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET}; epoll_ctl(set, EPOLL_CTL_ADD, fd, &event); }
  for (;;) { struct epoll_event events[8]; epoll_wait(set, events, 8, -1); } }`,
  "sleeps of a nanosecond": `#include <time.h>
int main(void) { struct timespec least = {0, 1}; for (;;) nanosleep(&least, 0); }`,
} as const;

export type Flood = keyof typeof floods;
