/* User name spaces: maps and who may write them, ids as they are told, capabilities in them, and what belongs to them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

static const char *of(pid_t pid, const char *name) {
  static char path[64];
  if (pid == 0) snprintf(path, sizeof path, "/proc/self/%s", name);
  else snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return path;
}
static int put(pid_t pid, const char *name, const char *text) {
  int fd = open(of(pid, name), O_WRONLY);
  if (fd < 0) return fd;
  int n = write(fd, text, strlen(text)), e = errno;
  close(fd);
  errno = e;
  return n;
}
static void show(pid_t pid, const char *name) {
  char text[400];
  int fd = open(of(pid, name), O_RDONLY), n = read(fd, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = 0;
  printf("%s:\n%s", name, text);
  fflush(stdout);
  close(fd);
}
static void line(const char *name) {
  char text[4096], *at;
  int fd = open("/proc/self/status", O_RDONLY), n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n] = 0;
  at = strstr(text, name);
  if (at) printf("%.*s\n", (int)strcspn(at, "\n"), at);
  fflush(stdout);
}
static void ids(const char *when) {
  uid_t u[3]; gid_t g[3];
  getresuid(u, u + 1, u + 2); getresgid(g, g + 1, g + 2);
  printf("%s %d %d %d %d %d %d\n", when, u[0], u[1], u[2], g[0], g[1], g[2]);
  fflush(stdout);
}
static int status;
static int ended(pid_t pid) { status = -1; return waitpid(pid, &status, 0) == pid ? WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status) : -1; }
static pid_t clone_(long flags) { fflush(stdout); return syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0); }

static void alone(void) {
  struct stat s;
  char path[] = "/tmp/users-XXXXXX";
  int fd = mkstemp(path);
  ids("before"); line("CapEff"); show(0, "uid_map");
  SAY(put(0, "uid_map", "0 1000 1")); SAY(unshare(CLONE_NEWUTS));
  SAY(unshare(CLONE_NEWUSER));
  ids("after"); line("CapEff"); line("CapBnd"); show(0, "uid_map"); show(0, "setgroups");
  fstat(fd, &s); printf("file %d %d\n", s.st_uid, s.st_gid);
  SAY(setuid(0)); SAY(setgid(5)); SAY(seteuid(65534)); SAY(fchown(fd, 0, -1)); SAY(setgroups(0, 0));
  SAY(put(0, "uid_map", "x")); SAY(put(0, "uid_map", "0 1000 0")); SAY(put(0, "uid_map", "0 1000 1\n0 1001 1")); SAY(put(0, "uid_map", "0 1000 2")); SAY(put(0, "uid_map", "0 0 1")); SAY(put(0, "uid_map", "0 999 1"));
  SAY(put(0, "gid_map", "0 1000 1")); SAY(put(0, "setgroups", "maybe")); SAY(put(0, "setgroups", "deny")); SAY(put(0, "setgroups", "allow")); SAY(put(0, "setgroups", "deny\n"));
  SAY(put(0, "uid_map", "0 1000 1\n")); SAY(put(0, "gid_map", "0 1000 1")); SAY(put(0, "uid_map", "0 1000 1")); SAY(put(0, "setgroups", "deny"));
  ids("mapped"); show(0, "uid_map"); show(0, "gid_map"); line("Uid"); line("Gid");
  fstat(fd, &s); printf("file %d %d\n", s.st_uid, s.st_gid);
  stat("/", &s); printf("root %d %d\n", s.st_uid, s.st_gid);
  SAY(setgroups(0, 0)); SAY(setuid(1)); SAY(setresuid(0, 0, 0)); SAY(fchown(fd, 0, 0)); SAY(fchown(fd, 1, -1)); SAY(chown("/", 0, 0)); SAY(chmod("/", 0777));
  SAY(sethostname("x", 1)); SAY(unshare(CLONE_NEWUTS)); SAY(sethostname("x", 1)); SAY(mknod("/tmp/users-node", S_IFCHR | 0600, makedev(1, 3)));
  SAY(setpriority(PRIO_PROCESS, 0, -5)); SAY(access("/etc/shadow", R_OK) == 0);
  SAY(prctl(PR_CAPBSET_DROP, 21)); line("CapBnd");
  SAY(unlink(path));
}
/* A child whose maps are written from outside; execve keeps what root has. */
static void outside(void) {
  int p[2], q[2];
  char c;
  pipe(p); pipe(q);
  pid_t pid = clone_(CLONE_NEWUSER | CLONE_NEWPID);
  if (pid == 0) {
    ids("child"); printf("pid %d\n", getpid()); fflush(stdout);
    write(p[1], "x", 1); read(q[0], &c, 1);
    ids("mapped"); show(0, "uid_map"); SAY(setresuid(7, 7, 7)); line("CapEff"); ids("seven"); SAY(setuid(0)); SAY(kill(1, 0));
    pid_t inner = clone_(CLONE_NEWUSER);
    if (inner == 0) { ids("inner"); SAY(put(0, "uid_map", "70 7 1")); ids("deeper"); show(0, "uid_map"); SAY(setresuid(70, 70, 70)); _exit(4); }
    siginfo_t info;
    waitid(P_PID, inner, &info, WEXITED | WNOWAIT); printf("uid %d\n", info.si_uid);
    SAY(ended(inner));
    _exit(0);
  }
  read(p[0], &c, 1);
  SAY(put(pid, "uid_map", "7 1000 1")); SAY(put(pid, "gid_map", "7 1000 1")); SAY(put(pid, "setgroups", "deny")); SAY(put(pid, "gid_map", "7 1000 1"));
  show(pid, "uid_map");
  write(q[1], "x", 1);
  SAY(ended(pid));
}
/* Entering one's own child's name spaces, several kinds at once; what belongs to whom. */
static void entering(void) {
  int p[2], q[2];
  char c;
  pipe(p); pipe(q);
  int own = open("/proc/self/ns/user", O_RDONLY);
  pid_t pid = clone_(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNET);
  if (pid == 0) { write(p[1], "x", 1); read(q[0], &c, 1); _exit(0); }
  read(p[0], &c, 1);
  put(pid, "setgroups", "deny"); put(pid, "uid_map", "0 1000 1"); put(pid, "gid_map", "0 1000 1");
  int fd = syscall(SYS_pidfd_open, pid, 0), uts = open(of(pid, "ns/uts"), O_RDONLY), user = open(of(pid, "ns/user"), O_RDONLY), first = open("/proc/self/ns/uts", O_RDONLY);
  SAY(setns(own, CLONE_NEWUSER)); SAY(setns(uts, CLONE_NEWUTS)); SAY(setns(fd, CLONE_NEWUTS)); SAY(setns(fd, CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNET) );
  ids("entered"); line("CapEff"); SAY(sethostname("y", 1)); SAY(setns(first, 0)); SAY(setns(user, 0)); SAY(setns(own, 0));
  struct stat a, b;
  uid_t uid = 77;
  int owner = ioctl(uts, NS_GET_USERNS);
  SAY(owner >= 0); SAY(ioctl(user, NS_GET_PARENT)); SAY(ioctl(first, NS_GET_USERNS)); SAY(ioctl(uts, NS_GET_PARENT)); SAY(ioctl(user, NS_GET_NSTYPE) == CLONE_NEWUSER);
  fstat(owner, &a); fstat(user, &b);
  SAY(a.st_ino == b.st_ino); SAY(fcntl(owner, F_GETFD)); SAY(ioctl(user, NS_GET_OWNER_UID, &uid)); printf("owner %d\n", uid); SAY(ioctl(uts, NS_GET_OWNER_UID, &uid));
  write(q[1], "x", 1);
  SAY(ended(pid));
}
static void nest(int depth) {
  pid_t pid = clone_(CLONE_NEWUSER);
  if (pid == 0) {
    put(0, "setgroups", "deny");
    char text[40];
    snprintf(text, sizeof text, "%d %d 1", 1000, 1000);
    put(0, "uid_map", text); put(0, "gid_map", text);
    nest(depth + 1);
    _exit(0);
  }
  if (pid < 0) { printf("depth %d %s\n", depth, strerrorname_np(errno)); fflush(stdout); }
  else waitpid(pid, 0, 0);
}
static int within(void (*what)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { what(); fflush(stdout); _exit(0); }
  return ended(pid);
}
static void nested(void) { nest(0); }
/* In a file system of one's own nobody makes a file whose ids it has no numbers for: here first no group has one, then both have. */
static int made(int dir, const char *name, int flags) { int fd = openat(dir, name, O_RDWR | flags, 0600); if (fd >= 0) close(fd); return fd < 0 ? -1 : 0; }
static void making(int dir) {
  SAY(mkdirat(dir, "d", 0700)); SAY(made(dir, "f", O_CREAT)); SAY(mknodat(dir, "n", S_IFIFO | 0600, 0)); SAY(symlinkat("x", dir, "s"));
  SAY(made(dir, "f", 0)); SAY(mkdirat(dir, "d", 0700)); SAY(renameat(dir, "f", dir, "g")); SAY(linkat(dir, "g", dir, "h", 0)); SAY(made(dir, "no/f", O_CREAT));
  int fd = openat(dir, ".", O_TMPFILE | O_RDWR, 0600);
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  SAY(made(dir, ".", O_TMPFILE)); SAY(linkat(AT_FDCWD, path, dir, "t", AT_SYMLINK_FOLLOW));
  close(fd);
}
static void unmapped(void) {
  SAY(unshare(CLONE_NEWUSER | CLONE_NEWNS)); SAY(mount("none", "/tmp", "tmpfs", 0, "mode=777"));
  int dir = open("/tmp", O_RDONLY | O_DIRECTORY);
  SAY(fchmod(dir, 0555)); SAY(mkdirat(dir, "d", 0700)); SAY(made(dir, "f", O_CREAT)); SAY(made(dir, ".", O_TMPFILE)); SAY(fchmod(dir, 0777));
  making(dir);
  SAY(put(0, "uid_map", "0 1000 1")); making(dir);
  SAY(put(0, "setgroups", "deny")); SAY(put(0, "gid_map", "0 1000 1")); making(dir);
}
static void flags(void) { SAY(clone_(CLONE_NEWUSER | CLONE_FS)); SAY(syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0)); SAY(unshare(CLONE_NEWNET)); SAY(clone_(CLONE_NEWPID)); }
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "forbidden")) return unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0;
  setvbuf(stdout, 0, _IOFBF, 65536);
  SAY(within(flags)); SAY(within(alone)); SAY(within(outside)); SAY(within(entering)); SAY(within(nested)); SAY(within(unmapped));
  return 0;
}
