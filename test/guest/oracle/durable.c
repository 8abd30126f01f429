/* Files beyond reading and writing: what is synced, advised, asked of their file system, and moved with flags. By number, past the C library. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/resource.h>
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
/* A number that headers may not have. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
static void barely(void) {
  int dir = open(".", O_RDONLY), name = open("file", O_PATH), reads = open("file", O_RDONLY), writes = open("file", O_WRONLY), null = open("/dev/null", O_RDWR);
  SAY(CALL(syncfs, fd)); SAY(CALL(syncfs, dir)); SAY(CALL(syncfs, ends[0])); SAY(CALL(syncfs, name)); SAY(CALL(syncfs, 99));
  SAY(CALL(sync_file_range, fd, 0, 0, 7)); SAY(CALL(sync_file_range, reads, 5, 1L << 40, 0)); SAY(CALL(sync_file_range, dir, 0, 0, 2)); SAY(CALL(sync_file_range, fd, 0, 0, 8));
  SAY(CALL(sync_file_range, fd, -1L, 0, 0)); SAY(CALL(sync_file_range, fd, 1, 0x7fffffffffffffff, 0)); SAY(CALL(sync_file_range, fd, 1, 0x7ffffffffffffffe, 0));
  SAY(CALL(sync_file_range, ends[0], 0, 0, 0)); SAY(CALL(sync_file_range, null, 0, 0, 0)); SAY(CALL(sync_file_range, name, 0, 0, 0)); SAY(CALL(sync_file_range, 99, 0, 0, 8));
  SAY(CALL(readahead, fd, 0, 4096)); SAY(CALL(readahead, reads, 1L << 40, 1)); SAY(CALL(readahead, writes, 0, 1)); SAY(CALL(readahead, fd, 0, -1L)); SAY(CALL(readahead, dir, 0, 1)); SAY(CALL(readahead, ends[0], 0, 1)); SAY(CALL(readahead, name, 0, 1)); SAY(CALL(readahead, 99, 0, 1));
  close(dir); close(name); close(reads); close(writes); close(null);
}
static void modes(void) {
  struct stat s;
  SAY(symlink("file", "link"));
  SAY(CALL(fchmodat2, AT_FDCWD, "file", 0600, 0)); SAY(CALL(fchmodat2, AT_FDCWD, "link", 0604, 0)); SAY(CALL(fchmodat2, AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW)); SAY(CALL(fchmodat2, AT_FDCWD, "file", 0606, AT_SYMLINK_NOFOLLOW));
  SAY(fstat(fd, &s)); printf("%o\n", s.st_mode);
  SAY(CALL(fchmodat2, fd, "", 0640, AT_EMPTY_PATH)); SAY(CALL(fchmodat2, fd, "", 0640, 0)); SAY(CALL(fchmodat2, 99, "", 0640, AT_EMPTY_PATH)); SAY(CALL(fchmodat2, AT_FDCWD, "file", 0640, 1)); SAY(CALL(fchmodat2, AT_FDCWD, "nothing", 0640, 0));
  SAY(fstat(fd, &s)); printf("%o\n", s.st_mode); SAY(unlink("link"));
}
/* A file is as old as it was when it was made, whatever becomes of it; a directory without a name has no entries, not even its own. */
static void born(void) {
  struct statx first, then, pipe;
  char entries[512];
  struct timespec past[2] = { { 5, 6 }, { 7, 8 } };
  SAY(CALL(statx, fd, "", AT_EMPTY_PATH, STATX_BTIME, &first)); printf("%x\n", first.stx_mask & STATX_BTIME); SAY(first.stx_btime.tv_sec > 1000000000);
  SAY(futimens(fd, past)); SAY(rename("file", "again")); SAY(rename("again", "file"));
  SAY(CALL(statx, fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_MTIME, &then)); SAY(then.stx_btime.tv_sec == first.stx_btime.tv_sec && then.stx_btime.tv_nsec == first.stx_btime.tv_nsec); SAY(then.stx_mtime.tv_sec);
  SAY(CALL(statx, fd, "", AT_EMPTY_PATH, STATX_MTIME, &then)); printf("%x %ld\n", then.stx_mask & STATX_BTIME, (long)then.stx_btime.tv_sec);
  SAY(CALL(statx, ends[0], "", AT_EMPTY_PATH, STATX_BTIME, &pipe)); printf("%x\n", pipe.stx_mask & STATX_BTIME);
  SAY(mkdir("gone", 0700)); int dir = open("gone", O_RDONLY | O_DIRECTORY);
  SAY(CALL(getdents64, dir, entries, sizeof entries) > 0); SAY(lseek(dir, 0, SEEK_SET)); SAY(rmdir("gone"));
  SAY(CALL(getdents64, dir, entries, sizeof entries)); SAY(openat(dir, "x", O_CREAT | O_RDWR, 0600)); SAY(close(dir));
}
static void spliced(void) {
  char a[5] = "", b[9] = "";
  struct iovec out[2] = { { "first", 5 }, { "second", 6 } }, in[2] = { { a, 4 }, { b, 8 } }, bad[1] = { { (void *)8, 4 } };
  SAY(CALL(vmsplice, ends[1], out, 2, 0)); SAY(CALL(vmsplice, ends[0], in, 1, 0)); SAY(CALL(vmsplice, ends[0], in, 2, SPLICE_F_NONBLOCK)); printf("[%s] [%s]\n", a, b);
  SAY(CALL(vmsplice, ends[0], in, 2, SPLICE_F_NONBLOCK)); SAY(CALL(vmsplice, ends[1], out, 0, 0)); SAY(CALL(vmsplice, ends[1], out, 2, 0x100)); SAY(CALL(vmsplice, ends[1], out, 2000, 0));
  SAY(CALL(vmsplice, ends[1], bad, 1, 0)); SAY(CALL(vmsplice, fd, out, 2, 0)); SAY(CALL(vmsplice, 99, out, 2, 0)); SAY(CALL(vmsplice, ends[1], out, 2, SPLICE_F_GIFT | SPLICE_F_MORE)); SAY(read(ends[0], b, 8));
  SAY(read(ends[0], a, 4));
}
static void bounded(void) {
  struct rlimit l, again;
  SAY(CALL(getrlimit, RLIMIT_FSIZE, &l)); l.rlim_cur = 12345; SAY(CALL(setrlimit, RLIMIT_FSIZE, &l)); SAY(CALL(getrlimit, RLIMIT_FSIZE, &again)); SAY(again.rlim_cur); SAY(again.rlim_max == l.rlim_max);
  SAY(CALL(getrlimit, 99, &l)); SAY(CALL(setrlimit, 99, &l)); SAY(CALL(getrlimit, RLIMIT_FSIZE, 8)); SAY(CALL(setrlimit, RLIMIT_FSIZE, 0));
  l.rlim_cur = 5; l.rlim_max = 4; SAY(CALL(setrlimit, RLIMIT_FSIZE, &l)); SAY(ftruncate(fd, 12345)); SAY(ftruncate(fd, 10));
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
  synced(); barely(); modes(); born(); spliced(); asked(); moved(); named(); bounded();
  return unlink("file");
}
