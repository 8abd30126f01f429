/* Sockets: pairs, names, connections, datagrams, what comes with messages, how they end. One process: nothing races. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *result(long value) {
  static char text[8][40];
  static int next;
  char *into = text[next++ & 7];
  if (value < 0) snprintf(into, 40, "-1 %s", strerrorname_np(errno));
  else snprintf(into, 40, "%ld", value);
  return into;
}

static int polled(int fd, int events) {
  struct pollfd one = {fd, (short)events, 0};
  poll(&one, 1, 0);
  return one.revents;
}
#define EVERYTHING (POLLIN | POLLOUT | POLLRDHUP)

static char buffer[1 << 20];

static void show(const char *what, int fd) {
  memset(buffer, 0, 64);
  long n = recv(fd, buffer, 64, MSG_DONTWAIT);
  printf("%s: %s", what, result(n));
  if (n >= 0) printf(" \"%.*s\"", (int)n, buffer);
  putchar('\n');
}

static void pairs(int type, const char *what) {
  int p[2], n = -1;
  printf("%s pair: %s\n", what, result(socketpair(AF_UNIX, type, 0, p)));
  struct stat s;
  fstat(p[0], &s);
  printf("mode %o, flags %#x, seek %s\n", s.st_mode, fcntl(p[0], F_GETFL), result(lseek(p[0], 0, SEEK_CUR)));
  printf("ready %#x", polled(p[0], EVERYTHING));
  printf(" %#x\n", polled(p[1], EVERYTHING));
  show("nothing yet", p[1]);
  printf("send %s", result(send(p[0], "one", 3, 0)));
  printf(" %s", result(write(p[0], "four", 4)));
  ioctl(p[1], FIONREAD, &n);
  printf(", %d to read, ready %#x\n", n, polled(p[1], EVERYTHING));
  printf("peek %s", result(recv(p[1], buffer, 64, MSG_PEEK)));
  printf(", short %s", result(recv(p[1], buffer, 2, MSG_TRUNC)));
  show(", rest", p[1]);
  show("more", p[1]);
  printf("empty %s", result(send(p[0], "", 0, 0)));
  show(", then", p[1]);
  printf("shutdown %s", result(shutdown(p[0], SHUT_WR)));
  printf(", ready %#x", polled(p[0], EVERYTHING));
  printf(" %#x", polled(p[1], EVERYTHING));
  printf(", send %s", result(send(p[0], "x", 1, MSG_NOSIGNAL)));
  if (type != SOCK_DGRAM) show(", end", p[1]);
  else putchar('\n');
  printf("back %s\n", result(send(p[1], "back", 4, 0)));
  close(p[1]);
  printf("closed: ready %#x", polled(p[0], EVERYTHING));
  show(", left", p[0]);
  close(p[0]);
  socketpair(AF_UNIX, type, 0, p);
  send(p[0], "unread", 6, 0);
  close(p[1]);
  printf("lost: ready %#x", polled(p[0], EVERYTHING));
  show(", read", p[0]);
  printf("send %s, ", result(send(p[0], "x", 1, MSG_NOSIGNAL)));
  show("again", p[0]);
  close(p[0]);
}

static void full(void) {
  int p[2];
  socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p);
  int count = 0;
  while (send(p[0], "x", 1, 0) == 1 && count < 100000) count++;
  printf("full: %s", result(-1));
  printf(", out %#x\n", polled(p[0], POLLOUT));
  while (recv(p[1], buffer, 8, 0) == 1) count--;
  printf("all read %d, out %#x\n", count, polled(p[0], POLLOUT));
  close(p[0]), close(p[1]);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p);
  long total = 0, n;
  while ((n = send(p[0], buffer, 65536, 0)) > 0) total += n;
  printf("stream full: %s", result(n));
  printf(", out %#x", polled(p[0], POLLOUT));
  printf(", much %d\n", total > 65536);
  while ((n = recv(p[1], buffer, sizeof buffer, 0)) > 0) total -= n;
  printf("left %ld, out %#x\n", total, polled(p[0], POLLOUT));
  close(p[0]), close(p[1]);
  socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, p);
  for (count = 0; count < 100000 && (n = send(p[0], "", 0, 0)) == 0; count++) continue;
  printf("empty packets: %s\n", result(n));
  close(p[0]), close(p[1]);
}

/* Names without a file are the whole host's: each run has its own, of one length, and does not show what is its own. */
enum { OWN = 8 };
static socklen_t address(struct sockaddr_un *a, const char *name) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  if (*name == '@') sprintf(a->sun_path + 1, "%s%08x", name + 1, (unsigned)getpid());
  else strcpy(a->sun_path, name);
  return offsetof(struct sockaddr_un, sun_path) + strlen(name) + (*name == '@' ? OWN : 1);
}
static int shown(const struct sockaddr_un *a) { return strlen(a->sun_path + 1) - (a->sun_path[0] ? 0 : OWN); }

