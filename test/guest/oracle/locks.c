/* Advisory locks, between descriptors and between processes, in the directory that is given. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "say.h"

static int range(int fd, int command, int type, long start, long length) {
  struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return fcntl(fd, command, &lock);
}

/* Who is in the way of an exclusive lock of a range. */
static void ask(int fd, long start, long length) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  int n = fcntl(fd, F_GETLK, &lock);
  printf("asked %ld+%ld: %s type %d", start, length, result(n), lock.l_type);
  if (lock.l_type != F_UNLCK) printf(" %ld+%ld, parent's %d", (long)lock.l_start, (long)lock.l_len, lock.l_pid == getppid());
  printf("\n");
  fflush(stdout);
}

static void in_child(void (*what)(int), int fd) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    what(fd);
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, 0, 0);
}

static void look(int fd) {
  ask(fd, 0, 10), ask(fd, 10, 10), ask(fd, 25, 0), ask(fd, 0, 0);
  SAY(range(fd, F_SETLK, F_WRLCK, 5, 1));
  SAY(range(fd, F_SETLK, F_RDLCK, 15, 1));
  SAY(range(fd, F_SETLK, F_WRLCK, 100, 1));
}

static void close_one(int fd) {
  SAY(range(fd, F_SETLK, F_WRLCK, 0, 10));
}

static void ranges(void) {
  int fd = open("file", O_CREAT | O_RDWR, 0644), again = open("file", O_RDWR), only = open("file", O_RDONLY);
  printf("-- ranges\n");
  SAY(range(fd, F_SETLK, F_WRLCK, 0, 10));
  SAY(range(fd, F_SETLK, F_RDLCK, 10, 10));
  SAY(range(again, F_SETLK, F_WRLCK, 0, 10));
  in_child(look, fd);
  SAY(range(fd, F_SETLK, F_UNLCK, 3, 4));
  SAY(range(fd, F_SETLK, F_RDLCK, 15, 10));
  in_child(look, fd);
  SAY(range(only, F_SETLK, F_WRLCK, 0, 1));
  SAY(range(only, F_SETLK, F_RDLCK, 0, 1));
  SAY(range(fd, F_SETLK, F_WRLCK, -1, 1));
  SAY(range(fd, F_SETLK, F_WRLCK, 10, -5));
  SAY(range(fd, F_SETLK, 7, 0, 1));
  SAY(fcntl(fd, F_SETLK, 0));
  SAY(range(fd, F_SETLK, F_UNLCK, 0, 0));
  SAY(range(fd, F_SETLK, F_WRLCK, 0, 10));
  close(again);
  in_child(close_one, fd);
  close(fd), close(only);
}

static void try_whole(int unused) {
  int fd = open("file", O_RDONLY);
  SAY(flock(fd, LOCK_SH | LOCK_NB));
  SAY(flock(fd, LOCK_EX | LOCK_NB));
  SAY(flock(fd, LOCK_UN));
  close(fd);
  (void)unused;
}

static void whole(void) {
  int fd = open("file", O_RDWR), other = open("file", O_RDWR), same = dup(fd);
  printf("-- whole files\n");
  SAY(flock(fd, LOCK_EX));
  SAY(flock(same, LOCK_EX | LOCK_NB));
  SAY(flock(other, LOCK_SH | LOCK_NB));
  in_child(try_whole, 0);
  SAY(flock(fd, LOCK_SH));
  SAY(flock(other, LOCK_SH | LOCK_NB));
  SAY(flock(fd, LOCK_EX | LOCK_NB));
  SAY(flock(other, LOCK_UN));
  in_child(try_whole, 0);
  close(fd);
  SAY(flock(other, LOCK_EX | LOCK_NB));
  close(same);
  SAY(flock(other, LOCK_EX | LOCK_NB));
  SAY(flock(other, 3));
  SAY(flock(99, LOCK_EX));
  close(other);
}

static void owned(void) {
  int fd = open("file", O_RDWR), other = open("file", O_RDWR);
  printf("-- open files' ranges\n");
  SAY(range(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
  SAY(range(other, F_OFD_SETLK, F_RDLCK, 5, 1));
  SAY(range(other, F_SETLK, F_RDLCK, 5, 1));
  SAY(range(other, F_OFD_SETLK, F_RDLCK, 50, 1));
  close(fd);
  SAY(range(other, F_OFD_SETLK, F_WRLCK, 5, 1));
  close(other);
}

/* Two who wait for each other: who comes second is refused, whichever of them that is. */
static void waiting(void) {
  int fd = open("file", O_RDWR), p[2], status;
  char c;
  printf("-- waiting\n");
  pipe(p);
  SAY(range(fd, F_SETLK, F_WRLCK, 0, 1));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    range(fd, F_SETLK, F_WRLCK, 1, 1);
    write(p[1], "x", 1);
    if (range(fd, F_SETLKW, F_WRLCK, 0, 1) == 0) _exit(3);
    _exit(errno == EDEADLK ? 4 : 5);
  }
  read(p[0], &c, 1);
  int refused = range(fd, F_SETLKW, F_WRLCK, 1, 1) < 0 && errno == EDEADLK;
  SAY(range(fd, F_SETLK, F_UNLCK, 0, 1));
  waitpid(child, &status, 0);
  printf("one of two was refused: %d\n", WEXITSTATUS(status) == (refused ? 3 : 4));
  SAY(range(fd, F_SETLK, F_WRLCK, 0, 2));
  close(fd);
}

int main(int argc, char **argv) {
  if (argc < 2 || chdir(argv[1]) < 0) return 1;
  mkdir("locks", 0755);
  if (chdir("locks") < 0) return 2;
  ranges(), whole(), owned(), waiting();
  return 0;
}
