/* Every kind of exception from every mode, delegation, and what may be done in which mode. */
#include "bare.h"

CODE(nothing, "nop");
CODE(illegal_word, "nop\n.word 0xffffffff");
CODE(illegal_half, ".option push\n.option rvc\nc.nop\n.half 0\n.half 0\n.option pop");
CODE(reserved_half, ".option push\n.option rvc\n.half 0x8002\n.half 1\n.option pop");
CODE(breakpoint, "nop\nebreak");
CODE(breakpoint_half, ".option push\n.option rvc\nc.nop\nc.ebreak\n.option pop");
CODE(call, "nop\necall");
CODE(load, "ld a0, 0(a0)");
CODE(load_byte, "lbu a0, 0(a0)");
CODE(store, "sd a1, 0(a0)");
CODE(jump, "jr a0");
CODE(reserve, "lr.d a0, (a0)");
CODE(conditional, "mv a2, a0\nlr.w a3, (a2)\nsc.w a0, a1, (a2)");
CODE(exchange, "amoswap.d a0, a1, (a0)");
CODE(add_word, "amoadd.w a0, a1, (a0)");
CODE(wait, "wfi\nli a0, 77");
CODE(fence, "sfence.vma\nli a0, 78");
CODE(fence_one, "sfence.vma a0, a1\nli a0, 79");
CODE(return_machine, "mret");
CODE(return_supervisor, "sret");
CODE(read_satp, "csrr a0, satp\nli a0, 80");
CODE(read_mstatus, "csrr a0, mstatus\nli a0, 81");
CODE(read_sstatus, "csrr a0, sstatus\nli a0, 82");
CODE(read_cycle, "csrr a0, cycle\nli a0, 83");
CODE(read_time, "csrr a0, time\nli a0, 84");
CODE(read_instret, "csrr a0, instret\nli a0, 85");
CODE(write_cycle, "csrw cycle, a0\nli a0, 86");
CODE(write_hart, "csrw mhartid, a0\nli a0, 87");
CODE(no_such, "csrr a0, 0x5c0\nli a0, 88");
CODE(double_add, "fadd.d fa0, fa0, fa0\nli a0, 89");
CODE(read_fcsr, "csrr a0, fcsr\nli a0, 90");
CODE(load_double, "fld fa0, 0(a0)\nli a0, 91");
CODE(load_double_half, ".option push\n.option rvc\nc.fld fa0, 0(a0)\nc.fldsp fa1, 0(sp)\n.option pop\nli a0, 92");

static const long modes[] = {USER, SUPERVISOR, MACHINE};
static u64 data[64] __attribute__((aligned(4096)));

static void everywhere(const char *name, void *function, long a0, long a1) {
  for (int i = 0; i < 3; i++) show(name, modes[i], function, a0, a1);
}

static void exceptions(void) {
  long hole = 0x10200000, here = (long)data;
  everywhere("nothing", nothing, 1, 2);
  everywhere("illegal word", illegal_word, 0, 0);
  everywhere("illegal half", illegal_half, 0, 0);
  everywhere("reserved half", reserved_half, 0, 0);
  everywhere("ebreak", breakpoint, 0, 0);
  everywhere("c.ebreak", breakpoint_half, 0, 0);
  everywhere("ecall", call, 0, 0);
  everywhere("load from a hole", load, hole, 0);
  everywhere("store to a hole", store, hole, 5);
  everywhere("swap in a hole", exchange, hole, 5);
  everywhere("jump into a hole", jump, hole, 0);
  everywhere("load", load, here, 0);
  everywhere("misaligned store", store, here + 3, 0x1122334455667788);
  everywhere("misaligned load", load, here + 3, 0);
  everywhere("misaligned load across words", load, here + 1, 0);
  everywhere("lr, sc", conditional, here + 16, 9);
  everywhere("swap", exchange, here + 16, 0x123456789);
  everywhere("add", add_word, here + 16, 0x7fffffff);
}