static void showName(const char *what, int fd, int peer) {
  struct sockaddr_un a = {0};
  socklen_t length = sizeof a;
  int r = peer ? getpeername(fd, (void *)&a, &length) : getsockname(fd, (void *)&a, &length);
  printf("%s %s", what, result(r));
  if (r == 0) printf(" length %d family %d", (int)length, a.sun_family);
  if (r == 0 && length > 3) printf(" \"%c%.*s\"", a.sun_path[0] ? a.sun_path[0] : '@', shown(&a), a.sun_path + 1);
  putchar('\n');
}

static void named(const char *name) {
  struct sockaddr_un a;
  socklen_t length = address(&a, name);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  printf("%s: early connect %s", name, result(connect(client, (void *)&a, length)));
  printf(", listen %s", result(listen(listener, 5)));
  printf(", bind %s", result(bind(listener, (void *)&a, length)));
  printf(", again %s", result(bind(client, (void *)&a, length)));
  printf(", connect %s\n", result(connect(client, (void *)&a, length)));
  printf("listen %s", result(listen(listener, 1)));
  printf(", ready %#x", polled(listener, EVERYTHING));
  printf(", accept nothing %s", (fcntl(listener, F_SETFL, O_NONBLOCK), result(accept(listener, NULL, NULL))));
  printf(", connect %s", result(connect(client, (void *)&a, length)));
  printf(", again %s", result(connect(client, (void *)&a, length)));
  printf(", ready %#x\n", polled(listener, EVERYTHING));
  int more = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), most = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  printf("second %s", result(connect(more, (void *)&a, length)));
  printf(", third %s\n", result(connect(most, (void *)&a, length)));
  printf("send before accepted %s\n", result(send(client, "early", 5, 0)));
  struct sockaddr_un from;
  socklen_t fromLength = sizeof from;
  int server = accept4(listener, (void *)&from, &fromLength, SOCK_CLOEXEC);
  printf("accepted %d, from length %d, flags %d %#x\n", server >= 0, (int)fromLength, fcntl(server, F_GETFD), fcntl(server, F_GETFL));
  show("early", server);
  showName("listener", listener, 0), showName("server", server, 0), showName("server's peer", server, 1);
  showName("client", client, 0), showName("client's peer", client, 1), showName("listener's peer", listener, 1);
  struct ucred c;
  socklen_t size = sizeof c;
  getsockopt(client, SOL_SOCKET, SO_PEERCRED, &c, &size);
  printf("peer is me %d %d", c.pid == getpid(), c.uid == getuid());
  int value = -1;
  size = sizeof value;
  getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &value, &size);
  printf(", listening %d\n", value);
  close(listener);
  char byte;
  printf("never accepted: ready %#x", polled(more, EVERYTHING));
  printf(", read %s\n", result(read(more, &byte, 1)));
  close(server);
  show("server closed", client);
  printf("connect to nobody %s\n", result(connect(most, (void *)&a, length)));
  close(client), close(more), close(most);
  if (*name != '@') {
    struct stat s;
    stat(name, &s);
    printf("file %o, bind %s", s.st_mode & S_IFMT, (client = socket(AF_UNIX, SOCK_STREAM, 0), result(bind(client, (void *)&a, length))));
    printf(", open %s", result(open(name, O_RDWR)));
    printf(", unlink %s\n", result(unlink(name)));
    close(client);
  }
}

