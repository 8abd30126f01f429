/* mount(2) and umount2(2), by root in a mount name space of its own where nothing is shared: what covers what, flags, bounds. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

static char base[PATH_MAX];

/* The lines of a file of /proc that are about this program's mounts, with what differs from machine to machine left out. */
static void show(void) {
  char line[4096];
  FILE *f = fopen("/proc/self/mountinfo", "r");
  while (fgets(line, sizeof line, f)) {
    int id, parent, major, minor;
    char root[512], point[512], rest[512];
    if (sscanf(line, "%d %d %d:%d %511s %511s %511[^\n]", &id, &parent, &major, &minor, root, point, rest) != 7) continue;
    if (strncmp(point, base, strlen(base))) continue;
    char *within = strncmp(root, base, strlen(base)) ? root : root + strlen(base);
    /* A kernel may or may not say that inodes have 64 bits; and what devices are mounted with is the host's. */
    char *end = strstr(rest, "devtmpfs rw"), *bits = strstr(rest, ",inode64");
    if (end || (end = strstr(rest, "devpts rw"))) strchr(end, ' ')[3] = 0;
    if (bits) *bits = 0;
    printf("  %d:. %s %s %s\n", major, within, point + strlen(base), rest);
  }
  fclose(f);
  f = fopen("/proc/self/mounts", "r");
  while (fgets(line, sizeof line, f)) {
    char *at = strstr(line, base);
    char *bits = strstr(line, ",inode64");
    if (bits) memmove(bits, bits + 8, strlen(bits + 8) + 1);
    if (at && !strstr(at, " devtmpfs ") && !strstr(at, " devpts ")) printf("  %.*s%s", (int)(at - line), line, at + strlen(base));
  }
  fclose(f);
  fflush(stdout);
}
static int make(const char *path) { int fd = open(path, O_CREAT | O_WRONLY, 0644); if (fd >= 0) close(fd); return fd < 0 ? -1 : 0; }
static long flags_of(const char *path) { struct statvfs s; return statvfs(path, &s) < 0 ? -1 : (long)s.f_flag & 0x3fff; }
static int same(const char *a, const char *b) { struct stat s, t; return stat(a, &s) | stat(b, &t) ? -1 : s.st_dev == t.st_dev && s.st_ino == t.st_ino; }
static int device(const char *a, const char *b) { struct stat s, t; return stat(a, &s) | stat(b, &t) ? -1 : s.st_dev == t.st_dev; }
static int top(const char *path) { struct statx x; return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &x) < 0 ? -1 : (x.stx_attributes_mask & 0x2000) && (x.stx_attributes & 0x2000); }
static unsigned long mount_id(const char *path) { struct statx x; return statx(AT_FDCWD, path, 0, 0x1000, &x) < 0 || !(x.stx_mask & 0x1000) ? 0 : *(unsigned long *)((char *)&x + 0x90); }

