/* On the console, started by the host: what its terminal is called, whose it is, and whether every way to it leads there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

static void file(int fd) {
  char path[32], link[64] = "";
  struct stat own, named;
  char *name = ttyname(fd);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  readlink(path, link, sizeof link - 1);
  fstat(fd, &own);
  int same = stat("/dev/console", &named) == 0 && own.st_dev == named.st_dev && own.st_ino == named.st_ino;
  printf("%d: terminal %d, %s, %s", fd, isatty(fd), name ? name : strerrorname_np(errno), link);
  printf(", the same %d, mode %o, of %u:%u, device %u,%u\n", same, own.st_mode, own.st_uid, own.st_gid, major(own.st_rdev),
         minor(own.st_rdev));
}

/* Opens what leads to it, and prints there. */
static void way(const char *path) {
  int fd = open(path, O_RDWR | O_NOCTTY);
  dprintf(fd < 0 ? 1 : fd, "%s: %s, terminal %d\n", path, fd < 0 ? strerrorname_np(errno) : "open", isatty(fd));
  if (fd >= 0) close(fd);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int fd = 0; fd < 3; fd++) file(fd);
  for (int fd = 0; fd < 3; fd++) {
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    way(path);
  }
  way("/dev/stderr");
  way("/dev/tty");
  way("/dev/console");
  int device = -1, group = -1, session = -1;
  char state[512] = "";
  int fd = open("/proc/self/stat", O_RDONLY);
  read(fd, state, sizeof state - 1);
  sscanf(strrchr(state, ')'), ") %*c %*d %*d %d %d %d", &session, &device, &group);
  printf("number %#x, foreground %d %d, session %d %d\n", device, group == getpid(), tcgetpgrp(0) == getpid(),
         session == getpid(), tcgetsid(0) == getpid());
  struct termios settings;
  tcgetattr(0, &settings);
  printf("settings %o %o %o\n", settings.c_iflag, settings.c_oflag, settings.c_lflag);
  return 0;
}
