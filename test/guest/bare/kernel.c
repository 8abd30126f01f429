/*
 * A kernel that tries the machine that it runs on: traps, timer, interrupt controller, paging, disk, entropy, a second
 * hart. It says what it found on the UART, and switches the machine off.
 */
#include "start.h"
#include "virtio.h"

static volatile uint64_t trap_count, last_cause, last_value;
static volatile int received = -1;
static volatile bool timer_fired;

enum { INTERRUPT_SOFTWARE = 3, INTERRUPT_TIMER = 7, INTERRUPT_EXTERNAL = 11, CALL_FROM_SUPERVISOR = 9 };
#define INTERRUPT (1ul << 63)

static void plic_interrupt(void) {
  uint32_t source = get32(PLIC + 0x200004);
  if (source == UART_IRQ) received = get8(UART);
  else virtio_acknowledge(source - 1);
  put32(PLIC + 0x200004, source);
}

uint64_t trap(uint64_t cause, uint64_t pc, uint64_t value) {
  if (cause == (INTERRUPT | INTERRUPT_TIMER)) {
    timer_fired = true;
    put64(CLINT + 0x4000, ~0ul);
    return pc;
  }
  if (cause == (INTERRUPT | INTERRUPT_SOFTWARE)) {
    put32(CLINT + 4 * read_csr(mhartid), 0);
    return pc;
  }
  if (cause == (INTERRUPT | INTERRUPT_EXTERNAL)) {
    plic_interrupt();
    return pc;
  }
  trap_count++;
  last_cause = cause;
  last_value = value;
  if (cause == CALL_FROM_SUPERVISOR) set_csr(mstatus, 3 << 11);
  return pc + ((*(volatile uint16_t *)pc & 3) == 3 ? 4 : 2);
}

static void expect_trap(uint64_t cause, uint64_t value, const char *what) {
  check(last_cause == cause && last_value == value && trap_count == 1, what);
  trap_count = 0;
}

static void try_traps(void) {
  __asm__ volatile("ecall");
  expect_trap(11, 0, "environment call from M mode");
  __asm__ volatile(".word 0xffffffff");
  check(last_cause == 2 && trap_count == 1, "illegal instruction");
  trap_count = 0;
  get32(0x8000000);
  expect_trap(5, 0x8000000, "load where nothing is");
  put8(CLINT + 0xbff8, 1);
  expect_trap(7, CLINT + 0xbff8, "store of a width that a register does not have");
  put_text("traps: ok\n");
}

static void try_timer(void) {
  uint64_t begin = get64(CLINT + 0xbff8);
  put64(CLINT + 0x4000, begin + 1000);
  set_csr(mie, 1 << INTERRUPT_TIMER);
  set_csr(mstatus, 8);
  while (!timer_fired) __asm__ volatile("wfi");
  clear_csr(mstatus, 8);
  uint64_t passed = get64(CLINT + 0xbff8) - begin;
  check(passed >= 1000, "a timer of 1000 ticks");
  put_text("timer: ok\n");
}

static void try_uart(void) {
  put32(PLIC + 4 * UART_IRQ, 1);
  put32(PLIC + 0x2000, 1 << UART_IRQ);
  put32(PLIC + 0x200000, 0);
  put8(UART + 1, 1);
  set_csr(mie, 1 << INTERRUPT_EXTERNAL);
  set_csr(mstatus, 8);
  put_text("type: ");
  while (received < 0) __asm__ volatile("wfi");
  clear_csr(mstatus, 8);
  put8(UART + 1, 0);
  put_char((char)received);
  put_text(" came\n");
}

/* Sv39: this program where it is, and one page somewhere else. */
__attribute__((aligned(4096))) static volatile uint64_t root[512], middle[512], leaf[512], page[512];
static const uintptr_t elsewhere = 0x1000201000;
enum { V = 1, R = 2, W = 4, X = 8, A = 64, D = 128 };
static uint64_t entry(volatile void *at, uint64_t flags) { return (uintptr_t)at >> 12 << 10 | flags | V; }

/* Goes on in S mode; a call from there goes on in M mode again. */
static void enter_supervisor_mode(void) {
  clear_csr(mstatus, 3 << 11);
  set_csr(mstatus, 1 << 11);
  __asm__ volatile("la t0, 1f\n csrw mepc, t0\n mret\n 1:" ::: "t0", "memory");
}
static void leave_supervisor_mode(void) { __asm__ volatile("ecall" ::: "memory"); }

