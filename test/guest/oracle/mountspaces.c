/* Mount name spaces and pivot_root(2), by root in a name space of its own where nothing is shared. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

static int make(const char *path) { int fd = open(path, O_CREAT | O_WRONLY, 0644); if (fd >= 0) close(fd); return fd < 0 ? -1 : 0; }
static int same(const char *a, const char *b) { struct stat s, t; return stat(a, &s) | stat(b, &t) ? -1 : s.st_dev == t.st_dev && s.st_ino == t.st_ino; }
static int spaces_differ(int pid) {
  char path[64], own[64] = "", other[64] = "";
  readlink("/proc/self/ns/mnt", own, 63);
  snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid), readlink(path, other, 63);
  return strncmp(own, "mnt:[", 5) == 0 && strncmp(other, "mnt:[", 5) == 0 && strcmp(own, other) != 0;
}
static long pivot(const char *next, const char *old) { return syscall(SYS_pivot_root, next, old); }
static int lines(const char *path) { FILE *f = fopen(path, "r"); int n = 0, c; if (!f) return -1; while ((c = fgetc(f)) != EOF) n += c == '\n'; fclose(f); return n; }

/* A child with a name space of its own says things when it is told to, one after the other. */
static int to[2], from[2];
static void go(void) { char c; write(to[1], "x", 1), read(from[0], &c, 1); }
static void turn(void) { char c; write(from[1], "x", 1), read(to[0], &c, 1); }

static void apart(void) {
  char c;
  printf("-- apart\n"), fflush(stdout);
  SAY(mount("none", "d", "tmpfs", 0, 0)), SAY(make("d/common"));
  pipe(to), pipe(from);
  pid_t pid = fork();
  if (pid == 0) {
    read(to[0], &c, 1);
    SAY(unshare(CLONE_NEWNS)), SAY(spaces_differ(getppid()));
    SAY(mount("none", "e", "tmpfs", 0, 0)), SAY(make("e/child")), SAY(access("d/common", F_OK)), SAY(umount("d"));
    turn();
    SAY(access("f/sub", F_OK)), SAY(access("f", F_OK)), SAY(access("e/child", F_OK));
    turn();
    _exit(0);
  }
  go();
  SAY(access("e/child", F_OK)), SAY(access("d/common", F_OK)), SAY(mount("none", "f", "tmpfs", 0, 0)), SAY(mkdir("f/sub", 0755));
  go();
  /* Where it is covered only in another name space, a directory can go. */
  SAY(umount("f")), SAY(rmdir("e")), SAY(mkdir("e", 0755)), SAY(umount("d"));
  write(to[1], "x", 1);
  SAY(waitpid(pid, 0, 0) == pid);
}

static int cloned(void *path) {
  SAY(spaces_differ(getppid())), SAY(umount("d")), SAY(access("d/x", F_OK));
  return 3;
}

static void entered(void) {
  static char stack[65536];
  int status;
  printf("-- entered\n"), fflush(stdout);
  SAY(mount("none", "d", "tmpfs", 0, 0)), SAY(make("d/x"));
  pid_t pid = clone(cloned, stack + sizeof stack, CLONE_NEWNS | SIGCHLD, 0);
  SAY(waitpid(pid, &status, 0) == pid), SAY(WEXITSTATUS(status)), SAY(access("d/x", F_OK));
  SAY(clone(cloned, stack + sizeof stack, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0));
  int own = open("/proc/self/ns/mnt", O_RDONLY);
  SAY(own >= 0), SAY(unshare(CLONE_NEWNS)), SAY(umount("d")), SAY(access("d/x", F_OK));
  char base[PATH_MAX];
  SAY(getcwd(base, sizeof base) != 0), SAY(setns(own, CLONE_NEWUTS)), SAY(setns(own, CLONE_NEWNS)), SAY(access("d/x", F_OK));
  char here[PATH_MAX];
  SAY(getcwd(here, sizeof here) != 0 && strcmp(here, "/") == 0), SAY(chdir(base)), SAY(access("d/x", F_OK)), close(own);
  SAY(umount("d"));
}

static void pivoted(void) {
  char base[PATH_MAX];
  int status;
  printf("-- pivoted\n"), fflush(stdout);
  getcwd(base, sizeof base);
  if (fork() == 0) {
    SAY(unshare(CLONE_NEWNS)), SAY(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
    SAY(pivot("d", "d/old")), SAY(pivot("missing", "d")), SAY(pivot("d", "d"));
    SAY(mount("none", "d", "tmpfs", 0, 0)), SAY(mkdir("d/old", 0755)), SAY(mkdir("d/proc", 0755)), SAY(make("d/file")), SAY(mount("inner", "d/proc", "proc", 0, 0));
    SAY(pivot("d", "e")), SAY(pivot("d", "d/file")), SAY(pivot("d/old", "d")), SAY(pivot("/", "/"));
    SAY(pivot("d", "d/old")), SAY(access("/file", F_OK)), SAY(access("/old/dev/null", F_OK)), SAY(same("/..", "/"));
    char here[PATH_MAX];
    SAY(getcwd(here, sizeof here) != 0 && strncmp(here, "/old/", 5) == 0), SAY(chdir("/"));
    SAY(lines("/proc/self/mounts") > 2), SAY(umount("/old")), SAY(umount2("/old", MNT_DETACH)), SAY(access("/old/dev/null", F_OK)), SAY(lines("/proc/self/mounts")), SAY(rmdir("/old"));
    SAY(mkdir("/next", 0755)), SAY(mount("none", "/next", "tmpfs", 0, 0)), SAY(make("/next/last")), SAY(chdir("/next")), SAY(pivot(".", ".")), SAY(umount2(".", MNT_DETACH)), SAY(access("/last", F_OK)), SAY(access("/file", F_OK));
    fflush(stdout);
    _exit(7);
  }
  wait(&status);
  SAY(WEXITSTATUS(status)), SAY(access("d/old", F_OK)), SAY(access("/dev/null", F_OK));
  /* In a root that is no mount's top there is nothing to turn round. */
  if (fork() == 0) {
    SAY(mkdir("d/r", 0755)), SAY(mkdir("d/r/n", 0755)), SAY(chroot("d/r")), SAY(chdir("/")), SAY(mount("none", "/n", "tmpfs", 0, 0)), SAY(mkdir("/n/o", 0755)), SAY(pivot("/n", "/n/o")), SAY(umount("/n"));
    _exit(0);
  }
  wait(&status);
  SAY(rmdir("d/r/n")), SAY(rmdir("d/r"));
}

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  /* In a mount of its own, wherever that is. */
  SAY(mount("none", argv[1], "tmpfs", 0, 0)), SAY(chdir(argv[1]));
  SAY(mkdir("d", 0755)), SAY(mkdir("e", 0755)), SAY(mkdir("f", 0755));
  apart(), entered(), pivoted();
  SAY(rmdir("d")), SAY(rmdir("e")), SAY(rmdir("f")), SAY(chdir("/")), SAY(umount(argv[1]));
  SAY(seteuid(1000)), SAY(unshare(CLONE_NEWNS)), SAY(pivot("/", "/"));
  return 0;
}
