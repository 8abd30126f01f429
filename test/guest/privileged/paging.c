/* Sv39: permissions by mode, SUM, MXR and MPRV, marks that hardware sets, superpages, fences and address spaces. */
#include "bare.h"

enum { V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128 };
#define SV39 (8UL << 60)
#define PTE(address, bits) (((u64)(address) >> 12 << 10) | (bits))

CODE(load, "ld a0, 0(a0)");
CODE(load_half, "lhu a0, 0(a0)");
CODE(store, "sd a1, 0(a0)");
CODE(exchange, "amoswap.d a0, a1, (a0)");
CODE(reserve, "lr.d a0, (a0)");
CODE(jump, "mv t6, ra\njalr a0\nmv ra, t6");

static u64 tables[8][512] __attribute__((aligned(4096)));
static u64 second[4][512] __attribute__((aligned(4096)));
static u64 page[2][512] __attribute__((aligned(4096)));
static u64 other[512] __attribute__((aligned(4096)));

#define WINDOW 0x40000000UL
#define ENTRY tables[2][0]

/* RAM and devices as they are, for S mode; 4 KiB at WINDOW. */
static void build(u64 (*t)[512]) {
  t[0][0] = PTE(0, V | R | W | A | D);
  t[0][1] = PTE(t[1], V);
  t[0][2] = PTE(0x80000000, V | R | W | X | A | D);
  t[0][3] = PTE(0x80000000, V | R | W | X | U | A | D);
  t[1][0] = PTE(t[2], V);
  fence_vma();
}

/* How an access ends, without the end of the line. U mode runs in the alias of RAM that is its own, and has no way back. */
static void start(const char *name, long mode, void *function, u64 address, u64 value) {
  struct result r;
  probe(&r, mode, mode == USER ? (char *)function + 0x40000000 : function, address, value);
  text(name);
  put(' '), put("US?M"[mode]), put(':');
  int returned = mode == USER ? r.cause == 12 && r.epc == (u64)back : r.cause >= 8 && r.cause < 12;
  if (returned) field("a0", r.a0);
  else field("cause", r.cause), field("value", r.value);
}

static void at(const char *name, long mode, void *function, u64 address, u64 value) {
  start(name, mode, function, address, value);
  put('\n');
}

static void all(const char *name) {
  static void *const codes[] = {load, store, exchange, reserve, jump};
  static const char *const names[] = {" load", " store", " swap", " lr", " jump"};
  text(name);
  field("entry", ENTRY & 0x3ff);
  put('\n');
  u64 entry = ENTRY;
  for (int i = 0; i < 5; i++) {
    for (long mode = USER; mode <= SUPERVISOR; mode++) {
      page[0][0] = 0x0000808280828082; // c.jr ra
      ENTRY = entry;
      fence_vma();
      start(names[i], mode, codes[i], WINDOW, 0x80828082);
      field("entry", ENTRY & 0x3ff), put('\n');
    }
  }
  ENTRY = entry;
}

static void permissions(void) {
  for (u64 bits = 0; bits < 256; bits++) {
    if (bits & G) continue;
    ENTRY = PTE(page, bits);
    fence_vma();
    all("bits");
  }
  for (int i = 54; i < 64; i++) {
    if (i >= 61) continue; // QEMU has Svpbmt and Svnapot
    ENTRY = PTE(page, V | R | W | X | A | D) | 1UL << i;
    fence_vma();
    at("reserved bit", SUPERVISOR, load, WINDOW, 0);
  }
}

static void modifiers(void) {
  static const u64 kinds[] = {V | R | W | U | A | D, V | R | W | A | D, V | X | A, V | X | U | A};
  for (int k = 0; k < 4; k++) {
    for (u64 bits = 0; bits < 4; bits++) {
      u64 set = (bits & 1 ? MSTATUS_SUM : 0) | (bits & 2 ? MSTATUS_MXR : 0);
      ENTRY = PTE(page, kinds[k]);
      fence_vma();
      clear_csr("mstatus", MSTATUS_SUM | MSTATUS_MXR);
      set_csr("mstatus", set);
      text("modifiers"), field("entry", kinds[k]), field("set", bits), put('\n');
      at(" load", SUPERVISOR, load, WINDOW, 0);
      at(" store", SUPERVISOR, store, WINDOW, 0x80828082);
      at(" jump", SUPERVISOR, jump, WINDOW, 0);
      for (long mpp = 0; mpp < 4; mpp++) {
        if (mpp == 2) continue;
        clear_csr("mstatus", 0x1800);
        set_csr("mstatus", (u64)mpp << 11);
        field(" mprv", mpp);
        u64 cause;
        __asm__ volatile(
            "la t0, 1f\ncsrrw t1, mtvec, t0\ncsrw mcause, zero\nli t2, 0x20000\ncsrs mstatus, t2\nld t3, 0(%1)\n"
            ".balign 4\n1: li t2, 0x20000\ncsrc mstatus, t2\ncsrw mtvec, t1\ncsrr %0, mcause\n"
            : "=r"(cause) : "r"(mpp == 3 ? (u64)page : WINDOW) : "t0", "t1", "t2", "t3", "memory");
        field("cause", cause), put('\n');
      }
    }
  }
  clear_csr("mstatus", MSTATUS_SUM | MSTATUS_MXR);
}