static void try_paging(void) {
  root[2] = entry((void *)0x80000000, R | W | X | A | D);
  root[64] = entry(middle, 0);
  middle[1] = entry(leaf, 0);
  leaf[1] = entry(page, R | W | A | D);
  write_csr(pmpaddr0, ~0ul >> 10);
  write_csr(pmpcfg0, 0x1f);
  write_csr(satp, 8ul << 60 | (uintptr_t)root >> 12);
  __asm__ volatile("sfence.vma" ::: "memory");
  enter_supervisor_mode();
  put64(elsewhere + 8, 0x1234567890abcdef);
  get64(elsewhere + 4096);
  leave_supervisor_mode();
  check(page[1] == 0x1234567890abcdef, "a store by virtual address");
  check(trap_count == 2 && last_cause == CALL_FROM_SUPERVISOR, "a load where no page is, and the call out of S mode");
  trap_count = 0;
  enter_supervisor_mode();
  get64(UART);
  uint64_t cause = last_cause, value = last_value;
  leave_supervisor_mode();
  check(cause == 13 && value == UART, "a page fault's cause and address");
  trap_count = 0;
  write_csr(satp, 0);
  put_text("paging: ok\n");
}

static uint8_t sector[512], copy[512];

static void try_disk(void) {
  struct device disk;
  if (!virtio_find(&disk, 2)) return;
  put32(PLIC + 4 * (1 + disk.slot), 1);
  put32(PLIC + 0x2000, 1 << (1 + disk.slot));
  virtio_start(&disk, 1);
  for (int i = 0; i < 512; i++) sector[i] = (uint8_t)(i * 7);
  check(disk_request(&disk, 1, 3, sector, 512) == 0, "a write to the disk");
  check(disk_request(&disk, 0, 3, copy, 512) == 0, "a read from the disk");
  for (int i = 0; i < 512; i++) check(copy[i] == (uint8_t)(i * 7), "what was written is read");
  check(disk_request(&disk, 4, 0, copy, 0) == 0, "a flush");
  check(disk_request(&disk, 0, 1ul << 40, copy, 512) == 1, "a read beyond the disk");
  check(disk_request(&disk, 0, 0, copy, 512) == 0, "the first sector");
  put_text("disk: ok, begins with ");
  put_hex(*(uint64_t *)copy);
  put_char('\n');
}

static void try_entropy(void) {
  struct device source;
  check(virtio_find(&source, 4), "an entropy device");
  virtio_start(&source, 1);
  uint64_t words[4] = {0};
  struct buffer buffer = {words, sizeof words, true};
  check(virtio_request(&source, &buffer, 1) == sizeof words, "random bytes");
  put_text("entropy: ");
  put_hex(words[0] ^ words[1] ^ words[2] ^ words[3]);
  put_char('\n');
}

/* Both harts count, each in its own way. */
static volatile uint64_t counter;
static volatile bool second_is_there, second_is_done;
enum { COUNTS = 3000 };

static void count_by_reservation(void) {
  for (int i = 0; i < COUNTS; i++)
    __asm__ volatile("1: lr.d t0, (%0)\n addi t0, t0, 1\n sc.d t1, t0, (%0)\n bnez t1, 1b" ::"r"(&counter)
                     : "t0", "t1", "memory");
}
static void count_by_addition(void) {
  for (int i = 0; i < COUNTS; i++) __sync_fetch_and_add(&counter, 1);
}

/* A device tree has a node for each hart; whether the second has come this far is another question: on a board whose
 * harts run at once, it may come late. */
static bool has_second_hart(const uint8_t *tree) {
  static const char name[] = "cpu@1";
  uint32_t size = (uint32_t)tree[4] << 24 | tree[5] << 16 | tree[6] << 8 | tree[7];
  for (uint32_t at = 0; at + sizeof name <= size; at++)
    for (uint32_t i = 0; tree[at + i] == (uint8_t)name[i]; i++)
      if (name[i] == 0) return true;
  return false;
}

static void try_harts(const uint8_t *tree) {
  if (!has_second_hart(tree)) return;
  while (!second_is_there) __asm__ volatile("nop");
  put32(CLINT + 4, 1);
  count_by_reservation();
  while (!second_is_done) __asm__ volatile("nop");
  check(counter == 2 * COUNTS, "no count of two harts is lost");
  put_text("harts: ok\n");
}

static void second_hart(void) {
  second_is_there = true;
  set_csr(mie, 1 << INTERRUPT_SOFTWARE);
  __asm__ volatile("wfi");
  set_csr(mstatus, 8);
  clear_csr(mstatus, 8);
  count_by_addition();
  second_is_done = true;
}

void hart_main(uint64_t hart, uint64_t tree) {
  if (hart > 0) {
    if (hart == 1) second_hart();
    return;
  }
  check(get32(tree) == 0xedfe0dd0, "a device tree");
  put_text("a kernel on bare hardware\n");
  try_traps();
  try_timer();
  try_paging();
  try_disk();
  try_entropy();
  try_harts((const uint8_t *)tree);
  try_uart();
  finish(0);
}
