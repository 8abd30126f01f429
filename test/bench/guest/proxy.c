/*
 * What stands under a static Linux program on a bare board, where there is no Linux: it begins the program in user mode, with
 * paging on, and answers the few calls of one that computes and prints. The program's addresses, from 0x10000 on, are those
 * of RAM less its base, and this here lies below.
 */
#include <stddef.h>
#include <stdint.h>

enum { UART = 0x10000000, FINISHER = 0x100000 };
#define RAM 0x80000000UL
#define PROGRAM 0x10000UL
#define STACK_TOP 0x07f00000UL

#define write_csr(name, value) __asm__ volatile("csrw " name ", %0" ::"r"((uint64_t)(value)) : "memory")

/* Registers of the program: x1 to x31, and where it is. */
struct frame {
  uint64_t x[32];
  uint64_t pc;
};
static struct frame frame;
static uint64_t program_break;
__attribute__((aligned(4096))) static uint64_t root[512];
__attribute__((aligned(16), used)) static char stack[8192];

__asm__(
    ".section .text.startup, \"ax\"\n.globl _start\n_start:\n"
    ".option push\n.option norelax\n la gp, __global_pointer$\n.option pop\n"
    " la sp, stack + 8192\n call begin\n"
    ".text\n.balign 4\n.globl trapped\ntrapped:\n"
    " csrrw t6, mscratch, t6\n"
    ".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n sd x\\n, 8*\\n(t6)\n.endr\n"
    " csrr t0, mscratch\n sd t0, 248(t6)\n csrr t0, mepc\n sd t0, 256(t6)\n"
    ".option push\n.option norelax\n la gp, __global_pointer$\n.option pop\n"
    " la sp, stack + 8192\n call handle\n"
    ".globl resume\nresume:\n la t6, frame\n csrw mscratch, t6\n ld t0, 256(t6)\n csrw mepc, t0\n"
    ".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n ld x\\n, 8*\\n(t6)\n.endr\n"
    " ld t6, 248(t6)\n mret\n");
extern char trapped[];
void resume(void);

/* Where the program's address is for us. */
static void *host(uint64_t address) { return (void *)(address + RAM); }

static void finish(uint32_t code) {
  *(volatile uint32_t *)FINISHER = code == 0 ? 0x5555 : code << 16 | 0x3333;
  for (;;) __asm__ volatile("wfi");
}

static uint64_t print(uint64_t address, uint64_t length) {
  const char *bytes = host(address);
  for (uint64_t i = 0; i < length; i++) *(volatile char *)UART = bytes[i];
  return length;
}

static uint64_t print_all(const uint64_t *vectors, uint64_t count) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; i++) sum += print(vectors[2 * i], vectors[2 * i + 1]);
  return sum;
}

static uint64_t call(uint64_t number, const uint64_t *a) {
  switch (number) {
    case 64: return print(a[1], a[2]);
    case 66: return print_all(host(a[1]), a[2]);
    case 93:
    case 94: finish((uint32_t)a[0]); return 0;
    case 214: return a[0] > program_break && a[0] < STACK_TOP - 0x100000 ? (program_break = a[0]) : program_break;
    case 79:
    case 80: return -22ul;
    case 96: return 1;
    case 226:
    case 99: return 0;
    default: return -38ul;
  }
}

void handle(void) {
  uint64_t cause;
  __asm__ volatile("csrr %0, mcause" : "=r"(cause));
  if (cause != 8) finish((uint32_t)cause + 0x100);
  frame.x[10] = call(frame.x[17], &frame.x[10]);
  frame.pc += 4;
}

/* argc, argv, the environment and the auxiliary vector, as a static C library looks at them. */
static void prepare_stack(uint64_t headers, uint64_t count, uint64_t entry) {
  const uint64_t bytes = STACK_TOP - 64;
  const uint64_t words[] = {1, bytes, 0, 0,  3,  headers, 4, 56, 5, count, 6,  4096,  9, entry,
                            11, 0,    12, 0, 13, 0,       14, 0, 23, 0,    25, bytes, 0, 0};
  uint64_t *at = host(STACK_TOP - 1024);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) at[i] = words[i];
  frame.x[2] = STACK_TOP - 1024;
}

void begin(void) {
  const uint64_t *header = host(PROGRAM);
  uint64_t entry = header[3], headers = PROGRAM + header[4], count = ((const uint16_t *)header)[28];
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t *segment = host(headers + i * 56);
    if ((uint32_t)segment[0] == 1 && segment[2] + segment[5] > program_break) program_break = segment[2] + segment[5];
  }
  program_break = (program_break + 4095) & ~4095ul;
  prepare_stack(headers, count, entry);
  frame.pc = entry;
  root[0] = RAM >> 2 | 0xdf;
  write_csr("pmpaddr0", -1ul);
  write_csr("pmpcfg0", 0x1f);
  write_csr("satp", 8UL << 60 | (uint64_t)root >> 12);
  write_csr("mtvec", trapped);
  write_csr("mstatus", 0x6000);
  resume();
}
