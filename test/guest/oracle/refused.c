// System calls that must fail, and with which number: by name, directly, without the C library in between.
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *name(int error) { return error ? strerrorname_np(error) : "ok"; }
#define CALL(number, ...) (errno = 0, printf("%s(%s): %s\n", #number, #__VA_ARGS__, (syscall(SYS_##number, ##__VA_ARGS__), name(errno))))
#define BAD ((void *)-4096L)

static void files(void) {
  char buffer[64];
  CALL(openat, -100, BAD, 0, 0);
  CALL(openat, 99, "x", 0, 0);
  CALL(close, 99);
  CALL(close, -1);
  CALL(dup, -1);
  CALL(dup3, 0, 0, 0);
  CALL(dup3, 0, 5000000, 0);
  CALL(dup3, 0, 7, 4);
  CALL(fcntl, 99, 1);
  CALL(fcntl, 0, 12345);
  CALL(fstat, 99, buffer);
  CALL(fstat, 0, BAD);
  CALL(newfstatat, -100, BAD, buffer, 0);
  CALL(newfstatat, -100, "/", BAD, 0);
  CALL(newfstatat, -100, "", buffer, 0);
  CALL(newfstatat, 99, "", buffer, 0x1000);
  CALL(newfstatat, -100, "/", buffer, 0x10000000);
  CALL(faccessat, -100, "/", 8);
  CALL(faccessat, -100, BAD, 0);
  CALL(faccessat, 99, "x", 0);
  CALL(readlinkat, -100, "/", buffer, 10);
  CALL(readlinkat, -100, BAD, buffer, 10);
  CALL(getcwd, buffer, 0);
  CALL(getcwd, BAD, 100);
  CALL(read, 99, buffer, 1);
  CALL(read, 1000000, buffer, 1);
  CALL(write, 99, buffer, 1);
  CALL(write, 1, BAD, 1);
  CALL(readv, 0, buffer, -1);
  CALL(writev, 1, buffer, 2000);
  CALL(writev, 1, BAD, 1);
  CALL(pread64, 0, buffer, 1, 0);
  CALL(pread64, 99, buffer, 1, 0);
  CALL(lseek, 0, 0, 0);
  CALL(lseek, 99, 0, 0);
  CALL(ioctl, 99, 0x5401, buffer);
  CALL(ppoll, BAD, 1, 0, 0, 8);
}

static void times(void) {
  struct timespec wrong = {0, 2000000000}, zero = {0, 0};
  char buffer[256];
  CALL(clock_gettime, 999, buffer);
  CALL(clock_gettime, 0, BAD);
  CALL(clock_getres, 999, buffer);
  CALL(nanosleep, &wrong, 0);
  CALL(clock_nanosleep, 999, 0, &zero, 0);
  CALL(clock_nanosleep, 0, 0, &wrong, 0);
  CALL(clock_nanosleep, 0, 0, BAD, 0);
  CALL(gettimeofday, BAD, 0);
  CALL(times, BAD);
  CALL(getrusage, 5, buffer);
  CALL(getrusage, 0, BAD);
  CALL(ppoll, 0, 0, &wrong, 0, 8);
}

static void threads(void) {
  unsigned word = 1, pair[2] = {0};
  struct timespec wrong = {0, 2000000000};
  CALL(futex, BAD, 0, 1, 0);
  CALL(futex, &word, 0, 2, 0);
  CALL(futex, &word, 0, 1, &wrong);
  CALL(futex, (char *)pair + 2, 0, 1, 0);
  CALL(futex, &word, 0, 1, BAD);
  CALL(kill, getpid(), 0);
  CALL(kill, getpid(), 65);
  CALL(kill, getpid(), -1);
  CALL(kill, 1999999999, 0);
  CALL(tgkill, getpid(), 1999999999, 0);
  CALL(tgkill, getpid(), syscall(SYS_gettid), 0);
  CALL(tgkill, getpid(), -1, 0);
  CALL(tgkill, -1, syscall(SYS_gettid), 0);
  CALL(tgkill, getpid(), syscall(SYS_gettid), 99);
  CALL(tkill, 0, 0);
  CALL(tkill, 1999999999, 0);
}

static void rest(void) {
  char buffer[512];
  CALL(rt_sigaction, 0, 0, buffer, 8);
  CALL(rt_sigaction, 65, 0, buffer, 8);
  CALL(rt_sigaction, SIGKILL, buffer, 0, 8);
  CALL(rt_sigaction, SIGINT, 0, buffer, 4);
  CALL(rt_sigaction, SIGINT, 0, BAD, 8);
  CALL(rt_sigprocmask, 7, buffer, 0, 8);
  CALL(rt_sigprocmask, 0, 0, buffer, 4);
  CALL(rt_sigprocmask, 0, BAD, 0, 8);
  CALL(rt_sigprocmask, 7, 0, buffer, 8);
  CALL(uname, BAD);
  CALL(sysinfo, BAD);
  CALL(getrandom, BAD, 10, 0);
  CALL(getrandom, buffer, 10, 64);
  CALL(prlimit64, 0, 99, 0, buffer);
  CALL(prlimit64, 0, RLIMIT_STACK, 0, buffer);
  CALL(prlimit64, 0, RLIMIT_STACK, 0, BAD);
  CALL(prlimit64, 1999999999, RLIMIT_STACK, 0, buffer);
  CALL(sched_getaffinity, 0, 7, buffer);
  CALL(sched_getaffinity, 0, 0, buffer);
  CALL(sched_getaffinity, 1999999999, 8, buffer);
  CALL(sched_yield);
  errno = 0;
  printf("unknown: %ld %s\n", syscall(9999), name(errno));
}

int main(void) {
  files();
  times();
  threads();
  rest();
  return 0;
}