static void shapes(void) {
  ENTRY = PTE(page, V | R | W | X | A | D);
  tables[1][1] = PTE(0x80200000, V | R | W | A | D);
  tables[1][2] = PTE(0x80201000, V | R | W | A | D);
  tables[1][3] = PTE(tables[3], V | A);
  tables[1][4] = PTE(0x10200000, V);
  tables[2][1] = PTE(tables[3], V);
  tables[2][2] = PTE(0x10200000, V | R | W | X | A | D);
  tables[2][3] = PTE(page[1], V | R | W | X);
  tables[0][4] = PTE(0x80001000, V | R | W | A | D);
  tables[0][256] = PTE(0x80000000, V | R | W | X | A | D);
  fence_vma();
  page[1][0] = 0x1234;
  at("megapage", SUPERVISOR, load, WINDOW + 0x200000 + 0x1000, 0);
  at("misaligned megapage", SUPERVISOR, load, WINDOW + 0x400000, 0);
  at("misaligned gigapage", SUPERVISOR, load, 0x100000000, 0);
  at("marked pointer", SUPERVISOR, load, WINDOW + 0x600000, 0);
  at("table outside RAM: load", SUPERVISOR, load, WINDOW + 0x800000, 0);
  at("table outside RAM: store", SUPERVISOR, store, WINDOW + 0x800000, 0);
  at("table outside RAM: jump", SUPERVISOR, jump, WINDOW + 0x800000, 0);
  at("pointer at the last level", SUPERVISOR, load, WINDOW + 0x1000, 0);
  at("page outside RAM", SUPERVISOR, load, WINDOW + 0x2000, 0);
  at("page outside RAM", SUPERVISOR, store, WINDOW + 0x2000, 0);
  at("page outside RAM", SUPERVISOR, jump, WINDOW + 0x2000, 0);
  at("high half", SUPERVISOR, load_half, -0x4000000000UL, 0);
  at("not canonical", SUPERVISOR, load, 0x4000000000UL, 0);
  at("not canonical", SUPERVISOR, store, 1UL << 63, 0);
  at("not canonical", SUPERVISOR, jump, 1UL << 40, 0);
  // Marks of both pages of an access across them.
  tables[2][0] = PTE(page[0], V | R | W);
  fence_vma();
  at("across", SUPERVISOR, store, WINDOW + 0x3000 - 4, 0x1111222233334444);
  tables[2][2] = PTE(page[0], V | R | W);
  fence_vma();
  at("across", SUPERVISOR, store, WINDOW + 0x3000 - 4, 0x1111222233334444);
  field(" first", tables[2][2] & 0xff), field("second", tables[2][3] & 0xff);
  field("bytes", page[0][511]), field("and", page[1][0]), put('\n');
}

static void changes(void) {
  ENTRY = PTE(page, V | R | W | A | D);
  page[0][0] = 1;
  other[0] = 2;
  fence_vma();
  at("first", SUPERVISOR, load, WINDOW, 0);
  ENTRY = PTE(other, V | R | W | A | D);
  fence_vma();
  at("second", SUPERVISOR, load, WINDOW, 0);
  ENTRY = 0;
  __asm__ volatile("sfence.vma %0, zero" : : "r"(WINDOW) : "memory");
  at("gone", SUPERVISOR, load, WINDOW, 0);
  // Another space, and back.
  build(second);
  second[2][0] = PTE(other, V | R | W | A | D);
  ENTRY = PTE(page, V | R | W | A | D);
  fence_vma();
  for (int i = 0; i < 3; i++) {
    write_csr("satp", SV39 | 1UL << 44 | (u64)tables >> 12);
    at("space 1", SUPERVISOR, load, WINDOW, 0);
    write_csr("satp", SV39 | 2UL << 44 | (u64)second >> 12);
    at("space 2", SUPERVISOR, load, WINDOW, 0);
  }
  write_csr("satp", 3UL << 60 | (u64)tables >> 12);
  text("satp"), field("changed", read_csr("satp") != (SV39 | 2UL << 44 | (u64)second >> 12)), put('\n');
  write_csr("satp", 0);
  at("bare", SUPERVISOR, load, (u64)page, 0);
}

int main(void) {
  open_memory();
  build(tables);
  write_csr("satp", SV39 | (u64)tables >> 12);
  permissions();
  modifiers();
  shapes();
  changes();
  text("done\n");
  return 0;
}
