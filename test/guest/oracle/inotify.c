/* What is told of files by inotify: one process does everything, so the order is that of its calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "say.h"

static char buffer[65536] __attribute__((aligned(8)));
static unsigned last_cookie;

static void told(const char *when, int fd) {
  int waiting = -1;
  ioctl(fd, FIONREAD, &waiting);
  long count = read(fd, buffer, sizeof buffer);
  printf("%s: %ld of %d\n", when, count, waiting);
  for (long at = 0; at < count;) {
    struct inotify_event *event = (void *)(buffer + at);
    printf("  %d %#x", event->wd, event->mask);
    if (event->cookie != 0) printf(event->cookie == last_cookie ? " same" : " move"), last_cookie = event->cookie;
    if (event->len != 0) printf(" %s (%u)", event->name, event->len);
    printf("\n");
    at += sizeof *event + event->len;
  }
}

static void put(const char *name, int flags, const char *text) {
  int fd = open(name, O_WRONLY | flags, 0644);
  if (*text != 0) write(fd, text, strlen(text));
  close(fd);
}

static void refused(void) {
  printf("-- refused\n");
  SAY(inotify_init1(1));
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  printf("flags %#x %#x\n", fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
  SAY(inotify_add_watch(fd, ".", 0));
  SAY(inotify_add_watch(fd, ".", 0x1000));
  SAY(inotify_add_watch(99, ".", IN_OPEN));
  SAY(inotify_add_watch(0, ".", IN_OPEN));
  SAY(inotify_add_watch(fd, "none", IN_OPEN));
  put("plain", O_CREAT, "text");
  SAY(inotify_add_watch(fd, "plain", IN_OPEN | IN_ONLYDIR));
  SAY(inotify_add_watch(fd, "plain", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
  chmod("plain", 0200);
  SAY(inotify_add_watch(fd, "plain", IN_OPEN));
  chmod("plain", 0644);
  SAY(inotify_add_watch(fd, "plain", IN_OPEN));
  SAY(inotify_add_watch(fd, "./plain", IN_OPEN | IN_MASK_CREATE));
  SAY(inotify_add_watch(fd, ".", IN_OPEN | IN_MASK_CREATE));
  SAY(inotify_rm_watch(fd, 7));
  SAY(inotify_rm_watch(0, 1));
  SAY(inotify_rm_watch(99, 1));
  SAY(read(fd, buffer, 4));
  SAY(write(fd, buffer, 4));
  SAY(lseek(fd, 5, SEEK_SET));
  SAY(inotify_rm_watch(fd, 1));
  SAY(read(fd, buffer, 15));
  told("removed", fd);
  SAY(inotify_add_watch(fd, "plain", IN_OPEN));
  close(fd);
}

static void files(void) {
  int fd = inotify_init1(IN_NONBLOCK), file;
  struct stat stat_of;
  printf("-- files\n");
  SAY(inotify_add_watch(fd, ".", IN_ALL_EVENTS));
  put("one", O_CREAT | O_EXCL, "hello");
  told("written", fd);
  SAY(inotify_add_watch(fd, "one", IN_ALL_EVENTS));
  file = open("one", O_RDWR);
  pread(file, buffer, 2, 0);
  read(file, buffer, 3), read(file, buffer, 3), read(file, buffer, 3);
  told("read", fd);
  write(file, "more", 4), pwrite(file, "x", 1, 0);
  ftruncate(file, 3);
  fallocate(file, 0, 0, 10);
  told("changed", fd);
  fchmod(file, 0600), chmod("one", 0640);
  told("modes", fd);
  struct timespec both[2] = {{5, 0}, {6, 0}}, access[2] = {{5, 0}, {0, UTIME_OMIT}}, change[2] = {{0, UTIME_OMIT}, {6, 0}};
  utimensat(AT_FDCWD, "one", both, 0), utimensat(AT_FDCWD, "one", access, 0), futimens(file, change);
  told("times", fd);
  stat("one", &stat_of), truncate("one", 1);
  told("cut", fd);
  close(file);
  told("closed", fd);
  close(open("one", O_PATH));
  symlink("one", "soft"), mkfifo("pipe", 0600);
  told("made", fd);
  link("one", "hard");
  told("linked", fd);
  put("hard", 0, "by another name");
  told("other name", fd);
  file = open("one", O_RDONLY);
  int copy = open("copy", O_CREAT | O_RDWR, 0600);
  told("opened two", fd);
  sendfile(copy, file, 0, 1);
  told("sent", fd);
  close(copy), close(file);
  told("closed two", fd);
  close(fd);
}

static void directories(void) {
  int fd = inotify_init1(IN_NONBLOCK);
  printf("-- directories\n");
  SAY(inotify_add_watch(fd, ".", IN_ALL_EVENTS | IN_ONLYDIR));
  mkdir("tree", 0755);
  SAY(inotify_add_watch(fd, "tree", IN_ALL_EVENTS));
  int tree = open("tree", O_RDONLY | O_DIRECTORY);
  told("opened", fd);
  syscall(SYS_getdents64, tree, buffer, sizeof buffer);
  told("listed", fd);
  chmod("tree", 0700);
  close(tree);
  put("tree/inner", O_CREAT, "");
  told("inside", fd);
  rename("tree/inner", "outer");
  told("moved out", fd);
  rename("tree", "trunk");
  told("renamed", fd);
  put("trunk/inner", O_CREAT, "");
  told("inside again", fd);
  unlink("trunk/inner");
  told("emptied", fd);
  close(fd);
  fd = inotify_init1(IN_NONBLOCK);
  inotify_add_watch(fd, "trunk", IN_ALL_EVENTS);
  int above = inotify_init1(IN_NONBLOCK);
  inotify_add_watch(above, ".", IN_DELETE);
  rmdir("trunk");
  told("removed", fd);
  told("removed from", above);
  SAY(inotify_rm_watch(fd, 1));
  close(fd), close(above);
}

static void moves(void) {
  int fd = inotify_init1(IN_NONBLOCK), self = inotify_init1(IN_NONBLOCK);
  printf("-- moves\n");
  put("a", O_CREAT, "a"), put("b", O_CREAT, "b");
  inotify_add_watch(fd, ".", IN_MOVE | IN_DELETE | IN_MODIFY | IN_CLOSE);
  inotify_add_watch(self, "a", IN_ALL_EVENTS), inotify_add_watch(self, "b", IN_ALL_EVENTS);
  int file = open("a", O_WRONLY);
  rename("a", "c");
  write(file, "x", 1);
  told("renamed", fd), told("itself", self);
  SAY(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_EXCHANGE));
  write(file, "x", 1);
  told("exchanged", fd), told("itself", self);
  rename("c", "b");
  told("replaced", fd), told("itself", self);
  close(file);
  told("closed", fd), told("itself", self);
  unlink("b");
  told("unlinked", fd), told("itself", self);
  close(fd), close(self);
}

static void ends(void) {
  int fd = inotify_init1(IN_NONBLOCK), self = inotify_init1(IN_NONBLOCK), picky = inotify_init1(IN_NONBLOCK);
  printf("-- ends\n");
  put("held", O_CREAT, "x");
  int file = open("held", O_RDWR);
  inotify_add_watch(fd, ".", IN_ALL_EVENTS);
  inotify_add_watch(picky, ".", IN_ALL_EVENTS | IN_EXCL_UNLINK);
  inotify_add_watch(self, "held", IN_ALL_EVENTS);
  unlink("held");
  write(file, "y", 1);
  told("unlinked", fd), told("without", picky), told("itself", self);
  close(file);
  told("closed", fd), told("without", picky), told("itself", self);
  put("once", O_CREAT, "x");
  close(self);
  self = inotify_init1(IN_NONBLOCK);
  SAY(inotify_add_watch(self, "once", IN_MODIFY | IN_ONESHOT));
  put("once", 0, "x"), put("once", 0, "x");
  told("once", self);
  SAY(inotify_add_watch(self, "once", IN_MODIFY));
  SAY(inotify_add_watch(self, "once", IN_OPEN | IN_MASK_ADD));
  put("once", 0, "x");
  told("both", self);
  SAY(inotify_add_watch(self, "once", IN_ATTRIB));
  put("once", 0, "x");
  told("neither", self);
  symlink("once", "alias");
  SAY(inotify_add_watch(self, "alias", IN_OPEN));
  SAY(inotify_add_watch(self, "alias", IN_OPEN | IN_DONT_FOLLOW));
  int cut = inotify_init1(IN_NONBLOCK);
  inotify_add_watch(cut, "once", IN_MODIFY);
  close(open("once", O_WRONLY | O_TRUNC));
  told("truncated", cut);
  close(fd), close(self), close(picky), close(cut);
}

static void waits(void) {
  int fd = inotify_init1(0), epoll = epoll_create1(0);
  struct epoll_event event = {EPOLLIN | EPOLLET, {0}};
  struct pollfd one = {fd, POLLIN | POLLOUT, 0};
  printf("-- waits\n");
  inotify_add_watch(fd, ".", IN_CREATE);
  SAY(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
  SAY(poll(&one, 1, 0));
  SAY(epoll_wait(epoll, &event, 1, 0));
  if (fork() == 0) {
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, 0);
    put("child", O_CREAT, "");
    _exit(0);
  }
  /* It may have come already: only what is read is the same every time. */
  long count = read(fd, buffer, sizeof buffer);
  printf("by a child: %ld %s\n", count, ((struct inotify_event *)buffer)->name);
  wait(0);
  put("second", O_CREAT, "");
  SAY(poll(&one, 1, 0));
  printf("ready %#x\n", one.revents);
  SAY(epoll_wait(epoll, &event, 1, 0));
  SAY(epoll_wait(epoll, &event, 1, 0));
  put("third-with-a-name-of-some-length", O_CREAT, "");
  SAY(read(fd, buffer, 31));
  SAY(read(fd, buffer, 32));
  SAY(read(fd, buffer, 63));
  SAY(read(fd, buffer, 64));
  close(fd), close(epoll);
}

static void overflows(void) {
  int fd = inotify_init1(IN_NONBLOCK), count = 0;
  printf("-- overflows\n");
  inotify_add_watch(fd, "plain", IN_OPEN | IN_CLOSE);
  for (int i = 0; i < 8200; i++) close(open("plain", O_RDONLY));
  for (long got; (got = read(fd, buffer, sizeof buffer)) > 0;) {
    count += got / 16;
    struct inotify_event *last = (void *)(buffer + got - 16);
    if (last->mask == IN_Q_OVERFLOW) printf("%d after %d\n", last->wd, count);
  }
  close(open("plain", O_RDONLY));
  told("afterwards", fd);
  close(fd);
}

int main(int argc, char **argv) {
  if (chdir(argv[1]) != 0 || mkdir("watched", 0755) != 0 || chdir("watched") != 0) return 1;
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  refused(), files(), directories(), moves(), ends(), waits(), overflows();
  return 0;
}
