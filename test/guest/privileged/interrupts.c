/* Interrupts: which is taken first, to which mode, by which vector; timers; what ends wfi. */
#include "bare.h"

static u64 order[16];
static int taken;

/* Handlers of M and S mode note what has come, and end it. */
static void note(u64 cause, u64 level) { if (taken < 16) order[taken++] = cause << 4 | level; }

void __attribute__((interrupt("machine"), aligned(4))) machine_handler(void) {
  u64 cause = read_csr("mcause") & 0xff;
  note(cause, read_csr("mstatus") >> 11 & 3);
  if (cause == 3) *MSIP(0) = 0;
  else if (cause == 7) *MTIMECMP(0) = -1UL;
  else clear_csr("mip", 1UL << cause), clear_csr("mie", 1UL << cause);
}

void __attribute__((interrupt("supervisor"), aligned(4))) supervisor_handler(void) {
  u64 cause = read_csr("scause");
  note(cause >> 63 << 7 | (cause & 0x7f), 4 | (read_csr("sstatus") >> 8 & 1));
  // Of these only the software interrupt can be ended here.
  if ((cause & 0xff) == 1) clear_csr("sip", 2);
  else clear_csr("sie", 1UL << (cause & 0xff));
}

CODE(quiet, "nop\nnop\nnop\nnop");
CODE(sleep_then, "wfi\nli a0, 7");

static void begin(void) {
  taken = 0;
  write_csr("mtvec", machine_handler);
  write_csr("stvec", supervisor_handler);
}

static void end(const char *name) {
  write_csr("mtvec", trapped);
  text(name), put(':');
  for (int i = 0; i < taken; i++) put(' '), hex(order[i]);
  put('\n');
}

/* Everything pends at once, in M mode: when MIE is set, they come in the order of their rank. */
static void ranks(void) {
  *MSIP(0) = 1;
  *MTIMECMP(0) = 0;
  write_csr("mie", 0xaaa);
  write_csr("mip", 0x222);
  begin();
  set_csr("mstatus", MSTATUS_MIE);
  __asm__ volatile("nop\nnop");
  clear_csr("mstatus", MSTATUS_MIE);
  end("ranks in M");
  write_csr("mie", 0);
  write_csr("mip", 0);
}

/* In another mode, by what is delegated and enabled. The mode is left by its ecall, which needs probe's handler. */
static void in_mode(long mode, u64 delegated, u64 enabled, u64 status) {
  struct result r;
  write_csr("mideleg", delegated);
  write_csr("mie", enabled);
  write_csr("mip", 0x222);
  write_csr("medeleg", 0);
  taken = 0;
  write_csr("stvec", supervisor_handler);
  clear_csr("mstatus", MSTATUS_SIE | MSTATUS_MPIE);
  set_csr("mstatus", status);
  probe(&r, mode, quiet, 0, 0);
  text("in "), put("US?M"[mode]), field("delegated", delegated), field("enabled", enabled), field("status", status);
  put(':');
  for (int i = 0; i < taken; i++) put(' '), hex(order[i]);
  field("end", r.cause), field("at", r.epc == (u64)back ? 0xb : r.epc - (u64)quiet), put('\n');
  clear_csr("mstatus", MSTATUS_SIE | MSTATUS_MPIE);
  write_csr("mie", 0);
  write_csr("mip", 0);
  write_csr("mideleg", 0);
}

static void modes(void) {
  static const u64 sets[] = {0, 0x002, 0x020, 0x200, 0x222};
  for (int d = 0; d < 5; d++) {
    for (int e = 0; e < 5; e++) {
      in_mode(USER, sets[d], sets[e], 0);
      in_mode(SUPERVISOR, sets[d], sets[e], 0);
      in_mode(SUPERVISOR, sets[d], sets[e], MSTATUS_SIE);
      if (sets[e] & ~sets[d]) continue;
      in_mode(MACHINE, sets[d], sets[e], MSTATUS_MPIE);
    }
  }
}

static void vectors(void) {
  struct result r;
  write_csr("mtvec", trapped + 1);
  for (int bit = 1; bit < 10; bit += 4) {
    write_csr("mie", 1 << bit);
    write_csr("mip", 1 << bit);
    probe(&r, USER, quiet, 0, 0);
    text("vectored"), field("cause", r.cause), field("value", r.value), field("at", r.epc - (u64)quiet), put('\n');
  }
  write_csr("mie", 0);
  write_csr("mip", 0);
  write_csr("mtvec", trapped);
}

static void timer(void) {
  u64 from = *MTIME;
  *MTIMECMP(0) = from + 100000;
  write_csr("mie", 1 << 7);
  begin();
  text("timer"), field("early", read_csr("mip") >> 7 & 1);
  __asm__ volatile("wfi");
  field("pends", read_csr("mip") >> 7 & 1), field("late", *MTIME - from >= 100000), field("taken", taken), put('\n');
  set_csr("mstatus", MSTATUS_MIE);
  __asm__ volatile("nop");
  clear_csr("mstatus", MSTATUS_MIE);
  end("after it");
  write_csr("mie", 0);
  // wfi goes on with what is enabled, whether it can be taken or not.
  write_csr("mie", 2);
  write_csr("mip", 2);
  show("wfi", SUPERVISOR, sleep_then, 0, 0);
  write_csr("mideleg", 2);
  show("wfi", SUPERVISOR, sleep_then, 0, 0);
  write_csr("mideleg", 0);
  write_csr("mip", 0);
  write_csr("mie", 0);
}

int main(void) {
  open_memory();
  *MTIMECMP(0) = -1UL;
  ranks();
  modes();
  vectors();
  timer();
  text("done\n");
  return 0;
}
