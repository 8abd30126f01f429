/* What only root may do: other users and groups, another root directory, the machine's names. Each change is one of a child's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
static char *place;

static int apart(void (*run)(void)) {
  int status;
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { run(); fflush(stdout); _exit(0); }
  waitpid(pid, &status, 0);
  return status;
}
static void ids(void) {
  gid_t r, e, s;
  uid_t ur, ue, us;
  SAY(CALL(getresgid, &r, &e, &s)); printf("%d %d %d\n", r, e, s);
  SAY(CALL(setregid, 5, 6)); SAY(CALL(getresgid, &r, &e, &s)); printf("%d %d %d\n", r, e, s);
  SAY(CALL(setresgid, -1, 7, 8)); SAY(CALL(getresgid, &r, &e, &s)); printf("%d %d %d\n", r, e, s);
  SAY(CALL(setfsgid, 9)); SAY(CALL(setfsgid, -1)); SAY(CALL(setgid, 10)); SAY(CALL(getresgid, &r, &e, &s)); printf("%d %d %d\n", r, e, s);
  SAY(CALL(setfsuid, 5)); SAY(CALL(setfsuid, 0)); SAY(CALL(setreuid, 3, 4)); SAY(CALL(getresuid, &ur, &ue, &us)); printf("%d %d %d\n", ur, ue, us);
  SAY(CALL(setresuid, 4, 3, 4)); SAY(CALL(setresuid, -1, 99, -1)); SAY(CALL(setregid, 99, -1)); SAY(CALL(setresgid, 1, 2, 3)); SAY(CALL(setgid, 5)); SAY(CALL(getresgid, 8, &e, &s));
}
static void groups(void) {
  gid_t list[4] = { 30, 10, 20, 10 }, got[8];
  SAY(CALL(setgroups, 4, list)); SAY(CALL(getgroups, 0, 0)); SAY(CALL(getgroups, 8, got)); printf("%d %d %d %d\n", got[0], got[1], got[2], got[3]);
  SAY(CALL(getgroups, 3, got)); SAY(CALL(getgroups, -1, got)); SAY(CALL(getgroups, 4, 8)); SAY(CALL(setgroups, 65537, list)); SAY(CALL(setgroups, -1, list)); SAY(CALL(setgroups, 1, 8)); SAY(CALL(setgroups, 0, 0)); SAY(CALL(getgroups, 0, 0));
  SAY(CALL(setresuid, 1, 1, 1)); SAY(CALL(setgroups, 1, list));
}
static void owners(void) {
  struct stat s;
  int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  SAY(fchmod(fd, 06755));
  SAY(CALL(fchown, fd, 11, 12)); fstat(fd, &s); printf("%d %d %o\n", s.st_uid, s.st_gid, s.st_mode);
  SAY(CALL(fchown, fd, -1, 13)); fstat(fd, &s); printf("%d %d\n", s.st_uid, s.st_gid); SAY(CALL(fchown, 99, 1, 1));
  SAY(CALL(setresuid, 11, 11, 11)); SAY(CALL(fchown, fd, 11, 13)); SAY(CALL(fchown, fd, 12, -1)); SAY(CALL(fchown, fd, -1, 14)); SAY(CALL(fchown, fd, -1, -1));
}
static void root(void) {
  char text[200];
  SAY(mkdir("jail", 0755)); SAY(close(open("jail/inside", O_CREAT | O_WRONLY, 0600)));
  SAY(CALL(chroot, "jail/inside")); SAY(CALL(chroot, "missing")); SAY(CALL(chroot, 8)); SAY(CALL(chroot, "jail"));
  SAY(access("/inside", F_OK)); SAY(access("jail/inside", F_OK)); SAY(chdir("/")); SAY(CALL(getcwd, text, 200)); puts(text); SAY(chdir("..")); SAY(access("inside", F_OK)); SAY(access("/proc", F_OK));
  SAY(unlink("/inside")); SAY(CALL(setresuid, 1, 1, 1)); SAY(CALL(chroot, "/"));
}
static const char *called(void) { static struct utsname n; static char text[200]; uname(&n); snprintf(text, 200, "%s.%s", n.nodename, n.domainname); return text; }
static void names(void) {
  int before = open("/proc/self/ns/uts", O_RDONLY);
  struct utsname was, now;
  uname(&was);
  SAY(unshare(CLONE_NEWUTS)); uname(&now); SAY(strcmp(was.nodename, now.nodename));
  SAY(CALL(sethostname, "renamed", 7)); SAY(CALL(setdomainname, "example", 7)); puts(called());
  SAY(CALL(sethostname, "x", -1)); SAY(CALL(sethostname, "x", 65)); SAY(CALL(sethostname, 8, 3)); SAY(CALL(setdomainname, "x", 65)); SAY(CALL(setdomainname, 8, 3));
  SAY(CALL(sethostname, "", 0)); puts(called());
  SAY(CALL(setns, 99, 0)); SAY(CALL(setns, 0, 0)); SAY(CALL(setns, before, CLONE_NEWIPC)); SAY(CALL(setns, before, CLONE_NEWUTS)); uname(&now); SAY(strcmp(was.nodename, now.nodename));
  SAY(CALL(setresuid, 1, 1, 1)); SAY(CALL(sethostname, "x", 1)); SAY(CALL(setdomainname, "x", 1)); SAY(CALL(setns, before, 0)); SAY(unshare(CLONE_NEWUTS));
}
static void nothing(void) { _exit(chroot("/") || unshare(CLONE_NEWUTS) || setgroups(0, 0)); }

int main(int argc, char **argv) {
  if (!strcmp(argv[1], "forbidden")) return apart(nothing) != 0;
  umask(022); setgroups(0, 0);
  if (chdir(argv[1])) return 1;
  SAY(apart(ids)); SAY(apart(groups)); SAY(apart(owners)); SAY(apart(root)); SAY(apart(names));
  SAY(unlink("file")); SAY(rmdir("jail"));
  return 0;
}
