/* Makes as many of a kind as there can be, and then does what is to cost the same however many there are. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void expect(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(1);
}

static void fork_often(int times) {
  for (int i = 0; i < times; i++) {
    pid_t child = fork();
    expect(child >= 0, "fork");
    if (child == 0) _exit(0);
    expect(waitpid(child, 0, 0) == child, "waitpid");
  }
}

/* Segments, each attached, and taken away while it is: they go with their memory. */
static void segments(void) {
  enum { count = 2048 };
  int last = -1;
  for (int i = 0; i < count; i++) {
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    expect(id >= 0, "shmget");
    expect(shmat(id, 0, 0) != (void *)-1, "shmat");
    if (i % 2) expect(shmctl(id, IPC_RMID, 0) == 0, "IPC_RMID");
    else last = id;
  }
  fork_often(10);
  struct shmid_ds told;
  for (int i = 0; i < 1000; i++) expect(shmctl(last, IPC_STAT, &told) == 0 && told.shm_nattch == 1, "IPC_STAT");
}

static int operate(int set, int semaphore, int change, int flags) {
  struct sembuf one = {semaphore, change, flags};
  return semop(set, &one, 1);
}

/* As much to be undone as there can be: then there is no more, until a set goes. */
static void adjustments(void) {
  enum { count = 32000, sets = 4, rest = 131072 - sets * count, at_once = 500 };
  int ids[sets + 1];
  for (int i = 0; i <= sets; i++) {
    int size = i < sets ? count : rest;
    ids[i] = semget(IPC_PRIVATE, size, 0600);
    expect(ids[i] >= 0, "semget");
    for (int from = 0; from < size; from += at_once) {
      struct sembuf all[at_once];
      int some = size - from < at_once ? size - from : at_once;
      for (int j = 0; j < some; j++) all[j] = (struct sembuf){from + j, 1, SEM_UNDO};
      expect(semop(ids[i], all, some) == 0, "semop");
    }
  }
  pid_t child = fork();
  if (child == 0) {
    expect(operate(ids[0], 0, 1, 0) == 0 && operate(ids[0], 0, 1, SEM_UNDO) == -1 && errno == ENOMEM, "too many");
    expect(semctl(ids[1], 0, IPC_RMID) == 0 && operate(ids[0], 0, 1, SEM_UNDO) == 0, "room again");
    _exit(0);
  }
  int status;
  expect(waitpid(child, &status, 0) == child && status == 0, "the child");
  expect(semctl(ids[0], 0, GETVAL) == 2, "undone, but what was not to be");
}

enum { patient = 100, lucky = 100 };
static int contested;

static void *wait_long(void *of) {
  struct sembuf all[500];
  for (int i = 0; i < 499; i++) all[i] = (struct sembuf){1, 0, 0};
  all[499] = (struct sembuf){0, -30000, 0};
  semop(contested, all, 500);
  return of;
}

static void *wait_often(void *of) {
  struct sembuf both[] = {{0, -1, 0}, {2, 1, 0}};
  while (semop(contested, both, 2) == 0) { }
  return of;
}

/* Many wait for much in vain, and are passed by others again and again. */
static void waiters(void) {
  pthread_t threads[patient + lucky];
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  contested = semget(IPC_PRIVATE, 3, 0600);
  for (int i = 0; i < patient + lucky; i++) {
    expect(pthread_create(&threads[i], &small, i < patient ? wait_long : wait_often, 0) == 0, "pthread_create");
    while (semctl(contested, 0, GETNCNT) <= i) sched_yield();
  }
  for (int round = 1; round <= 20; round++) {
    expect(semctl(contested, 0, SETVAL, lucky) == 0, "SETVAL");
    while (semctl(contested, 0, GETNCNT) < patient + lucky) sched_yield();
    expect(semctl(contested, 2, GETVAL) == round * lucky, "all had their turn");
  }
  expect(semctl(contested, 0, IPC_RMID) == 0, "IPC_RMID");
  for (int i = 0; i < patient + lucky; i++) pthread_join(threads[i], 0);
}

