/* Which edges epoll tells of, of each kind of file, and what it tells of them: all that is ready then. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "say.h"

static int ep;

static int change(int what, int fd, unsigned events) {
  struct epoll_event event = {.events = events, .data.u64 = 0};
  return epoll_ctl(ep, what, fd, &event);
}

/* Of one file: the only one that is watched. */
static void watch(const char *name, int fd, unsigned events) {
  if (ep) close(ep);
  ep = epoll_create1(0);
  printf("-- %s\n", name);
  SAY(change(EPOLL_CTL_ADD, fd, events | EPOLLET));
}

static void told(const char *after) {
  struct epoll_event event;
  int n = epoll_wait(ep, &event, 1, 0);
  printf("%s: ", after);
  if (n == 1) printf("%#x\n", event.events);
  else printf("%d\n", n);
}

#define DO(e) ((void)(e), told(#e))

/* Of terminals and networks, where Linux does it a little later. */
static void soon(const char *after) {
  struct epoll_event event = {0};
  int n = epoll_wait(ep, &event, 1, 20000);
  printf("%s: %d %#x\n", after, n, event.events);
}

#define SOON(e) ((void)(e), soon(#e))

static void pipes(void) {
  static char page[1 << 16];
  int p[2], q[2];
  char c[8192];
  pipe2(p, O_NONBLOCK), pipe2(q, O_NONBLOCK);
  watch("pipe, reading", p[0], EPOLLIN);
  DO(0), DO(write(p[1], "a", 1)), DO(write(p[1], "b", 1)), DO(0), DO(read(p[0], c, 1)), DO(close(p[1])), DO(0);
  watch("pipe, writing", q[1], EPOLLOUT);
  DO(0), DO(write(q[1], "a", 1)), DO(read(q[0], c, 1)), DO(write(q[1], page, sizeof page));
  DO(read(q[0], c, 1)), DO(read(q[0], c, sizeof c)), DO(read(q[0], c, sizeof c)), DO(close(q[0])), DO(0);
  close(p[0]), close(q[1]);
  pipe2(p, O_NONBLOCK);
  watch("pipe, of no interest", p[0], 0);
  DO(write(p[1], "a", 1)), DO(close(p[1])), DO(0);
  close(p[0]);
}

static void sockets(void) {
  int s[2];
  char c[8];
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
  watch("stream, both ways", s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP);
  DO(0), DO(write(s[1], "a", 1)), DO(write(s[1], "b", 1)), DO(0), DO(read(s[0], c, 8)), DO(write(s[0], "c", 1));
  DO(read(s[1], c, 8)), DO(shutdown(s[1], SHUT_WR)), DO(0), DO(close(s[1])), DO(0);
  close(s[0]);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
  watch("stream, reading", s[0], EPOLLIN);
  DO(0), DO(write(s[0], "a", 1)), DO(read(s[1], c, 1)), DO(write(s[1], "a", 1)), DO(shutdown(s[0], SHUT_RD)), DO(close(s[1]));
  close(s[0]);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
  watch("stream, the end alone", s[0], EPOLLRDHUP);
  DO(0), DO(write(s[1], "a", 1)), DO(read(s[0], c, 1)), DO(shutdown(s[1], SHUT_WR)), DO(0), DO(close(s[1])), DO(0);
  close(s[0]);
  socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s);
  watch("datagrams", s[0], EPOLLIN | EPOLLOUT);
  DO(0), DO(write(s[1], "a", 1)), DO(read(s[0], c, 8)), DO(write(s[0], "c", 1)), DO(read(s[1], c, 8));
  close(s[0]), close(s[1]);
}

/* To one that others may send to, too. */
static void datagrams(void) {
  struct sockaddr_un name = {AF_UNIX, "\0sender"};
  char c[8];
  name.sun_path[7] = (char)('a' + getpid() % 26), name.sun_path[8] = (char)('a' + getpid() / 26 % 26);
  int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), from = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  bind(to, (void *)&name, 11), connect(from, (void *)&name, 11);
  watch("datagrams to a name", from, EPOLLOUT);
  DO(0), DO(write(from, "a", 1)), DO(0), DO(write(from, "b", 1)), DO(read(to, c, 8)), DO(0), DO(read(to, c, 8)), DO(0);
  close(to), close(from);
}

static void listeners(void) {
  struct sockaddr_un name = {AF_UNIX, "\0edges"};
  name.sun_path[6] = (char)('a' + getpid() % 26), name.sun_path[7] = (char)('a' + getpid() / 26 % 26);
  int l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(l, (void *)&name, 10), listen(l, 4);
  watch("listener", l, EPOLLIN | EPOLLOUT);
  DO(0), DO(connect(a, (void *)&name, 10)), DO(connect(b, (void *)&name, 10)), DO(0), DO(accept(l, 0, 0)), DO(accept(l, 0, 0));
  close(l), close(a), close(b);
}

