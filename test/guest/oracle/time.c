// Clocks move forward, sleeps last at least as long as they say, calendars agree, and wrong requests are refused.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

static const char *name(int error) { return error ? strerrorname_np(error) : "ok"; }
#define SAY(call) printf("%s: %s\n", #call, name((call) == -1 ? errno : 0))
#define CODE(call) printf("%s: %s\n", #call, name(call))

static long long now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void forward(void) {
  static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
                                     CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME_COARSE};
  for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++) {
    long long last = now(clocks[i]), backward = 0;
    for (int n = 0; n < 1000; n++) {
      long long next = now(clocks[i]);
      backward += next < last;
      last = next;
    }
    struct timespec resolution;
    printf("clock %d: %lld backward, resolution %d\n", (int)clocks[i], backward, clock_getres(clocks[i], &resolution));
  }
}

static void sleeping(void) {
  struct timespec wait = {0, 3000000}, zero = {0, 0}, negative = {-1, 0}, large = {0, 1000000000}, left = {9, 9};
  long long before = now(CLOCK_MONOTONIC);
  SAY(nanosleep(&wait, &left));
  printf("slept %d, left %d\n", now(CLOCK_MONOTONIC) - before >= 3000000, (int)left.tv_sec);
  SAY(nanosleep(&zero, 0));
  SAY(nanosleep(&negative, 0));
  SAY(nanosleep(&large, 0));
  SAY(nanosleep((struct timespec *)-4096L, 0));
  before = now(CLOCK_REALTIME) + 2000000;
  struct timespec until = {before / 1000000000, before % 1000000000};
  CODE(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, 0));
  printf("until %d\n", now(CLOCK_REALTIME) >= before);
  CODE(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, 0));
  CODE(clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, 0));
  CODE(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &negative, 0));
  CODE(clock_nanosleep(77, 0, &zero, 0));
  CODE(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &zero, 0));
  struct timespec t;
  SAY(clock_gettime(77, &t));
  SAY(clock_gettime(-99, &t));
  SAY(clock_getres(77, &t));
  SAY(clock_getres(CLOCK_MONOTONIC, 0));
  SAY(usleep(1000));
  printf("%u\n", sleep(0));
}

static void accounts(void) {
  struct rusage usage;
  struct tms used;
  struct timeval t;
  SAY(getrusage(RUSAGE_SELF, &usage));
  SAY(getrusage(RUSAGE_CHILDREN, &usage));
  SAY(getrusage(77, &usage));
  SAY(getrusage(RUSAGE_SELF, (struct rusage *)-4096L));
  SAY(gettimeofday(&t, 0));
  printf("%d %d %d\n", t.tv_sec > 1600000000, t.tv_usec < 1000000, times(&used) != -1);
  // Linux answers time() by a coarse clock, which may be a tick behind.
  printf("%d %d\n", clock() >= 0, time(0) + 1 >= t.tv_sec);
}

static void calendar(void) {
  setenv("TZ", "UTC", 1);
  char text[100];
  for (long n = -3000000000L; n < 6000000000L; n += 123456789L) {
    time_t when = n;
    struct tm tm = *gmtime(&when);
    strftime(text, sizeof text, "%a %b %d %H:%M:%S %Y %j %U %V %u", &tm);
    printf("%ld %s %d\n", n, text, timegm(&tm) == when);
  }
  struct tm odd = {.tm_year = 100, .tm_mon = 14, .tm_mday = -3, .tm_hour = 49};
  printf("%ld %s", (long)timegm(&odd), asctime(&odd));
}

int main(void) {
  forward();
  sleeping();
  accounts();
  calendar();
  return 0;
}
