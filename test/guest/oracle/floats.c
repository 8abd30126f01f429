// Every floating-point instruction of F and D on a stream of operands from a seed: argv[1]. A running hash of results and
// flags is printed often enough to find the first difference.
#include <stdio.h>
#include <stdlib.h>
#include "random.h"

static uint64_t bits64(void) {
  static const uint64_t special[] = {
      0, 1, 2, 0x000fffffffffffffu, 0x0010000000000000u, 0x0010000000000001u, 0x3ff0000000000000u, 0x3ff0000000000001u,
      0x3fefffffffffffffu, 0x3fe0000000000000u, 0x7fe0000000000000u, 0x7fefffffffffffffu, 0x7ff0000000000000u, 0x7ff0000000000001u,
      0x7ff8000000000000u, 0x7fffffffffffffffu, 0x41dfffffffc00000u, 0x41e0000000000000u, 0x41f0000000000000u, 0x43e0000000000000u,
      0x43f0000000000000u, 0x4330000000000001u, 0x36a0000000000000u, 0x47efffffe0000000u, 0x47efffffefffffffu, 0x380fffffe0000000u,
  };
  uint64_t sign = random_below(2) << 63;
  switch (random_below(4)) {
    case 0: return special[random_below(sizeof special / sizeof *special)] | sign;
    case 1: return random_word();
    case 2: return (random_word() & 0x000fffffffffffffu) | (1023 - 80 + random_below(160)) << 52 | sign;
    default: return (random_word() & (~0ull << random_below(52)) & 0x000fffffffffffffu) | random_below(2047) << 52 | sign;
  }
}

/** Mostly boxed singles, sometimes not. */
static uint64_t bits32(void) {
  static const uint32_t special[] = {
      0, 1, 0x007fffff, 0x00800000, 0x00800001, 0x3f800000, 0x3f800001, 0x3f7fffff, 0x3f000000, 0x7f000000, 0x7f7fffff, 0x7f800000,
      0x7f800001, 0x7fc00000, 0x7fffffff, 0x4f000000, 0x4f7fffff, 0x4f800000, 0x5f000000, 0x5f800000, 0x4b000001,
  };
  if (random_below(40) == 0) return random_word();
  uint32_t sign = (uint32_t)random_below(2) << 31, bits;
  switch (random_below(4)) {
    case 0: bits = special[random_below(sizeof special / sizeof *special)] | sign; break;
    case 1: bits = (uint32_t)random_word(); break;
    case 2: bits = ((uint32_t)random_word() & 0x007fffff) | (uint32_t)(127 - 40 + random_below(80)) << 23 | sign; break;
    default: bits = ((uint32_t)random_word() & (~0u << random_below(23)) & 0x007fffff) | (uint32_t)random_below(255) << 23 | sign;
  }
  return bits | 0xffffffff00000000u;
}

static uint64_t hash, steps;
static void record(uint64_t result, uint64_t flags, int width) {
  hash = hash_step(hash_step(hash, result), flags);
  if (++steps % 64 == 0) printf("%lu %d %016lx\n", steps, width, hash);
}

/** One instruction: operands as bits in fa0, fa1, fa2 and a0, dynamic rounding mode, result in fa3 or a1. */
#define FLOAT(width, text) do { \
    uint64_t result, flags; \
    __asm__ volatile("fmv.d.x fa0, %2\nfmv.d.x fa1, %3\nfmv.d.x fa2, %4\nfsrm %5\nfsflags x0\n" text "\nfrflags %1\nfmv.x.d %0, fa3\nfsrm x0" \
      : "=&r"(result), "=&r"(flags) : "r"(a), "r"(b), "r"(c), "r"(mode) : "fa0", "fa1", "fa2", "fa3"); \
    record(result, flags, width); } while (0)
#define INTEGER(width, text) do { \
    uint64_t result, flags; \
    __asm__ volatile("fmv.d.x fa0, %2\nfmv.d.x fa1, %3\nfsrm %4\nfsflags x0\n" text "\nfrflags %1\nfsrm x0" \
      : "=&r"(result), "=&r"(flags) : "r"(a), "r"(b), "r"(mode) : "fa0", "fa1"); \
    record(result, flags, width); } while (0)
