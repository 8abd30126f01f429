/* Pipes: how much fits, what is told of their ends, who waits for whom. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 18];

static const char *result(long value) {
  static char text[4][32];
  static int next;
  char *into = text[next++ & 3];
  if (value < 0) snprintf(into, 32, "-1 %s", strerrorname_np(errno));
  else snprintf(into, 32, "%ld", value);
  return into;
}

static int polled(int fd, int events) {
  struct pollfd one = {fd, (short)events, 0};
  poll(&one, 1, 0);
  return one.revents;
}

static void fill(const char *what, size_t piece) {
  int p[2];
  pipe2(p, O_NONBLOCK);
  long total = 0, n;
  while ((n = write(p[1], buffer, piece)) > 0) total += n;
  printf("%s: %ld bytes, then %s, out %#x in %#x", what, total, result(n), polled(p[1], POLLOUT), polled(p[0], POLLIN));
  int left;
  ioctl(p[0], FIONREAD, &left);
  printf(", %d to read", left);
  n = read(p[0], buffer, 4096);
  printf(", read %ld, out %#x", n, polled(p[1], POLLOUT));
  printf(", write 4096: %s, write 5000: %s\n", result(write(p[1], buffer, 4096)), result(write(p[1], buffer, 5000)));
  close(p[0]), close(p[1]);
}

static void ends(void) {
  int p[2];
  pipe(p);
  struct stat s;
  fstat(p[0], &s);
  printf("mode %o links %d size %ld\n", s.st_mode, (int)s.st_nlink, (long)s.st_size);
  printf("flags %#x %#x, fd flags %d\n", fcntl(p[0], F_GETFL), fcntl(p[1], F_GETFL) & O_ACCMODE, fcntl(p[0], F_GETFD));
  printf("wrong end: %s %s\n", result(read(p[1], buffer, 1)), result(write(p[0], buffer, 1)));
  printf("seek %s pread %s\n", result(lseek(p[0], 0, SEEK_CUR)), result(pread(p[0], buffer, 1, 0)));
  printf("size %s", result(fcntl(p[0], F_GETPIPE_SZ)));
  printf(" then %s", result(fcntl(p[1], F_SETPIPE_SZ, 5000)));
  printf(" then %s", result(fcntl(p[1], F_SETPIPE_SZ, 1)));
  printf(" now %s\n", result(fcntl(p[0], F_GETPIPE_SZ)));
  printf("poll %#x %#x\n", polled(p[0], POLLIN | POLLOUT), polled(p[1], POLLIN | POLLOUT));
  write(p[1], "abc", 3);
  int again = dup(p[1]);
  close(p[1]);
  printf("one writer left: %#x\n", polled(p[0], POLLIN));
  close(again);
  printf("none: %#x", polled(p[0], POLLIN));
  printf(" read %s", result(read(p[0], buffer, 2)));
  printf(" read %s", result(read(p[0], buffer, 2)));
  printf(" read %s", result(read(p[0], buffer, 2)));
  printf(" poll %#x\n", polled(p[0], POLLIN));
  close(p[0]);
  pipe(p);
  close(p[0]);
  signal(SIGPIPE, SIG_IGN);
  printf("no reader: %#x write %s, of nothing %s\n", polled(p[1], POLLOUT), result(write(p[1], "x", 1)), result(write(p[1], "x", 0)));
  close(p[1]);
  printf("bad place %s\n", result(pipe((int *)8)));
  pipe(p);
  printf("busy %s\n", (write(p[1], buffer, 20000), result(fcntl(p[0], F_SETPIPE_SZ, 4096))));
  close(p[0]), close(p[1]);
}

/* Each write is a packet (O_DIRECT): a read takes one, and what it has no room for is gone. */
static void took(const char *what, int fd, size_t room) {
  memset(buffer, 0, 64);
  long n = read(fd, buffer, room);
  printf("%s: %s '%.20s'\n", what, result(n), n > 0 ? buffer : "");
}