static void refused(void) {
  printf("-- refused\n");
  SAY(mount("none", "missing", "tmpfs", 0, 0)), SAY(mount("none", "d", "nonesuch", 0, 0)), SAY(mount("none", "d", 0, 0, 0));
  SAY(mount("none", "f", "tmpfs", 0, 0)), SAY(mount("none", "f/x", "tmpfs", 0, 0)), SAY(mount("none", "d", "tmpfs", 0, "nonesuch=1"));
  SAY(mount("none", "d", "tmpfs", 0, "size=x")), SAY(mount("none", "d", "tmpfs", 0, "mode=9")), SAY(mount("none", "d", "tmpfs", 0, "uid=x")), SAY(mount("none", "d", "tmpfs", 0, "size"));
  SAY(mount("none", "d", "tmpfs", MS_NOUSER, 0)), SAY(mount((char *)8, "d", "tmpfs", 0, 0)), SAY(mount("none", (char *)8, "tmpfs", 0, 0)), SAY(mount("none", "d", (char *)8, 0, 0)), SAY(mount("none", "d", "tmpfs", 0, (char *)8));
  SAY(mount("d", "f", 0, MS_BIND, 0)), SAY(mount("f", "d", 0, MS_BIND, 0)), SAY(mount("", "d", 0, MS_BIND, 0)), SAY(mount(0, "d", 0, MS_BIND, 0)), SAY(mount("missing", "d", 0, MS_BIND, 0));
  SAY(mount("d", "e", 0, MS_MOVE, 0)), SAY(mount(0, "d", 0, MS_REMOUNT, 0)), SAY(mount(0, "d", 0, MS_REMOUNT | MS_BIND, 0)), SAY(mount(0, "d", 0, MS_PRIVATE, 0)), SAY(mount(0, "d", 0, MS_PRIVATE | MS_SLAVE, 0));
  SAY(umount2("d", 0)), SAY(umount2("missing", 0)), SAY(umount2("d", 0x100)), SAY(umount2("d", MNT_EXPIRE)), SAY(umount2((char *)8, 0)), SAY(umount2("", 0)), SAY(mount("none", "", "tmpfs", 0, 0));
}

static void covering(void) {
  struct stat s;
  printf("-- covering\n");
  SAY(make("d/below"));
  SAY(mount("mine", "d", "tmpfs", 0, "size=64k,mode=750,uid=3,gid=4"));
  SAY(stat("d", &s)), printf("%o %d %d\n", s.st_mode, s.st_uid, s.st_gid);
  SAY(access("d/below", F_OK)), SAY(device("d", ".")), SAY(same("d/..", ".")), SAY(top("d")), SAY(top("e")), SAY(mount_id("d") != mount_id("e") && mount_id("d") != 0);
  SAY(make("d/one")), SAY(mkdir("d/sub", 0755));
  show();
  SAY(mount("other", "d", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, "nr_inodes=3,size=1m"));
  SAY(access("d/one", F_OK)), SAY(make("d/1")), SAY(make("d/2")), SAY(make("d/3"));
  show();
  SAY(mkdir("d", 0755)), SAY(rmdir("d")), SAY(rename("d", "g")), SAY(rename("e", "d")), SAY(unlink("d"));
  SAY(umount("d")), SAY(access("d/one", F_OK)), SAY(umount("d")), SAY(access("d/below", F_OK)), SAY(umount("d"));
  SAY(unlink("d/below"));
}

