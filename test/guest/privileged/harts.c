/* Several harts: software interrupts between them, counters by LR/SC and by AMO, a lock, and code that changes. */
#include "bare.h"

enum { ROUNDS = 3000 };

static volatile u64 ready, go, done, by_conditional, by_amo, locked_count;
static volatile u32 lock, interrupts;
static volatile u64 mailbox[8];

static void add_conditionally(volatile u64 *to, u64 value) {
  u64 old, failed;
  __asm__ volatile("1: lr.d %0, (%2)\nadd %0, %0, %3\nsc.d %1, %0, (%2)\nbnez %1, 1b"
                   : "=&r"(old), "=&r"(failed) : "r"(to), "r"(value) : "memory");
}

static void work(void) {
  for (int i = 0; i < ROUNDS; i++) {
    add_conditionally(&by_conditional, 1);
    __atomic_fetch_add(&by_amo, 3, __ATOMIC_SEQ_CST);
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) {}
    locked_count = locked_count + 1;
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
  }
}

static void second(u64 hart) {
  write_csr("mie", 8);
  __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
  while (!go) __asm__ volatile("wfi");
  *MSIP(hart) = 0;
  work();
  __atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
  // Answers every software interrupt by a message, for ever.
  for (;;) {
    __asm__ volatile("wfi");
    if (!(read_csr("mip") & 8)) continue;
    *MSIP(hart) = 0;
    u64 seen = mailbox[hart];
    __atomic_fetch_add(&interrupts, 1, __ATOMIC_SEQ_CST);
    mailbox[hart] = seen * 2 + hart;
    *MSIP(0) = 1;
  }
}

int main(void) {
  __atomic_store_n(&other_hart, second, __ATOMIC_SEQ_CST);
  write_csr("mie", 8);
  while (ready < HARTS - 1) {}
  // Before they may go on: whoever sees that would otherwise end an interrupt that is still to come.
  for (int hart = 1; hart < HARTS; hart++) *MSIP(hart) = 1;
  __sync_synchronize();
  go = 1;
  work();
  while (done < HARTS - 1) {}
  text("counters"), field("lr/sc", by_conditional), field("amo", by_amo), field("lock", locked_count), put('\n');
  for (int round = 1; round < 20; round++) {
    for (int hart = 1; hart < HARTS; hart++) {
      *MSIP(0) = 0;
      mailbox[hart] = (u64)round;
      __sync_synchronize();
      *MSIP(hart) = 1;
      while (!(read_csr("mip") & 8)) __asm__ volatile("wfi");
      text("mail"), field("from", (u64)hart), field("says", mailbox[hart]), put('\n');
    }
  }
  *MSIP(0) = 0;
  field("interrupts", interrupts), put('\n');
  text("done\n");
  return 0;
}
