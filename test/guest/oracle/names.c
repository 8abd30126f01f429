/* Names of files: making, finding, moving and taking them away, in the directory that is given. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "say.h"
/* What opens is closed again: only whether it does is said. */
static int tried(int fd) {
  if (fd >= 0) close(fd);
  return fd < 0 ? -1 : 0;
}
#define TRY(e) (errno = 0, printf("%s = %s\n", #e, result(tried(e))))

static void show(const char *name) {
  struct stat s;
  errno = 0;
  if (lstat(name, &s) < 0) {
    printf("%s: %s\n", name, result(-1));
    return;
  }
  printf("%s: %o, %d links, owned %d, %ld bytes\n", name, s.st_mode, (int)s.st_nlink, s.st_uid == geteuid(), S_ISDIR(s.st_mode) ? 0L : (long)s.st_size);
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *name) {
  DIR *d = opendir(name);
  char *names[300];
  int n = 0;
  if (!d) {
    printf("list %s: %s\n", name, result(-1));
    return;
  }
  for (struct dirent *e; (e = readdir(d));) {
    char *text;
    asprintf(&text, "%s/%d", e->d_name, e->d_type);
    names[n++] = text;
  }
  qsort(names, n, sizeof *names, compare);
  printf("list %s:", name);
  for (int i = 0; i < n; i++) printf(" %s", names[i]);
  printf("\n");
  closedir(d);
}

static void make(void) {
  printf("-- make\n");
  SAY(umask(027));
  SAY(mkdir("d", 0777));
  SAY(mkdir("d", 0777));
  SAY(mkdir("d/e/", 0700));
  SAY(mkdir("no/e", 0700));
  SAY(mkdir("d/.", 0700));
  SAY(mkdir("d/e/..", 0700));
  SAY(mkdir("", 0700));
  TRY(open("f", O_CREAT | O_WRONLY, 0666));
  TRY(open("f", O_CREAT | O_EXCL | O_WRONLY, 0666));
  TRY(open("f/", O_RDONLY));
  TRY(open("f/x", O_CREAT | O_WRONLY, 0666));
  TRY(open("g/", O_CREAT | O_WRONLY, 0666));
  TRY(open("d", O_RDONLY));
  TRY(open("d", O_WRONLY));
  TRY(open("d", O_RDONLY | O_CREAT, 0666));
  TRY(open("d", O_RDONLY | O_DIRECTORY));
  TRY(open("f", O_RDONLY | O_DIRECTORY));
  TRY(open("h", O_RDONLY));
  TRY(open("d/../f", O_RDONLY));
  TRY(open("f/../f", O_RDONLY));
  TRY(open("no/../f", O_RDONLY));
  TRY(open("./d/./e/../../f", O_RDONLY));
  TRY(open("//", O_RDONLY));
  SAY(mknod("plain", S_IFREG | 0640, 0));
  SAY(mkfifo("fifo", 0666));
  SAY(mknod("sock", S_IFSOCK | 0600, 0));
  SAY(mknod("bad", S_IFDIR | 0600, 0));
  SAY(mknod("null", S_IFCHR | 0600, makedev(1, 3)));
  show("d"), show("d/e"), show("f"), show("plain"), show("fifo"), show("sock");
  list("."), list("d"), list("d/e"), list("f"), list("no");
}