static void network(void) {
  struct sockaddr_in name = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
  socklen_t length = sizeof name;
  char c[8];
  int l = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  bind(l, (void *)&name, sizeof name), listen(l, 4), getsockname(l, (void *)&name, &length);
  watch("tcp", client, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
  DO(0), DO(connect(client, (void *)&name, sizeof name)), DO(0);
  int server = accept(l, 0, 0);
  SOON(send(server, "a", 1, 0)), SOON(send(server, "b", 1, 0)), DO(0), DO(read(client, c, 8));
  SOON(shutdown(server, SHUT_WR)), DO(0);
  close(l), close(server), close(client);
}

static void counters(void) {
  uint64_t one = 1, most = UINT64_MAX - 1, value;
  int fd = eventfd(0, EFD_NONBLOCK);
  watch("eventfd", fd, EPOLLIN | EPOLLOUT);
  DO(0), DO(write(fd, &one, 8)), DO(write(fd, &one, 8)), DO(0), DO(read(fd, &value, 8)), DO(write(fd, &most, 8)), DO(0);
  close(fd);
  fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec past = {{0, 0}, {0, 1}}, far = {{0, 0}, {3600, 0}};
  watch("timerfd", fd, EPOLLIN);
  DO(0), DO(timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, 0)), DO(0), DO(timerfd_settime(fd, 0, &far, 0));
  DO(timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, 0)), DO(read(fd, &value, 8)), DO(0);
  close(fd);
}

static void processes(void) {
  sigset_t set;
  struct signalfd_siginfo info;
  sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGUSR2), sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, 0);
  int fd = signalfd(-1, &set, SFD_NONBLOCK);
  watch("signalfd", fd, EPOLLIN);
  DO(0), DO(raise(SIGUSR1)), DO(0), DO(raise(SIGUSR1)), DO(raise(SIGUSR2)), DO(0), DO(read(fd, &info, sizeof info));
  DO(read(fd, &info, sizeof info)), DO(raise(SIGUSR2)), DO(0);
  close(fd);
  int p[2];
  pipe(p);
  pid_t child = fork();
  if (child == 0) {
    char c;
    close(p[1]), read(p[0], &c, 1);
    _exit(3);
  }
  fd = (int)syscall(SYS_pidfd_open, child, 0);
  watch("pidfd", fd, EPOLLIN);
  siginfo_t end;
  DO(0), DO((close(p[1]), waitid(P_PID, (id_t)child, &end, WEXITED | WNOWAIT))), DO(0);
  close(fd), close(p[0]), waitpid(child, 0, 0);
}

static void terminals(void) {
  char text[64];
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave;
  grantpt(master), unlockpt(master), slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK);
  struct termios settings;
  tcgetattr(slave, &settings), settings.c_lflag &= ~(unsigned)ECHO, tcsetattr(slave, TCSANOW, &settings);
  watch("terminal, lines", slave, EPOLLIN);
  DO(0), DO(write(master, "ab", 2)), SOON(write(master, "c\n", 2)), DO(0), SOON(write(master, "d\n", 2)), DO(read(slave, text, 64));
  DO(read(slave, text, 64)), SOON(write(master, "e\n", 2)), DO(0);
  watch("terminal, master", master, EPOLLIN);
  DO(0), SOON(write(slave, "x", 1)), DO(0), SOON(write(slave, "y", 1)), DO(read(master, text, 64)), SOON(close(slave));
  close(master);
}

static void nested(void) {
  int p[2], q[2], inner = epoll_create1(0);
  char c;
  struct epoll_event event = {.events = EPOLLIN};
  pipe2(p, O_NONBLOCK), pipe2(q, O_NONBLOCK);
  watch("instance", inner, EPOLLIN);
  DO(0), DO(epoll_ctl(inner, EPOLL_CTL_ADD, p[0], &event)), DO(write(p[1], "a", 1)), DO(0), DO(write(p[1], "b", 1));
  DO(epoll_ctl(inner, EPOLL_CTL_ADD, q[0], &event)), DO(write(q[1], "a", 1)), DO(0);
  DO((read(p[0], &c, 1), read(p[0], &c, 1), read(q[0], &c, 1))), DO(write(q[1], "a", 1)), DO(0);
  close(inner), close(p[0]), close(p[1]), close(q[0]), close(q[1]);
}

static void rules(void) {
  int p[2], fd = open("/dev/null", O_RDONLY), path = open("/", O_PATH), file = open("/proc/self/exe", O_RDONLY);
  pipe(p);
  watch("rules", p[0], EPOLLIN | EPOLLEXCLUSIVE);
  SAY(change(EPOLL_CTL_MOD, p[0], EPOLLIN));
  SAY(change(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE));
  SAY(change(EPOLL_CTL_ADD, p[0], EPOLLIN));
  SAY(change(EPOLL_CTL_DEL, p[0], 0));
  SAY(change(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP));
  SAY(epoll_ctl(99, EPOLL_CTL_ADD, 98, 0));
  SAY(epoll_ctl(99, EPOLL_CTL_DEL, 98, 0));
  SAY(epoll_ctl(p[1], EPOLL_CTL_DEL, p[0], 0));
  SAY(epoll_ctl(p[1], EPOLL_CTL_DEL, file, 0));
  SAY(change(EPOLL_CTL_ADD, file, EPOLLIN));
  SAY(change(EPOLL_CTL_DEL, file, EPOLLIN));
  SAY(change(EPOLL_CTL_ADD, path, EPOLLIN));
  SAY(change(EPOLL_CTL_ADD, fd, EPOLLIN));
  close(p[0]), close(p[1]), close(fd), close(path), close(file);
}

int main(void) {
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  pipes(), sockets(), datagrams(), listeners(), network(), counters(), processes(), terminals(), nested(), rules();
  return 0;
}
