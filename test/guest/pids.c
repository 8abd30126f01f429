/* PID name spaces: numbers at each level, init and what becomes of its own, signals, waiting, and what sockets tell. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "oracle/say.h"

struct arguments { unsigned long flags, pidfd, child, parent, signal, stack, size, tls, set, count, cgroup; };
static long clone3_(struct arguments a) { fflush(stdout); return syscall(435, &a, sizeof a); }
static pid_t clone_(long flags) { fflush(stdout); return syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0); }
static int status;
static int ended(pid_t pid) { status = -1; return waitpid(pid, &status, 0) == pid ? WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status) : -1; }
static void *thread(void *p) { printf("thread %d of %d\n", (int)syscall(SYS_gettid), getpid()); fflush(stdout); return 0; }
static void nothing(int s) {}

static void basics(void) {
  pid_t pid = clone_(CLONE_NEWPID);
  if (pid == 0) {
    pthread_t t;
    printf("init %d %d %d %d %d\n", getpid(), getppid(), (int)syscall(SYS_gettid), getpgid(0), getsid(0));
    pthread_create(&t, 0, thread, 0); pthread_join(t, 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) { printf("child %d %d\n", getpid(), getppid()); SAY(setsid()); SAY(getpgid(0)); SAY(getsid(0)); SAY(getsid(1)); fflush(stdout); _exit(7); }
    printf("forked %d\n", child);
    siginfo_t info;
    SAY(waitid(P_PID, child, &info, WEXITED | WNOWAIT)); printf("info %d %d\n", info.si_pid, info.si_status);
    SAY(kill(child, 0)); SAY(waitpid(child, &status, 0)); SAY(kill(child, 0)); SAY(kill(9999, 0)); SAY(kill(-1, 0)); SAY(kill(1, SIGTERM)); SAY(kill(1, SIGKILL)); SAY(raise(SIGUSR1)); SAY(syscall(SYS_tgkill, 1, 1, SIGINT));
    SAY(setpgid(0, 0)); SAY(getpgrp()); SAY(tcgetpgrp(77));
    _exit(3);
  }
  SAY(ended(pid)); SAY(pid > 1);
}
/* What init leaves ends with it, and who is made afterwards is not. */
static void ends(void) {
  int p[2];
  pipe(p);
  fflush(stdout);
  if (fork() == 0) {
    SAY(unshare(CLONE_NEWPID)); SAY(unshare(CLONE_NEWPID)); printf("still %d\n", getpid() > 1);
    fflush(stdout);
    pid_t init = fork();
    if (init == 0) { fork() == 0 && fork(); for (;;) pause(); }
    pid_t second = fork();
    if (second == 0) { close(p[0]); for (;;) pause(); }
    close(p[1]);
    SAY(kill(init, SIGTERM)); SAY(kill(init, SIGKILL)); SAY(ended(second)); SAY(ended(init));
    char c;
    SAY(read(p[0], &c, 1)); SAY(fork()); SAY(clone_(CLONE_NEWPID)); SAY(unshare(CLONE_NEWPID));
    _exit(0);
  }
  close(p[0]); close(p[1]);
  wait(0);
}
/* Orphans become init's, unless somebody nearer wants them. */
static void orphans(void) {
  pid_t pid = clone_(CLONE_NEWPID);
  if (pid == 0) {
    int p[2];
    pipe(p);
    fflush(stdout);
    if (fork() == 0) { if (fork() == 0) { char c; close(p[1]); read(p[0], &c, 1); _exit(getppid()); } _exit(0); }
    SAY(wait(0)); close(p[1]); SAY(wait(&status)); SAY(WEXITSTATUS(status));
    fflush(stdout);
    pipe(p);
    if (fork() == 0) {
      prctl(PR_SET_CHILD_SUBREAPER, 1);
      if (fork() == 0) { if (fork() == 0) { char c; close(p[1]); read(p[0], &c, 1); _exit(getppid()); } _exit(0); }
      wait(0); close(p[1]); wait(&status); _exit(WEXITSTATUS(status));
    }
    close(p[1]);
    SAY(wait(&status)); SAY(WEXITSTATUS(status));
    _exit(0);
  }
  SAY(ended(pid));
}
static volatile siginfo_t got;
static void take(int s, siginfo_t *i, void *p) { memcpy((void *)&got, i, sizeof got); }
/* Signals from outside: SIGKILL counts, others only with a handler, and nobody is to be seen who sent them. */
static void outside(void) {
  int p[2], q[2];
  char c;
  pipe(p); pipe(q);
  pid_t pid = clone_(CLONE_NEWPID);
  if (pid == 0) {
    struct sigaction a = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, 0);
    write(p[1], "x", 1);
    while (read(q[0], &c, 1) != 1) {}
    printf("got %d from %d code %d\n", got.si_signo, got.si_pid, got.si_code);
    fflush(stdout);
    got.si_signo = 0;
    sigset_t none, user;
    sigemptyset(&none); sigemptyset(&user); sigaddset(&user, SIGUSR1);
    sigprocmask(SIG_BLOCK, &user, 0);
    pid_t child = fork();
    if (child == 0) { kill(1, SIGUSR1); for (;;) pause(); }
    while (got.si_signo == 0) sigsuspend(&none);
    printf("got %d from %d\n", got.si_signo, got.si_pid);
    fflush(stdout);
    write(p[1], "x", 1);
    for (;;) pause();
  }
  read(p[0], &c, 1);
  SAY(kill(pid, SIGUSR2)); SAY(kill(pid, SIGUSR1)); write(q[1], "x", 1);
  read(p[0], &c, 1);
  SAY(kill(pid, SIGSTOP)); SAY(waitpid(pid, &status, WUNTRACED) == pid); SAY(WIFSTOPPED(status)); SAY(kill(pid, SIGCONT)); SAY(waitpid(pid, &status, WCONTINUED) == pid);
  SAY(kill(pid, SIGKILL)); SAY(ended(pid));
}
/* A deeper one, whose numbers all above know; chosen numbers; who sent what; nobody deeper than 32. */
static int sender(int fd) {
  char byte, room[CMSG_SPACE(sizeof(struct ucred))];
  struct iovec v = {&byte, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  if (recvmsg(fd, &m, 0) != 1) return -1;
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  return h == 0 ? -2 : ((struct ucred *)CMSG_DATA(h))->pid;
}
static void deep(void) {
  pid_t ids[3] = {44, 55, 0};
  int s[2], on = 1;
  socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
  setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  pid_t pid = clone_(CLONE_NEWPID);
  if (pid == 0) {
    for (int i = 0; i < 5; i++) { pid_t c = fork(); if (c == 0) _exit(0); waitpid(c, 0, 0); }
    pid_t inner = clone_(CLONE_NEWPID);
    if (inner == 0) {
      printf("inner %d %d\n", getpid(), getppid());
      fflush(stdout);
      pid_t c = clone3_((struct arguments){.signal = SIGCHLD, .set = (long)ids, .count = 2});
      if (c == 0) { write(s[1], "x", 1); write(s[1], "x", 1); printf("chosen %d\n", getpid()); fflush(stdout); _exit(0); }
      printf("inside %d\n", c);
      SAY(ended(c)); SAY(sender(s[0]));
      SAY(clone3_((struct arguments){.signal = SIGCHLD, .set = (long)(pid_t[]){1}, .count = 1})); SAY(clone3_((struct arguments){.signal = SIGCHLD, .set = (long)(pid_t[]){0}, .count = 1}));
      SAY(clone3_((struct arguments){.signal = SIGCHLD, .set = (long)ids, .count = 33})); SAY(clone3_((struct arguments){.signal = SIGCHLD, .set = (long)ids, .count = 0}));
      SAY(clone3_((struct arguments){.flags = CLONE_NEWPID, .signal = SIGCHLD, .set = (long)ids, .count = 1}));
      c = fork();
      if (c == 0) _exit(0);
      printf("next %d\n", c); fflush(stdout);
      _exit(0);
    }
    printf("outside %d\n", inner);
    SAY(ended(inner)); SAY(sender(s[0]));
    pid_t next = fork();
    if (next == 0) _exit(0);
    printf("then %d\n", next); fflush(stdout);
    _exit(0);
  }
  SAY(ended(pid));
}
static void nest(int depth) {
  pid_t pid = clone_(CLONE_NEWPID);
  if (pid == 0) { nest(depth + 1); _exit(0); }
  if (pid < 0) { printf("depth %d %s\n", depth, strerrorname_np(errno)); fflush(stdout); }
  else waitpid(pid, 0, 0);
}
static void entering(void) {
  int p[2], q[2];
  char c;
  pipe(p); pipe(q);
  int own = open("/proc/self/ns/pid", O_RDONLY);
  SAY(setns(own, CLONE_NEWPID)); SAY(setns(own, CLONE_NEWUTS));
  pid_t pid = clone_(CLONE_NEWPID);
  if (pid == 0) { write(p[1], "x", 1); read(q[0], &c, 1); SAY(setns(own, 0)); SAY(wait(0)); _exit(0); }
  read(p[0], &c, 1);
  int fd = syscall(SYS_pidfd_open, pid, 0);
  char name[64], text[2][64] = {0};
  if (fork() == 0) {
    SAY(setns(fd, CLONE_NEWPID));
    readlink("/proc/self/ns/pid", text[0], 63); readlink("/proc/self/ns/pid_for_children", text[1], 63);
    SAY(strcmp(text[0], text[1]) != 0); SAY(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0));
    fflush(stdout);
    pid_t e = fork();
    if (e == 0) { printf("entered %d %d\n", getpid(), getppid()); SAY(kill(1, 0)); fflush(stdout); _exit(5); }
    SAY(ended(e)); SAY(e > 1); SAY(unshare(CLONE_NEWPID)); SAY(setns(own, 0)); SAY(unshare(CLONE_NEWPID)); readlink("/proc/self/ns/pid_for_children", memset(name, 0, 64), 63) ; SAY(name[0]);
    _exit(0);
  }
  SAY(wait(0) > 0);
  write(q[1], "x", 1);
  SAY(ended(pid));
}
int main(void) {
  setvbuf(stdout, 0, _IOFBF, 65536);
  basics(); ends(); orphans(); outside(); deep(); nest(0); entering();
  return 0;
}