static void datagrams(void) {
  struct sockaddr_un a, b, from = {0};
  socklen_t aLength = address(&a, "@ostler-a"), bLength = address(&b, "@ostler-b"), fromLength = sizeof from;
  int one = socket(AF_UNIX, SOCK_DGRAM, 0), other = socket(AF_UNIX, SOCK_DGRAM, 0);
  printf("nowhere %s", result(send(one, "x", 1, 0)));
  printf(", nobody %s\n", result(sendto(one, "x", 1, 0, (void *)&b, bLength)));
  bind(other, (void *)&b, bLength);
  sendto(one, "from nobody", 11, 0, (void *)&b, bLength);
  long n = recvfrom(other, buffer, 64, 0, (void *)&from, &fromLength);
  printf("%s from length %d\n", result(n), (int)fromLength);
  bind(one, (void *)&a, aLength);
  printf("connect %s", result(connect(one, (void *)&b, bLength)));
  printf(", send %s", result(send(one, "named", 5, 0)));
  fromLength = sizeof from;
  n = recvfrom(other, buffer, 64, 0, (void *)&from, &fromLength);
  printf(", %s from %d \"%.*s\"\n", result(n), (int)fromLength, shown(&from), from.sun_path + 1);
  printf("reply %s", result(sendto(other, "reply", 5, 0, (void *)&from, fromLength)));
  show("", one);
  int third = socket(AF_UNIX, SOCK_DGRAM, 0);
  printf("to who hears another: %s\n", result(sendto(third, "x", 1, 0, (void *)&a, aLength)));
  close(other);
  printf("gone %s\n", result(send(one, "x", 1, 0)));
  close(one), close(third);
}

/* Files and credentials that come with messages. */
static void passing(int type) {
  int p[2], q[2];
  socketpair(AF_UNIX, type, 0, p);
  pipe(q);
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(8) + CMSG_SPACE(12)];
  } control;
  struct iovec part = {"fd", 2};
  struct msghdr m = {0};
  m.msg_iov = &part, m.msg_iovlen = 1, m.msg_control = &control, m.msg_controllen = CMSG_SPACE(8);
  control.header.cmsg_level = SOL_SOCKET, control.header.cmsg_type = SCM_RIGHTS, control.header.cmsg_len = CMSG_LEN(8);
  memcpy(CMSG_DATA(&control.header), q, 8);
  printf("send files %s", result(sendmsg(p[0], &m, 0)));
  send(p[0], "plain", 5, 0);
  close(q[0]), close(q[1]);
  int on = 1;
  setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  memset(&control, 0, sizeof control);
  part.iov_base = buffer, part.iov_len = 64, m.msg_controllen = sizeof control;
  long n = recvmsg(p[1], &m, MSG_CMSG_CLOEXEC);
  printf(", received %s flags %#x control %d:", result(n), m.msg_flags & ~MSG_CMSG_CLOEXEC, (int)m.msg_controllen);
  int got[2] = {-1, -1};
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    printf(" %d of %d", c->cmsg_type, (int)c->cmsg_len);
    if (c->cmsg_type == SCM_RIGHTS) memcpy(got, CMSG_DATA(c), 8);
    if (c->cmsg_type == SCM_CREDENTIALS) printf(" me %d", ((struct ucred *)CMSG_DATA(c))->pid == getpid());
  }
  printf(", close on exec %d", fcntl(got[0], F_GETFD));
  printf(", works %s", result(write(got[1], "through", 7)));
  printf(" %s\n", result(read(got[0], buffer, 64)));
  m.msg_controllen = 0;
  printf("no room for more: %s", result(recvmsg(p[1], &m, 0)));
  printf(" flags %#x\n", m.msg_flags);
  control.header.cmsg_level = SOL_SOCKET, control.header.cmsg_type = SCM_RIGHTS, control.header.cmsg_len = CMSG_LEN(8);
  m.msg_controllen = CMSG_SPACE(8), part.iov_len = 1;
  int bad[2] = {got[0], 777};
  memcpy(CMSG_DATA(&control.header), bad, 8);
  printf("bad file %s\n", result(sendmsg(p[0], &m, 0)));
  /* Sent to itself, and forgotten. */
  memcpy(CMSG_DATA(&control.header), p, 8);
  printf("itself %s\n", result(sendmsg(p[0], &m, 0)));
  close(got[0]), close(p[0]), close(p[1]);
  fcntl(got[1], F_SETFL, O_NONBLOCK);
  signal(SIGPIPE, SIG_IGN);
  /* Linux finds that out in its own time. */
  long n2;
  for (int i = 0; (n2 = write(got[1], "x", 1)) == 1 && i < 5000; i++) usleep(1000);
  printf("nobody reads %s\n", result(n2));
  close(got[1]);
}