static int give_to(int through, int fd, const struct sockaddr_un *to) {
  char byte = 0;
  struct iovec part = {&byte, 1};
  union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
  struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  m.msg_name = (void *)to, m.msg_namelen = to ? sizeof *to : 0;
  control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
  return sendmsg(through, &m, 0);
}

static int give(int through, int fd) { return give_to(through, fd, 0); }

static int get(int through) {
  char byte;
  struct iovec part = {&byte, 1};
  union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
  struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  int fd = -1;
  expect(recvmsg(through, &m, 0) == 1, "recvmsg");
  memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
  return fd;
}

/* A file is on its way, and many have many descriptors, when one closes all of its own that are sockets'. */
static void in_flight(void) {
  enum { children = 16, each = 1000 };
  int way[2], hold[2], pair[2];
  expect(socketpair(AF_UNIX, SOCK_STREAM, 0, way) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  expect(pipe(hold) == 0 && give(way[0], pair[1]) == 1, "give");
  for (int i = 0; i < each; i++) expect(dup(pair[0]) >= 0, "dup");
  for (int i = 0; i < children; i++)
    if (fork() == 0) {
      char byte;
      close(hold[1]);
      read(hold[0], &byte, 1);
      _exit(0);
    }
  for (int fd = pair[1] + 1; fd <= pair[1] + each; fd++) close(fd);
  close(hold[1]);
  while (wait(0) > 0) { }
}

/* Sockets that only messages to themselves lead to go; others in messages do not. */
static void circles(void) {
  for (int i = 0; i < 270; i++) {
    int p[2], q[2];
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, q) == 0, "socketpair");
    expect(give(p[0], p[1]) == 1 && give(p[1], q[0]) == 1 && give(q[0], p[0]) == 1 && give(q[1], q[1]) == 1, "give");
    close(p[0]), close(p[1]), close(q[0]), close(q[1]);
  }
  int p[2], q[2], file[2];
  char text[8] = "";
  expect(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, q) == 0, "socketpair");
  expect(pipe(file) == 0, "pipe");
  /* One in another's queue, which is in one's that somebody has. */
  expect(give(q[0], file[0]) == 1 && give(p[0], q[1]) == 1 && give(q[1], q[0]) == 1, "give");
  close(q[0]), close(q[1]), close(file[0]);
  q[1] = get(p[1]);
  file[0] = get(q[1]);
  expect(write(file[1], "there", 5) == 5 && read(file[0], text, 5) == 5 && strcmp(text, "there") == 0, "it was kept");
  /* Read as bytes, it leads nowhere any more, and neither does what is in its own queue. */
  expect(socketpair(AF_UNIX, SOCK_STREAM, 0, q) == 0, "socketpair");
  expect(give(q[0], file[0]) == 1 && give(q[0], q[1]) == 1 && give(p[0], q[1]) == 1, "give");
  close(q[0]), close(q[1]), close(file[0]);
  signal(SIGPIPE, SIG_IGN);
  expect(write(file[1], "x", 1) == 1 && read(p[1], text, 1) == 1, "it was there");
  expect(write(file[1], "x", 1) == -1 && errno == EPIPE, "nobody has it");
}

/* Each socket in the queue of another, as deep as there can be: the outermost goes, and all of them with it. */
static void nest(void) {
  enum { count = 1000 };
  struct sockaddr_un name = {AF_UNIX, ""};
  int first = 0, last = 0;
  for (int i = 0; i < count; i++) {
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    sprintf(name.sun_path + 1, "%d", i);
    expect(fd >= 0 && bind(fd, (void *)&name, sizeof name) == 0, "bind");
    if (i == 0) first = fd;
    else expect(fd == last + 1, "descriptors in a row");
    last = fd;
    sprintf(name.sun_path + 1, "%d", i - 1);
    expect(i == 0 || give_to(fd, fd, &name) == 1, "give");
  }
  expect(close_range(first + 1, last, 0) == 0 && close(first) == 0, "close");
  first = socket(AF_UNIX, SOCK_DGRAM, 0);
  expect(give_to(first, first, &name) == -1 && errno == ECONNREFUSED, "nobody is there");
}

