/* Does one thing that enters the kernel argv[2] times: which, says argv[1]. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, CHUNK = 2048 };
static char block[PAGE];
static unsigned turn;
static long count;

/* Each side wakes the other and waits for its own turn: two switches a round. */
static void *ping(void *side) {
  unsigned mine = (unsigned)(long)side;
  for (long i = 0; i < count / 2; i++) {
    unsigned now;
    while ((now = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) != mine) syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, 0, 0, 0);
    __atomic_store_n(&turn, !mine, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
  }
  return 0;
}

static void switches(void) {
  pthread_t other;
  pthread_create(&other, 0, ping, (void *)1L);
  ping(0);
  pthread_join(other, 0);
}

static int there[2], back[2];

static void *echo(void *unused) {
  char c;
  while (read(there[0], &c, 1) == 1) write(back[1], &c, 1);
  return unused;
}

/* A byte to another thread and one back: two switches. */
static void round_trips(void) {
  pthread_t other;
  char c = 0;
  if (pipe(there) || pipe(back)) return;
  pthread_create(&other, 0, echo, 0);
  for (long i = 0; i < count; i++) write(there[1], &c, 1), read(back[0], &c, 1);
  close(there[1]);
  pthread_join(other, 0);
}

/* A block into a pipe and out of it again. */
static void through(size_t bytes) {
  static char large[65536];
  if (pipe(there)) return;
  for (long i = 0; i < count; i++) write(there[1], large, bytes), read(there[0], large, bytes);
}

/* The same between two sockets. */
static void sockets(void) {
  int pair[2];
  char c = 0;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return;
  for (long i = 0; i < count; i++) write(pair[0], &c, 1), read(pair[1], &c, 1);
}

/* A file on a path of three names. */
static void opens(void) {
  for (long i = 0; i < count; i++) close(open("/proc/self/status", O_RDONLY));
}

static void faults(void) {
  char *pages = mmap(0, CHUNK * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (long i = 0; i < count; i++) {
    pages[i % CHUNK * PAGE] = 1;
    if (i % CHUNK == CHUNK - 1) madvise(pages, CHUNK * PAGE, MADV_DONTNEED);
  }
}

/* A process that ends at once, or becomes another program that does. */
static void children(char *program) {
  for (long i = 0; i < count; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      if (program) execl(program, program, "nothing", "0", (char *)0);
      _exit(0);
    }
    waitpid(pid, 0, 0);
  }
}

static void handler(int signal) { (void)signal; }

/* A byte to another process and one back. */
static void processes(void) {
  char c = 0;
  if (pipe(there) || pipe(back)) return;
  if (fork() == 0) {
    close(there[1]);
    echo(0);
    _exit(0);
  }
  for (long i = 0; i < count; i++) write(there[1], &c, 1), read(back[0], &c, 1);
  close(there[1]);
  wait(0);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const char *what = argv[1];
  count = atol(argv[2]);
  memset(block, 'x', sizeof block);
  if (!strcmp(what, "getppid")) for (long i = 0; i < count; i++) syscall(SYS_getppid);
  if (!strcmp(what, "byte")) for (long i = 0; i < count; i++) syscall(SYS_write, 1, block, 1);
  if (!strcmp(what, "block")) for (long i = 0; i < count; i++) syscall(SYS_write, 1, block, PAGE);
  if (!strcmp(what, "map")) for (long i = 0; i < count; i++) munmap(mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE);
  if (!strcmp(what, "fault")) faults();
  if (!strcmp(what, "switch")) switches();
  if (!strcmp(what, "pipe")) round_trips();
  if (!strcmp(what, "processes")) processes();
  if (!strcmp(what, "fork")) children(0);
  if (!strcmp(what, "exec")) children(argv[0]);
  if (!strcmp(what, "signal")) {
    signal(SIGUSR1, handler);
    for (long i = 0; i < count; i++) syscall(SYS_kill, getpid(), SIGUSR1);
  }
  if (!strcmp(what, "sockets")) sockets();
  if (!strcmp(what, "open")) opens();
  if (!strcmp(what, "byte through")) through(1);
  if (!strcmp(what, "block through")) through(65536);
  return 0;
}