/* The instructions whose permission depends on mode and mstatus. */
static void privileges(void) {
  static const u64 bits[] = {0, MSTATUS_TVM, MSTATUS_TW, MSTATUS_TSR};
  for (int i = 0; i < 4; i++) {
    text("mstatus");
    field("with", bits[i]);
    put('\n');
    set_csr("mstatus", bits[i]);
    everywhere("sfence.vma", fence, 0, 0);
    everywhere("sfence.vma of one", fence_one, (long)data, 1);
    everywhere("satp", read_satp, 0, 0);
    write_csr("sepc", back);
    clear_csr("mstatus", MSTATUS_SPP | MSTATUS_SPIE);
    show("sret", SUPERVISOR, return_supervisor, 3, 0);
    show("sret", USER, return_supervisor, 3, 0);
    write_csr("mie", 1 << 1);
    write_csr("mip", 1 << 1);
    everywhere("wfi with something pending", wait, 0, 0);
    write_csr("mip", 0);
    write_csr("mie", 0);
    clear_csr("mstatus", MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR);
  }
  show("mret", USER, return_machine, 0, 0);
  show("mret", SUPERVISOR, return_machine, 0, 0);
  everywhere("mstatus", read_mstatus, 0, 0);
  everywhere("sstatus", read_sstatus, 0, 0);
  everywhere("no such register", no_such, 0, 0);
  everywhere("write of cycle", write_cycle, 0, 0);
  everywhere("write of mhartid", write_hart, 0, 0);
}

static void counters(void) {
  for (int machine = 0; machine < 8; machine++) {
    for (int supervisor = 0; supervisor < 8; supervisor += 7) {
      write_csr("mcounteren", machine);
      write_csr("scounteren", supervisor);
      text("counters");
      field("m", machine);
      field("s", supervisor);
      put('\n');
      everywhere("cycle", read_cycle, 0, 0);
      everywhere("time", read_time, 0, 0);
      everywhere("instret", read_instret, 0, 0);
    }
  }
}

/* Floating point by mstatus.FS: what is allowed, and what FS is afterwards. */
static void floats(void) {
  static void *const codes[] = {double_add, read_fcsr, load_double, load_double_half};
  for (int fs = 0; fs < 4; fs++) {
    for (int i = 0; i < 4; i++) {
      clear_csr("mstatus", MSTATUS_FS);
      set_csr("mstatus", (u64)fs << 13);
      struct result r = show("floating point", i & 1 ? USER : SUPERVISOR, codes[i], (long)data, 0);
      // Reading fcsr may or may not make it dirty.
      if (i != 1) field(" fs", r.status >> 13 & 3), field("sd", r.status >> 63), put('\n');
    }
  }
  set_csr("mstatus", MSTATUS_FS);
}

static void supervisor_saw(const char *name, long mode, void *function, long a0, long a1) {
  struct result r;
  write_csr("scause", 0x55);
  write_csr("sepc", 0);
  write_csr("stval", 0x55);
  set_csr("mstatus", MSTATUS_SIE);
  probe(&r, mode, function, a0, a1);
  text(name);
  text(" delegated:");
  field("mcause", r.cause);
  field("scause", read_csr("scause"));
  field("stval", read_csr("stval") - (read_csr("scause") == 12 ? (u64)function : 0));
  if (read_csr("sepc")) field("sepc", read_csr("sepc") - (u64)function);
  field("spp", r.status >> 8 & 1);
  field("spie", r.status >> 5 & 1);
  field("sie", r.status >> 1 & 1);
  field("from", r.status >> 11 & 3);
  put('\n');
  clear_csr("mstatus", MSTATUS_SIE);
}

static void delegation(void) {
  write_csr("stvec", delegated);
  write_csr("medeleg", 0xffff & ~(1 << 9));
  static const long from[] = {USER, SUPERVISOR, MACHINE};
  for (int i = 0; i < 3; i++) {
    supervisor_saw("illegal word", from[i], illegal_word, 0, 0);
    supervisor_saw("ebreak", from[i], breakpoint, 0, 0);
    supervisor_saw("ecall", from[i], call, 0, 0);
    supervisor_saw("load from a hole", from[i], load_byte, 0x10200000, 0);
    supervisor_saw("store to a hole", from[i], store, 0x10200000, 0);
    supervisor_saw("read of mstatus", from[i], read_mstatus, 0, 0);
  }
  write_csr("medeleg", 0);
}

int main(void) {
  open_memory();
  exceptions();
  privileges();
  counters();
  floats();
  delegation();
  text("done\n");
  return 0;
}
