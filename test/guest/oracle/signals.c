// Signals as far as dispositions and masks decide; the last argument says how the program is to end.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *name(int error) { return error ? strerrorname_np(error) : "ok"; }
#define SAY(call) printf("%s: %s\n", #call, (errno = 0, name((call) == -1 ? errno : 0)))

static void masks(void) {
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGKILL);
  SAY(sigprocmask(SIG_BLOCK, &set, &before));
  SAY(sigprocmask(SIG_BLOCK, 0, &set));
  for (int i = 1; i < 32; i++) putchar(sigismember(&set, i) ? '1' : '0');
  putchar('\n');
  SAY(raise(SIGUSR1));
  SAY(signal(SIGUSR1, SIG_IGN) == SIG_ERR ? -1 : 0);
  SAY(sigprocmask(SIG_SETMASK, &before, 0));
  SAY(raise(SIGUSR1));
  SAY(raise(SIGCHLD));
  SAY(raise(SIGURG));
  SAY(raise(SIGCONT));
  struct sigaction action;
  SAY(sigaction(SIGUSR1, 0, &action));
  printf("ignored %d, interrupt default %d\n", action.sa_handler == SIG_IGN, signal(SIGINT, SIG_DFL) == SIG_DFL);
  SAY(signal(SIGKILL, SIG_IGN) == SIG_ERR ? -1 : 0);
  SAY(signal(SIGSTOP, SIG_IGN) == SIG_ERR ? -1 : 0);
  SAY(signal(99, SIG_IGN) == SIG_ERR ? -1 : 0);
  SAY(raise(0));
  SAY(raise(99));
}

int main(int argc, char **argv) {
  masks();
  fflush(stdout);
  const char *end = argv[argc - 1];
  if (!strcmp(end, "abort")) abort();
  if (!strcmp(end, "segv")) *(volatile int *)8 = 1;
  if (!strcmp(end, "illegal")) __asm__ volatile(".word 0xffffffff");
  if (!strcmp(end, "breakpoint")) __asm__ volatile("ebreak");
  if (!strcmp(end, "term")) raise(SIGTERM);
  if (!strcmp(end, "user")) kill(getpid(), SIGUSR2);
  if (!strcmp(end, "kill")) kill(getpid(), SIGKILL);
  if (!strcmp(end, "blocked")) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, 0);
    raise(SIGTERM);
    puts("still here");
    fflush(stdout);
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, 0);
    puts("not any more");
  }
  _exit(argc * 100);
}
