// Descriptors and one regular file: open, dup, fcntl, read, readv, pread, lseek, stat, and the errors of each.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *name(long result) { return result == -1 ? strerrorname_np(errno) : "ok"; }
#define SAY(call) printf("%s: %s\n", #call, (errno = 0, name((long)(call))))
#define COUNT(call) (errno = 0, count(#call, (long)(call)))
static long count(const char *text, long result) {
  printf("%s = %ld %s\n", text, result, name(result));
  return result;
}
static char buffer[10000], other[10000];
static char *const bad = (char *)-4096L;

static void opening(const char *path) {
  char below[PATH_MAX], slash[PATH_MAX];
  snprintf(below, sizeof below, "%s/x", path);
  snprintf(slash, sizeof slash, "%s/", path);
  SAY(open(below, O_RDONLY));
  SAY(open(slash, O_RDONLY));
  SAY(open("/no/such/file", O_RDONLY));
  SAY(open("", O_RDONLY));
  SAY(open(bad, O_RDONLY));
  SAY(open(path, O_RDONLY | O_DIRECTORY));
  SAY(open(path, O_RDONLY | O_CREAT | O_EXCL, 0600));
  SAY(open("/", O_RDWR));
  SAY(openat(99, "relative", O_RDONLY));
  SAY(openat(0, "relative", O_RDONLY));
  memset(below, 'a', sizeof below - 1);
  below[sizeof below - 1] = 0;
  SAY(open(below, O_RDONLY));
  SAY(access(path, F_OK));
  SAY(access(path, R_OK));
  SAY(access(slash, R_OK));
  SAY(access(path, 64));
  SAY(access("/no/such/file", F_OK));
  SAY(readlink(path, buffer, 10));
  SAY(readlink("/no/such/file", buffer, 10));
  SAY(readlink(path, buffer, 0));
}

static void reading(int fd) {
  COUNT(read(fd, buffer, 10));
  COUNT(lseek(fd, 0, SEEK_CUR));
  COUNT(pread(fd, buffer, 5, 100));
  printf("%.5s\n", buffer);
  COUNT(pread(fd, buffer, 5, 1 << 20));
  COUNT(pread(fd, buffer, 5, -1));
  COUNT(lseek(fd, 0, SEEK_CUR));
  COUNT(lseek(fd, -3, SEEK_END));
  COUNT(read(fd, buffer, 10));
  COUNT(read(fd, buffer, 10));
  COUNT(lseek(fd, -1, SEEK_SET));
  COUNT(lseek(fd, 0, 77));
  COUNT(lseek(fd, 1 << 20, SEEK_SET));
  COUNT(read(fd, buffer, 10));
  COUNT(lseek(fd, LONG_MIN, SEEK_END));
  COUNT(lseek(fd, 4090, SEEK_SET));
  COUNT(read(fd, bad, 10));
  COUNT(lseek(fd, 0, SEEK_CUR));
  COUNT(write(fd, buffer, 1));
  COUNT(read(99, buffer, 1));
  COUNT(read(-1, buffer, 1));
  COUNT(write(99, buffer, 1));
  COUNT(lseek(99, 0, SEEK_SET));
  COUNT(lseek(0, 0, SEEK_SET));
}

static void vectors(int fd) {
  struct iovec parts[4] = {{buffer, 3}, {other, 0}, {buffer + 100, 4000}, {other, 9}};
  lseek(fd, 1000, SEEK_SET);
  COUNT(readv(fd, parts, 4));
  printf("%.3s %.7s %.9s\n", buffer, buffer + 100, other);
  COUNT(readv(fd, parts, 0));
  volatile int too_many = 1025, too_few = -1; // so that the compiler lets it pass
  COUNT(readv(fd, parts, too_few));
  COUNT(readv(fd, parts, too_many));
  COUNT(readv(99, parts, 1));
  COUNT(readv(fd, (struct iovec *)bad, 1));
  parts[1].iov_len = (size_t)-1;
  COUNT(readv(fd, parts, 2));
  parts[1].iov_len = 2;
  parts[1].iov_base = other;
  fflush(stdout);
  memcpy(buffer, "abc", 3);
  memcpy(other, "d\n", 2);
  COUNT(writev(1, parts, 2));
  COUNT(writev(fd, parts, 2));
  fflush(stdout);
  COUNT(writev(1, (struct iovec *)bad, 1));
  COUNT(write(1, bad, 1));
}

