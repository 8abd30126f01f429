/* Where a thread runs and in which order, what it leaves when it dies, and barriers between processors. By number, past the C library. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "say.h"

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
static unsigned long mask[16], one[16];

static void affinity(void) {
  unsigned cpu = 999, node = 999;
  SAY(CALL(sched_getaffinity, 0, sizeof mask, mask) >= 8);
  int first = 0;
  while (!(mask[first / 64] >> first % 64 & 1)) first++;
  one[first / 64] = 1ul << first % 64;
  SAY(CALL(sched_setaffinity, 0, sizeof one, one)); SAY(CALL(sched_getaffinity, 0, sizeof mask, mask) >= 8); SAY(memcmp(mask, one, 8));
  SAY(CALL(getcpu, &cpu, &node, 0)); SAY((int)cpu == first); SAY(node != 999); SAY(CALL(getcpu, 0, 0, 0)); SAY(CALL(getcpu, 8, 0, 0));
  memset(one, 0, sizeof one);
  SAY(CALL(sched_setaffinity, 0, sizeof one, one)); SAY(CALL(sched_setaffinity, 0, 8, 8)); SAY(CALL(sched_setaffinity, 0x3fffffff, sizeof mask, mask)); SAY(CALL(sched_setaffinity, -1, sizeof mask, mask));
  SAY(CALL(sched_getaffinity, 0, 0, mask)); SAY(CALL(sched_getaffinity, 0, 12, mask)); SAY(CALL(sched_getaffinity, 0, 128, 8)); SAY(CALL(sched_getaffinity, 0x3fffffff, 128, mask));
}
static void policy(void) {
  struct sched_param p = { 0 };
  struct timespec t = { -1, -1 };
  SAY(CALL(sched_setparam, 0, &p)); p.sched_priority = 1; SAY(CALL(sched_setparam, 0, &p)); SAY(CALL(sched_setparam, -1, &p)); SAY(CALL(sched_setparam, 0x3fffffff, &p)); SAY(CALL(sched_setparam, 0, 0)); SAY(CALL(sched_setparam, 0, 8));
  SAY(CALL(sched_getparam, 0, &p)); SAY(p.sched_priority); SAY(CALL(sched_getparam, -1, &p));
  SAY(CALL(sched_rr_get_interval, 0, &t)); SAY(t.tv_sec); SAY(CALL(sched_rr_get_interval, -1, &t)); SAY(CALL(sched_rr_get_interval, 0x3fffffff, &t)); SAY(CALL(sched_rr_get_interval, 0, 8));
}
static void left(void) {
  struct robust_list_head own = { { &own.list }, 16, 0 }, *head = 0;
  size_t bytes = 0;
  SAY(CALL(set_robust_list, &own, sizeof own)); SAY(CALL(get_robust_list, 0, &head, &bytes)); SAY(head == &own); SAY(bytes);
  SAY(CALL(get_robust_list, gettid(), &head, &bytes)); SAY(CALL(get_robust_list, 0x3fffffff, &head, &bytes)); SAY(CALL(get_robust_list, 0, 8, &bytes)); SAY(CALL(set_robust_list, &own, 23));
}
static void barriers(void) {
  SAY((CALL(membarrier, MEMBARRIER_CMD_QUERY, 0, 0) & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0);
  SAY(CALL(membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0)); SAY(CALL(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0)); /* registered */
  SAY(CALL(membarrier, 1 << 30, 0, 0)); SAY(CALL(membarrier, MEMBARRIER_CMD_QUERY, 8, 0));
}
int main(void) {
  affinity(); policy(); left(); barriers();
  return 0;
}
