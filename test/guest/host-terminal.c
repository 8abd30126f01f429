/* On a terminal that the host gave it: says what it is, echoes lines, and tells of its window and of being hung up on. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void window(int signal) {
  struct winsize size;
  ioctl(0, TIOCGWINSZ, &size);
  char text[64];
  int length = snprintf(text, sizeof text, "window %dx%d\n", size.ws_row, size.ws_col);
  write(1, text, length);
  (void)signal;
}

int main(void) {
  struct sigaction action = {.sa_handler = window, .sa_flags = SA_RESTART};
  sigaction(SIGWINCH, &action, NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("%s, mine %d %d\n", ttyname(0), tcgetpgrp(0) == getpid(), getsid(0) == getpid());
  window(0);
  char line[128];
  while (fgets(line, sizeof line, stdin)) {
    if (!strcmp(line, "quit\n")) return 3;
    if (!strcmp(line, "much\n"))
      for (int i = 0; i < 3000; i++) printf("line %05d of very much output\n", i);
    else printf("got %s", line);
  }
  return 4;
}
