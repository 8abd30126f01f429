/* Flags of calls on files that say how this once: preadv2 and pwritev2, renameat2's whiteouts, what cannot be spliced. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>
#include "say.h"
#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#endif
#define NOAPPEND 0x20

static char bytes[256] = "hello world";
static struct iovec v = {bytes, 5};

static void once(void) {
  int fd = open("f", O_CREAT | O_RDWR, 0644), p[2], s[2];
  printf("-- once\n");
  pipe(p), socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  SAY(pwritev2(fd, &v, 1, 0, 0)), SAY(pwritev2(fd, &v, 1, 0, RWF_APPEND)), SAY(lseek(fd, 0, SEEK_CUR)), SAY(pwritev2(fd, &v, 1, -1, RWF_APPEND)), SAY(lseek(fd, 0, SEEK_CUR)), SAY(lseek(fd, 0, SEEK_END));
  SAY(preadv2(fd, &v, 1, 0, RWF_NOWAIT)), SAY(pwritev2(fd, &v, 1, 0, RWF_NOWAIT)), SAY(preadv2(fd, &v, 1, 0, RWF_APPEND)), SAY(pwritev2(fd, &v, 1, 0, NOAPPEND)), SAY(pwritev2(fd, &v, 1, 0, 0x400000)), SAY(pwritev2(fd, &v, 1, 0, RWF_APPEND | NOAPPEND));
  SAY(preadv2(p[0], &v, 1, -1, RWF_NOWAIT)), SAY(pwritev2(p[1], &v, 1, -1, RWF_NOWAIT)), SAY(pwritev2(p[1], &v, 1, -1, RWF_APPEND)), SAY(preadv2(p[0], &v, 1, -1, RWF_NOWAIT)), SAY(pwritev2(p[1], &v, 1, 0, RWF_NOWAIT)), SAY(preadv2(s[0], &v, 1, -1, RWF_NOWAIT));
  int behind = open("f", O_WRONLY | O_APPEND);
  SAY(pwritev2(behind, &v, 1, 0, NOAPPEND)), SAY(lseek(fd, 0, SEEK_END)), SAY(pwritev2(behind, &v, 1, 0, 0)), SAY(lseek(fd, 0, SEEK_END));
  SAY(unlink("f")), close(fd), close(behind);
}

static void whiteouts(void) {
  struct stat s;
  printf("-- whiteouts\n");
  close(open("f", O_CREAT | O_RDWR, 0644)), SAY(mkdir("d", 0755)), SAY(mkdir("d/e", 0755));
  SAY(renameat2(AT_FDCWD, "f", AT_FDCWD, "g", RENAME_WHITEOUT)), SAY(stat("f", &s)), printf("%o %lx %ld\n", s.st_mode, (long)s.st_rdev, (long)s.st_nlink), SAY(open("f", O_RDONLY));
  SAY(renameat2(AT_FDCWD, "g", AT_FDCWD, "d", RENAME_WHITEOUT)), SAY(renameat2(AT_FDCWD, "g", AT_FDCWD, "h", RENAME_WHITEOUT | RENAME_NOREPLACE)), SAY(renameat2(AT_FDCWD, "h", AT_FDCWD, "g", RENAME_WHITEOUT | RENAME_NOREPLACE)), SAY(renameat2(AT_FDCWD, "h", AT_FDCWD, "g", RENAME_WHITEOUT | RENAME_EXCHANGE)), SAY(renameat2(AT_FDCWD, "h", AT_FDCWD, "g", 8)), SAY(renameat2(AT_FDCWD, "missing", AT_FDCWD, "g", RENAME_WHITEOUT));
  SAY(renameat2(AT_FDCWD, "d/e", AT_FDCWD, "e", RENAME_WHITEOUT)), SAY(stat("d", &s)), SAY(s.st_nlink), SAY(rmdir("d")), SAY(unlink("d/e")), SAY(rmdir("d")), SAY(rmdir("e")), SAY(unlink("f")), SAY(unlink("g")), SAY(unlink("h"));
}

static void whole(void) {
  int p[2], in = inotify_init1(IN_NONBLOCK), event = eventfd(3, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
  sigset_t set;
  printf("-- whole\n");
  pipe(p), sigemptyset(&set);
  int signals = signalfd(-1, &set, SFD_NONBLOCK);
  SAY(inotify_add_watch(in, ".", IN_CREATE)), SAY(mkdir("d", 0755));
  SAY(splice(in, 0, p[1], 0, 20, 0)), SAY(splice(event, 0, p[1], 0, 8, 0)), SAY(splice(timer, 0, p[1], 0, 8, 0)), SAY(splice(signals, 0, p[1], 0, 128, 0)), SAY(read(in, bytes, sizeof bytes)), SAY(rmdir("d"));
  SAY(inotify_add_watch(in, "/proc/self/fdinfo", IN_ALL_EVENTS) > 0);
}

/* A program's own file by its link. */
static void own(char *name) {
  char path[64], a[512] = "", b[512] = "";
  int fd = open("/proc/self/exe", O_RDONLY);
  printf("-- own\n");
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  SAY(readlink("/proc/self/exe", a, 511) == readlink(path, b, 511)), SAY(strcmp(a, b));
}

int main(int argc, char **argv) {
  SAY(chdir(argv[1]));
  once(), whiteouts(), whole(), own(argv[0]);
  return 0;
}
