#include <pthread.h>
#include <stdio.h>
#include <stdatomic.h>
#include <time.h>
#include <errno.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t full = PTHREAD_COND_INITIALIZER, empty = PTHREAD_COND_INITIALIZER;
static int slot, filled, total;
static atomic_int count;
static __thread int mine;
static void *work(void *p) {
  for (int i = 0; i < 2000; i++) { pthread_mutex_lock(&lock); total++; pthread_mutex_unlock(&lock); atomic_fetch_add(&count, 1); mine++; }
  return (void *)(long)(mine + (long)p);
}
static void *consume(void *p) {
  long sum = 0;
  for (int i = 0; i < 100; i++) {
    pthread_mutex_lock(&lock);
    while (!filled) pthread_cond_wait(&full, &lock);
    sum += slot; filled = 0;
    pthread_cond_signal(&empty);
    pthread_mutex_unlock(&lock);
  }
  return (void *)sum;
}
int main(void) {
  pthread_t t[8];
  for (long i = 0; i < 8; i++) if (pthread_create(&t[i], 0, work, (void *)i)) return 1;
  long sum = 0;
  for (int i = 0; i < 8; i++) { void *r; pthread_join(t[i], &r); sum += (long)r; }
  printf("total %d count %d sum %ld\n", total, count, sum);
  pthread_create(&t[0], 0, consume, 0);
  for (int i = 0; i < 100; i++) {
    pthread_mutex_lock(&lock);
    while (filled) pthread_cond_wait(&empty, &lock);
    slot = i; filled = 1;
    pthread_cond_signal(&full);
    pthread_mutex_unlock(&lock);
  }
  void *r; pthread_join(t[0], &r);
  printf("consumed %ld\n", (long)r);
  struct timespec until; clock_gettime(CLOCK_REALTIME, &until); until.tv_sec += 2;
  pthread_mutex_lock(&lock);
  int e = pthread_cond_timedwait(&full, &lock, &until);
  printf("timedwait %d\n", e == ETIMEDOUT);
  return 0;
}