static void duplicates(int fd) {
  int d = COUNT(dup(fd));
  COUNT(lseek(fd, 123, SEEK_SET));
  COUNT(lseek(d, 0, SEEK_CUR));
  COUNT(dup2(fd, 50));
  COUNT(dup2(fd, fd));
  COUNT(dup2(99, 98));
  COUNT(dup2(fd, -1));
  COUNT(dup3(fd, fd, 0));
  COUNT(dup3(fd, 51, O_CLOEXEC));
  COUNT(dup3(fd, 52, 1));
  COUNT(fcntl(51, F_GETFD));
  COUNT(fcntl(50, F_GETFD));
  COUNT(fcntl(50, F_SETFD, FD_CLOEXEC));
  COUNT(fcntl(50, F_GETFD));
  COUNT(fcntl(fd, F_DUPFD, 60));
  COUNT(fcntl(fd, F_DUPFD, -1));
  COUNT(fcntl(fd, F_DUPFD_CLOEXEC, 60));
  COUNT(fcntl(fd, F_GETFL) & O_ACCMODE);
  COUNT(fcntl(fd, F_SETFL, O_NONBLOCK));
  COUNT(fcntl(d, F_GETFL) & (O_NONBLOCK | O_APPEND));
  COUNT(fcntl(fd, 9999));
  COUNT(fcntl(99, F_GETFD));
  COUNT(dup(99));
  COUNT(close(d));
  COUNT(close(d));
  COUNT(close(-1));
  COUNT(lseek(50, 0, SEEK_CUR));
}

static void stats(int fd, const char *path) {
  struct stat s;
  COUNT(fstat(fd, &s));
  printf("%ld %d %d %ld\n", (long)s.st_size, S_ISREG(s.st_mode), s.st_mode & 0777, (long)s.st_nlink);
  COUNT(stat(path, &s));
  printf("%ld\n", (long)s.st_size);
  COUNT(fstatat(fd, "", &s, AT_EMPTY_PATH));
  printf("%ld\n", (long)s.st_size);
  COUNT(stat("/", &s));
  printf("%d\n", S_ISDIR(s.st_mode));
  COUNT(stat("/no/such/file", &s));
  COUNT(stat("", &s));
  COUNT(stat(bad, &s));
  COUNT(fstat(99, &s));
  COUNT(fstat(fd, (struct stat *)bad));
  COUNT(fstatat(fd, "x", &s, 0));
  COUNT(fstatat(99, "x", &s, 0));
}

static void waiting(int fd) {
  struct pollfd set[3] = {{fd, POLLIN | POLLOUT, 0}, {99, POLLIN, 0}, {-1, POLLIN, 0}};
  COUNT(poll(set, 3, 0));
  printf("%x %x %x\n", set[0].revents, set[1].revents, set[2].revents);
  COUNT(poll(0, 0, 3));
  COUNT(poll((struct pollfd *)bad, 1, 0));
  COUNT(ioctl(fd, TIOCGWINSZ, buffer));
  COUNT(ioctl(99, TIOCGWINSZ, buffer));
  COUNT(isatty(fd));
}

int main(int argc, char **argv) {
  if (argc < 2) return 1;
  opening(argv[1]);
  int fd = COUNT(open(argv[1], O_RDONLY));
  reading(fd);
  vectors(fd);
  duplicates(fd);
  stats(fd, argv[1]);
  waiting(fd);
  printf("%s\n", getcwd(buffer, sizeof buffer));
  SAY(getcwd(buffer, 1) ? 0 : -1);
  FILE *f = fopen(argv[1], "r");
  long sum = 0, c;
  while ((c = getc(f)) != EOF) sum = sum * 31 + c;
  printf("%ld %ld\n", sum, ftell(f));
  rewind(f);
  printf("%zu %d\n", fread(buffer, 7, 1000, f), fseek(f, -50, SEEK_CUR));
  printf("%s", fgets(buffer, 40, f));
  printf("\n%d %d\n", fclose(f), umask(022) >= 0);
  return 0;
}
