/* One thing that privileged code does again and again, ROUNDS times. */
#include "bare.h"

static u64 root[2][512] __attribute__((aligned(4096)));
static u64 middle[512] __attribute__((aligned(4096)));
static u64 last[512] __attribute__((aligned(4096)));

#define RAM 0x80000000UL
#define SPACE(table) (8UL << 60 | (u64)(table) >> 12)

/* The shortest handler that there can be: past the ecall. */
__asm__(".pushsection .text\n.balign 4\nquick: csrrw t0, mepc, t0\naddi t0, t0, 4\ncsrrw t0, mepc, t0\nmret\n.popsection");
extern char quick[];

static void traps(void) {
  write_csr("mtvec", quick);
  for (long i = 0; i < ROUNDS; i++) __asm__ volatile("ecall" : : : "t0", "memory");
  write_csr("mtvec", trapped);
}

static void spaces(void) {
  for (long i = 0; i < ROUNDS; i++) write_csr("satp", SPACE(root[i & 1]));
}

/* Twice as many pages as a translation bank has entries. */
static void misses(void) {
  for (long i = 0; i < ROUNDS; i++) *(volatile u64 *)(0xC0000000UL + ((u64)(i & 8191) << 12));
}

static void user_access(void) {
  for (long i = 0; i < ROUNDS; i++) {
    set_csr("sstatus", MSTATUS_SUM);
    clear_csr("sstatus", MSTATUS_SUM);
  }
}

static void mappings(void) {
  for (long i = 0; i < ROUNDS; i++) {
    last[i & 511] = RAM >> 2 | 0xcf;
    *(volatile u64 *)(0x40000000UL + ((u64)(i & 511) << 12));
    last[i & 511] = 0;
    fence_vma();
  }
}

int main(void) {
  struct result r;
  open_memory();
  for (int i = 0; i < 2; i++) {
    root[i][0] = 0xc7;
    root[i][1] = (u64)middle >> 2 | 1;
    root[i][2] = root[i][3] = RAM >> 2 | 0xcf;
  }
  middle[0] = (u64)last >> 2 | 1;
  write_csr("satp", SPACE(root[0]));
  if (COST == 0) traps();
  else probe(&r, SUPERVISOR, COST == 1 ? spaces : COST == 2 ? misses : COST == 3 ? user_access : mappings, 0, 0);
  text("done\n");
  return 0;
}