/* Timers that are all due at once, of many, who end before. */
static void timers(void) {
  enum { most = 4096, each = 128 };
  int made[2], count = 0;
  char byte = 0;
  expect(pipe(made) == 0, "pipe");
  struct itimerspec later = {{0, 0}, {1000, 0}};
  for (int i = 0; i <= most / each; i++)
    if (fork() == 0) {
      timer_t timer;
      int own = 0;
      while (timer_create(CLOCK_MONOTONIC, 0, &timer) == 0) own += timer_settime(timer, TIMER_ABSTIME, &later, 0) == 0;
      expect(errno == EAGAIN && write(made[1], &byte, 1) == 1, "as many as there can be");
      pause();
      _exit(own);
    }
  while (count <= most / each) count += read(made[0], &byte, 1);
  timer_t more;
  expect(timer_create(CLOCK_MONOTONIC, 0, &more) == -1 && errno == EAGAIN, "no more");
  signal(SIGTERM, SIG_IGN);
  kill(0, SIGTERM);
  while (wait(0) > 0) { }
  expect(timer_create(CLOCK_MONOTONIC, 0, &more) == 0, "room again");
}

/* As many files watched as one instance can: each number stands for one after another, which all stay open. */
static void watched(void) {
  enum { most = 4096, numbers = 512, files = most / numbers };
  int epoll = epoll_create1(0), kept[files][2], told = 0;
  struct epoll_event event = {EPOLLIN | EPOLLET, {0}}, events[1000];
  expect(epoll >= 0, "epoll_create1");
  for (int i = 0; i < files; i++) {
    expect(pipe(kept[i]) == 0, "pipe");
    for (int fd = 100; fd < 100 + numbers; fd++)
      expect(dup2(kept[i][0], fd) == fd && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
  }
  expect(epoll_ctl(epoll, EPOLL_CTL_ADD, kept[0][0], &event) == -1 && errno == ENOSPC, "no more");
  for (int round = 0; round < 3; round++) {
    expect(write(kept[round][1], "", 1) == 1, "write");
    for (int n; (n = epoll_wait(epoll, events, 1000, 0)) > 0;) told += n;
  }
  expect(told == 3 * numbers, "each edge was told once");
  for (int i = 0; i < files; i++) close(kept[i][0]);
  expect(close_range(100, 99 + numbers, 0) == 0, "close_range");
  expect(epoll_ctl(epoll, EPOLL_CTL_ADD, kept[0][1], &event) == 0, "room again");
}

/* As many watches as a user can have, and more events than are kept. */
static void watches(void) {
  enum { most = 8192, kept = 16384 };
  static char events[65536];
  int notify = inotify_init1(IN_NONBLOCK), told = 0, overflows = 0;
  char name[32];
  expect(mkdir("/tmp/w", 0755) == 0 && chdir("/tmp/w") == 0, "mkdir");
  for (int i = 0; i <= most; i++) {
    sprintf(name, "%d", i);
    expect(mkdir(name, 0755) == 0, "mkdir");
    int watch = inotify_add_watch(notify, name, IN_ATTRIB);
    expect(i < most ? watch > 0 : watch == -1 && errno == ENOSPC, "inotify_add_watch");
  }
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < most; i++) sprintf(name, "%d", i), expect(chmod(name, 0700 + round) == 0, "chmod");
  for (ssize_t n; (n = read(notify, events, sizeof events)) > 0;)
    for (char *at = events; at < events + n; at += sizeof(struct inotify_event)) {
      if (((struct inotify_event *)at)->mask == IN_Q_OVERFLOW) overflows++;
      else told++;
    }
  expect(told == kept && overflows == 1, "the rest is lost, and said to be");
}

