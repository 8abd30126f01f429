/*
 * Instructions that cost a host far more than others, again and again: KIND says which. None of them ends. In M mode, with
 * data accessed as S mode does where there are page tables.
 */
#include "start.h"

enum { PAGE = 4096, PAGES = 600, ROOTS = 20, LEAVES = 0xcf };
enum { MPRV = 1 << 17, MPP = 3 << 11, MPP_SUPERVISOR = 1 << 11, SUM = 1 << 18, MXR = 1 << 19 };

__attribute__((aligned(PAGE))) static uint64_t roots[ROOTS][512];
__attribute__((aligned(PAGE))) static uint32_t pages[PAGES][PAGE / 4];

uint64_t trap(uint64_t cause, uint64_t pc, uint64_t value) {
  (void)cause, (void)pc, (void)value;
  check(false, "no trap");
  return 0;
}

static void protect(void) {
  for (;;) __asm__ volatile("csrw pmpaddr3, zero");
}

static void use(int root) { write_csr(satp, 8UL << 60 | (uintptr_t)roots[root] >> 12); }

static void as_supervisor(void) {
  use(0);
  clear_csr(mstatus, MPP);
  set_csr(mstatus, MPP_SUPERVISOR | MPRV);
}

/* More spaces than anything remembers, each with all that changes what an address means. */
static void change_spaces(void) {
  as_supervisor();
  for (int root = 0;; root = (root + 1) % ROOTS) {
    use(root);
    set_csr(mstatus, SUM);
    set_csr(mstatus, MXR);
    clear_csr(mstatus, SUM | MXR);
  }
}

static void change_root(void) {
  as_supervisor();
  for (;;) *(volatile uint64_t *)&roots[0][7] = 7UL << 28 | LEAVES;
}

/* Each page is a single return. */
static void call_pages(void) {
  for (int i = 0; i < PAGES; i++) pages[i][0] = 0x8067;
  for (int i = 0;; i = (i + 1) % PAGES) ((void (*)(void))(uintptr_t)pages[i])();
}

static void change_code(void) {
  for (pages[0][0] = 0x8067;; *(volatile uint32_t *)pages[0] = 0x8067) ((void (*)(void))(uintptr_t)pages[0])();
}

static void fence_spaces(void) {
  for (;;) __asm__ volatile("sfence.vma zero, a0");
}

static void ask_devices(void) {
  for (;;) get32(PLIC + 0x200004);
}

void hart_main(uint64_t hart, uint64_t tree) {
  (void)hart, (void)tree;
  write_csr(pmpaddr0, -1UL);
  write_csr(pmpcfg0, 0x1f);
  for (int root = 0; root < ROOTS; root++)
    for (uint64_t i = 0; i < 4; i++) roots[root][i] = i << 28 | LEAVES;
  static void (*const kinds[])(void) = {protect, change_spaces, change_root, call_pages, change_code, ask_devices, fence_spaces};
  kinds[KIND]();
}
