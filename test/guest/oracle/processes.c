/* Processes: fork, vfork, clone, waiting in every way, what a child has of its parent, and what it has not. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define show(x) do { errno = 0; long r_ = (long)(x); printf("%s = %ld%s%s\n", #x, r_, r_ < 0 ? " " : "", r_ < 0 ? strerrorname_np(errno) : ""); } while (0)

static void ended(const char *who, int status) {
  if (WIFEXITED(status)) printf("%s: exited %d\n", who, WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) printf("%s: signal %d\n", who, WTERMSIG(status));
  else printf("%s: status %x\n", who, status);
}

static int global = 1;

static void copies(void) {
  int *heap = malloc(200000), local = 2;
  for (int i = 0; i < 50000; i++) heap[i] = i;
  pid_t pid = fork();
  if (pid == 0) {
    int sum = 0;
    for (int i = 0; i < 50000; i++) sum += heap[i] == i;
    global = 10; local = 20; heap[100] = 30;
    printf("child %d %d %d, all %d, parent %d\n", global, local, heap[100], sum == 50000, getppid() != 0);
    fflush(stdout);
    _exit(global + local);
  }
  int status;
  global = 5; heap[49999] = 7;
  printf("waited %d\n", waitpid(pid, &status, 0) == pid);
  ended("child", status);
  printf("parent %d %d %d %d\n", global, local, heap[100], heap[49999]);
  free(heap);
}

static void many(void) {
  pid_t pids[10];
  for (int i = 0; i < 10; i++) if ((pids[i] = fork()) == 0) _exit(i * 3);
  int sum = 0, status, n = 0;
  while (wait(&status) > 0) sum += WEXITSTATUS(status), n++;
  printf("%d children, sum %d, then %s\n", n, sum, strerrorname_np(errno));
  for (int i = 0; i < 4; i++) if ((pids[i] = fork()) == 0) _exit(i + 40);
  for (int i = 3; i >= 0; i--) { waitpid(pids[i], &status, 0); ended("by number", status); }
}

static void depth(int n) {
  if (n == 0) _exit(1);
  pid_t pid = fork();
  if (pid == 0) depth(n - 1);
  int status;
  waitpid(pid, &status, 0);
  if (WEXITSTATUS(status) == 0) abort();
  _exit(WEXITSTATUS(status) + 1);
}

static void ways(void) {
  int status;
  show(waitpid(-1, &status, 0));
  show(waitpid(getpid(), &status, 0));
  show(waitpid(-1, &status, 0x10));
  pid_t pid = fork();
  if (pid == 0) { for (;;) pause(); }
  show(waitpid(pid, &status, WNOHANG));
  show(waitpid(pid + 1000, &status, WNOHANG));
  show(waitpid(-getpgrp() - 1000, &status, WNOHANG));
  show(waitpid(-getpgrp(), &status, WNOHANG));
  show(waitpid(0, &status, WNOHANG));
  show(kill(pid, SIGTERM));
  printf("%d\n", waitpid(pid, &status, 0) == pid);
  ended("killed", status);
  show(kill(pid, 0));
  if ((pid = fork()) == 0) depth(5);
  waitpid(pid, &status, 0);
  ended("depth", status);
  if ((pid = fork()) == 0) abort();
  waitpid(pid, &status, 0);
  printf("abort %d %d\n", WIFSIGNALED(status), WTERMSIG(status));
  if ((pid = fork()) == 0) *(volatile int *)8 = 1;
  waitpid(pid, &status, 0);
  printf("fault %d %d\n", WIFSIGNALED(status), WTERMSIG(status));
}

static void infos(void) {
  siginfo_t info;
  pid_t pid = fork();
  if (pid == 0) _exit(33);
  memset(&info, 0, sizeof info);
  show(waitid(P_ALL, 0, &info, 0));
  show(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
  printf("%d %d %d %d %d\n", info.si_signo, info.si_code, info.si_pid == pid, info.si_status, info.si_uid == getuid());
  show(waitid(P_PID, pid, &info, WEXITED));
  show(waitid(P_PID, pid, &info, WEXITED));
  if ((pid = fork()) == 0) for (;;) pause();
  info.si_pid = 99;
  show(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
  printf("none %d\n", info.si_pid);
  kill(pid, SIGKILL);
  show(waitid(P_PGID, getpgrp(), &info, WEXITED));
  printf("%d %d %d\n", info.si_code, info.si_status, info.si_pid == pid);
}

static void vforks(void) {
  volatile int seen = 0;
  pid_t pid = vfork();
  if (pid == 0) { seen = 77; _exit(12); }
  int status;
  printf("vfork saw %d\n", seen);
  waitpid(pid, &status, 0);
  ended("vfork", status);
}

static int inMemory(void *p) { *(volatile int *)p = 5; return 44; }

static void clones(void) {
  char *stack = malloc(65536);
  volatile int value = 0;
  int status;
  pid_t pid = clone(inMemory, stack + 65536, CLONE_VM | SIGCHLD, (void *)&value);
  waitpid(pid, &status, 0);
  ended("clone", status);
  printf("shared %d\n", value);
  pid = clone(inMemory, stack + 65536, SIGCHLD, (void *)&value);
  value = 6;
  waitpid(pid, &status, 0);
  printf("copied %d\n", value);
  pid = clone(inMemory, stack + 65536, CLONE_VM | CLONE_VFORK, (void *)&value);
  show(waitpid(pid, &status, WNOHANG));
  printf("%d\n", waitpid(pid, &status, __WCLONE) == pid);
  show(clone(inMemory, stack + 65536, CLONE_THREAD | SIGCHLD, 0));
  show(clone(inMemory, stack + 65536, CLONE_SIGHAND | SIGCHLD, 0));
  pid_t there = 0;
#ifdef __riscv
  long child = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &there, 0, &there);
#else
  long child = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &there, &there, 0);
#endif
  if (child == 0) _exit(there == getpid());
  printf("told %d\n", there == child);
  waitpid(child, &status, 0);
  ended("told", status);
  struct { unsigned long flags, pidfd, child, parent, signal, stack, size, tls; } three = { .signal = SIGCHLD };
  child = syscall(SYS_clone3, &three, sizeof three);
  if (child == 0) _exit(9);
  waitpid(child, &status, 0);
  ended("clone3", status);
  show(syscall(SYS_clone3, &three, 63));
  three.flags = SIGCHLD;
  show(syscall(SYS_clone3, &three, sizeof three));
  free(stack);
}

static void files(const char *path) {
  int fd = open(path, O_RDONLY), other = open(path, O_RDONLY), status;
  char two[8] = "";
  pid_t pid = fork();
  if (pid == 0) {
    show(read(fd, two, 4));
    show(close(other));
    show(open(path, O_RDONLY) == other);
    fflush(stdout);
    _exit(0);
  }
  waitpid(pid, &status, 0);
  show(lseek(fd, 0, SEEK_CUR));
  show(read(other, two, 4));
  close(fd); close(other);
}

static void mappings(void) {
  int *private = mmap(0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), status;
  private[0] = 1; private[1024] = 2;
  pid_t pid = fork();
  if (pid == 0) {
    mprotect(private, 4096, PROT_READ);
    munmap(private + 1024, 4096);
    pid_t again = fork();
    if (again == 0) { mprotect(private, 4096, 3); private[0] = 50; _exit(private[0]); }
    waitpid(again, &status, 0);
    _exit(WEXITSTATUS(status) + private[0]);
  }
  waitpid(pid, &status, 0);
  ended("mapping", status);
  printf("mine %d %d\n", private[0], private[1024]);
}

static void orphans(void) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    if (fork() == 0) { nanosleep(&(struct timespec){0, 30000000}, 0); _exit(3); }
    _exit(2);
  }
  waitpid(pid, &status, 0);
  ended("parent of an orphan", status);
  show(waitpid(-1, &status, 0));
  signal(SIGCHLD, SIG_IGN);
  if (fork() == 0) _exit(4);
  show(waitpid(-1, &status, 0));
  signal(SIGCHLD, SIG_DFL);
}

static void groups(void) {
  int status;
  show(getpgid(0) == getpgrp());
  show(getpgid(99999999));
  show(getsid(-5));
  pid_t pid = fork();
  if (pid == 0) {
    show(setpgid(0, 0));
    show(getpgrp() == getpid());
    show(setpgid(0, getppid() + 100000));
    show(setpgid(getppid(), 0));
    show(setsid());
    if (fork() == 0) { show(setsid() == getpid()); show(getsid(0) == getpid()); show(setpgid(0, 0)); fflush(stdout); _exit(0); }
    wait(&status);
    fflush(stdout);
    _exit(0);
  }
  waitpid(pid, &status, 0);
  ended("groups", status);
  if ((pid = fork()) == 0) for (;;) pause();
  show(setpgid(pid, pid));
  show(getpgid(pid) == pid);
  pid_t other = fork();
  if (other == 0) for (;;) pause();
  show(setpgid(other, pid));
  show(setpgid(other, -1));
  show(setpgid(other, other + 100000));
  show(waitpid(-getpgrp(), &status, WNOHANG));
  show(kill(-pid, SIGKILL));
  int n = 0;
  while (waitpid(-pid, &status, 0) > 0) n++;
  printf("group of %d\n", n);
}

static void usage(void) {
  struct rusage self, children;
  int status;
  pid_t pid = fork();
  if (pid == 0) { for (volatile int i = 0; i < 30000000; i++) ; _exit(0); }
  wait4(pid, &status, 0, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  printf("used %d %d\n", self.ru_utime.tv_sec * 1000000 + self.ru_utime.tv_usec > 1000,
    children.ru_utime.tv_sec * 1000000 + children.ru_utime.tv_usec >= self.ru_utime.tv_sec * 1000000 + self.ru_utime.tv_usec);
}

/* In a child, so that no number is that of the first process of a machine, whose group cannot be waited for by name. */
int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    copies(); many(); ways(); infos(); vforks(); clones(); files(argv[1]); mappings(); orphans(); groups(); usage();
    return 7;
  }
  int status;
  waitpid(pid, &status, 0);
  ended("all", status);
  return 0;
}
