#include <stdio.h>
#include <time.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/resource.h>
#include <unistd.h>
static long long ns(clockid_t c) { struct timespec t; clock_gettime(c, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
int main(void) {
  long long a = ns(CLOCK_MONOTONIC), r = ns(CLOCK_REALTIME);
  struct timeval tv; gettimeofday(&tv, 0);
  printf("epoch %lld %ld\n", r / 1000000000, (long)tv.tv_sec);
  struct timespec res; clock_getres(CLOCK_MONOTONIC, &res);
  printf("res %ld\n", res.tv_nsec);
  struct timespec t = {1, 500000000};
  int e = nanosleep(&t, 0);
  long long b = ns(CLOCK_MONOTONIC);
  printf("slept %d %d\n", e, b - a >= 1500000000LL && b - a < 1500100000LL);
  struct timespec until = {10, 0};
  e = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, 0);
  long long c = ns(CLOCK_MONOTONIC);
  printf("until %d %d\n", e, c >= 10000000000LL && c < 10000100000LL);
  sleep(3600);
  printf("hour %lld\n", (ns(CLOCK_MONOTONIC) - c) / 1000000000);
  long long cpu = ns(CLOCK_PROCESS_CPUTIME_ID);
  printf("cpu small %d\n", cpu > 0 && cpu < 1000000);
  struct tms m; times(&m);
  struct rusage u; getrusage(RUSAGE_SELF, &u);
  printf("rusage %d\n", u.ru_maxrss > 0 && u.ru_minflt > 0);
  time_t now = time(0);
  printf("%s", ctime(&now));
  unsigned long x; __asm__ volatile("rdtime %0" : "=r"(x));
  printf("rdtime %d\n", x > 36000000000UL);
  return 0;
}
