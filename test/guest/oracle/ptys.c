/* Pseudo-terminals: both sides, the line discipline in between, sessions, hang-ups. Who waits reads until all is there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static const char *result(long value) {
  static char text[8][40];
  static int next;
  char *into = text[next++ & 7];
  if (value < 0) snprintf(into, 40, "-1 %s", strerrorname_np(errno));
  else snprintf(into, 40, "%ld", value);
  return into;
}

static void show(const char *what, int fd, int wanted) {
  char bytes[256];
  int have = 0;
  while (have < wanted) {
    int n = read(fd, bytes + have, wanted - have);
    if (n <= 0) {
      printf("%s: %s\n", what, result(n));
      return;
    }
    have += n;
  }
  printf("%s: \"", what);
  for (int i = 0; i < have; i++)
    if (bytes[i] < 32 || bytes[i] == 127) printf("\\%03o", bytes[i]);
    else putchar(bytes[i]);
  printf("\"\n");
}

/* Waits until a file has what is asked for. */
static int polled(int fd, int events) {
  struct pollfd one = {fd, (short)events, 0};
  poll(&one, 1, 1000);
  return one.revents;
}

static void type(int master, const char *text) {
  long n = write(master, text, strlen(text));
  if (n != (long)strlen(text)) printf("typed %s\n", result(n));
}

static int opened(int *slave) {
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  char name[64];
  int locked = -1, number = -1;
  ioctl(master, TIOCGPTLCK, &locked);
  ioctl(master, TIOCGPTN, &number);
  ptsname_r(master, name, sizeof name);
  printf("locked %d, open %s", locked, result(open(name, O_RDWR | O_NOCTTY)));
  printf(", grant %s, unlock %s", result(grantpt(master)), result(unlockpt(master)));
  *slave = open(name, O_RDWR | O_NOCTTY);
  struct stat s;
  fstat(*slave, &s);
  printf(", type %o device %u, same %d, terminals %d %d\n", s.st_mode & S_IFMT, major(s.st_rdev), (int)minor(s.st_rdev) == number,
         isatty(master), isatty(*slave));
  return master;
}

static void lines(void) {
  int slave, master = opened(&slave);
  struct winsize size = {1, 2, 3, 4};
  ioctl(master, TIOCGWINSZ, &size);
  printf("size %d %d", size.ws_row, size.ws_col);
  size.ws_row = 40, size.ws_col = 100;
  ioctl(slave, TIOCSWINSZ, &size);
  memset(&size, 0, sizeof size);
  ioctl(master, TIOCGWINSZ, &size);
  printf(" then %d %d\n", size.ws_row, size.ws_col);
  type(master, "one\rtwo\x7fx");
  show("line", slave, 4);
  show("echo", master, 12);
  int left = -1;
  printf("not a line: %#x", polled(slave, POLLOUT));
  printf(" %s", result(ioctl(slave, FIONREAD, &left)));
  printf(" %d\n", left);
  type(master, "\x04");
  show("ended", slave, 3);
  printf("printed %s\n", result(write(slave, "a\nb\tc", 5)));
  show("print", master, 6);
  printf("master %#x slave %#x\n", polled(master, POLLIN | POLLOUT) & ~POLLIN, polled(slave, POLLOUT));
  struct termios t;
  tcgetattr(master, &t);
  printf("settings %o %o %o %o\n", t.c_iflag & ~IUTF8, t.c_oflag, t.c_cflag & ~CBAUD, t.c_lflag);
  cfmakeraw(&t);
  tcsetattr(slave, TCSANOW, &t);
  type(master, "a\r\x03\x7f");
  show("raw", slave, 4);
  write(slave, "x\ny", 3);
  show("raw print", master, 3);
  printf("groups %s %s\n", result(tcgetpgrp(slave)), result(tcgetsid(slave)));
  int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  printf("peer %d\n", peer >= 0);
  close(slave);
  write(peer, "p", 1);
  close(peer);
  show("rest", master, 1);
  printf("left %#x, read %s, write %s\n", polled(master, POLLIN), result(read(master, &left, 1)), result(write(master, "z", 1)));
  close(master);
}

static volatile int got[65];
static void handler(int signal) { got[signal]++; }

/* The master goes: what is left for who had the slave's side. */
static void hangUp(void) {
  int slave, master = opened(&slave);
  type(master, "typed\r");
  close(master);
  char byte;
  struct termios t;
  struct winsize size;
  printf("hung up: %#x, read %s", polled(slave, POLLIN | POLLOUT), result(read(slave, &byte, 1)));
  printf(", write %s, ioctl %s", result(write(slave, "x", 1)), result(tcgetattr(slave, &t)));
  printf(", %s\n", result(ioctl(slave, TIOCGWINSZ, &size)));
  close(slave);
}

