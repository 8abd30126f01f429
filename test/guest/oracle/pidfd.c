/* Descriptors of processes and of signals. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"

static int pidfd_open_(pid_t p, int f) { return syscall(434, p, f); }
static int pidfd_send(int fd, int s, siginfo_t *i, int f) { return syscall(424, fd, s, i, f); }
static int pidfd_get(int fd, int t, int f) { return syscall(438, fd, t, f); }
static pid_t child(int code) { fflush(stdout); pid_t pid = fork(); if (pid == 0) { if (code >= 0) _exit(code); for (;;) pause(); } return pid; }
static int ready(int fd, int ms) { struct pollfd p = { fd, POLLIN, 0 }; int n = poll(&p, 1, ms); return n > 0 ? p.revents : n; }

static void processes(void) {
  siginfo_t info;
  SAY(pidfd_open_(0, 0)); SAY(pidfd_open_(-5, 0)); SAY(pidfd_open_(getpid(), 77)); SAY(pidfd_open_(0x3ffffff, 0));
  pid_t pid = child(-1);
  int fd = pidfd_open_(pid, 0);
  SAY(fd >= 0); SAY(fcntl(fd, F_GETFD)); SAY(ready(fd, 0));
  char c;
  SAY(read(fd, &c, 1)); SAY(write(fd, &c, 1)); SAY(lseek(fd, 0, SEEK_SET));
  SAY(pidfd_send(fd, 0, 0, 0)); SAY(pidfd_send(fd, 99, 0, 0)); SAY(pidfd_send(fd, 0, 0, 99)); SAY(pidfd_send(0, 0, 0, 0)); SAY(pidfd_send(777, 0, 0, 0));
  memset(&info, 0, sizeof info); info.si_signo = SIGTERM; info.si_code = SI_QUEUE;
  SAY(pidfd_send(fd, SIGKILL, &info, 0));
  info.si_code = SI_USER;
  SAY(pidfd_send(fd, SIGTERM, &info, 0));
  SAY(waitid(3, fd, &info, WEXITED | WNOHANG)); SAY(info.si_pid);
  SAY(pidfd_send(fd, SIGTERM, 0, 0));
  SAY(ready(fd, -1)); SAY(ready(fd, 0));
  SAY(waitid(3, fd, &info, WEXITED | WNOWAIT)); SAY(info.si_status); SAY(pidfd_send(fd, SIGTERM, 0, 0));
  SAY(waitid(3, fd, &info, WEXITED)); SAY(info.si_pid == pid);
  SAY(pidfd_send(fd, SIGTERM, 0, 0)); SAY(waitid(3, fd, &info, WEXITED)); SAY(ready(fd, 0) & POLLIN);
  SAY(waitid(3, 777, &info, WEXITED)); SAY(waitid(3, 0, &info, WEXITED));
  close(fd);
  pid = child(-1);
  fd = pidfd_open_(pid, O_NONBLOCK);
  SAY(waitid(3, fd, &info, WEXITED));
  int e = epoll_create1(0);
  struct epoll_event event = { EPOLLIN, { .u32 = 5 } };
  SAY(epoll_ctl(e, EPOLL_CTL_ADD, fd, &event)); SAY(epoll_wait(e, &event, 1, 0));
  kill(pid, SIGKILL);
  SAY(epoll_wait(e, &event, 1, -1)); SAY(event.data.u32);
  SAY(waitid(3, fd, &info, WEXITED)); SAY(info.si_code);
  close(e); close(fd);
}
static void getting(void) {
  int p[2], q[2];
  pipe(p); pipe(q);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) { char c; dup2(p[1], 50); write(q[1], "x", 1); close(p[0]); close(q[0]); for (;;) pause(); }
  char c;
  read(q[0], &c, 1);
  int fd = pidfd_open_(pid, 0);
  int got = pidfd_get(fd, 50, 0);
  SAY(got >= 0); SAY(fcntl(got, F_GETFD)); SAY(write(got, "hello", 5));
  char text[9] = "";
  SAY(read(p[0], text, 5)); SAY(strcmp(text, "hello"));
  SAY(pidfd_get(fd, 51, 0)); SAY(pidfd_get(fd, 50, 1)); SAY(pidfd_get(0, 0, 0));
  kill(pid, SIGKILL); waitpid(pid, 0, 0);
  SAY(pidfd_get(fd, 50, 0));
}
static void cloning(void) {
  int fd = -1, status;
  siginfo_t info;
#ifdef __riscv
  long pid = syscall(SYS_clone, 0x1000 | SIGCHLD, 0, &fd, 0, 0);
#else
  long pid = syscall(SYS_clone, 0x1000 | SIGCHLD, 0, &fd, 0, 0);
#endif
  if (pid == 0) _exit(fcntl(3, F_GETFD) >= 0 ? 1 : 2);
  SAY(fd >= 0); SAY(fcntl(fd, F_GETFD)); SAY(waitid(3, fd, &info, WEXITED)); SAY(info.si_pid == pid);
  SAY(syscall(SYS_clone, 0x1000 | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0));
  SAY(syscall(SYS_clone, 0x1000 | SIGCHLD, 0, 8L, 0, 0));
  SAY(syscall(SYS_clone, 0x1000 | 0x400000 | SIGCHLD, 0, &fd, 0, 0));
  struct { unsigned long flags, pidfd, child, parent, signal, stack, size, tls, set, count, cgroup; } a = { .flags = 0x1000, .pidfd = (long)&fd, .signal = SIGCHLD };
  close(fd); fd = -1;
  pid = syscall(435, &a, 64);
  if (pid == 0) _exit(3);
  SAY(fd >= 0); SAY(waitid(3, fd, &info, WEXITED)); SAY(info.si_status);
  close(fd);
}
static void show(const char *name, struct signalfd_siginfo *i, int n) {
  for (; n > 0; n--, i++)
    printf("%s %d code %d pid %d uid %d int %d ptr %lx status %d\n", name, i->ssi_signo, i->ssi_code, i->ssi_pid == getpid() ? 1 : i->ssi_pid != 0 ? 2 : 0, i->ssi_uid == getuid(), i->ssi_int, (long)i->ssi_ptr, i->ssi_status);
}
static void signals(void) {
  sigset_t set;
  struct signalfd_siginfo infos[8];
  sigemptyset(&set); sigaddset(&set, SIGUSR1); sigaddset(&set, SIGRTMIN); sigaddset(&set, SIGCHLD); sigaddset(&set, SIGKILL);
  SAY(signalfd(-1, &set, 12345)); SAY(signalfd(777, &set, 0)); SAY(signalfd(0, &set, 0)); SAY(syscall(SYS_signalfd4, -1, &set, 4, 0)); SAY(syscall(SYS_signalfd4, -1, 8L, 8, 0));
  int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  sigprocmask(SIG_BLOCK, &set, 0);
  SAY(fcntl(fd, F_GETFD)); SAY(read(fd, infos, sizeof infos)); SAY(read(fd, infos, 100)); SAY(write(fd, infos, 128)); SAY(ready(fd, 0));
  kill(getpid(), SIGUSR1);
  union sigval v = { .sival_ptr = (void *)0x1234567890 };
  sigqueue(getpid(), SIGRTMIN, v); v.sival_ptr = (void *)7L; sigqueue(getpid(), SIGRTMIN, v);
  raise(SIGRTMIN);
  SAY(ready(fd, 0));
  SAY(read(fd, infos, 2 * 128 + 5)); show("first", infos, 2);
  SAY(read(fd, infos, sizeof infos)); show("rest", infos, 2);
  SAY(ready(fd, 0));
  pid_t pid = child(6);
  int e = epoll_create1(0);
  struct epoll_event event = { EPOLLIN, { .u32 = 5 } };
  SAY(epoll_ctl(e, EPOLL_CTL_ADD, fd, &event)); SAY(epoll_wait(e, &event, 1, -1));
  SAY(read(fd, infos, sizeof infos)); show("child", infos, 1);
  waitpid(pid, 0, 0);
  sigemptyset(&set); sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, 0);
  SAY(signalfd(fd, &set, 0) == fd);
  kill(getpid(), SIGUSR1);
  SAY(read(fd, infos, sizeof infos));
  fcntl(fd, F_SETFL, 0);
  fflush(stdout);
  pid_t me = getpid();
  if ((pid = fork()) == 0) { usleep(1000); kill(me, SIGUSR2); _exit(0); }
  SAY(read(fd, infos, sizeof infos)); show("waited", infos, 1);
  waitpid(pid, 0, 0);
}
/* Whether this host lets processes have what others have open: containers may forbid it. */
static int isForbidden(void) {
  pid_t pid = child(-1);
  int forbidden = pidfd_get(pidfd_open_(pid, 0), 0, 0) < 0;
  kill(pid, SIGKILL);
  return forbidden;
}
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "forbidden")) return isForbidden();
  setvbuf(stdout, 0, _IOFBF, 65536);
  processes(); getting(); cloning(); signals();
  return 0;
}
