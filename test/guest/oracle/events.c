/* Waiting by epoll, and for counters and timers. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

static int polled(int fd) {
  struct pollfd one = {fd, POLLIN | POLLOUT, 0};
  poll(&one, 1, 0);
  return one.revents;
}

static void counters(void) {
  uint64_t value = 0;
  char small[4];
  printf("-- eventfd\n");
  int fd = eventfd(3, EFD_NONBLOCK);
  printf("ready %#x\n", polled(fd));
  SAY(read(fd, &value, 8));
  printf("%lu, ready %#x\n", (unsigned long)value, polled(fd));
  SAY(read(fd, &value, 8));
  SAY(read(fd, small, 4));
  SAY(write(fd, small, 4));
  value = 5;
  SAY(write(fd, &value, 8));
  SAY(write(fd, &value, 8));
  SAY(read(fd, &value, 8));
  printf("%lu\n", (unsigned long)value);
  value = UINT64_MAX;
  SAY(write(fd, &value, 8));
  value = UINT64_MAX - 1;
  SAY(write(fd, &value, 8));
  printf("ready %#x\n", polled(fd));
  value = 1;
  SAY(write(fd, &value, 8));
  SAY(read(fd, &value, 8));
  printf("%#lx\n", (unsigned long)value);
  SAY(lseek(fd, 0, SEEK_SET));
  close(fd);
  fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  for (int i = 0; i < 3; i++) SAY(read(fd, &value, 8));
  printf("%lu\n", (unsigned long)value);
  close(fd);
  SAY(eventfd(0, 0x40));
}

static int shared;

static void *adder(void *unused) {
  struct timespec pause = {0, 20000000};
  uint64_t one = 1;
  for (int i = 0; i < 3; i++) nanosleep(&pause, 0), write(shared, &one, 8);
  return unused;
}

static void blocking(void) {
  pthread_t thread;
  uint64_t value, sum = 0;
  shared = eventfd(0, 0);
  pthread_create(&thread, 0, adder, 0);
  while (sum < 3) read(shared, &value, 8), sum += value;
  printf("blocked until %lu\n", (unsigned long)sum);
  pthread_join(thread, 0);
  close(shared);
}

static long ms_since(struct timespec start) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
}

static void timers(void) {
  uint64_t value = 0;
  struct itimerspec set = {{0, 0}, {3600, 0}}, old;
  struct timespec start, pause = {0, 75000000};
  printf("-- timerfd\n");
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  SAY(timerfd_gettime(fd, &old));
  printf("%ld %ld\n", (long)old.it_value.tv_sec, old.it_value.tv_nsec);
  SAY(read(fd, &value, 8));
  SAY(timerfd_settime(fd, 0, &set, 0));
  printf("ready %#x\n", polled(fd));
  set.it_value = (struct timespec){0, 30000000};
  clock_gettime(CLOCK_MONOTONIC, &start);
  SAY(timerfd_settime(fd, 0, &set, &old));
  printf("old %d\n", old.it_value.tv_sec > 0 && old.it_value.tv_sec < 3600);
  struct pollfd one = {fd, POLLIN, 0};
  int n = poll(&one, 1, 3600000);
  printf("poll %d %#x, waited %d\n", n, one.revents, ms_since(start) >= 29);
  SAY(read(fd, &value, 8));
  printf("%lu\n", (unsigned long)value);
  SAY(read(fd, &value, 8));
  set.it_interval.tv_nsec = 30000000;
  SAY(timerfd_settime(fd, 0, &set, &old));
  printf("old %ld\n", old.it_value.tv_nsec);
  nanosleep(&pause, 0);
  SAY(read(fd, &value, 8));
  printf("several %d\n", value >= 2);
  SAY(timerfd_gettime(fd, &old));
  printf("%d %ld\n", old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 30000000, old.it_interval.tv_nsec);
  memset(&set, 0, sizeof set);
  SAY(timerfd_settime(fd, 0, &set, 0));
  printf("disarmed %#x\n", polled(fd));
  set.it_value.tv_sec = 1;
  SAY(timerfd_settime(fd, TFD_TIMER_ABSTIME, &set, 0));
  SAY(fcntl(fd, F_SETFL, 0));
  SAY(read(fd, &value, 8));
  printf("in the past %lu\n", (unsigned long)value);
  set.it_value.tv_sec = 0, set.it_value.tv_nsec = 20000000;
  clock_gettime(CLOCK_MONOTONIC, &start);
  SAY(timerfd_settime(fd, 0, &set, 0));
  SAY(read(fd, &value, 8));
  printf("%lu, waited %d\n", (unsigned long)value, ms_since(start) >= 19);
  set.it_value.tv_nsec = 1000000000;
  SAY(timerfd_settime(fd, 0, &set, 0));
  SAY(timerfd_settime(0, 0, &old, 0));
  SAY(timerfd_create(99, 0));
  close(fd);
}

static void told(int ep, int timeout) {
  struct epoll_event events[8];
  int n = epoll_wait(ep, events, 8, timeout);
  printf("told %d:", n);
  for (int i = 0; i < n; i++) printf(" %u=%#x", events[i].data.u32, events[i].events);
  printf("\n");
}

static int add(int ep, int what, int fd, unsigned events, unsigned data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  return epoll_ctl(ep, what, fd, &event);
}

static void watching(void) {
  int p[2], q[2], ep = epoll_create1(EPOLL_CLOEXEC);
  char text[64];
  printf("-- epoll\n");
  pipe2(p, O_NONBLOCK), pipe2(q, O_NONBLOCK);
  SAY(fcntl(ep, F_GETFD));
  SAY(add(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
  SAY(add(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
  SAY(add(ep, EPOLL_CTL_MOD, q[0], EPOLLIN, 1));
  SAY(add(ep, EPOLL_CTL_DEL, q[0], 0, 0));
  SAY(add(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 1));
  SAY(add(ep, EPOLL_CTL_ADD, 99, EPOLLIN, 1));
  SAY(add(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN, 1));
  SAY(add(ep, 9, p[1], EPOLLIN, 1));
  SAY(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], 0));
  SAY(add(ep, EPOLL_CTL_ADD, q[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
  SAY(add(ep, EPOLL_CTL_ADD, q[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLPRI, 1));
  SAY(add(ep, EPOLL_CTL_ADD, q[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, 1));
  SAY(add(ep, EPOLL_CTL_DEL, q[0], 0, 0));
  int watched = epoll_create1(0);
  SAY(add(ep, EPOLL_CTL_ADD, watched, EPOLLIN | EPOLLEXCLUSIVE, 1));
  close(watched);
  int file = open("/proc/self/exe", O_RDONLY);
  SAY(add(ep, EPOLL_CTL_ADD, file, EPOLLIN, 1));
  SAY(epoll_wait(ep, 0, 0, 0));
  told(ep, 0);
  told(ep, 10);
  write(p[1], "ab", 2);
  told(ep, 0), told(ep, 0);
  SAY(add(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT, 2));
  told(ep, 0);
  SAY(add(ep, EPOLL_CTL_DEL, p[1], 0, 0));
  printf("-- edges\n");
  SAY(add(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 3));
  told(ep, 0), told(ep, 0);
  write(p[1], "c", 1);
  told(ep, 0), told(ep, 0);
  read(p[0], text, 1);
  told(ep, 0);
  read(p[0], text, 64);
  write(p[1], "d", 1);
  told(ep, 0), told(ep, 0);
  printf("-- once\n");
  SAY(add(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 4));
  told(ep, 0), told(ep, 0);
  write(p[1], "e", 1);
  told(ep, 0);
  SAY(add(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 5));
  told(ep, 0);
  printf("-- nested\n");
  int outer = epoll_create1(0);
  SAY(add(outer, EPOLL_CTL_ADD, ep, EPOLLIN, 6));
  told(outer, 0);
  SAY(add(ep, EPOLL_CTL_ADD, outer, EPOLLIN, 7));
  read(p[0], text, 64);
  told(outer, 0);
  printf("poll %#x\n", polled(ep));
  int again = dup(p[0]);
  close(p[0]);
  write(p[1], "f", 1);
  told(ep, 0);
  close(again);
  told(ep, 0);
  printf("-- ends\n");
  SAY(add(ep, EPOLL_CTL_ADD, q[0], EPOLLIN, 8));
  close(q[1]);
  told(ep, 0);
  struct pollfd one = {outer, POLLIN, 0};
  printf("outer %d\n", poll(&one, 1, 0));
  close(ep);
  told(outer, 0);
  close(outer), close(p[1]), close(q[0]), close(file);
}

/* Chains of instances have a longest length, in whatever order they are linked; many ways may lead to one. */
static void chains(void) {
  enum { COUNT = 24, WIDE = 10, LAYERS = 5 };
  int all[WIDE * LAYERS], linked = 0;
  printf("-- chains\n");
  for (int i = 0; i < WIDE * LAYERS; i++) all[i] = epoll_create1(0);
  for (int i = 0; i < COUNT; i++)
    for (int j = i + 1; j < COUNT; j++) linked += add(all[i], EPOLL_CTL_ADD, all[j], EPOLLIN, 0) == 0;
  printf("linked %d\n", linked), told(all[0], 0);
  for (int i = 0; i < WIDE * LAYERS; i++) close(all[i]), all[i] = epoll_create1(0);
  for (int i = 0; i < 8; i++) SAY(add(all[i], EPOLL_CTL_ADD, all[i + 1], EPOLLIN, 0));
  for (int i = 0; i < WIDE * LAYERS; i++) close(all[i]), all[i] = epoll_create1(0);
  for (int i = 8; i > 0; i--) SAY(add(all[i - 1], EPOLL_CTL_ADD, all[i], EPOLLIN, 0));
  for (int i = 0; i < WIDE * LAYERS; i++) close(all[i]), all[i] = epoll_create1(0);
  linked = 0;
  for (int i = 0; i < WIDE * (LAYERS - 1); i++)
    for (int j = 0; j < WIDE; j++)
      linked += add(all[i], EPOLL_CTL_ADD, all[(i / WIDE + 1) * WIDE + j], EPOLLIN, 0) == 0;
  printf("linked %d\n", linked), told(all[0], 0), printf("poll %#x\n", polled(all[0]));
  for (int i = 0; i < WIDE * LAYERS; i++) close(all[i]);
}

static int waker[2];

static void *wake(void *unused) {
  struct timespec pause = {0, 20000000};
  nanosleep(&pause, 0);
  write(waker[1], "x", 1);
  return unused;
}

static void blocked(void) {
  pthread_t thread;
  int ep = epoll_create1(0), inner = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
  struct itimerspec set = {{0, 0}, {0, 20000000}};
  printf("-- blocked\n");
  pipe(waker);
  add(inner, EPOLL_CTL_ADD, waker[0], EPOLLIN, 1);
  add(ep, EPOLL_CTL_ADD, inner, EPOLLIN, 2);
  add(ep, EPOLL_CTL_ADD, timer, EPOLLIN, 3);
  pthread_create(&thread, 0, wake, 0);
  told(ep, 3600000);
  pthread_join(thread, 0);
  char c;
  read(waker[0], &c, 1);
  timerfd_settime(timer, 0, &set, 0);
  told(ep, 3600000);
}

int main(void) {
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  counters(), blocking(), timers(), watching(), chains(), blocked();
  return 0;
}
