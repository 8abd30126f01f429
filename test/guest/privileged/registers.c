/* Control and status registers: what each keeps of ones and zeros, and how the parts of one register show in another. */
#include "bare.h"

static u64 scratch;

#define KEEPS(name) \
  do { \
    u64 before = read_csr(name); \
    write_csr(name, -1UL); \
    u64 ones = read_csr(name); \
    write_csr(name, 0); \
    u64 zeros = read_csr(name); \
    write_csr(name, 0x5555555555555555UL); \
    u64 some = read_csr(name); \
    write_csr(name, before); \
    text(name), field("ones", ones), field("zeros", zeros), field("some", some), put('\n'); \
  } while (0)

static void values(void) {
  KEEPS("mscratch"); KEEPS("sscratch"); KEEPS("mepc"); KEEPS("sepc"); KEEPS("mcause"); KEEPS("scause");
  KEEPS("mtval"); KEEPS("stval"); KEEPS("mideleg"); KEEPS("mie"); KEEPS("mcounteren"); KEEPS("scounteren");
  KEEPS("pmpaddr3"); KEEPS("mcountinhibit");
  write_csr("mtvec", trapped + 1);
  text("mtvec"), field("mode", read_csr("mtvec") - (u64)trapped);
  write_csr("mtvec", trapped);
  field("again", read_csr("mtvec") - (u64)trapped), put('\n');
  write_csr("stvec", 0x1001);
  text("stvec"), field("mode", read_csr("stvec"));
  write_csr("stvec", 0x2002);
  field("reserved", read_csr("stvec"));
  write_csr("stvec", 0x80000000);
  field("direct", read_csr("stvec")), put('\n');
}

static void status(void) {
  u64 before = read_csr("mstatus");
  static const u64 bits[] = {MSTATUS_SIE, MSTATUS_SPIE, MSTATUS_MPIE, MSTATUS_SPP, 0x800, 0x1800, 0x2000, 0x4000, 0x6000,
                             1 << 15, 1 << 16, MSTATUS_MPRV, MSTATUS_SUM, MSTATUS_MXR, MSTATUS_TVM, MSTATUS_TW, MSTATUS_TSR,
                             1UL << 63, 1 << 6, 1UL << 36, 1UL << 37};
  for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) {
    write_csr("mstatus", 0);
    write_csr("mstatus", bits[i] & ~MSTATUS_MPRV);
    u64 m = read_csr("mstatus"), s = read_csr("sstatus");
    write_csr("mstatus", 0);
    write_csr("sstatus", bits[i]);
    u64 through = read_csr("mstatus");
    write_csr("mstatus", before);
    text("status"), field("wrote", bits[i]), field("mstatus", m), field("sstatus", s), field("through", through), put('\n');
  }
}

static void interrupts(void) {
  for (int delegate = 0; delegate < 2; delegate++) {
    write_csr("mideleg", delegate ? 0x222 : 0x020);
    write_csr("mie", 0xaaa);
    text("interrupts"), field("sie", read_csr("sie"));
    write_csr("sie", 0);
    field("mie", read_csr("mie"));
    write_csr("sie", -1UL);
    field("mie", read_csr("mie"));
    write_csr("mip", 0x222);
    field("mip", read_csr("mip") & 0x222), field("sip", read_csr("sip"));
    write_csr("sip", 0);
    field("mip", read_csr("mip") & 0x222);
    set_csr("sip", -1UL);
    field("mip", read_csr("mip") & 0x222);
    write_csr("mip", 0);
    field("none", read_csr("mip") & 0x222), put('\n');
    write_csr("mie", 0);
  }
  write_csr("mideleg", 0);
}

/* Set, clear and swap, by register and by immediate; x0 as a source writes nothing. */
static void instructions(void) {
  u64 a, b, c, d, e, f;
  __asm__ volatile("li t0, 0xf0\ncsrrw %0, mscratch, t0\ncsrrs %1, mscratch, zero\nli t0, 0xf\ncsrrs %2, mscratch, t0\n"
                   "csrrc %3, mscratch, t0\ncsrrwi %4, mscratch, 21\ncsrrsi zero, mscratch, 10\ncsrrci %5, mscratch, 1\n"
                   : "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d), "=&r"(e), "=&r"(f) : : "t0");
  scratch = a;
  text("instructions"), field("1", b), field("2", c), field("3", d), field("4", e), field("5", f);
  field("last", read_csr("mscratch")), put('\n');
}

static void counters(void) {
  u64 first, second, third;
  // A counter that is written reads so at once, and counts one for each instruction.
  __asm__ volatile("csrw minstret, %3\ncsrr %0, minstret\nnop\nnop\ncsrr %1, minstret\ncsrr %2, minstret"
                   : "=&r"(first), "=&r"(second), "=&r"(third) : "r"(1000UL));
  text("minstret"), field("first", first), field("second", second - first), field("third", third - second);
  write_csr("mcountinhibit", 5);
  first = read_csr("minstret");
  second = read_csr("minstret");
  write_csr("mcountinhibit", 0);
  third = read_csr("minstret");
  field("stopped", second - first), field("going", third - second < 8), put('\n');
}

int main(void) {
  open_memory();
  values();
  status();
  interrupts();
  instructions();
  counters();
  text("done\n");
  return 0;
}
