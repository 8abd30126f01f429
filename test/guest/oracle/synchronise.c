// Threads and what they wait on: every primitive of pthreads used so that the result does not depend on the schedule.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *name(int error) { return error ? strerrorname_np(error) : "ok"; }
#define CODE(call) printf("%s: %s\n", #call, name(call))
enum { THREADS = 6, ROUNDS = 300 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_spinlock_t spin;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static sem_t items, room;
static long locked, spun, written, onces, serial, destroyed;
static atomic_long added;
static __thread long own;

static void only_once(void) { onces++; }
static void destroy(void *value) { __atomic_add_fetch(&destroyed, (long)value, __ATOMIC_SEQ_CST); }

static void *work(void *argument) {
  pthread_setspecific(key, argument);
  for (int i = 0; i < ROUNDS; i++) {
    pthread_mutex_lock(&lock);
    locked++;
    pthread_mutex_unlock(&lock);
    pthread_spin_lock(&spin);
    spun++;
    pthread_spin_unlock(&spin);
    if (i % 10) pthread_rwlock_rdlock(&shared);
    else pthread_rwlock_wrlock(&shared), written++;
    pthread_rwlock_unlock(&shared);
    atomic_fetch_add(&added, i);
    own++;
    pthread_once(&once, only_once);
    if (i % 50 == 0 && pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
  }
  return (void *)(own * 100 + (long)argument);
}

static void crowd(void) {
  pthread_t threads[THREADS];
  long sum = 0;
  pthread_barrier_init(&barrier, 0, THREADS);
  pthread_spin_init(&spin, 0);
  pthread_key_create(&key, destroy);
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], 0, work, (void *)(i + 1));
  for (int i = 0; i < THREADS; i++) {
    void *result;
    pthread_join(threads[i], &result);
    sum += (long)result;
  }
  printf("locked %ld spun %ld written %ld added %ld onces %ld serial %ld destroyed %ld sum %ld\n", locked, spun, written, added,
         onces, serial, destroyed, sum);
}

static long queue[4];
static void *produce(void *unused) {
  for (long i = 1; i <= 200; i++) {
    sem_wait(&room);
    queue[i % 4] = i;
    sem_post(&items);
  }
  return unused;
}

static void pipeline(void) {
  pthread_t thread;
  long sum = 0;
  sem_init(&items, 0, 0);
  sem_init(&room, 0, 4);
  pthread_create(&thread, 0, produce, 0);
  for (long i = 1; i <= 200; i++) {
    sem_wait(&items);
    sum = sum * 3 + queue[i % 4];
    sem_post(&room);
  }
  pthread_join(thread, 0);
  printf("pipeline %ld\n", sum);
}

static struct timespec soon(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_nsec += 2000000;
  if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, t.tv_sec++;
  return t;
}

static void refusals(void) {
  pthread_mutex_t checked, recursive;
  pthread_mutexattr_t kind;
  pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(&checked, &kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&recursive, &kind);
  CODE(pthread_mutex_lock(&checked));
  CODE(pthread_mutex_lock(&checked));
  CODE(pthread_mutex_trylock(&checked));
  CODE(pthread_mutex_unlock(&checked));
  CODE(pthread_mutex_unlock(&checked));
  CODE(pthread_mutex_lock(&recursive) + pthread_mutex_lock(&recursive));
  CODE(pthread_mutex_unlock(&recursive) + pthread_mutex_unlock(&recursive));
  struct timespec t = soon();
  pthread_mutex_lock(&lock);
  CODE(pthread_mutex_timedlock(&lock, &t));
  t = soon();
  CODE(pthread_cond_timedwait(&never, &lock, &t));
  t.tv_nsec = -1;
  CODE(pthread_cond_timedwait(&never, &lock, &t));
  pthread_mutex_unlock(&lock);
  t = soon();
  printf("%s\n", name(sem_timedwait(&items, &t) ? errno : 0));
  printf("%s\n", name(sem_trywait(&items) ? errno : 0));
  CODE(pthread_join(pthread_self(), 0));
}

static void futexes(void) {
  unsigned word[3] = {5, 6, 7};
  struct timespec t = {0, 1000000}, wrong = {0, -1};
#define FUTEX(...) (errno = 0, printf("futex(%s) = %ld ", #__VA_ARGS__, syscall(SYS_futex, __VA_ARGS__)), printf("%s\n", name(errno)))
  FUTEX(word, FUTEX_WAIT, 4, 0, 0, 0);
  FUTEX(word, FUTEX_WAIT, 5, &t, 0, 0);
  FUTEX(word, FUTEX_WAIT, 5, &wrong, 0, 0);
  FUTEX(word, FUTEX_WAIT_BITSET_PRIVATE, 5, &t, 0, 1);
  FUTEX(word, FUTEX_WAIT_BITSET, 5, &t, 0, 0);
  FUTEX(word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
  FUTEX(word, FUTEX_WAKE_BITSET, 1, 0, 0, 0);
  FUTEX((char *)word + 1, FUTEX_WAKE, 1, 0, 0, 0);
  FUTEX((char *)word + 1, FUTEX_WAIT, 1, 0, 0, 0);
  FUTEX((void *)-4096L, FUTEX_WAIT, 1, 0, 0, 0);
  FUTEX(word, FUTEX_CMP_REQUEUE, 1, 1, word + 1, 4);
  FUTEX(word, FUTEX_CMP_REQUEUE, 1, 1, word + 1, 5);
  FUTEX(word, FUTEX_REQUEUE, 1, 1, word + 1, 0);
  FUTEX(word, 99, 1, 1, word + 1, 0);
}

static void *leave(void *unused) {
  (void)unused;
  pthread_exit((void *)77L);
}

int main(void) {
  crowd();
  pipeline();
  refusals();
  futexes();
  pthread_t thread;
  void *result;
  pthread_create(&thread, 0, leave, 0);
  pthread_join(thread, &result);
  printf("left with %ld\n", (long)result);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  CODE(pthread_attr_setstacksize(&attributes, 1 << 18));
  CODE(pthread_create(&thread, &attributes, leave, 0));
  CODE(pthread_detach(thread));
  pthread_exit(0);
}