static void filled(void) {
  static char bytes[65536];
  struct statfs s;
  printf("-- filled\n");
  SAY(mount("none", "d", "tmpfs", 0, "size=32k"));
  SAY(statfs("d", &s)), printf("%lx %ld %ld %ld\n", (long)s.f_type, (long)s.f_bsize, (long)s.f_blocks, (long)s.f_bfree);
  int fd = open("d/f", O_CREAT | O_RDWR, 0644);
  SAY(write(fd, bytes, 65536)), SAY(write(fd, bytes, 1)), SAY(statfs("d", &s)), printf("%ld\n", (long)s.f_bfree);
  SAY(ftruncate(fd, 4096)), SAY(posix_fallocate(fd, 0, 65536)), SAY(posix_fallocate(fd, 0, 8192)), SAY(statfs("d", &s)), printf("%ld\n", (long)s.f_bfree);
  SAY(mount(0, "d", 0, MS_REMOUNT, "size=4k")), SAY(mount(0, "d", 0, MS_REMOUNT, "size=64k")), SAY(write(fd, bytes, 16384)), SAY(statfs("d", &s)), printf("%ld %ld\n", (long)s.f_blocks, (long)s.f_bfree);
  show();
  SAY(ftruncate(fd, 1 << 20));
  if (fork() == 0) {
    char *at = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (int i = 0; i < 256; i++) at[i * 4096] = 1;
    _exit(0);
  }
  int status;
  wait(&status);
  SAY(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
  SAY(umount("d")), close(fd), SAY(umount("d"));
  SAY(mount("none", "d", "tmpfs", 0, "size=0")), SAY(statfs("d", &s)), printf("%ld\n", (long)s.f_blocks), SAY(mount(0, "d", 0, MS_REMOUNT, "size=4k")), SAY(umount("d"));
  SAY(mount("none", "d", "tmpfs", 0, "nr_inodes=0x2,size=0x2000")), SAY(statfs("d", &s)), printf("%ld\n", (long)s.f_blocks), SAY(make("d/a")), SAY(make("d/b")), SAY(unlink("d/a")), SAY(make("d/b")), SAY(umount("d"));
}

static void bound(void) {
  char text[PATH_MAX];
  printf("-- bound\n");
  SAY(mount("none", "d", "tmpfs", 0, 0)), SAY(mkdir("d/a", 0755)), SAY(mkdir("d/a/b", 0755)), SAY(make("d/a/file")), SAY(mkdir("d/a/m", 0755));
  SAY(mount("inner", "d/a/m", "tmpfs", 0, "size=4k")), SAY(make("d/a/m/inside"));
  SAY(mount("d/a", "e", 0, MS_BIND, 0)), SAY(same("d/a", "e")), SAY(access("e/m/inside", F_OK)), SAY(same("e/..", "."));
  SAY(chdir("e/b")), SAY(strcmp(getcwd(text, sizeof text) + strlen(base), "/e/b")), SAY(same("..", "../../d/a")), SAY(same("../..", base)), SAY(chdir(base));
  show();
  SAY(rename("d/a/file", "e/file")), SAY(link("d/a/file", "e/other")), SAY(rename("e/file", "e/named")), SAY(access("d/a/named", F_OK));
  SAY(umount("e")), SAY(mount("d/a", "e", 0, MS_BIND | MS_REC, 0)), SAY(access("e/m/inside", F_OK)), SAY(umount("e")), SAY(umount("e/m")), SAY(umount("e"));
  SAY(mount("d/a/named", "f", 0, MS_BIND, 0)), SAY(same("f", "d/a/named")), SAY(top("f")), SAY(unlink("f")), SAY(rename("f", "ff")), SAY(rename("ff", "f"));
  show();
  int fd = open("f", O_RDWR);
  snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
  char led[PATH_MAX] = "";
  SAY(readlink(text, led, sizeof led) > 0), puts(led + strlen(base)), SAY(umount("f")), close(fd), SAY(umount("f")), SAY(same("f", "d/a/named"));
  /* What was bound is moved out of what can be seen. */
  SAY(mount("d/a", "e", 0, MS_BIND, 0)), SAY(chdir("e/b")), SAY(rename("../../d/a/b", "../../d/out")), SAY(access("..", F_OK)), SAY(chdir(base)), SAY(umount("e"));
  SAY(mount(0, "d", 0, MS_UNBINDABLE, 0)), SAY(mount("d/a", "e", 0, MS_BIND, 0)), SAY(mount(0, "d", 0, MS_PRIVATE, 0)), SAY(mount("d/a", "e", 0, MS_BIND, 0));
  SAY(umount("e")), SAY(umount("d/a/m")), SAY(umount("d"));
}

static void moved(void) {
  printf("-- moved\n");
  SAY(mount("none", "d", "tmpfs", 0, 0)), SAY(mkdir("d/a", 0755)), SAY(mount("in", "d/a", "tmpfs", 0, 0)), SAY(make("d/a/x"));
  SAY(mount("d", "d/a", 0, MS_MOVE, 0)), SAY(mount("d", "f", 0, MS_MOVE, 0)), SAY(mount("d", "e", 0, MS_MOVE, 0)), SAY(access("d/a", F_OK)), SAY(access("e/a/x", F_OK)), SAY(same("e/..", "."));
  SAY(umount("e")), SAY(umount("e/a")), SAY(umount("e"));
}

static void flags(void) {
  printf("-- flags\n");
  SAY(mount("none", "d", "tmpfs", MS_RDONLY, 0)), SAY(make("d/x")), SAY(flags_of("d")), SAY(mount(0, "d", 0, MS_REMOUNT, 0)), SAY(make("d/x")), SAY(flags_of("d"));
  int fd = open("d/x", O_RDWR);
  SAY(mount(0, "d", 0, MS_REMOUNT | MS_RDONLY, 0)), SAY(mount(0, "d", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0)), close(fd);
  SAY(mount(0, "d", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0)), SAY(flags_of("d"));
  SAY(make("d/y")), SAY(unlink("d/x")), SAY(rename("d/x", "d/y")), SAY(mkdir("d/z", 0755)), SAY(chmod("d/x", 0600)), SAY(truncate("d/x", 1)), SAY(open("d/x", O_RDWR)), SAY(open("d/x", O_RDONLY | O_TRUNC)), SAY(access("d/x", W_OK)), SAY(access("d/x", R_OK)), SAY(symlink("a", "d/l")), SAY(link("d/x", "d/y")), SAY(utimensat(AT_FDCWD, "d/x", 0, 0)), SAY(mkdir("d/x", 0755)), SAY(open("d", O_TMPFILE | O_RDWR, 0600));
  SAY(mount("d", "e", 0, MS_BIND, 0)), SAY(make("e/y")), SAY(mount(0, "e", 0, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV, 0)), SAY(make("e/y")), SAY(make("d/y"));
  show();
  SAY(mknod("e/null", S_IFCHR | 0666, makedev(1, 3))), SAY(open("e/null", O_RDONLY)), SAY(access("e/null", R_OK));
  SAY(mount(0, "d", 0, MS_REMOUNT | MS_BIND | MS_NOEXEC | MS_STRICTATIME, 0)), SAY(flags_of("d"));
  SAY(chmod("d/x", 0755)), SAY(access("d/x", X_OK)), SAY(access("e/x", X_OK)), SAY(access("d", X_OK)), SAY(execl("d/x", "x", (char *)0));
  fd = open("d/x", O_RDWR), SAY(ftruncate(fd, 4096));
  void *at = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  SAY(at != MAP_FAILED), SAY(mprotect(at, 4096, PROT_READ | PROT_WRITE)), SAY(mprotect(at, 4096, PROT_READ | PROT_EXEC)), SAY(mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED), SAY(munmap(at, 4096)), close(fd);
  SAY(mount(0, "d", 0, MS_REMOUNT | MS_BIND | MS_NOATIME | MS_NODIRATIME, 0)), SAY(flags_of("d")), SAY(mount(0, "d", 0, MS_REMOUNT | MS_BIND, 0)), SAY(flags_of("d")), SAY(mount(0, "d", 0, MS_REMOUNT | MS_BIND | MS_RELATIME, 0)), SAY(flags_of("d"));
  SAY(symlink("x", "d/link")), SAY(mount(0, "d", 0, MS_REMOUNT | MS_BIND | 256, 0)), SAY(access("d/link", F_OK)), SAY(readlink("d/link", base + PATH_MAX - 16, 8)), SAY(access("e/link", F_OK)), SAY(flags_of("d"));
  SAY(umount("e")), SAY(umount("d"));
}

static void busy(void) {
  struct stat s;
  printf("-- busy\n");
  SAY(mount("none", "d", "tmpfs", 0, 0)), SAY(make("d/x")), SAY(mkdir("d/sub", 0755)), SAY(mkfifo("d/fifo", 0600));
  SAY(chdir("d/sub")), SAY(umount("..")), SAY(umount(base)), SAY(chdir(base));
  SAY(umount2("d", MNT_EXPIRE)), SAY(access("d/x", F_OK)), SAY(umount2("d", MNT_EXPIRE)), SAY(umount2("d", MNT_EXPIRE | MNT_DETACH)), SAY(umount2("d", MNT_EXPIRE)), SAY(umount2("d", MNT_EXPIRE));
  SAY(mount("none", "d", "tmpfs", 0, 0)), SAY(make("d/x")), SAY(mkdir("d/sub", 0755)), SAY(mount("in", "d/sub", "tmpfs", 0, 0)), SAY(make("d/sub/y"));
  int fd = open("d/x", O_RDWR), directory = open("d", O_RDONLY | O_DIRECTORY), inside = open("d/sub", O_PATH);
  SAY(umount("d")), SAY(umount2("d", MNT_DETACH)), SAY(access("d/x", F_OK)), SAY(write(fd, "abc", 3)), SAY(fstatat(directory, "x", &s, 0)), printf("%ld\n", (long)s.st_size), SAY(faccessat(directory, "sub/y", F_OK, 0)), SAY(faccessat(inside, "y", F_OK, 0)), SAY(faccessat(directory, "../x", F_OK, 0)), SAY(fchdir(directory)), SAY(mkdir("new", 0755)), SAY(mount("none", "new", "tmpfs", 0, 0)), SAY(umount2(".", 0)), SAY(rename("x", "z")), SAY(chdir(base)), close(fd), close(directory), close(inside);
  SAY(symlink("d", "link")), SAY(mount("none", "link", "tmpfs", 0, 0)), SAY(umount2("link", UMOUNT_NOFOLLOW)), SAY(umount("link")), SAY(unlink("link"));
  SAY(mount("none", "d", "tmpfs", 0, 0)), SAY(make("d/x")), fd = open("d/x", O_RDWR), SAY(ftruncate(fd, 4096));
  char *at = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd), SAY(umount("d")), SAY(mount(0, "d", 0, MS_REMOUNT | MS_RDONLY, 0)), SAY(umount2("d", MNT_DETACH)), *at = 7, SAY(*at), SAY(munmap(at, 4096));
}

