/* Files beyond reading and writing: what is synced, advised, asked of their file system, and moved with flags. By number, past the C library. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "say.h"

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
static int fd, ends[2];

static void synced(void) {
  SAY(CALL(fsync, fd)); SAY(CALL(fdatasync, fd)); SAY(CALL(sync));
  SAY(CALL(fsync, ends[0])); SAY(CALL(fdatasync, ends[1])); SAY(CALL(fsync, 99)); SAY(CALL(fdatasync, -1));
  SAY(CALL(fadvise64, fd, 0, 0, POSIX_FADV_SEQUENTIAL)); SAY(CALL(fadvise64, fd, 100, 200, POSIX_FADV_DONTNEED));
  SAY(CALL(fadvise64, fd, 0, 0, 77)); SAY(CALL(fadvise64, fd, 0, -1L, POSIX_FADV_NORMAL)); SAY(CALL(fadvise64, ends[0], 0, 0, 0)); SAY(CALL(fadvise64, 99, 0, 0, 0));
}
static void asked(void) {
  struct statfs a, b;
  struct stat s;
  SAY(CALL(statfs, ".", &a)); SAY(CALL(fstatfs, fd, &b));
  printf("%d %ld %ld\n", a.f_type == TMPFS_MAGIC, (long)a.f_bsize, (long)a.f_namelen);
  printf("%d %d %d\n", a.f_type == b.f_type, a.f_blocks == b.f_blocks, a.f_bfree <= a.f_blocks && a.f_ffree <= a.f_files);
  SAY(CALL(statfs, "/proc", &a)); SAY(a.f_type == PROC_SUPER_MAGIC);
  SAY(CALL(fstatfs, ends[0], &a)); SAY(a.f_type == PIPEFS_MAGIC);
  SAY(CALL(statfs, "nothing", &a)); SAY(CALL(statfs, "file/x", &a)); SAY(CALL(statfs, ".", 8)); SAY(CALL(statfs, 8, &a)); SAY(CALL(fstatfs, 99, &a));
  SAY(CALL(fstat, fd, &s)); printf("%o %ld %ld %ld\n", s.st_mode, (long)s.st_size, (long)s.st_nlink, (long)s.st_blksize);
  SAY(CALL(fstat, ends[0], &s)); printf("%o %ld\n", s.st_mode & S_IFMT, (long)s.st_size); SAY(CALL(fstat, 99, &s)); SAY(CALL(fstat, fd, 8));
}
/* Offsets in two halves: the second is nothing where a register has 64 bits. */
static long readTo(int fd, struct iovec *v, int n, long at, int flags) { return CALL(preadv2, fd, v, n, at, 0L, flags); }
static long writeFrom(int fd, struct iovec *v, int n, long at, int flags) { return CALL(pwritev2, fd, v, n, at, 0L, flags); }
static void moved(void) {
  char a[5] = "", b[7] = "";
  struct iovec in[2] = { { a, 4 }, { b, 6 } }, out[2] = { { "first", 5 }, { "second", 6 } };
  SAY(writeFrom(fd, out, 2, 3, 0)); SAY(readTo(fd, in, 2, 3, 0)); printf("[%s] [%s]\n", a, b);
  SAY(lseek(fd, 0, SEEK_CUR));
  SAY(writeFrom(fd, out, 1, -1, 0)); SAY(lseek(fd, 0, SEEK_CUR)); SAY(readTo(fd, in, 2, -1, 0)); printf("[%s] [%s]\n", a, b);
  SAY(writeFrom(fd, out, 1, 0, RWF_SYNC)); SAY(writeFrom(fd, out, 1, 0, RWF_DSYNC));
  SAY(readTo(fd, in, 2, -2, 0)); SAY(readTo(fd, in, 2, 0, 0x40000000)); SAY(readTo(99, in, 2, 0, 0)); SAY(readTo(fd, in, -1, 0, 0)); SAY(readTo(fd, (void *)8, 1, 0, 0));
  SAY(readTo(ends[0], in, 2, 0, 0)); SAY(writeFrom(ends[1], out, 1, -1, 0)); SAY(readTo(ends[0], in, 2, -1, 0)); printf("[%s] [%s]\n", a, b);
  SAY(readTo(fd, in, 0, 0, 0)); SAY(writeFrom(fd, out, 0, 0, 0));
}
static void named(void) {
  struct utsname name;
  SAY(CALL(uname, &name)); printf("%s %d\n", name.sysname, name.release[0] >= '5'); SAY(CALL(uname, 8));
  SAY(CALL(personality, 0xffffffff)); SAY(CALL(personality, 0)); SAY(CALL(personality, 0xffffffff));
}
int main(int argc, char **argv) {
  if (chdir(argv[1])) return 1;
  fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0640);
  SAY(pipe(ends)); SAY(write(fd, "0123456789", 10)); SAY(lseek(fd, 0, SEEK_SET));
  synced(); asked(); moved(); named();
  return unlink("file");
}
