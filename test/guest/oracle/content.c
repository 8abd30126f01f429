/* What files hold: written, cut, full of holes, mapped and read at once, in the directory that is given. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };
static char buffer[1 << 17];

#include "say.h"

static unsigned sum_of(int fd, long *size) {
  unsigned sum = 0;
  long n, at = 0;
  while ((n = pread(fd, buffer, sizeof buffer, at)) > 0) {
    for (long i = 0; i < n; i++) sum = sum * 33 + (unsigned char)buffer[i];
    at += n;
  }
  *size = at;
  return sum;
}

static void show(const char *what, int fd) {
  struct stat s;
  long size;
  unsigned sum = sum_of(fd, &size);
  fstat(fd, &s);
  printf("%s: %ld of %ld bytes, %ld blocks, sum %08x\n", what, size, (long)s.st_size, (long)s.st_blocks, sum);
}

static void fill(int fd, long from, long count, int seed) {
  char *piece = malloc(count);
  for (long i = 0; i < count; i++) piece[i] = (char)(seed + i * 7 + i / 253);
  pwrite(fd, piece, count, from);
  free(piece);
}

static void sizes(void) {
  int fd = open("sizes", O_CREAT | O_RDWR, 0644);
  printf("-- sizes\n");
  show("empty", fd);
  fill(fd, 0, 10000, 1);
  show("10000", fd);
  SAY(ftruncate(fd, 5000));
  show("cut", fd);
  SAY(ftruncate(fd, 9000));
  show("grown again", fd);
  SAY(pwrite(fd, "far", 3, 100000));
  show("with a hole", fd);
  SAY(lseek(fd, 0, SEEK_HOLE));
  SAY(lseek(fd, 9000, SEEK_DATA));
  SAY(lseek(fd, 50000, SEEK_DATA));
  SAY(lseek(fd, 100001, SEEK_HOLE));
  SAY(lseek(fd, 100003, SEEK_DATA));
  SAY(lseek(fd, -1, SEEK_HOLE));
  SAY(lseek(fd, -3, SEEK_END));
  SAY(lseek(fd, -4, SEEK_SET));
  SAY(lseek(fd, 0, 9));
  SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 6000));
  show("punched", fd);
  SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 98304, 50000));
  show("to the end", fd);
  SAY(fallocate(fd, 0, 110000, 20000));
  show("allocated", fd);
  SAY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 200000, 4096));
  show("beyond", fd);
  SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
  SAY(fallocate(fd, 0, -1, 10));
  SAY(fallocate(fd, 0, 0, 0));
  SAY(ftruncate(fd, -1));
  SAY(truncate("sizes", 3));
  show("three", fd);
  SAY(truncate("no", 3));
  SAY(truncate(".", 3));
  int only = open("sizes", O_RDONLY);
  SAY(ftruncate(only, 1));
  SAY(write(only, "x", 1));
  SAY(fallocate(only, 0, 0, 10));
  close(only);
  only = open("sizes", O_WRONLY | O_TRUNC);
  SAY(read(only, buffer, 1));
  show("truncated", fd);
  close(only), close(fd);
}

static void appending(void) {
  printf("-- append\n");
  int a = open("log", O_CREAT | O_RDWR | O_APPEND, 0644), b = open("log", O_WRONLY | O_APPEND);
  SAY(write(a, "one ", 4));
  SAY(write(b, "two ", 4));
  SAY(write(a, "three ", 6));
  SAY(lseek(a, 0, SEEK_CUR));
  lseek(a, 0, SEEK_SET);
  SAY(write(a, "four", 4));
  SAY(fcntl(a, F_SETFL, fcntl(a, F_GETFL) & ~O_APPEND));
  lseek(a, 0, SEEK_SET);
  SAY(write(a, "ONE", 3));
  struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
  SAY(pwritev(a, parts, 2, 4));
  char text[64] = "";
  struct iovec places[2] = {{text, 5}, {text + 5, 50}};
  SAY(preadv(a, places, 2, 0));
  printf("'%s'\n", text);
  close(a), close(b);
}

static void mapped(void) {
  printf("-- mapped\n");
  int fd = open("map", O_CREAT | O_RDWR, 0644);
  fill(fd, 0, 3 * PAGE - 100, 5);
  char *shared = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *other = mmap(0, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
  char *own = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  printf("same %d %d\n", !memcmp(shared, other, 3 * PAGE), !memcmp(shared, own, 3 * PAGE));
  shared[10] = 'S';
  printf("shared store: %c %c ", other[10], own[10]);
  pread(fd, buffer, 20, 0);
  printf("%c\n", buffer[10]);
  own[11] = 'P';
  printf("private store: %d %d\n", own[11] == 'P', other[11] != 'P');
  pwrite(fd, "WWW", 3, 9);
  printf("write: %.3s %.3s %.3s\n", shared + 9, other + 9, own + 9);
  pwrite(fd, "second page", 11, PAGE);
  printf("write to a page of nobody's own: %.6s\n", own + PAGE);
  printf("behind the end %d\n", shared[3 * PAGE - 1]);
  shared[3 * PAGE - 1] = 'x';
  struct stat s;
  fstat(fd, &s);
  printf("size still %ld\n", (long)s.st_size);
  pid_t child = fork();
  if (child == 0) {
    shared[0] = 'C', own[0] = 'c';
    _exit(0);
  }
  waitpid(child, 0, 0);
  printf("child's: %d %d\n", shared[0] == 'C', own[0] == 'c');
  SAY(msync(shared, 3 * PAGE, MS_SYNC));
  SAY(munmap(other, 3 * PAGE));
  int only = open("map", O_RDONLY);
  SAY(mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, only, 0) == MAP_FAILED ? -1 : 0);
  char *readable = mmap(0, PAGE, PROT_READ, MAP_SHARED, only, 0);
  SAY(mprotect(readable, PAGE, PROT_READ | PROT_WRITE));
  close(only);
  only = open("map", O_WRONLY);
  SAY(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, only, 0) == MAP_FAILED ? -1 : 0);
  close(only);
  close(fd), unlink("map");
  shared[20] = 'U';
  printf("unlinked and closed: %c %d\n", shared[20], readable[20] == 'U');
  munmap(shared, 4 * PAGE), munmap(readable, PAGE);
  printf("own still %d\n", own[11] == 'P');
}

static sigjmp_buf back;
static void caught(int signal) { siglongjmp(back, signal); }

static void beyond(void) {
  printf("-- beyond the end\n");
  signal(SIGBUS, caught);
  int fd = open("cut", O_CREAT | O_RDWR, 0644);
  fill(fd, 0, 3 * PAGE, 9);
  char *shared = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *own = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  shared[2 * PAGE] = 1, own[2 * PAGE] = 2;
  ftruncate(fd, PAGE + 50);
  printf("%d %d\n", shared[PAGE + 49] != 0, shared[PAGE + 50]);
  volatile char *at[] = {shared + 2 * PAGE, own + 2 * PAGE, shared + 3 * PAGE};
  for (int i = 0; i < 3; i++) {
    int signal = sigsetjmp(back, 1);
    if (!signal) printf("read %d\n", *at[i]);
    else printf("signal %d\n", signal);
  }
  ftruncate(fd, 3 * PAGE);
  printf("grown again %d\n", shared[2 * PAGE]);
  shared[2 * PAGE] = 'g';
  printf("%c\n", own[2 * PAGE]);
  close(fd);
}

static int differ(struct timespec a, struct timespec b) { return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec; }

static void times(void) {
  struct stat before, after;
  struct timespec pause = {0, 20000000};
  printf("-- times\n");
  int fd = open("times", O_CREAT | O_RDWR, 0644);
  fstat(fd, &before);
  nanosleep(&pause, 0);
  write(fd, "x", 1);
  fstat(fd, &after);
  printf("written: m %d c %d\n", differ(after.st_mtim, before.st_mtim), differ(after.st_ctim, before.st_ctim));
  before = after;
  nanosleep(&pause, 0);
  chmod("times", 0600);
  fstat(fd, &after);
  printf("changed: m %d c %d\n", differ(after.st_mtim, before.st_mtim), differ(after.st_ctim, before.st_ctim));
  close(fd);
}

static void *open_reader(void *unused) {
  int fd = open("fifo", O_RDONLY);
  char text[32] = "";
  long n = read(fd, text, 31);
  printf("reader got %ld '%s' then %s\n", n, text, result(read(fd, text, 31)));
  close(fd);
  return unused;
}

static void fifos(void) {
  pthread_t thread;
  printf("-- FIFOs\n");
  mkfifo("fifo", 0600);
  SAY(open("fifo", O_WRONLY | O_NONBLOCK));
  int r = open("fifo", O_RDONLY | O_NONBLOCK);
  SAY(read(r, buffer, 1));
  int w = open("fifo", O_WRONLY | O_NONBLOCK);
  SAY(read(r, buffer, 1));
  SAY(write(w, "through a name", 14));
  SAY(read(r, buffer, 100));
  SAY(lseek(r, 0, SEEK_CUR));
  close(w), close(r);
  int both = open("fifo", O_RDWR);
  SAY(write(both, "kept", 4));
  SAY(read(both, buffer, 100));
  close(both);
  pthread_create(&thread, 0, open_reader, 0);
  w = open("fifo", O_WRONLY);
  write(w, "hello", 5);
  close(w);
  pthread_join(thread, 0);
  struct timespec pause = {0, 20000000};
  pthread_create(&thread, 0, open_reader, 0);
  nanosleep(&pause, 0);
  w = open("fifo", O_WRONLY);
  write(w, "late", 4);
  close(w);
  pthread_join(thread, 0);
}

static void devices(void) {
  printf("-- devices\n");
  int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR);
  SAY(write(null, "gone", 4));
  SAY(read(null, buffer, 4));
  memset(buffer, 1, 10);
  SAY(read(zero, buffer, 10));
  printf("%d %d\n", buffer[0], buffer[9]);
  SAY(write(full, "x", 1));
  SAY(lseek(null, 100, SEEK_SET));
  int random = open("/dev/urandom", O_RDONLY);
  SAY(read(random, buffer, 100));
  char *zeros = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
  zeros[1] = 1;
  printf("%d %d\n", zeros[0], zeros[1]);
  SAY(ftruncate(null, 0));
  close(null), close(zero), close(full), close(random);
}

int main(int argc, char **argv) {
  if (argc < 2 || chdir(argv[1]) < 0) return 1;
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  mkdir("content", 0755);
  if (chdir("content") < 0) return 2;
  sizes(), appending();
  fflush(stdout);
  mapped(), beyond(), times(), fifos(), devices();
  return 0;
}
