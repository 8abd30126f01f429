/* The first program of a machine: one job after the other in the foreground, as a shell does it, until end of file. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static pid_t begin(const char *what) {
  pid_t pid = fork();
  if (pid) { setpgid(pid, pid); return pid; }
  setpgid(0, 0);
  if (*what != 'b') tcsetpgrp(0, getpid());
  for (int s = 1; s < 32; s++) signal(s, SIG_DFL);
  char line[100];
  if (*what == 'o') { pid_t p = fork(); if (p == 0) { usleep(1000); printf("orphan of %d\n", getppid()); fflush(stdout); _exit(0); } _exit(7); }
  for (;;) {
    int n = read(0, line, sizeof line - 1);
    if (n <= 0) { printf("%s %s\n", what, n < 0 ? strerrorname_np(errno) : "end"); fflush(stdout); _exit(3); }
    line[n] = 0;
    printf("%s got %s", what, line);
    fflush(stdout);
  }
}

static void await(pid_t pid) {
  int status;
  if (waitpid(pid, &status, WUNTRACED) != pid) { printf("lost\n"); return; }
  tcsetpgrp(0, getpgrp());
  if (WIFSTOPPED(status)) printf("stopped by %d\n", WSTOPSIG(status));
  else if (WIFSIGNALED(status)) printf("ended by %d\n", WTERMSIG(status));
  else printf("exited %d\n", WEXITSTATUS(status));
}

/* What its terminal is called, and whether each of its files is the device of that name. */
static void tell(void) {
  struct stat named, own;
  char link[64] = "", *name = ttyname(0);
  stat("/dev/console", &named);
  printf("tty %s", name ? name : strerrorname_np(errno));
  for (int fd = 0; fd < 3; fd++) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    memset(link, 0, sizeof link);
    readlink(path, link, sizeof link - 1);
    fstat(fd, &own);
    int same = own.st_dev == named.st_dev && own.st_ino == named.st_ino && own.st_rdev == named.st_rdev;
    printf(", %s %d %o %d", link, same, own.st_mode, own.st_uid);
  }
  printf("\n");
}

int main(void) {
  char line[100];
  pid_t job = 0;
  signal(SIGTTOU, SIG_IGN); signal(SIGTTIN, SIG_IGN); signal(SIGTSTP, SIG_IGN); signal(SIGINT, SIG_IGN); signal(SIGQUIT, SIG_IGN);
  struct winsize w;
  ioctl(0, TIOCGWINSZ, &w);
  printf("init %d of session %d, group %d, user %d, %dx%d\n", getpid(), getsid(0), tcgetpgrp(0), getuid(), w.ws_row, w.ws_col);
  for (;;) {
    printf("> ");
    fflush(stdout);
    int n = read(0, line, sizeof line - 1);
    if (n <= 0) break;
    line[n] = 0;
    if (!strcmp(line, "tty\n")) tell();
    else if (!strcmp(line, "run\n")) await(job = begin("job"));
    else if (!strcmp(line, "back\n")) { job = begin("back"); await(job); }
    else if (!strcmp(line, "orphan\n")) { await(begin("orphan")); pid_t p = wait(&n); printf("reaped %d\n", p > 0); }
    else if (!strcmp(line, "fg\n")) { tcsetpgrp(0, job); kill(-job, SIGCONT); await(job); }
    else if (!strcmp(line, "raw\n")) {
      struct termios t, was;
      tcgetattr(0, &was);
      t = was;
      cfmakeraw(&t);
      t.c_cc[VMIN] = 0; t.c_cc[VTIME] = 5;
      tcsetattr(0, TCSAFLUSH, &t);
      char c[8];
      int got = read(0, c, 8);
      printf("timed %d\r\n", got);
      fflush(stdout);
      t.c_cc[VMIN] = 3; t.c_cc[VTIME] = 0;
      tcsetattr(0, TCSANOW, &t);
      got = read(0, c, 8);
      printf("raw %d:", got);
      for (int i = 0; i < got; i++) printf(" %02x", c[i]);
      tcsetattr(0, TCSANOW, &was);
      printf("\n");
    } else printf("? %s", line);
  }
  printf("bye\n");
  return 5;
}
