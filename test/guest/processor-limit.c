/* Uses its second of processor time (RLIMIT_CPU), is told, and goes on until it is ended. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void told(int signal, siginfo_t *info, void *context) {
  struct rlimit now;
  getrlimit(RLIMIT_CPU, &now);
  printf("told %d %d, now %ld %ld\n", signal, info->si_code, (long)now.rlim_cur, (long)now.rlim_max);
  fflush(stdout);
  now.rlim_max = 1;
  now.rlim_cur = 1;
  setrlimit(RLIMIT_CPU, &now);
}
int main(void) {
  struct sigaction action = {.sa_sigaction = told, .sa_flags = SA_SIGINFO};
  struct rlimit limit = {1, 5};
  sigaction(SIGXCPU, &action, 0);
  setrlimit(RLIMIT_CPU, &limit);
  for (volatile long i = 0;; i++) ;
}
