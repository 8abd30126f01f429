/* Sstc: the timer that S mode sets for itself, and who may. */
#include "bare.h"

CODE(set_timer, "csrw 0x14d, a0\nli a0, 1");
CODE(get_timer, "csrr a0, 0x14d");
CODE(sleep_then, "wfi\ncsrr a0, time");
CODE(quiet, "nop\nnop\nnop");

static void who(const char *name) {
  text(name), put('\n');
  show("set", USER, set_timer, -1, 0);
  show("set", SUPERVISOR, set_timer, -1, 0);
  show("set", MACHINE, set_timer, -1, 0);
}

int main(void) {
  struct result r;
  open_memory();
  who("without menvcfg.STCE");
  write_csr("menvcfg", 1UL << 63);
  who("without mcounteren.TM");
  write_csr("mcounteren", 2);
  who("with both");
  show("get", SUPERVISOR, get_timer, 0, 0);
  // The bit follows the comparison, and cannot be written.
  text("bit"), field("before", read_csr("mip") & 0x20);
  write_csr("mip", 0x20);
  field("written", read_csr("mip") & 0x20);
  write_csr("0x14d", 0);
  field("due", read_csr("mip") & 0x20);
  write_csr("mip", 0);
  field("cleared", read_csr("mip") & 0x20);
  write_csr("0x14d", -1UL);
  field("set again", read_csr("mip") & 0x20), put('\n');
  // It wakes at exactly its time.
  write_csr("mie", 0x20);
  write_csr("mideleg", 0x20);
  u64 due = read_csr("time") + 12345;
  write_csr("0x14d", due);
  probe(&r, SUPERVISOR, sleep_then, 0, 0);
  text("woken"), field("late", r.a0 - due), field("cause", r.cause), put('\n');
  // And interrupts, once it is let to.
  write_csr("stvec", delegated);
  set_csr("mstatus", MSTATUS_SIE);
  probe(&r, SUPERVISOR, quiet, 0, 0);
  text("interrupted"), field("cause", r.cause), field("scause", read_csr("scause")), field("at", read_csr("sepc") - (u64)quiet);
  put('\n');
  // Time that is set back takes what is due with it.
  clear_csr("mstatus", MSTATUS_SIE);
  write_csr("0x14d", 1UL << 40);
  field("far", read_csr("mip") & 0x20);
  *MTIME = 1UL << 40;
  field("forward", read_csr("mip") & 0x20);
  *MTIME = (1UL << 40) - 500;
  field("back", read_csr("mip") & 0x20);
  probe(&r, SUPERVISOR, sleep_then, 0, 0);
  field("late", r.a0 - (1UL << 40)), put('\n');
  write_csr("menvcfg", 0);
  text("without it"), field("mip", read_csr("mip") & 0x20), put('\n');
  text("done\n");
  return 0;
}
