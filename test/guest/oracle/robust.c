/* Robust mutexes whose owner ends, among threads and among processes; operations of futex(2) that libraries use rarely. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t *make(void *where, int shared) {
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  if (shared) pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(where, &a);
  return where;
}
static void *dies(void *m) { pthread_mutex_lock(m); pthread_mutex_lock((pthread_mutex_t *)m + 1); return 0; }
static void take(pthread_mutex_t *m) {
  int r = pthread_mutex_lock(m);
  printf("%s", r ? strerrorname_np(r) : "locked");
  if (r == EOWNERDEAD) printf(" consistent %d", pthread_mutex_consistent(m));
  printf(" unlocked %d\n", pthread_mutex_unlock(m));
}
static int word[2];
static long wake_op(int op, int arg, int cmp, int against) {
  return syscall(SYS_futex, word, FUTEX_WAKE_OP, 1, 1L, word + 1, FUTEX_OP(op, arg, cmp, against));
}
int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  static pthread_mutex_t own[2];
  pthread_t t;
  make(own, 0); make(own + 1, 0);
  pthread_create(&t, 0, dies, own);
  pthread_join(t, 0);
  take(own); take(own); take(own + 1);
  pthread_mutex_t *shared = mmap(0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  make(shared, 1); make(shared + 1, 1);
  for (int way = 0; way < 3; way++) {
    int p[2];
    char c;
    pipe(p);
    pid_t pid = fork();
    if (pid == 0) { pthread_mutex_lock(shared); write(p[1], "x", 1); if (way == 2) for (;;) pause(); usleep(20000); if (way) _exit(0); else syscall(SYS_exit, 0); }
    read(p[0], &c, 1);
    if (way == 2) kill(pid, SIGKILL);
    take(shared);
    waitpid(pid, 0, 0);
    take(shared);
  }
  for (int op = 0; op < 6; op++) for (int cmp = 0; cmp < 7; cmp++) {
    word[1] = 12;
    errno = 0;
    long r = wake_op(op, -5, cmp, 12);
    printf("%d %d: %ld %s %d\n", op, cmp, r, r < 0 ? strerrorname_np(errno) : "", word[1]);
  }
  word[1] = 1;
  long shifted = wake_op(FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 4, FUTEX_OP_CMP_EQ, 1);
  printf("%ld %d\n", shifted, word[1]);
  return 0;
}
