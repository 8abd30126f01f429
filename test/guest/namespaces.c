/* Name spaces of the machine's name: unshared, inherited, entered by their files, and gone with the last who has them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "oracle/say.h"

static const char *called(void) {
  static struct utsname name;
  static char text[200];
  uname(&name);
  snprintf(text, sizeof text, "%s.%s", name.nodename, name.domainname);
  return text;
}
static const char *space(const char *kind) {
  static char path[64], text[2][64];
  static int next;
  char *into = text[next++ & 1];
  snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
  ssize_t n = readlink(path, into, 63);
  into[n < 0 ? 0 : n] = 0;
  return into;
}
static int child(void *p) {
  printf("clone %s\n", called());
  SAY(sethostname("cloned", 6));
  printf("child %s %s\n", called(), space("uts"));
  fflush(stdout);
  return 3;
}
static int named(const char *name) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  memcpy(at.sun_path + 1, name, strlen(name));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  return bind(fd, (void *)&at, 3 + strlen(name)) < 0 ? -1 : listen(fd, 1) < 0 ? -2 : 0;
}
static int reaches(const char *name) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  memcpy(at.sun_path + 1, name, strlen(name));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), result = connect(fd, (void *)&at, 3 + strlen(name));
  close(fd);
  return result;
}
static int port(int type) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(4321), .sin_addr.s_addr = INADDR_ANY};
  return bind(socket(AF_INET, type, 0), (void *)&at, sizeof at);
}
static void others(void) {
  int p[2], q[2], status;
  char c;
  SAY(named("one")); SAY(named("one")); SAY(port(SOCK_STREAM)); SAY(port(SOCK_STREAM)); SAY(port(SOCK_DGRAM));
  pipe(p); pipe(q);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    SAY(unshare(CLONE_NEWNET | CLONE_NEWUTS)); SAY(sethostname("child", 5));
    SAY(reaches("one")); SAY(named("one")); SAY(named("two")); SAY(port(SOCK_STREAM)); SAY(port(SOCK_DGRAM));
    fflush(stdout);
    write(p[1], "x", 1); read(q[0], &c, 1); _exit(0);
  }
  read(p[0], &c, 1);
  int fd = syscall(SYS_pidfd_open, pid, 0), net = open("/proc/self/ns/net", O_RDONLY);
  SAY(reaches("two")); SAY(setns(fd, 0)); SAY(setns(fd, CLONE_NEWNET | 1)); SAY(setns(fd, CLONE_NEWNET | CLONE_NEWUTS));
  SAY(reaches("two")); SAY(port(SOCK_STREAM)); printf("entered %s\n", called());
  SAY(ioctl(net, NS_GET_NSTYPE)); SAY(ioctl(net, TCGETS, &status)); SAY(setns(net, CLONE_NEWNET)); SAY(reaches("two")); SAY(reaches("one"));
  SAY(setpgid(pid, pid)); SAY(syscall(SYS_pidfd_send_signal, fd, 0, 0, 3)); SAY(syscall(SYS_pidfd_send_signal, fd, 0, 0, 8));
  for (int how = 0; how < 5; how += how ? how : 1) { SAY(syscall(SYS_pidfd_send_signal, fd, 0, 0, how)); SAY(syscall(SYS_pidfd_send_signal, fd, SIGCONT, 0, how)); SAY(syscall(SYS_pidfd_send_signal, fd, 99, 0, how)); }
  SAY(setpgid(pid, getpgrp())); SAY(syscall(SYS_pidfd_send_signal, fd, 0, 0, 4));
  write(q[1], "x", 1);
  waitpid(pid, &status, 0);
  SAY(setns(fd, CLONE_NEWNET));
}
int main(void) {
  setvbuf(stdout, 0, _IOFBF, 65536);
  printf("first %s %s %s\n", called(), space("uts"), space("ipc"));
  SAY(sethostname("renamed", 7)); SAY(setdomainname("example\0x", 9)); SAY(sethostname("x", -1)); SAY(sethostname("x", 65)); SAY(sethostname((char *)8, 5));
  printf("now %s\n", called());
  int first = open("/proc/self/ns/uts", O_RDONLY);
  SAY(first >= 0); SAY(read(first, (char[9]){0}, 9)); SAY(unshare(0x12)); SAY(unshare(CLONE_NEWUTS));
  printf("unshared %s %s\n", called(), space("uts"));
  SAY(sethostname("own", 3));
  printf("own %s\n", called());
  fflush(stdout);
  int status;
  if (fork() == 0) { printf("forked %s %s\n", called(), space("uts")); SAY(sethostname("both", 4)); fflush(stdout); _exit(0); }
  wait(&status);
  printf("after %s\n", called());
  static char stack[65536];
  fflush(stdout);
  pid_t pid = clone(child, stack + sizeof stack, CLONE_NEWUTS | CLONE_NEWIPC | SIGCHLD, 0);
  SAY(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
  printf("still %s\n", called());
  SAY(setns(first, CLONE_NEWIPC)); SAY(setns(0, 0)); SAY(setns(99, 0)); SAY(setns(first, 0));
  printf("back %s %s\n", called(), space("uts"));
  others();
  setns(first, 0);
  SAY(seteuid(1000)); SAY(unshare(CLONE_NEWUTS)); SAY(sethostname("x", 1)); SAY(setns(first, 0)); SAY(unshare(CLONE_FILES | CLONE_FS));
  fflush(stdout);
  return 0;
}