static struct sockaddr_in port(int number) {
  struct sockaddr_in a = {AF_INET, htons(number), {htonl(INADDR_LOOPBACK)}, {0}};
  return a;
}

static void tcp(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = port(0), b;
  socklen_t length = sizeof a;
  int value = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value);
  printf("tcp: bind %s", result(bind(listener, (void *)&a, sizeof a)));
  printf(", name %s", result(getsockname(listener, (void *)&a, &length)));
  printf(", port %d host %#x\n", a.sin_port != 0, ntohl(a.sin_addr.s_addr));
  printf("refused %s", result(connect(client, (void *)&a, sizeof a)));
  printf(", listen %s", result(listen(listener, 5)));
  printf(", peer %s\n", result(getpeername(client, (void *)&b, &length)));
  close(client);
  client = socket(AF_INET, SOCK_STREAM, 0);
  printf("not yet: ready %#x", polled(client, EVERYTHING));
  printf(", send %s", result(send(client, "x", 1, MSG_NOSIGNAL)));
  printf(", recv %s\n", result(recv(client, buffer, 1, 0)));
  printf("connect %s", result(connect(client, (void *)&a, sizeof a)));
  length = sizeof b;
  int server = accept(listener, (void *)&b, &length);
  printf(", accepted %d, length %d, family %d, host %#x\n", server >= 0, (int)length, b.sin_family, ntohl(b.sin_addr.s_addr));
  struct sockaddr_in c;
  length = sizeof c;
  getsockname(client, (void *)&c, &length);
  printf("same port %d", c.sin_port == b.sin_port);
  getpeername(client, (void *)&c, &length);
  printf(", peer is the listener %d", c.sin_port == a.sin_port);
  getsockname(server, (void *)&c, &length);
  printf(" %d\n", c.sin_port == a.sin_port);
  printf("nodelay %s", result(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value)));
  length = sizeof value, value = 0;
  getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, &length);
  printf(" %d\n", value);
  send(client, "hello ", 6, 0), send(client, "world", 5, 0);
  printf("waited %s", result(recv(server, buffer, 11, MSG_WAITALL)));
  printf(" \"%.11s\"\n", buffer);
  shutdown(client, SHUT_WR);
  printf("end %s, ", result(recv(server, buffer, 1, 0)));
  printf("other way %s", result(send(server, "still", 5, 0)));
  printf(" %s\n", result(recv(client, buffer, 5, MSG_WAITALL)));
  close(server);
  printf("closed %s\n", result(recv(client, buffer, 1, 0)));
  close(client), close(listener);
}

static void udp(void) {
  int one = socket(AF_INET, SOCK_DGRAM, 0), other = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in a = port(0), b, c;
  socklen_t length = sizeof a;
  bind(other, (void *)&a, sizeof a);
  getsockname(other, (void *)&a, &length);
  printf("udp: nowhere %s", result(send(one, "x", 1, 0)));
  printf(", send %s", result(sendto(one, "datagram", 8, 0, (void *)&a, sizeof a)));
  length = sizeof b;
  long n = recvfrom(other, buffer, 4, MSG_TRUNC, (void *)&b, &length);
  printf(", %s host %#x", result(n), ntohl(b.sin_addr.s_addr));
  length = sizeof c;
  getsockname(one, (void *)&c, &length);
  printf(", port %d\n", c.sin_port == b.sin_port);
  printf("taken %s\n", result(bind(one, (void *)&a, sizeof a)));
  int third = socket(AF_INET, SOCK_DGRAM, 0);
  printf("taken %s", result(bind(third, (void *)&a, sizeof a)));
  printf(", connect %s", result(connect(third, (void *)&a, sizeof a)));
  close(other);
  printf(", send %s", result(send(third, "x", 1, 0)));
  struct pollfd failed = {third, 0, 0};
  poll(&failed, 1, 5000);
  printf(", then %s", result(send(third, "x", 1, 0)));
  printf(", then %s\n", result(recv(third, buffer, 1, MSG_DONTWAIT)));
  close(one), close(third);
}

