/* What is as deep as there can be, and then ends: processes that do because of each other, directories, mounts. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(1);
}

/* Whose write end everybody in the chain has. */
static int alive[2];

static void say_ready(void) { expect(write(alive[1], "", 1) == 1, "write"); }

static void await_end(void) {
  for (;;) pause();
}

/* Each is killed as its parent ends. */
static void parents(int length) {
  for (; length > 1; length--) {
    pid_t child = fork();
    expect(child >= 0, "fork");
    if (child > 0) await_end();
    expect(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "PR_SET_PDEATHSIG");
  }
  say_ready();
  await_end();
}

/* Each is killed as its child ends, and the last one ends. */
static void children(int length) {
  for (; length > 1; length--) {
    pid_t child = syscall(SYS_clone, SIGKILL, 0, 0, 0, 0);
    expect(child >= 0, "clone");
    if (child > 0) await_end();
  }
  say_ready();
}

/* Each is killed as the one ends that traces it. */
static void tracers(int length) {
  for (; length > 1; length--) {
    int traced[2];
    char byte;
    expect(pipe(traced) == 0, "pipe");
    pid_t child = fork();
    expect(child >= 0, "fork");
    if (child > 0) {
      expect(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL) == 0, "PTRACE_SEIZE");
      expect(write(traced[1], "", 1) == 1, "write");
      await_end();
    }
    expect(read(traced[0], &byte, 1) == 1, "read");
    close(traced[0]), close(traced[1]);
  }
  say_ready();
  await_end();
}

/* Each is stopped, and hung up on as its group has nobody any more who could continue it. */
static void groups(int length) {
  for (int i = length; i > 0; i--) {
    pid_t child = 0;
    int status;
    expect(i == length || setpgid(0, 0) == 0, "setpgid");
    if (i > 1) {
      child = fork();
      expect(child >= 0, "fork");
      if (child == 0) continue;
      expect(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status), "the child has stopped");
    }
    if (i == length) say_ready();
    else raise(SIGSTOP);
    await_end();
  }
}

/* Each leads a session, and is hung up on as its terminal's other side is closed, which the one before it has. */
static void terminals(int length) {
  for (; length > 1; length--) {
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), unlocked = 0, number;
    char name[32];
    expect(master >= 0 && ioctl(master, TIOCSPTLCK, &unlocked) == 0 && ioctl(master, TIOCGPTN, &number) == 0, "ptmx");
    sprintf(name, "/dev/pts/%d", number);
    pid_t child = fork();
    expect(child >= 0, "fork");
    if (child > 0) await_end();
    expect(setsid() > 0 && open(name, O_RDWR) > master, "a terminal of its own");
    close(master);
  }
  say_ready();
  await_end();
}

/* One directory in another, of which the inner half goes. */
static void directories(int length) {
  expect(mkdir("/tmp/deep", 0755) == 0 && chdir("/tmp/deep") == 0, "/tmp/deep");
  for (int i = 1; i < length; i++) expect(mkdir("d", 0755) == 0 && chdir("d") == 0, "mkdir");
  char path[4096];
  expect(syscall(SYS_getcwd, path, sizeof path) == -1 && errno == ENAMETOOLONG, "getcwd");
  expect(rename("/tmp/deep", "d") == -1 && errno == EINVAL, "rename into itself");
  for (int i = 1; i < length / 2; i++) expect(chdir("..") == 0 && rmdir("d") == 0, "rmdir");
  say_ready();
}

/* One mount on another, all of which go at once. */
static void mounts(int length) {
  expect(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && mkdir("/tmp/deep", 0755) == 0, "unshare");
  for (int i = 0; i < length; i++) expect(mount("/tmp/deep", "/tmp/deep", 0, MS_BIND, 0) == 0, "mount");
  expect(umount2("/tmp/deep", 0) == 0 && unshare(CLONE_NEWNS) == -1 && errno == ENOSPC, "no room for twice as many");
  say_ready();
}

static const struct { const char *name; void (*make)(int length); } kinds[] = {
  {"parents", parents}, {"children", children}, {"tracers", tracers}, {"groups", groups}, {"terminals", terminals},
  {"directories", directories}, {"mounts", mounts},
};

int main(int argc, char **argv) {
  char byte;
  int status;
  expect(argc == 3 && pipe(alive) == 0, "usage");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kinds[i].name, argv[1]) != 0) continue;
    pid_t first = fork();
    expect(first >= 0, "fork");
    if (first == 0) {
      close(alive[0]);
      kinds[i].make(atoi(argv[2]));
      _exit(0);
    }
    close(alive[1]);
    expect(read(alive[0], &byte, 1) == 1, "the chain is there");
    kill(first, SIGKILL);
    expect(read(alive[0], &byte, 1) == 0 && waitpid(first, &status, 0) == first, "all have ended");
    printf("%d\n", status);
  }
  return 0;
}
