/* Files far larger than memory, of which little is there: positions, sizes, holes, mappings and limits. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

#define GIB (1L << 30)
static int fd;
static void taken(void) {
  struct stat s;
  fstat(fd, &s);
  printf("size %ld blocks %ld\n", (long)s.st_size, (long)s.st_blocks);
}
static const char *at(long where, int count) {
  static char text[64];
  char bytes[16] = "";
  long n = pread(fd, bytes, count, where);
  for (int i = 0; i < 16; i++) if (bytes[i] == 0) bytes[i] = '.';
  snprintf(text, sizeof text, "%ld [%.16s]", n, bytes);
  return text;
}
static void written(void) {
  SAY(lseek(fd, 5 * GIB, SEEK_SET)); SAY(write(fd, "five", 4)); taken();
  SAY(lseek(fd, 0, SEEK_CUR)); SAY(lseek(fd, -3, SEEK_END)); puts(at(5 * GIB - 2, 8)); puts(at(0, 3));
  SAY(pwrite(fd, "far", 3, 3000 * GIB + 4094)); taken(); puts(at(3000 * GIB + 4093, 8));
  SAY(truncate("large", 8 * GIB)); taken(); puts(at(3000 * GIB, 8)); puts(at(8 * GIB - 4, 8));
  SAY(ftruncate(fd, 6000 * GIB)); taken(); puts(at(3000 * GIB + 4093, 8));
}
static void sought(void) {
  SAY(lseek(fd, 0, SEEK_DATA)); SAY(lseek(fd, 0, SEEK_HOLE)); SAY(lseek(fd, 5 * GIB + 1, SEEK_DATA)); SAY(lseek(fd, 5 * GIB, SEEK_HOLE));
  SAY(lseek(fd, 5 * GIB + 4096, SEEK_DATA)); SAY(lseek(fd, 6000 * GIB, SEEK_DATA)); SAY(lseek(fd, 6000 * GIB - 1, SEEK_HOLE));
  SAY(pwrite(fd, "more", 4, 7 * GIB - 2)); SAY(lseek(fd, 5 * GIB + 4096, SEEK_DATA)); SAY(lseek(fd, 7 * GIB, SEEK_HOLE)); taken();
}
static void punched(void) {
  SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5 * GIB + 1, 2 * GIB - 1)); taken();
  puts(at(5 * GIB, 4)); puts(at(7 * GIB - 2, 4));
  SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5000 * GIB)); taken(); puts(at(7 * GIB - 2, 4));
  SAY(fallocate(fd, 0, 5500 * GIB, 8192)); taken(); SAY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 7000 * GIB, 4096)); taken();
  SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5500 * GIB + 10, 20)); taken();
  SAY(ftruncate(fd, 5500 * GIB + 4096)); taken(); SAY(ftruncate(fd, 5500 * GIB + 3)); taken();
  SAY(fallocate(fd, 0, 0, 4000000 * GIB)); taken();
}
static void mapped(void) {
  char *p = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 5 * GIB - 4096);
  p[4096] = 'M'; p[0] = 'B'; puts(at(5 * GIB, 2)); SAY(pwrite(fd, "xy", 2, 5 * GIB + 4096)); printf("%c%c\n", p[8192], p[8193]);
  SAY(ftruncate(fd, 5 * GIB + 1)); printf("%c\n", p[4096]); taken();
  SAY(munmap(p, 3 * 4096));
  SAY(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0x7ffffffffffff000) == MAP_FAILED ? -1 : 0);
}
static void moved(void) {
  long from = 5 * GIB, to = 70 * GIB;
  SAY(pwrite(fd, "moving", 6, from)); SAY(copy_file_range(fd, &from, fd, &to, 6, 0)); puts(at(70 * GIB, 6)); printf("%ld %ld\n", from, to);
  int ends[2]; pipe(ends);
  from = 70 * GIB + 2; SAY(sendfile(ends[1], fd, &from, 3)); printf("%ld\n", from - 70 * GIB);
  to = 90 * GIB; SAY(splice(ends[0], 0, fd, &to, 3, 0)); puts(at(90 * GIB - 1, 6));
  close(ends[0]); close(ends[1]);
  int again = open("large", O_RDWR | O_APPEND); SAY(write(again, "end", 3)); SAY(lseek(again, 0, SEEK_CUR)); close(again); taken();
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -1, .l_len = GIB };
  SAY(fcntl(fd, F_SETLK, &lock)); lock.l_start = 4000 * GIB; lock.l_whence = SEEK_SET; SAY(fcntl(fd, F_SETLK, &lock));
}
static void limited(int with) {
  fflush(stdout);
  pid_t pid = fork();
  int status;
  if (pid == 0) {
    struct rlimit l = { 100 * GIB, 100 * GIB };
    setrlimit(RLIMIT_FSIZE, &l);
    signal(SIGXFSZ, with ? SIG_IGN : SIG_DFL);
    SAY(ftruncate(fd, 100 * GIB)); SAY(pwrite(fd, "abc", 3, 100 * GIB - 2)); taken(); SAY(fallocate(fd, 0, 100 * GIB, 1)); SAY(ftruncate(fd, 100 * GIB + 1));
    _exit(0);
  }
  waitpid(pid, &status, 0);
  printf("%x\n", status);
}
int main(int argc, char **argv) {
  if (argc < 2 || chdir(argv[1])) return 1;
  setvbuf(stdout, 0, _IOLBF, 0);
  fd = open("large", O_RDWR | O_CREAT | O_TRUNC, 0640);
  written(); sought(); punched(); mapped(); moved(); limited(0); limited(1);
  SAY(lseek(fd, 2, SEEK_SET)); SAY(lseek(fd, -3, SEEK_CUR)); SAY(lseek(fd, -1, SEEK_SET)); SAY(ftruncate(fd, -1));
  return unlink("large");
}