static void links(void) {
  char text[100] = "";
  printf("-- links\n");
  SAY(symlink("f", "s"));
  SAY(symlink("nowhere", "dangling"));
  SAY(symlink("d", "sd"));
  SAY(symlink("loop2", "loop1"));
  SAY(symlink("loop1", "loop2"));
  SAY(symlink("", "empty"));
  SAY(symlink("f", "s"));
  show("s"), show("sd");
  SAY(readlink("s", text, sizeof text));
  SAY(readlink("dangling", text, 3));
  printf("%.3s\n", text);
  SAY(readlink("f", text, sizeof text));
  SAY(readlink("d", text, sizeof text));
  TRY(open("s", O_RDONLY));
  TRY(open("s", O_RDONLY | O_NOFOLLOW));
  TRY(open("s/", O_RDONLY));
  TRY(open("sd/", O_RDONLY));
  TRY(open("sd/e", O_RDONLY | O_NOFOLLOW));
  TRY(open("sd", O_RDONLY | O_NOFOLLOW));
  TRY(open("sd", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
  TRY(open("dangling", O_RDONLY));
  TRY(open("loop1", O_RDONLY));
  TRY(open("s", O_CREAT | O_EXCL | O_WRONLY, 0600));
  TRY(open("dangling", O_CREAT | O_WRONLY, 0600));
  show("nowhere");
  SAY(unlink("nowhere"));
  SAY(mkdir("dangling", 0700));
  SAY(mkdir("dangling/", 0700));
  SAY(link("f", "f2"));
  SAY(link("f", "f2"));
  SAY(link("d", "d2"));
  SAY(link("s", "s2"));
  SAY(link("no", "no2"));
  SAY(link("f", "no/f"));
  SAY(linkat(AT_FDCWD, "s", AT_FDCWD, "f3", AT_SYMLINK_FOLLOW));
  show("f"), show("s2"), show("f3");
  SAY(unlink("f3"));
  SAY(unlink("s2"));
  show("f");
  /* As many links as may be followed, and one more. */
  symlink("f", "c0");
  for (int i = 1; i < 42; i++) {
    char from[16], to[16];
    snprintf(from, sizeof from, "c%d", i - 1), snprintf(to, sizeof to, "c%d", i);
    symlink(from, to);
  }
  TRY(open("c39", O_RDONLY));
  TRY(open("c40", O_RDONLY));
  for (int i = 0; i < 42; i++) {
    char name[16];
    snprintf(name, sizeof name, "c%d", i);
    unlink(name);
  }
}

static void removing(void) {
  printf("-- remove\n");
  SAY(rmdir("d"));
  SAY(rmdir("f"));
  SAY(rmdir("no"));
  SAY(rmdir("d/e/."));
  SAY(rmdir("d/e/.."));
  SAY(unlink("d"));
  SAY(unlink("no"));
  SAY(unlink("f/x"));
  SAY(unlink("f/"));
  SAY(unlink("d/e/.."));
  SAY(rmdir("sd"));
  SAY(rmdir("sd/"));
  SAY(unlinkat(AT_FDCWD, "f", 0x8000));
  SAY(rmdir("d/e/"));
  show("d");
  SAY(mkdir("d/e", 0700));
  int fd = open("gone", O_CREAT | O_RDWR, 0600);
  struct stat s;
  SAY(write(fd, "still here", 10));
  SAY(unlink("gone"));
  fstat(fd, &s);
  char text[20] = "";
  lseek(fd, 6, SEEK_SET);
  printf("%d links, %ld bytes, read %s", (int)s.st_nlink, (long)s.st_size, result(read(fd, text, 20)));
  printf(" '%s'\n", text);
  SAY(linkat(fd, "", AT_FDCWD, "back", AT_EMPTY_PATH) < 0);
  close(fd);
}

static void renaming(void) {
  printf("-- rename\n");
  mkdir("a", 0755), mkdir("a/b", 0755), mkdir("a/b/c", 0755), mkdir("x", 0755);
  SAY(rename("a", "a/b/z"));
  SAY(rename("a/b", "a"));
  SAY(rename("a", "a"));
  SAY(rename("f", "x"));
  SAY(rename("x", "f"));
  SAY(rename("no", "y"));
  SAY(rename("f", "no/f"));
  SAY(rename("f", "new/"));
  SAY(rename("x", "new/"));
  SAY(rename("new", "x"));
  SAY(rename("x", "a"));
  SAY(rename("a/b/c", "x"));
  show("a/b"), show("x"), show("a/b/c");
  SAY(rename("a/.", "q"));
  SAY(rename("f", "f2"));
  show("f"), show("f2");
  TRY(open("t1", O_CREAT | O_WRONLY, 0600));
  TRY(open("t2", O_CREAT | O_WRONLY, 0644));
  SAY(renameat2(AT_FDCWD, "t1", AT_FDCWD, "t2", RENAME_NOREPLACE));
  SAY(renameat2(AT_FDCWD, "t1", AT_FDCWD, "t2", RENAME_EXCHANGE));
  show("t1"), show("t2");
  SAY(renameat2(AT_FDCWD, "t1", AT_FDCWD, "a", RENAME_EXCHANGE));
  show("t1"), show("a");
  SAY(renameat2(AT_FDCWD, "t1", AT_FDCWD, "a", RENAME_EXCHANGE));
  SAY(renameat2(AT_FDCWD, "t1", AT_FDCWD, "t3", RENAME_EXCHANGE));
  SAY(renameat2(AT_FDCWD, "t1", AT_FDCWD, "t3", RENAME_EXCHANGE | RENAME_NOREPLACE));
  SAY(rename("t1", "t2"));
  show("t1"), show("t2");
  SAY(rename("s", "moved"));
  show("moved");
  list(".");
}

static void long_names(void) {
  static char name[5000];
  printf("-- long names\n");
  memset(name, 'n', 255);
  SAY(tried(open(name, O_CREAT | O_WRONLY, 0600)));
  SAY(unlink(name));
  name[255] = 'n';
  SAY(tried(open(name, O_CREAT | O_WRONLY, 0600)));
  for (int i = 0; i < 4095; i++) name[i] = i % 2 ? '/' : '.';
  name[4095] = 0;
  SAY(tried(open(name, O_RDONLY)));
  name[4095] = '.';
  SAY(tried(open(name, O_RDONLY)));
  SAY(tried(open("\xff\xfe", O_CREAT | O_WRONLY, 0600)));
  SAY(tried(open("\xff\xfd", O_RDONLY)));
  SAY(tried(open("\xc3\xa9", O_CREAT | O_WRONLY, 0600)));
  SAY(unlink("\xff\xfe"));
  SAY(unlink("\xc3\xa9"));
}

static void directories(const char *base) {
  char text[PATH_MAX], *rest;
  printf("-- directories\n");
  SAY(chdir("a/b"));
  getcwd(text, sizeof text);
  rest = text + strlen(base);
  printf("in %s\n", rest);
  SAY(getcwd(text, 2) == 0);
  SAY(chdir("../../f2"));
  SAY(chdir("../../no"));
  int fd = open("..", O_RDONLY | O_DIRECTORY), path = open("../..", O_PATH);
  SAY(chdir(".."));
  SAY(fchdir(path));
  SAY(fchdir(1));
  SAY(fchdir(99));
  TRY(openat(fd, "b", O_RDONLY));
  TRY(openat(fd, "../f2", O_RDONLY));
  TRY(openat(fd, "no", O_RDONLY));
  TRY(openat(99, "f2", O_RDONLY));
  TRY(openat(path, "f2", O_RDONLY));
  SAY(mkdirat(fd, "deep", 0711));
  SAY(unlinkat(fd, "deep", 0));
  SAY(unlinkat(fd, "deep", AT_REMOVEDIR));
  struct stat s;
  SAY(fstat(path, &s));
  SAY(read(path, text, 1));
  int waiting;
  SAY(ioctl(path, FIONREAD, &waiting));
  SAY(ioctl(path, FIOCLEX));
  SAY(fchmod(path, 0700));
  SAY(fcntl(path, F_GETFL) & O_PATH ? 1 : 0);
  SAY(fstatat(fd, "", &s, AT_EMPTY_PATH));
  SAY(fstatat(fd, "", &s, 0));
  close(fd), close(path);
  SAY(mkdir("lost", 0700));
  SAY(chdir("lost"));
  SAY(rmdir("../lost"));
  SAY(getcwd(text, sizeof text) == 0);
  TRY(open("x", O_CREAT | O_WRONLY, 0600));
  TRY(open(".", O_RDONLY));
  SAY(chdir(base));
}

static void attributes(void) {
  struct stat s;
  printf("-- attributes\n");
  TRY(open("m", O_CREAT | O_WRONLY, 0666));
  SAY(chmod("m", 06755));
  show("m");
  SAY(chmod("m", 0444));
  SAY(chmod("no", 0444));
  SAY(access("m", R_OK));
  SAY(access("m", F_OK));
  SAY(access("no", F_OK));
  SAY(access("m", 8));
  SAY(access("d", X_OK));
  SAY(access("m", X_OK));
  SAY(faccessat(AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
  SAY(chown("m", -1, -1));
  SAY(chown("m", geteuid(), getegid()));
  struct timespec times[2] = {{1000000000, 123456789}, {2000000000, 987654321}};
  SAY(utimensat(AT_FDCWD, "m", times, 0));
  stat("m", &s);
  printf("%ld.%09ld %ld.%09ld\n", (long)s.st_atim.tv_sec, s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
  times[0].tv_nsec = UTIME_OMIT, times[1].tv_sec = 5;
  SAY(utimensat(AT_FDCWD, "m", times, 0));
  stat("m", &s);
  printf("%ld.%09ld %ld.%09ld\n", (long)s.st_atim.tv_sec, s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
  times[1].tv_nsec = 1000000000;
  SAY(utimensat(AT_FDCWD, "m", times, 0));
  SAY(utimensat(AT_FDCWD, "dangling", 0, AT_SYMLINK_NOFOLLOW));
  SAY(utimensat(AT_FDCWD, "dangling", 0, 0));
  struct statx x;
  SAY(statx(AT_FDCWD, "m", 0, STATX_BASIC_STATS, &x));
  printf("%o %d links %lld bytes\n", x.stx_mode, x.stx_nlink, (long long)x.stx_size);
  SAY(statx(AT_FDCWD, "s9", 0, STATX_BASIC_STATS, &x));
  SAY(stat("/dev/null", &s));
  printf("%o %d:%d\n", s.st_mode, major(s.st_rdev), minor(s.st_rdev));
  SAY(chmod("m", 0644));
}

static void temporary(void) {
  char name[64], text[8] = "";
  struct stat s;
  printf("-- temporary\n");
  TRY(open(".", O_TMPFILE | O_RDONLY, 0600));
  TRY(open("m", O_TMPFILE | O_RDWR, 0600));
  int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  SAY(write(fd, "hidden", 6));
  fstat(fd, &s);
  printf("%o %d links\n", s.st_mode, (int)s.st_nlink);
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  SAY(linkat(AT_FDCWD, name, AT_FDCWD, "shown", AT_SYMLINK_FOLLOW));
  close(fd);
  fd = open("shown", O_RDONLY);
  SAY(read(fd, text, 7));
  printf("%s\n", text);
  close(fd);
  fd = open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600);
  SAY(write(fd, "hidden", 6));
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  SAY(linkat(AT_FDCWD, name, AT_FDCWD, "never", AT_SYMLINK_FOLLOW));
  close(fd);
}

int main(int argc, char **argv) {
  if (argc < 2 || chdir(argv[1]) < 0) return 1;
  static char base[PATH_MAX];
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  mkdir("work", 0755);
  if (chdir("work") < 0) return 2;
  getcwd(base, sizeof base);
  make(), links(), removing(), renaming(), long_names(), directories(base), attributes(), temporary();
  /* Many names, read in pieces, some taken away on the way. */
  mkdir("many", 0755);
  for (int i = 0; i < 250; i++) {
    char name[300];
    snprintf(name, sizeof name, "many/%0*d", 3 + i, i);
    close(open(name, O_CREAT | O_WRONLY, 0600));
  }
  DIR *d = opendir("many");
  int seen = 0;
  for (struct dirent *e; (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    seen += 1;
    unlinkat(dirfd(d), e->d_name, 0);
  }
  printf("%d seen\n", seen);
  rewinddir(d);
  seen = 0;
  while (readdir(d)) seen += 1;
  printf("%d left\n", seen);
  closedir(d);
  SAY(rmdir("many"));
  return 0;
}
