// Makes random system calls with plausible and with wild arguments, from a seed, until one of them ends it.
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "oracle/random.h"

enum { PAGE = 4096, PAGES = 64 };
static char buffer[1 << 16] = "/data/file";
static char *mapped;
static uint64_t value[7];

/** Without the C library: it may not survive what the calls do to its memory. */
static long call(void) {
  register uint64_t a0 __asm__("a0") = value[0], a1 __asm__("a1") = value[1], a2 __asm__("a2") = value[2], a3 __asm__("a3") = value[3];
  register uint64_t a4 __asm__("a4") = value[4], a5 __asm__("a5") = value[5], a7 __asm__("a7") = value[6];
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
  return (long)a0;
}

static uint64_t place(void) { return (uintptr_t)mapped + PAGE * random_below(PAGES); }
static uint64_t length(void) { return PAGE * random_below(random_below(4) ? 5 : 2 * PAGES); }

static uint64_t wild(void) {
  static const uint64_t odd[] = {
      0, 1, 2, 3, 4, 7, 8, 16, 24, 64, 100, 4095, 4096, 4097, 65536, 1 << 20, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32, 1ull << 38,
      (1ull << 38) - 4096, 1ull << 47, 0x7fffffffffffffff, 0x8000000000000000u, (uint64_t)-1, (uint64_t)-100, (uint64_t)-4096, 0x10000,
  };
  switch (random_below(7)) {
    case 0: return random_word() >> random_below(64);
    case 1: return (uintptr_t)buffer + random_below(sizeof buffer);
    case 2: return (uintptr_t)buffer + sizeof buffer - random_below(16);
    case 3: return place() + random_below(PAGE);
    case 4: return (uintptr_t)&wild + PAGE * random_below(64) - 32 * PAGE;
    default: return odd[random_below(sizeof odd / sizeof *odd)];
  }
}

/** What may block for ever, or ends everything, is rare. */
static uint64_t number(void) {
  static const uint16_t known[] = {17,  23,  24,  25,  29,  48,  56,  57,  62,  63,  64,  65,  66,  67,  78,  79,  80,  96,
                                   99,  113, 114, 123, 124, 134, 135, 153, 160, 165, 166, 169, 172, 173, 174, 178, 179, 214,
                                   215, 216, 220, 222, 226, 233, 258, 259, 261, 278, 283, 293, 435, 154, 155, 156, 157, 220,
                                   102, 103, 107, 108, 109, 110, 111, 92,  118, 119, 132, 134, 135, 136, 138, 139, 140, 141, 145, 147, 149, 151,
                                   158, 159, 167, 221, 240, 281, 29};
  static const uint16_t waits[] = {73, 98, 101, 115, 95, 260, 133, 137}, ends[] = {93, 94, 129, 130, 131};
  if (random_below(400) == 0) return ends[random_below(5)];
  if (random_below(60) == 0) return waits[random_below(8)];
  if (random_below(60) == 0) return random_word() >> random_below(64);
  if (random_below(5) == 0) {
    /* Any that there is; the ones that end it are rare enough above. */
    uint64_t any = random_below(464);
    return any == 93 || any == 94 ? 172 : any;
  }
  return known[random_below(sizeof known / sizeof *known)];
}

static void choose(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) {
  uint64_t chosen[7] = {a, b, c, d, e, 0, nr};
  memcpy(value, chosen, sizeof value);
}

static volatile int handled;
static void handler(int signal) { handled += signal; }

/** A handler, the default, or nothing, with any flags. */
static void handle(int signal) {
  static uint64_t action[3];
  action[0] = random_below(4) ? (uintptr_t)handler : random_below(2);
  action[1] = random_word() & 0xd8000007u;
  action[2] = random_below(2) ? 0 : random_word();
  choose(134, signal, (uintptr_t)action, 0, 8, 0);
}

static uint64_t *timer_value(void) {
  static uint64_t value[4];
  for (int i = 0; i < 4; i += 2) value[i] = 0, value[i + 1] = random_below(2) ? random_below(2000) : 0;
  return value;
}

static void plausible(void) {
  switch (random_below(14)) {
    case 10: return choose(129, random_below(3) ? 0 : 1 + random_below(9), random_below(66), 0, 0, 0);
    case 11: return handle(1 + random_below(64));
    case 12: return choose(103, random_below(3), (uintptr_t)timer_value(), 0, 0, 0);
    case 13: return choose(135, random_below(3), place(), 0, 8, 0);
    case 0: return choose(222, place(), length(), random_below(8), 0x32, (uint64_t)-1);
    case 1: return choose(222, place(), length(), random_below(8), random_below(2) ? 0x12 : 0x02, 3 + random_below(4));
    case 2: return choose(215, place(), length(), 0, 0, 0);
    case 3: return choose(226, place(), length(), random_below(8), 0, 0);
    case 4: return choose(216, place(), length(), length(), 1 + 2 * random_below(2), place());
    case 5: return choose(233, place(), length(), random_below(10), 0, 0);
    case 6: return choose(56, (uint64_t)-100, (uintptr_t)buffer, 0, 0, 0);
    case 7: return choose(63, 3 + random_below(4), place() + random_below(PAGE), random_below(3 * PAGE), 0, 0);
    case 8: return choose(214, (uintptr_t)buffer + sizeof buffer + random_below(1 << 19), 0, 0, 0, 0);
    default: return choose(278, place() + random_below(PAGE), random_below(3 * PAGE), 0, 0, 0);
  }
}

static void random_call(void) {
  for (int i = 0; i < 6; i++) value[i] = wild();
  value[6] = number();
  if (random_below(3)) value[0] = random_below(5);
  // A thread that shares everything goes on from here, too, on the same or on another stack.
  if (value[6] == 220 && random_below(2)) value[0] = 0x3d0f00, value[1] = random_below(2) ? 0 : (uintptr_t)buffer + sizeof buffer - 512;
  // So does a process, in a copy of the memory or in the same.
  else if (value[6] == 220 && random_below(2)) value[0] = random_below(4) ? 17 : 0x4111, value[1] = 0;
}

int main(int argc, char **argv) {
  random_state ^= strtoul(argv[argc - 1], 0, 10) * 0xd1342543de82ef95u;
  mapped = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int n = 0; n < 20000; n++) {
    if (random_below(3)) plausible();
    else random_call();
    call();
  }
  return 0;
}