/* Whether the host gives low ports to everybody, as containers often do. */
static int everybodysPorts(void) {
  int fd = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_RDONLY);
  char text[16] = "1024";
  if (fd >= 0) read(fd, text, 15), close(fd);
  return atoi(text) <= 1;
}

static void refusals(void) {
  int p[2], file = open("/dev/null", O_RDWR);
  printf("domain %s", result(socket(99, SOCK_STREAM, 0)));
  printf(", type %s", result(socket(AF_UNIX, 9, 0)));
  printf(", protocol %s\n", result(socket(AF_UNIX, SOCK_STREAM, 77)));
  printf("inet pair %s", result(socketpair(AF_INET, SOCK_STREAM, 0, p)));
  printf(", no socket %s", result(listen(file, 1)));
  printf(" %s\n", result(send(file, "", 0, 0)));
  int s = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in far = {AF_INET, htons(1), {htonl(0x01020304)}, {0}};
  printf("not ours %s", result(bind(s, (void *)&far, sizeof far)));
  struct sockaddr_in low = port(1);
  printf(", low port %s", everybodysPorts() ? "-1 EACCES" : result(bind(s, (void *)&low, sizeof low)));
  printf(", short %s", result(bind(s, (void *)&low, 8)));
  printf(", shutdown %s", result(shutdown(s, SHUT_RD)));
  printf(", accept %s\n", result(accept(s, NULL, NULL)));
  int value = 0;
  socklen_t size = sizeof value;
  printf("options %s", result(getsockopt(s, SOL_SOCKET, SO_TYPE, &value, &size)));
  printf(" %d", value);
  getsockopt(s, SOL_SOCKET, SO_DOMAIN, &value, &size);
  printf(" %d", value);
  getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &value, &size);
  printf(" %d, %s\n", value, result(getsockopt(s, SOL_SOCKET, 9999, &value, &size)));
  struct timeval t = {0, 20000};
  printf("timeout %s", result(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t)));
  close(s);
  socketpair(AF_UNIX, SOCK_STREAM, 0, p);
  setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  printf(", read %s", result(read(p[0], buffer, 1)));
  printf(", recv %s\n", result(recv(p[0], buffer, 1, 0)));
  close(p[0]), close(p[1]), close(file);
}

/* A child that serves, and its parent that asks: each step waits for the other. */
static void server(void) {
  struct sockaddr_un a;
  socklen_t length = address(&a, "@ostler-server");
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(listener, (void *)&a, length), listen(listener, 4);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.fd = listener}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
      epoll_wait(epoll, &event, 1, -1);
      if (event.data.fd == listener) {
        int fd = accept(listener, NULL, NULL);
        struct epoll_event client = {EPOLLIN | EPOLLET, {.fd = fd}};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &client);
        continue;
      }
      char text[64];
      long n = read(event.data.fd, text, sizeof text);
      if (n <= 0) _exit(n == 0 ? 4 : 5);
      for (int i = 0; i < n; i++) text[i] -= text[i] >= 'a' && text[i] <= 'z' ? 32 : 0;
      write(event.data.fd, text, n);
    }
  }
  close(listener);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  connect(fd, (void *)&a, length);
  for (int i = 0; i < 3; i++) {
    write(fd, "question", 8 - i);
    long n = recv(fd, buffer, 8 - i, MSG_WAITALL);
    printf("answer %.*s\n", (int)n, buffer);
  }
  close(fd);
  int status;
  waitpid(child, &status, 0);
  printf("served %#x\n", status);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  char path[128];
  snprintf(path, sizeof path, "%s/socket", argv[1]);
  chdir(argv[1]);
  pairs(SOCK_STREAM, "stream"), pairs(SOCK_DGRAM, "dgram"), pairs(SOCK_SEQPACKET, "seqpacket");
  full();
  named("socket"), named("@ostler-name");
  datagrams();
  passing(SOCK_STREAM), passing(SOCK_SEQPACKET);
  tcp();
  udp();
  refusals();
  server();
  return 0;
}
