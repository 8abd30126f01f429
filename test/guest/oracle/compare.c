/* What processes have in common, as kcmp(2) tells it: the same, or not. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

/* Which of two others comes first means nothing. */
static long same(pid_t a, pid_t b, int kind, unsigned long first, unsigned long second) {
  long order = syscall(SYS_kcmp, a, b, kind, first, second);
  return order > 0 ? 9 : order;
}
static void all(pid_t other) {
  pid_t me = getpid();
  for (int kind = KCMP_VM; kind <= KCMP_SIGHAND; kind++) printf("%d: %s\n", kind, result(same(me, other, kind, 0, 0)));
}
static char stack[65536];
static int wait_for(void *from) { char c; read(*(int *)from, &c, 1); _exit(0); }
/* One that has some of it in common, and is there until it is told to go. */
static void child(const char *what, int flags) {
  int ends[2], go;
  pipe(ends); go = ends[0];
  pid_t id = clone(wait_for, stack + sizeof stack, flags | SIGCHLD, &go);
  puts(what); all(id); SAY(same(getpid(), id, KCMP_FILE, 1, 1)); SAY(same(getpid(), id, KCMP_FILE, 1, ends[1]));
  write(ends[1], "x", 1); waitpid(id, 0, 0); close(ends[0]); close(ends[1]);
}
int main(int argc, char **argv) {
  pid_t me = getpid();
  if (argc > 1) return same(me, me, KCMP_VM, 0, 0) != 0;
  all(me); child("fork", 0); child("memory", CLONE_VM); child("files", CLONE_FILES); child("directories", CLONE_FS); child("handlers", CLONE_VM | CLONE_SIGHAND);
  int fd = dup(1), other = open("/", O_RDONLY), again = open("/", O_RDONLY);
  SAY(same(me, me, KCMP_FILE, 1, fd)); SAY(same(me, me, KCMP_FILE, other, again)); SAY(same(me, me, KCMP_FILE, 1, 99)); SAY(same(me, me, KCMP_FILE, -1, 1)); SAY(same(me, me, 8, 0, 0)); SAY(same(me, me, -1, 0, 0)); SAY(same(0x3fffffff, me, KCMP_VM, 0, 0)); SAY(same(me, -1, KCMP_VM, 0, 0)); SAY(same(me, 0, KCMP_VM, 0, 0));
  int ends[2], epoll = epoll_create1(0);
  struct epoll_event e = { EPOLLIN };
  pipe(ends); epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &e);
  struct kcmp_epoll_slot slot = { epoll, ends[0], 0 };
  SAY(same(me, me, KCMP_EPOLL_TFD, ends[0], (long)&slot)); SAY(same(me, me, KCMP_EPOLL_TFD, ends[1], (long)&slot)); slot.toff = 1; SAY(same(me, me, KCMP_EPOLL_TFD, ends[0], (long)&slot)); slot.tfd = 98; SAY(same(me, me, KCMP_EPOLL_TFD, ends[0], (long)&slot)); slot.efd = 1; SAY(same(me, me, KCMP_EPOLL_TFD, ends[0], (long)&slot)); SAY(same(me, me, KCMP_EPOLL_TFD, ends[0], 8)); slot.efd = 97; SAY(same(me, me, KCMP_EPOLL_TFD, ends[0], (long)&slot)); SAY(same(me, me, KCMP_EPOLL_TFD, 96, (long)&slot));
  return 0;
}