static void watched(void) {
  char bytes[512];
  printf("-- watched\n");
  SAY(mount("none", "d", "tmpfs", 0, 0)), SAY(make("d/x"));
  int fd = inotify_init1(IN_NONBLOCK);
  SAY(inotify_add_watch(fd, "d/x", IN_ALL_EVENTS)), SAY(umount("d"));
  ssize_t n = read(fd, bytes, sizeof bytes);
  for (struct inotify_event *e = (void *)bytes; (char *)e < bytes + n; e = (void *)((char *)(e + 1) + e->len)) printf("%d %x\n", e->wd, e->mask);
  close(fd);
}

static void kinds(void) {
  struct statfs s;
  printf("-- kinds\n");
  const char *const names[] = {"proc", "sysfs", "devtmpfs", "devpts"};
  for (int i = 0; i < 4; i++) {
    SAY(mount(names[i], "d", names[i], MS_NOSUID | MS_NODEV | MS_NOEXEC, 0)), SAY(statfs("d", &s)), printf("%lx %d\n", (long)s.f_type, top("d"));
    show();
    if (i == 0) SAY(access("d/self/mountinfo", R_OK));
    if (i == 1) SAY(access("d/class", R_OK)), SAY(mount("again", "d", "sysfs", 0, 0));
    if (i == 2) SAY(same("d/null", "/dev/null")), SAY(open("d/null", O_RDONLY));
    SAY(umount("d"));
  }
}

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  if (argc > 1) SAY(chdir(argv[1]) == 0);
  getcwd(base, sizeof base - 64);
  umask(022);
  SAY(mkdir("d", 0755)), SAY(mkdir("e", 0755)), SAY(make("f"));
  refused(), covering(), filled(), bound(), moved(), flags(), busy(), watched(), kinds();
  SAY(rmdir("d")), SAY(rmdir("e")), SAY(unlink("f"));
  SAY(seteuid(1000)), SAY(mount("none", "/", "tmpfs", 0, 0)), SAY(umount("/")), SAY(mount("none", "/missing", "tmpfs", 0, 0));
  return 0;
}