#define FROM(width, text) do { \
    uint64_t result, flags; \
    __asm__ volatile("fsrm %3\nfsflags x0\n" text "\nfrflags %1\nfmv.x.d %0, fa3\nfsrm x0" \
      : "=&r"(result), "=&r"(flags) : "r"(x), "r"(mode) : "fa3"); \
    record(result, flags, width); } while (0)
#define BOTH(op) FLOAT(64, op ".d fa3, fa0, fa1")
#define BOTHS(op) FLOAT(32, op ".s fa3, fa0, fa1")
#define STATIC(op) FLOAT(64, op ".d fa3, fa0, fa1, rne"); FLOAT(64, op ".d fa3, fa0, fa1, rtz"); FLOAT(64, op ".d fa3, fa0, fa1, rdn"); \
  FLOAT(64, op ".d fa3, fa0, fa1, rup"); FLOAT(64, op ".d fa3, fa0, fa1, rmm")
#define CONVERT(width, letter) INTEGER(width, "fcvt.w." letter " %0, fa0"); INTEGER(width, "fcvt.wu." letter " %0, fa0"); \
  INTEGER(width, "fcvt.l." letter " %0, fa0"); INTEGER(width, "fcvt.lu." letter " %0, fa0"); INTEGER(width, "fclass." letter " %0, fa0"); \
  INTEGER(width, "feq." letter " %0, fa0, fa1"); INTEGER(width, "flt." letter " %0, fa0, fa1"); INTEGER(width, "fle." letter " %0, fa0, fa1"); \
  FROM(width, "fcvt." letter ".w fa3, %2"); FROM(width, "fcvt." letter ".wu fa3, %2"); FROM(width, "fcvt." letter ".l fa3, %2"); \
  FROM(width, "fcvt." letter ".lu fa3, %2")
#define FUSED(width, letter) FLOAT(width, "fmadd." letter " fa3, fa0, fa1, fa2"); FLOAT(width, "fmsub." letter " fa3, fa0, fa1, fa2"); \
  FLOAT(width, "fnmadd." letter " fa3, fa0, fa1, fa2"); FLOAT(width, "fnmsub." letter " fa3, fa0, fa1, fa2")

static void doubles(uint64_t mode) {
  uint64_t a = bits64(), b = bits64(), c = bits64(), x = random_word() >> random_below(64);
  BOTH("fadd"); BOTH("fsub"); BOTH("fmul"); BOTH("fdiv"); BOTH("fmin"); BOTH("fmax"); BOTH("fsgnj"); BOTH("fsgnjn"); BOTH("fsgnjx");
  FLOAT(64, "fsqrt.d fa3, fa0");
  FLOAT(64, "fcvt.s.d fa3, fa0");
  STATIC("fadd"); STATIC("fmul"); STATIC("fdiv");
  FUSED(64, "d");
  CONVERT(64, "d");
}

static void singles(uint64_t mode) {
  uint64_t a = bits32(), b = bits32(), c = bits32(), x = random_word() >> random_below(64);
  BOTHS("fadd"); BOTHS("fsub"); BOTHS("fmul"); BOTHS("fdiv"); BOTHS("fmin"); BOTHS("fmax"); BOTHS("fsgnj"); BOTHS("fsgnjn"); BOTHS("fsgnjx");
  FLOAT(32, "fsqrt.s fa3, fa0");
  FLOAT(32, "fcvt.d.s fa3, fa0");
  INTEGER(32, "fmv.x.w %0, fa0");
  FUSED(32, "s");
  CONVERT(32, "s");
}

/** What cancels: products and addends that nearly meet, where a fused operation differs most from two. */
static void near(uint64_t mode) {
  uint64_t a = bits64(), b = bits64(), c = bits_of(-(double_of(a) * double_of(b))) + random_below(3) - 1, x = 0;
  FUSED(64, "d");
  (void)x;
  a = bits32(), b = bits32();
  c = (float_bits_of(-(float_of((uint32_t)a) * float_of((uint32_t)b))) + random_below(3) - 1) | 0xffffffff00000000u;
  FUSED(32, "s");
}

int main(int argc, char **argv) {
  random_state ^= strtoul(argv[argc - 1], 0, 10) * 0xd1342543de82ef95u;
  for (int n = 0; n < 4000; n++) {
    uint64_t mode = random_below(5);
    doubles(mode);
    singles(mode);
    near(mode);
  }
  printf("%lu %016lx\n", steps, hash);
  return 0;
}
