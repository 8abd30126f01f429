/* What bare programs need: registers, a console, an end. They run on QEMU's virt board as well as on ours. */
#ifndef BARE_H
#define BARE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define UART ((volatile u8 *)0x10000000)
#define FINISHER ((volatile u32 *)0x100000)
#define MSIP(hart) ((volatile u32 *)0x2000000 + (hart))
#define MTIMECMP(hart) ((volatile u64 *)0x2004000 + (hart))
#define MTIME ((volatile u64 *)0x200bff8)

#define read_csr(name) ({ u64 v_; __asm__ volatile("csrr %0, " name : "=r"(v_) : : "memory"); v_; })
#define write_csr(name, value) ({ __asm__ volatile("csrw " name ", %0" : : "r"((u64)(value)) : "memory"); })
#define set_csr(name, value) ({ __asm__ volatile("csrs " name ", %0" : : "r"((u64)(value)) : "memory"); })
#define clear_csr(name, value) ({ __asm__ volatile("csrc " name ", %0" : : "r"((u64)(value)) : "memory"); })
#define fence_vma() __asm__ volatile("sfence.vma" : : : "memory")

enum { USER = 0, SUPERVISOR = 1, MACHINE = 3 };
enum { MSTATUS_SIE = 2, MSTATUS_MIE = 8, MSTATUS_SPIE = 0x20, MSTATUS_MPIE = 0x80, MSTATUS_SPP = 0x100, MSTATUS_FS = 0x6000 };
enum { MSTATUS_MPRV = 1 << 17, MSTATUS_SUM = 1 << 18, MSTATUS_MXR = 1 << 19, MSTATUS_TVM = 1 << 20, MSTATUS_TW = 1 << 21 };
enum { MSTATUS_TSR = 1 << 22 };

struct result {
  u64 cause, value, epc, status, a0, a1;
};

/* start.S */
struct result *probe(struct result *into, long mode, void *function, long a0, long a1);
extern char back[], trapped[], delegated[], _end[];

void (*volatile other_hart)(u64 hart) = 0;

static void put(char c) { *UART = c; }

static void text(const char *s) {
  while (*s) put(*s++);
}

static void hex(u64 value) {
  int shift = 60;
  while (shift > 0 && !(value >> shift)) shift -= 4;
  for (; shift >= 0; shift -= 4) put("0123456789abcdef"[value >> shift & 15]);
}

static void field(const char *name, u64 value) {
  put(' ');
  text(name);
  put('=');
  hex(value);
}

void finish(void) {
  *FINISHER = 0x5555;
  for (;;) __asm__ volatile("wfi");
}

void unexpected(u64 cause, u64 epc, u64 value) {
  text("unexpected trap");
  field("cause", cause);
  field("epc", epc);
  field("value", value);
  put('\n');
  finish();
}

/* The whole address space, to all modes. */
static inline void open_memory(void) {
  write_csr("pmpaddr0", -1UL);
  write_csr("pmpcfg0", 0x1f);
}

/* One line about how a function ended in a mode; the place relative to its beginning. */
static inline struct result show(const char *name, long mode, void *function, long a0, long a1) {
  struct result r;
  probe(&r, mode, function, a0, a1);
  text(name);
  text(" in ");
  put("US?M"[mode]);
  text(":");
  if (r.epc == (u64)back) text(" returned"), field("a0", r.a0);
  else {
    field("cause", r.cause);
    field("value", r.value - (r.value >= (u64)function && r.value < (u64)function + 64 ? (u64)function : 0));
    field("at", r.epc - (u64)function);
  }
  field("from", r.status >> 11 & 3);
  put('\n');
  return r;
}

/* A function of these instructions. */
#define CODE(name, instructions) \
  extern char name[]; \
  __asm__(".pushsection .text\n.balign 8\n" #name ":\n" instructions "\nret\n.popsection\n")

int main(void);

#endif