static void packets(void) {
  int p[2], q[2], left;
  printf("pipe2 %s", result(pipe2(p, O_DIRECT | O_NONBLOCK)));
  printf(" flags %#x %#x\n", fcntl(p[0], F_GETFL), fcntl(p[1], F_GETFL));
  write(p[1], "first", 5), write(p[1], "second one", 10), write(p[1], "", 0), write(p[1], "third", 5);
  ioctl(p[0], FIONREAD, &left);
  printf("%d to read\n", left);
  took("one", p[0], 100), took("nothing", p[0], 0), took("a part", p[0], 3), took("next", p[0], 100), took("none", p[0], 100);
  memset(buffer, 'x', 10000);
  printf("large %s\n", result(write(p[1], buffer, 10000)));
  for (int i = 0; i < 4; i++) printf("piece %s\n", result(read(p[0], buffer + 20000, 20000)));
  printf("parts %s", result(writev(p[1], (struct iovec[]){{"one ", 4}, {"packet", 6}}, 2)));
  write(p[1], "more", 4);
  char a[3], b[30];
  printf(" read %s\n", result(readv(p[0], (struct iovec[]){{a, 3}, {b, 30}}, 2)));
  took("more", p[0], 100);
  printf("plain %s", result(fcntl(p[1], F_SETFL, O_NONBLOCK)));
  printf(" %#x\n", fcntl(p[1], F_GETFL) & O_DIRECT);
  write(p[1], "ab", 2), write(p[1], "cd", 2);
  printf("again %s", result(fcntl(p[1], F_SETFL, O_NONBLOCK | O_DIRECT)));
  printf(" %#x\n", fcntl(p[1], F_GETFL) & O_DIRECT);
  write(p[1], "ef", 2), write(p[1], "gh", 2), write(p[1], "ij", 2);
  took("mixed", p[0], 100), took("then", p[0], 1), took("then", p[0], 100);
  pipe2(q, O_NONBLOCK);
  write(p[1], "tee and", 7), write(p[1], "splice", 6);
  printf("tee %s\n", result(tee(p[0], q[1], 100, 0)));
  took("there", q[0], 3), took("there", q[0], 100), took("there", q[0], 100);
  printf("splice %s\n", result(splice(p[0], 0, q[1], 0, 9, 0)));
  took("there", q[0], 100), took("there", q[0], 1), took("there", q[0], 100), took("here", p[0], 100), took("here", p[0], 100);
  int n = 0;
  while (write(p[1], "x", 1) == 1) n++;
  printf("%d fit, out %#x in %#x\n", n, polled(p[1], POLLOUT), polled(p[0], POLLIN));
  close(p[0]), close(p[1]), close(q[0]), close(q[1]);
}

static int channel[2], back[2];

static void *reader(void *unused) {
  long total = 0, n;
  unsigned sum = 0;
  unsigned char piece[3000];
  while ((n = read(channel[0], piece, sizeof piece)) > 0) {
    for (long i = 0; i < n; i++) sum = sum * 31 + piece[i];
    total += n;
  }
  printf("reader: %ld bytes, sum %u, then %s\n", total, sum, result(n));
  return unused;
}

static void large(void) {
  pthread_t thread;
  pipe(channel);
  pthread_create(&thread, 0, reader, 0);
  for (size_t i = 0; i < sizeof buffer; i++) buffer[i] = (char)(i * 7 + i / 251);
  long total = 0;
  while (total < (long)sizeof buffer) {
    long n = write(channel[1], buffer + total, 100000 < sizeof buffer - total ? 100000 : sizeof buffer - total);
    if (n <= 0) { printf("write %s\n", result(n)); break; }
    total += n;
  }
  printf("wrote %ld\n", total);
  close(channel[1]);
  pthread_join(thread, 0);
  close(channel[0]);
}

static void *echo(void *unused) {
  char c;
  while (read(channel[0], &c, 1) == 1) c += 1, write(back[1], &c, 1);
  close(back[1]);
  return unused;
}

static void round_trips(void) {
  pthread_t thread;
  pipe(channel), pipe(back);
  pthread_create(&thread, 0, echo, 0);
  char c = 'a';
  for (int i = 0; i < 20; i++) write(channel[1], &c, 1), read(back[0], &c, 1);
  printf("after 20 round trips %c\n", c);
  close(channel[1]);
  printf("end %s\n", result(read(back[0], &c, 1)));
  pthread_join(thread, 0);
  close(channel[0]), close(back[0]);
}

static void *later(void *unused) {
  struct timespec time = {0, 20000000};
  nanosleep(&time, 0);
  write(back[1], "x", 1);
  return unused;
}

