/* What a hart has reserved is written by others meanwhile, in the same turn: a device, and a client. SC has to fail. */
#include "start.h"
#include "virtio.h"

uint64_t trap(uint64_t cause, uint64_t pc, uint64_t value) {
  (void)cause, (void)pc, (void)value;
  check(false, "no trap");
  return 0;
}

static uint64_t *const word = (uint64_t *)0x80800000;

/* Whether SC fails when `count` comes to `end` after LR. */
static uint64_t fails(volatile uint16_t *count, uint16_t end) {
  uint64_t failed;
  __asm__ volatile(
      "  lr.d t0, (%1)\n"
      "1: lhu t1, 0(%2)\n"
      "  bne t1, %3, 1b\n"
      "  sc.d %0, zero, (%1)\n"
      : "=&r"(failed)
      : "r"(word), "r"(count), "r"((uint64_t)end)
      : "t0", "t1", "memory");
  return failed;
}

void hart_main(uint64_t hart, uint64_t tree) {
  (void)hart, (void)tree;
  struct device entropy;
  check(virtio_find(&entropy, 4), "an entropy device");
  virtio_start(&entropy, 1);
  struct buffer buffer = {word, sizeof *word, true};
  virtio_post(&entropy, &buffer, 1);
  put_text(fails(&queues[entropy.slot][0].used.index, 1) && *word ? "device: lost\n" : "device: kept\n");
  static volatile uint16_t never_written;
  put_text(fails(&never_written, 0) ? "nobody: lost\n" : "nobody: kept\n");
  put_text("now\n");
  put_text(fails((uint16_t *)(word + 1), 1) ? "client: lost\n" : "client: kept\n");
  finish(0);
}