/* As many signals pending as a user can have, which come in their order. */
static void pending(void) {
  enum { most = 1024 };
  sigset_t all;
  siginfo_t info;
  sigfillset(&all);
  expect(sigprocmask(SIG_BLOCK, &all, 0) == 0, "sigprocmask");
  for (int i = 0; i < most; i++)
    expect(sigqueue(getpid(), i % 2 ? 40 : 50, (union sigval){.sival_int = i}) == 0, "sigqueue");
  expect(sigqueue(getpid(), 40, (union sigval){0}) == -1 && errno == EAGAIN, "no more");
  fork_often(10);
  sigdelset(&all, SIGCHLD);
  for (int i = 0; i < most; i++) {
    int wanted = i < most / 2 ? 2 * i + 1 : 2 * i - most;
    expect(sigwaitinfo(&all, &info) == (wanted % 2 ? 40 : 50) && info.si_value.sival_int == wanted, "in order");
  }
}

/* As many locks as there can be, of every other byte; and gone by one call. */
static void locks(void) {
  enum { most = 4096 };
  int fd = open("/tmp/locked", O_CREAT | O_RDWR, 0644), count = 0;
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
  for (;; count++) {
    lock.l_start = 2 * count;
    if (fcntl(fd, F_SETLK, &lock) != 0) break;
  }
  expect(errno == ENOLCK && count == most, "as many as there can be");
  pid_t child = fork();
  if (child == 0) {
    lock.l_start = 2 * most - 2;
    expect(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_pid == getppid(), "it is the parent's");
    _exit(0);
  }
  int status;
  expect(waitpid(child, &status, 0) == child && status == 0, "the child");
  lock = (struct flock){.l_type = F_UNLCK, .l_whence = SEEK_SET};
  expect(fcntl(fd, F_SETLK, &lock) == 0, "F_UNLCK");
  lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
  expect(fcntl(fd, F_SETLK, &lock) == 0, "room again");
}

/* Pipes as large as there can be, names of files, and long links: what is no memory of the machine's has an end, too. */
static void sizes(void) {
  int ends[2], count = 0;
  static char text[4096];
  char name[32];
  for (;; count++) {
    expect(pipe(ends) == 0, "pipe");
    if (fcntl(ends[0], F_SETPIPE_SZ, 1 << 20) != 1 << 20) break;
  }
  expect(errno == EPERM && count > 60 && count < 70, "so many that are large");
  expect(mkdir("/tmp/s", 0755) == 0 && chdir("/tmp/s") == 0 && mknod("f", S_IFREG | 0644, 0) == 0, "a file");
  memset(text, 'x', 4095);
  for (count = 0;; count++) {
    sprintf(name, "s%d", count);
    if (symlink(text, name) != 0) break;
  }
  expect(errno == ENOSPC && count == (16 << 20) / 4095, "so many long links");
  expect(symlink("f", "short") == 0 && link("f", "g") == 0 && link("f", "h") == 0, "and others");
}

int main(int argc, char **argv) {
  expect(argc == 2, "usage");
  if (strcmp(argv[1], "segments") == 0) segments();
  else if (strcmp(argv[1], "adjustments") == 0) adjustments();
  else if (strcmp(argv[1], "waiters") == 0) waiters();
  else if (strcmp(argv[1], "files in flight") == 0) in_flight();
  else if (strcmp(argv[1], "circles") == 0) circles();
  else if (strcmp(argv[1], "nest") == 0) nest();
  else if (strcmp(argv[1], "timers") == 0) timers();
  else if (strcmp(argv[1], "watched files") == 0) watched();
  else if (strcmp(argv[1], "watches") == 0) watches();
  else if (strcmp(argv[1], "pending signals") == 0) pending();
  else if (strcmp(argv[1], "locks") == 0) locks();
  else if (strcmp(argv[1], "sizes") == 0) sizes();
  else expect(0, argv[1]);
  puts("done");
  return 0;
}