/* A session with the terminal, in a process of its own; it tells what happens to it through a pipe. */
static void session(void) {
  int slave, master = opened(&slave);
  int report[2];
  pipe(report);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(master);
    close(report[0]);
    dup2(report[1], 1);
    printf("not a session: %s\n", result(ioctl(slave, TIOCSCTTY, 0)));
    setsid();
    printf("no terminal: %s\n", result(open("/dev/tty", O_RDWR)));
    printf("mine: %s", result(ioctl(slave, TIOCSCTTY, 0)));
    printf(", group %d, session %d, again %s\n", tcgetpgrp(slave) == getpid(), tcgetsid(slave) == getpid(), result(ioctl(slave, TIOCSCTTY, 0)));
    int own = open("/dev/tty", O_RDWR);
    printf("own %d, ", own >= 0);
    struct stat s;
    fstat(own, &s);
    printf("device %u,%u\n", major(s.st_rdev), minor(s.st_rdev));
    signal(SIGWINCH, handler), signal(SIGINT, handler), signal(SIGHUP, handler), signal(SIGCONT, handler);
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    printf("ready\n");
    fflush(stdout);
    while (!got[SIGWINCH]) sigsuspend(&old);
    printf("window changed\n");
    fflush(stdout);
    while (!got[SIGINT]) sigsuspend(&old);
    printf("interrupted\n");
    fflush(stdout);
    while (!got[SIGHUP] || !got[SIGCONT]) sigsuspend(&old);
    printf("hung up %d, own write %s\n", got[SIGHUP], result(write(own, "x", 1)));
    fflush(stdout);
    _exit(3);
  }
  close(report[1]);
  FILE *in = fdopen(report[0], "r");
  char line[128];
  while (fgets(line, sizeof line, in)) {
    printf("> %s", line);
    if (!strcmp(line, "ready\n")) {
      int group = 0;
      printf("group from the master %d", ioctl(master, TIOCGPGRP, &group) == 0 && group == child);
      struct winsize size = {50, 60, 0, 0};
      printf(", resize %s\n", result(ioctl(master, TIOCSWINSZ, &size)));
    } else if (!strcmp(line, "window changed\n")) type(master, "\x03");
    else if (!strcmp(line, "interrupted\n")) {
      show("echo", master, 2);
      close(master);
    }
  }
  int status;
  waitpid(child, &status, 0);
  printf("status %#x\n", status);
  close(slave);
}

/* A shell-like use: a child that forkpty makes prints and ends, and the master sees all of it, and then the end. */
static void program(void) {
  int master;
  fflush(stdout);
  pid_t child = forkpty(&master, NULL, NULL, NULL);
  if (child == 0) {
    char name[32] = "";
    read(0, name, 31);
    printf("hello %s", name);
    fflush(stdout);
    _exit(0);
  }
  type(master, "you\n");
  show("program", master, 5 + 11);
  int status;
  waitpid(child, &status, 0);
  char byte;
  printf("status %#x, then %s\n", status, result(read(master, &byte, 1)));
  close(master);
}

/* Who has the last file of the master's side is in the foreground when the session's leader ends, and ends by that. */
static void lastMaster(void) {
  int ends[2];
  if (pipe(ends)) perror("pipe");
  fflush(stdout);
  pid_t leader = fork();
  if (leader == 0) {
    close(ends[0]);
    setsid();
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    grantpt(master);
    unlockpt(master);
    if (open(ptsname(master), O_RDWR) < 0) _exit(1);
    if (fork() == 0)
      for (;;) pause();
    close(master);
    _exit(0);
  }
  close(ends[1]);
  int status;
  waitpid(leader, &status, 0);
  char byte;
  printf("leader %#x, then %s\n", status, result(read(ends[0], &byte, 1)));
}

/* A leader that closes its own terminal's last master's side is hung up on, however it closes it. */
static void ownMaster(int by) {
  fflush(stdout);
  pid_t leader = fork();
  if (leader == 0) {
    setsid();
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    grantpt(master);
    unlockpt(master);
    if (open(ptsname(master), O_RDWR) < 0) _exit(1);
    if (by == 0) dup2(0, master);
    else if (by == 1) close(master);
    else close_range(master, master, 0);
    for (;;) pause();
  }
  int status;
  waitpid(leader, &status, 0);
  printf("closed by itself: %#x\n", status);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGTTOU, SIG_IGN);
  signal(SIGHUP, SIG_DFL);
  lines();
  hangUp();
  session();
  program();
  lastMaster();
  for (int by = 0; by < 3; by++) ownMaster(by);
  struct stat s;
  stat("/dev/ptmx", &s);
  printf("ptmx %o %u,%u\n", s.st_mode & S_IFMT, major(s.st_rdev), minor(s.st_rdev));
  return 0;
}
