/* What root of a user name space can do to mounts that it was given, and to its own. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

static int make(const char *path) { int fd = open(path, O_CREAT | O_WRONLY, 0644); if (fd >= 0) close(fd); return fd < 0 ? -1 : 0; }

static int put(const char *path, const char *text) { int fd = open(path, O_WRONLY); long n = write(fd, text, strlen(text)); close(fd); return n == (long)strlen(text) ? 0 : -1; }

int main(int argc, char **argv) {
  int status;
  char within[256];
  snprintf(within, sizeof within, "%s/b", argv[1]), argv[2] = within;
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  umask(0);
  SAY(mount("none", argv[1], "tmpfs", 0, "mode=777")), SAY(chdir(argv[1])), SAY(mkdir("a", 0777)), SAY(mkdir("b", 0777)), SAY(mkdir("c", 0777)), SAY(make("a/covered"));
  SAY(mount("none", "a", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=777")), SAY(mount("none", "c", "tmpfs", MS_RDONLY, "mode=777"));
  fflush(stdout);
  if (fork() == 0) {
    SAY(setgid(1000)), SAY(setuid(1000)), prctl(PR_SET_DUMPABLE, 1), SAY(mount("none", "b", "tmpfs", 0, 0)), SAY(umount("a")), SAY(unshare(CLONE_NEWNS));
    SAY(unshare(CLONE_NEWUSER | CLONE_NEWNS));
    SAY(put("/proc/self/setgroups", "deny")), SAY(put("/proc/self/uid_map", "0 1000 1")), SAY(put("/proc/self/gid_map", "0 1000 1"));
    SAY(umount("a")), SAY(umount2("a", MNT_DETACH)), SAY(access("a/covered", F_OK)), SAY(mount("a", "b", 0, MS_MOVE, 0)), SAY(mount(0, "a", 0, MS_REMOUNT | MS_RDONLY, 0)), SAY(mount(0, "/", 0, MS_REMOUNT | MS_RDONLY, 0));
    SAY(mount(0, "a", 0, MS_REMOUNT | MS_BIND, 0)), SAY(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NOEXEC, 0)), SAY(mount(0, "c", 0, MS_REMOUNT | MS_BIND, 0)), SAY(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NOEXEC | MS_NOATIME, 0)), SAY(mount(0, "a", 0, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NOEXEC | MS_RDONLY, 0)), SAY(make("a/x"));
    SAY(mount(".", "b", 0, MS_BIND, 0)), SAY(mount(".", "b", 0, MS_BIND | MS_REC, 0)), SAY(umount("b/a")), SAY(umount("b"));
    SAY(chdir("b")), SAY(umount2(argv[2], MNT_DETACH)), SAY(access("a/covered", F_OK)), SAY(access("a/.", F_OK)), SAY(chdir(argv[1]));
    SAY(mount("none", "b", "devtmpfs", 0, 0)), SAY(mount("none", "b", "tmpfs", 0, "uid=7")), SAY(mount("none", "b", "tmpfs", 0, 0)), SAY(mknod("b/null", S_IFCHR | 0666, 0x103)), SAY(mkdir("b/in", 0755)), SAY(mount("none", "b/in", "tmpfs", 0, "size=4k")), SAY(umount("b/in")), SAY(mount(0, "b", 0, MS_REMOUNT | MS_RDONLY, 0)), SAY(mkdir("b/out", 0755)), SAY(umount("b"));
    _exit(0);
  }
  wait(&status);
  SAY(make("a/x")), SAY(access("a/x", F_OK)), SAY(umount("a")), SAY(access("a/covered", F_OK)), SAY(umount("c")), SAY(chdir("/")), SAY(umount(argv[1]));
  return 0;
}