static void waiting(void) {
  pthread_t thread;
  pipe(channel), pipe(back);
  pthread_create(&thread, 0, later, 0);
  struct pollfd set[3] = {{channel[0], POLLIN, 0}, {back[0], POLLIN, 0}, {-1, POLLIN, 7}};
  int n = poll(set, 3, 3600000);
  printf("poll %d: %#x %#x %#x\n", n, set[0].revents, set[1].revents, set[2].revents);
  pthread_join(thread, 0);
  set[1].fd = 777;
  n = poll(set, 2, 0);
  printf("poll %d: %#x %#x\n", n, set[0].revents, set[1].revents);
  printf("timeout %d\n", poll(set, 1, 10));
  fd_set in, out;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_SET(channel[0], &in), FD_SET(back[0], &in), FD_SET(channel[1], &out);
  struct timeval time = {1, 0};
  n = select(back[1] + 1, &in, &out, 0, &time);
  printf("select %d: %d %d %d\n", n, !!FD_ISSET(channel[0], &in), !!FD_ISSET(back[0], &in), !!FD_ISSET(channel[1], &out));
  FD_ZERO(&in);
  FD_SET(channel[0], &in);
  time = (struct timeval){0, 1000};
  printf("select %d", select(channel[0] + 1, &in, 0, 0, &time));
  printf(" %d", !!FD_ISSET(channel[0], &in));
  FD_ZERO(&in);
  FD_SET(900, &in);
  printf(" beyond the table %s", result(select(901, &in, 0, 0, &time)));
  FD_ZERO(&in);
  FD_SET(50, &in);
  printf(" closed %s\n", result(select(51, &in, 0, 0, &time)));
  struct iovec parts[2] = {{"one ", 4}, {"two", 3}};
  printf("writev %s", result(writev(channel[1], parts, 2)));
  char a[5] = "", b[9] = "";
  struct iovec places[2] = {{a, 4}, {b, 8}};
  printf(" readv %s", result(readv(channel[0], places, 2)));
  printf(" '%s' '%s'\n", a, b);
}

/* By its link in /proc, as shells name the ends of pipes that they give to programs (/dev/fd). */
static void reopened(void) {
  int p[2], s[2];
  char path[2][64], read_back[8] = "";
  struct stat by_path, by_descriptor;
  pipe(p);
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  for (int i = 0; i < 2; i++) snprintf(path[i], 64, "/proc/self/fd/%d", p[i]);
  write(p[1], "abc", 3);
  int again = open(path[0], O_RDONLY), other_end = open(path[0], O_WRONLY | O_NONBLOCK), both = open(path[1], O_RDWR);
  printf("again %d: read %s", again > 0, result(read(again, read_back, 2)));
  printf(" '%s' other end %s", read_back, result(write(other_end, "d", 1)));
  printf(" both %s", result(read(both, read_back, 8)));
  close(p[0]), close(again), close(both), close(p[1]);
  printf(" polled %#x flags %#x\n", polled(other_end, POLLOUT), fcntl(other_end, F_GETFL) & 07777);
  close(other_end);
  pipe(p);
  snprintf(path[0], 64, "/dev/fd/%d", p[0]);
  printf("stat %s", result(stat(path[0], &by_path)));
  fstat(p[0], &by_descriptor);
  printf(" same %d fifo %d", by_path.st_ino == by_descriptor.st_ino, S_ISFIFO(by_path.st_mode));
  printf(" access %s", result(access(path[0], R_OK | W_OK)));
  printf(" directory %s", result(open(path[0], O_RDONLY | O_DIRECTORY)));
  printf(" creates %s", result(open(path[0], O_RDWR | O_CREAT, 0600) > 0));
  printf(" not followed %s", result(open(path[0], O_RDONLY | O_NOFOLLOW)));
  printf(" changed to %s", result(chdir(path[0])));
  strcat(path[0], "/x");
  printf(" below %s", result(open(path[0], O_RDONLY)));
  snprintf(path[0], 64, "/proc/self/fd/%d", s[0]);
  printf(" socket %s\n", result(open(path[0], O_RDWR)));
}

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  if (argc > 1) {
    int p[2];
    pipe(p);
    close(p[0]);
    printf("dies of it\n");
    fflush(stdout);
    write(p[1], "x", 1);
    printf("survived\n");
    return 0;
  }
  fill("single bytes", 1);
  fill("hundreds", 100);
  fill("thousands", 3000);
  fill("pages", 4096);
  fill("at once", sizeof buffer);
  fill("odd", 5001);
  ends();
  packets();
  large();
  round_trips();
  waiting();
  reopened();
  return 0;
}
