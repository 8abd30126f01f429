/* Limits of resources and what comes beyond them; the stack, which grows up to one; timers of threads' own time. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "say.h"

#define MB (1024L * 1024)
#define MAPS(p) ((p) == MAP_FAILED ? -1 : 0)

static long limit(int what, long soft) {
  struct rlimit r;
  if (getrlimit(what, &r)) return -1;
  r.rlim_cur = soft;
  return setrlimit(what, &r);
}
static void *map(long bytes, int protection) { return mmap(0, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); }
static void apart(void (*run)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { run(); fflush(stdout); _exit(0); }
  int status;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) printf("ended by %d\n", WTERMSIG(status));
  else printf("exited %d\n", WEXITSTATUS(status));
}

static void addresses(void) {
  SAY(limit(RLIMIT_AS, 1024 * MB));
  SAY(MAPS(map(2048 * MB, PROT_NONE)));
  char *half = map(512 * MB, PROT_NONE);
  SAY(MAPS(half));
  SAY(MAPS(map(600 * MB, PROT_NONE)));
  SAY(MAPS(mremap(half, 512 * MB, 1100 * MB, MREMAP_MAYMOVE)));
  SAY(MAPS(mmap(half, 512 * MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0)));
  SAY(munmap(half, 512 * MB));
  SAY(MAPS(map(900 * MB, PROT_NONE)));
}
static void data(void) {
  SAY(limit(RLIMIT_DATA, 16 * MB));
  SAY(MAPS(map(32 * MB, PROT_READ | PROT_WRITE)));
  char *read = map(32 * MB, PROT_READ);
  SAY(MAPS(read));
  SAY(mprotect(read, 32 * MB, PROT_READ | PROT_WRITE));
  SAY(mprotect(read, 4 * MB, PROT_READ | PROT_WRITE));
  SAY(sbrk(32 * MB) == (void *)-1);
  SAY(sbrk(4 * MB) == (void *)-1);
}
static void threads(void) {
  SAY(limit(RLIMIT_NPROC, 0));
  SAY(fork());
}
static volatile int sink;
static __attribute__((noinline)) int deep(int n) { volatile char room[4096]; room[0] = 1; int r = n == 0 ? 0 : deep(n - 1); return sink = r + room[0]; }
static void shallow(void) { SAY(limit(RLIMIT_STACK, 512 * 1024)); SAY(deep(60)); deep(1000); }
static void usual(void) { SAY(limit(RLIMIT_STACK, 8 * MB)); SAY(deep(1500)); deep(20 * 256); }
static void larger(void) { SAY(limit(RLIMIT_STACK, 20 * MB)); SAY(deep(16 * 256)); }
static char other[65536];
static void told(int signal, siginfo_t *info, void *p) {
  printf("told %d %d %d\n", signal, info->si_code, (long)((char *)__builtin_frame_address(0) - other) < 65536);
  fflush(stdout);
  _exit(7);
}
static void overflow(void) {
  stack_t s = { .ss_sp = other, .ss_size = sizeof other };
  struct sigaction a = { .sa_sigaction = told, .sa_flags = SA_SIGINFO | SA_ONSTACK };
  sigaltstack(&s, 0);
  sigaction(SIGSEGV, &a, 0);
  limit(RLIMIT_STACK, 512 * 1024);
  deep(1000);
}
static void downwards(void) {
  char *low = mmap(0, 64 * MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  munmap(low, 64 * MB);
  char *top = mmap(low + 60 * MB, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
  SAY(MAPS(top));
  top[-4096] = 1;
  top[-5 * 4096] = 2;
  SAY(top[-4096] + top[-5 * 4096] + top[-4 * 4096]);
  mmap(top - MB, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  top[-100 * 4096] = 3;
}

static const char *room;
static int made(void) { char name[200]; snprintf(name, 200, "%s/limit-XXXXXX", room); int fd = mkstemp(name); unlink(name); return fd; }
static void ignored(void) {
  char bytes[3000] = "";
  int fd = made();
  SAY(limit(RLIMIT_FSIZE, 5000));
  signal(SIGXFSZ, SIG_IGN);
  SAY(write(fd, bytes, 3000)); SAY(write(fd, bytes, 3000)); SAY(write(fd, bytes, 3000));
  SAY(pwrite(fd, bytes, 10, 4990)); SAY(pwrite(fd, bytes, 10, 6000));
  SAY(ftruncate(fd, 5000)); SAY(ftruncate(fd, 5001)); SAY(posix_fallocate(fd, 0, 6000) == EFBIG);
}
static void tooLong(void) { int fd = made(); limit(RLIMIT_FSIZE, 100); SAY(pwrite(fd, "x", 1, 99)); write(fd, "x", 1); pwrite(fd, "x", 1, 100); }

static void queued(void) {
  sigset_t set;
  union sigval v = { 0 };
  sigfillset(&set);
  sigprocmask(SIG_BLOCK, &set, 0);
  SAY(limit(RLIMIT_SIGPENDING, 0));
  SAY(sigqueue(getpid(), SIGRTMIN, v)); SAY(kill(getpid(), SIGUSR1));
  sigpending(&set);
  SAY(sigismember(&set, SIGRTMIN)); SAY(sigismember(&set, SIGUSR1));
}
static volatile int fired;
static void fires(int s) { fired = s; }
static timer_t timerOn(clockid_t clock) {
  struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
  timer_t t;
  SAY(timer_create(clock, &e, &t));
  struct itimerspec when = { .it_value = { 0, 8000000 } };
  SAY(timer_settime(t, 0, &when, 0));
  return t;
}
static void *spins(void *p) {
  clockid_t own;
  SAY(pthread_getcpuclockid(pthread_self(), &own));
  struct timespec a, b;
  clock_gettime(own, &a);
  signal(SIGUSR2, fires);
  timer_t t = timerOn(own);
  while (!fired) ;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
  SAY(fired); SAY((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec >= 8000000); SAY(timer_delete(t));
  fired = 0;
  t = timerOn(CLOCK_THREAD_CPUTIME_ID);
  return t;
}
static void clocks(void) {
  pthread_t thread;
  void *timer;
  struct itimerspec left;
  pthread_create(&thread, 0, spins, 0);
  pthread_join(thread, &timer);
  SAY(timer_gettime(timer, &left));
  clockid_t of;
  SAY(clock_getcpuclockid(getpid(), &of));
  struct timespec now;
  SAY(clock_gettime(of, &now)); SAY(clock_gettime((~0x3ffffff0 << 3) | 6, &now)); SAY(clock_gettime(-1, &now)); SAY(clock_getres(of, &now));
}

int main(int argc, char **argv) {
  room = argv[1];
  setvbuf(stdout, 0, _IOFBF, 65536);
  struct rlimit r;
  SAY(getrlimit(99, &r));
  SAY(limit(RLIMIT_NOFILE, 20)); r.rlim_cur = 9; r.rlim_max = 8; SAY(setrlimit(RLIMIT_NOFILE, &r));
  apart(addresses); apart(data); apart(threads);
  apart(shallow); apart(usual); apart(larger); apart(overflow); apart(downwards);
  apart(ignored); apart(tooLong); apart(queued);
  apart(clocks);
  return 0;
}
