/* Physical memory protection: every way to name a range, ranges finer than a page, locks, and what overlaps. */
#include "bare.h"

enum { R = 1, W = 2, X = 4, TOR = 8, NA4 = 0x10, NAPOT = 0x18, L = 0x80 };

CODE(load, "ld a0, 0(a0)");
CODE(load_word, "lwu a0, 0(a0)");
CODE(load_byte, "lbu a0, 0(a0)");
CODE(store, "sd a1, 0(a0)");
CODE(store_byte, "sb a1, 0(a0)");
CODE(jump, "mv t6, ra\njalr a0\nmv ra, t6");

/* A function whose first instruction is in one part of a page, and the next in another. */
__asm__(".pushsection .text\n.balign 4096\nsplit:\n.skip 2040\n.option push\n.option rvc\nhalves: addi a0, a0, 1\naddi a0, a0, 2\n"
        ".option norvc\naddi a0, a0, 0x123\naddi a0, a0, 0x101\n.option rvc\naddi a0, a0, 4\n.option norvc\naddi a0, a0, 0x100\n.option rvc\n"
        "loop: addi a1, a1, -1\nbgtz a1, loop\nret\n.option pop\n.balign 4096\n.popsection\n");
extern char split[], halves[];

static u64 page[512] __attribute__((aligned(4096)));

static u64 napot(u64 base, u64 size) { return base >> 2 | (size / 8 - 1); }

static void entry(int index, u64 bits, u64 address) {
  u64 shift = 8 * (index & 7);
  switch (index) {
    case 0: write_csr("pmpaddr0", address); break;
    case 1: write_csr("pmpaddr1", address); break;
    case 2: write_csr("pmpaddr2", address); break;
    default: write_csr("pmpaddr15", address); break;
  }
  if (index < 8) write_csr("pmpcfg0", (read_csr("pmpcfg0") & ~(0xffUL << shift)) | bits << shift);
  else write_csr("pmpcfg2", (read_csr("pmpcfg2") & ~(0xffUL << shift)) | bits << shift);
}

static void registers(void) {
  text("registers");
  field("cfg", read_csr("pmpcfg0")), field("cfg2", read_csr("pmpcfg2"));
  field("0", read_csr("pmpaddr0")), field("1", read_csr("pmpaddr1")), field("2", read_csr("pmpaddr2"));
  put('\n');
}

static void one(const char *name, long mode, void *function, u64 address) {
  struct result r;
  probe(&r, mode, function, address, 0x1234);
  text(name), field("at", address - (u64)page), put(' '), put("US?M"[mode]), put(':');
  if (r.epc == (u64)back) field("a0", r.a0);
  else field("cause", r.cause), field("value", r.value - (u64)page);
  put('\n');
}

static void around(const char *name, u64 base, u64 size) {
  static const long modes[] = {USER, SUPERVISOR, MACHINE};
  text(name), field("base", base - (u64)page), field("size", size), put('\n');
  for (int i = 0; i < 3; i++) {
    for (u64 at = base - 8; at <= base + size; at += 4) {
      if (at > base + 8 && at < base + size - 8) continue;
      one(" word", modes[i], load_word, at);
      one(" byte", modes[i], load_byte, at + 3);
      one(" put", modes[i], store_byte, at);
      if (!(at & 7)) one(" double", modes[i], load, at), one(" put double", modes[i], store, at);
    }
  }
}

static void ranges(void) {
  u64 base = (u64)page + 1024;
  for (u64 bits = 0; bits < 8; bits++) {
    if ((bits & 3) == 2) continue;
    entry(0, NA4 | bits, base >> 2);
    around("na4", base, 4);
    entry(0, NAPOT | bits, napot(base, 64));
    around("napot", base, 64);
    entry(0, 0, base >> 2);
    entry(1, TOR | bits, (base + 20) >> 2);
    around("tor", base, 20);
    entry(1, 0, 0);
    entry(0, NAPOT | bits, napot((u64)page, 4096));
    around("page", (u64)page, 4096);
  }
  entry(0, TOR | R, (u64)page >> 2);
  around("tor from zero", (u64)page, 8);
  entry(0, 0, ((u64)page + 64) >> 2);
  entry(1, TOR, ((u64)page + 32) >> 2);
  around("empty tor", (u64)page + 32, 32);
  // The lower number decides.
  entry(0, NAPOT | R, napot(base, 16));
  entry(1, NAPOT | R | W, napot(base, 32));
  around("overlap", base, 32);
  entry(0, 0, 0);
  entry(1, 0, 0);
}

static void fetches(void) {
  // Only parts of the page with code are executable; each instruction is checked by itself.
  for (u64 bits = 0; bits < 8; bits += 4) {
    for (int at = -8; at < 32; at += 4) {
      entry(0, NA4 | bits, (u64)(halves + at) >> 2);
      struct result r;
      probe(&r, USER, halves, 1, 3);
      text("fetch"), field("bits", bits), field("part", (u64)(at + 8)), put(':');
      if (r.epc == (u64)back) field("a0", r.a0);
      else field("cause", r.cause), field("value", r.value - (u64)split), field("epc", r.epc - (u64)split);
      put('\n');
    }
  }
  entry(0, 0, 0);
}

static void locks(void) {
  u64 base = (u64)page + 2048;
  entry(1, NAPOT | L | R, napot(base, 32));
  around("locked", base, 32);
  entry(1, NAPOT | R | W, napot(base, 64));
  registers();
  entry(0, R | W, 0x123);
  entry(2, L | TOR, (base + 256) >> 2);
  entry(1, 0, 0);
  registers();
  one("below", MACHINE, load, base + 128);
}

int main(void) {
  // Without an entry nothing is allowed to S and U.
  one("nothing set", SUPERVISOR, load, (u64)page);
  entry(15, NAPOT | R | W | X, -1UL);
  for (int i = 0; i < 512; i++) page[i] = 0x0101010101010101UL * i;
  write_csr("pmpcfg0", 0x0000000000606262);
  registers();
  write_csr("pmpcfg0", 0);
  ranges();
  fetches();
  locks();
  text("done\n");
  return 0;
}
