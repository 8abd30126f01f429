// Integer arithmetic where it is odd: division, high products, shifts, overflow, atomics, bytes across pages, wide types.
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "random.h"

static const uint64_t special[] = {0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000u, (uint64_t)-1, (uint64_t)-2};
static uint64_t word(void) { return random_below(3) ? random_word() >> random_below(64) : special[random_below(10)]; }
static uint64_t hash;
#define OP(text) ({ uint64_t r; __asm__ volatile(text " %0, %1, %2" : "=r"(r) : "r"(a), "r"(b)); hash = hash_step(hash, r); r; })

static void register_operations(void) {
  for (int n = 0; n < 20000; n++) {
    uint64_t a = word(), b = word();
    OP("div"), OP("divu"), OP("rem"), OP("remu"), OP("mul"), OP("mulh"), OP("mulhu"), OP("mulhsu");
    OP("divw"), OP("divuw"), OP("remw"), OP("remuw"), OP("mulw"), OP("addw"), OP("subw"), OP("sllw"), OP("srlw"), OP("sraw");
    OP("sll"), OP("srl"), OP("sra"), OP("slt"), OP("sltu"), OP("xor"), OP("and"), OP("or");
    if (n % 1000 == 0) printf("%d %016lx\n", n, hash);
  }
}

static void wide(void) {
  for (int n = 0; n < 3000; n++) {
    unsigned __int128 a = (unsigned __int128)word() << 64 | word(), b = (unsigned __int128)(word() >> random_below(64)) << 64 | word() | 1;
    unsigned __int128 q = a / b, r = a % b, p = a * b;
    __int128 s = (__int128)a / (__int128)b;
    hash = hash_step(hash_step(hash, (uint64_t)(q >> 64) ^ (uint64_t)q), (uint64_t)(r >> 64) ^ (uint64_t)r);
    hash = hash_step(hash_step(hash, (uint64_t)(p >> 64) ^ (uint64_t)p), (uint64_t)(s >> 64) ^ (uint64_t)s);
    long out;
    hash = hash_step(hash, (uint64_t)__builtin_mul_overflow((long)a, (long)b, &out) ^ (uint64_t)out);
    hash = hash_step(hash, (uint64_t)(__builtin_popcountl((uint64_t)a) + 64 * __builtin_clzl((uint64_t)b | 1) + __builtin_bswap64((uint64_t)a)));
  }
  printf("wide %016lx\n", hash);
}

static void atomics(void) {
  static _Atomic uint64_t eight;
  static _Atomic uint32_t four;
  static _Atomic uint8_t one;
  for (int n = 0; n < 5000; n++) {
    uint64_t a = word(), b = word(), old = eight;
    hash = hash_step(hash, atomic_fetch_add(&eight, a) ^ atomic_fetch_xor(&eight, b) ^ atomic_fetch_and(&eight, ~a) ^ atomic_fetch_or(&eight, b));
    hash = hash_step(hash, atomic_fetch_add(&four, (uint32_t)a) ^ atomic_exchange(&four, (uint32_t)b));
    hash = hash_step(hash, (uint64_t)atomic_compare_exchange_strong(&eight, &old, b) ^ old);
    hash = hash_step(hash, atomic_fetch_add(&one, (uint8_t)a));
#define AMO(text, cell) ({ uint64_t r; __asm__ volatile(text " %0, %2, %1" : "=&r"(r), "+A"(cell) : "r"(a) : "memory"); hash = hash_step(hash, r ^ cell); })
    AMO("amomax.d", eight), AMO("amomin.d", eight), AMO("amomaxu.d", eight), AMO("amominu.d", eight);
    AMO("amomax.w", four), AMO("amomin.w", four), AMO("amomaxu.w", four), AMO("amominu.w", four), AMO("amoswap.w", four);
  }
  printf("atomics %016lx\n", hash);
}

/** Loads and stores of every width at every offset across a border of pages. */
static void crossing(void) {
  unsigned char *page = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int n = 0; n < 4000; n++) {
    unsigned char *at = page + 4096 - 12 + random_below(24);
    uint64_t value = random_word(), read;
#define STORE(store, load) __asm__ volatile(store " %1, %2\n" load " %0, %2" : "=&r"(read) : "r"(value), "m"(*at) : "memory"); hash = hash_step(hash, read)
    STORE("sd", "lw");
    STORE("sw", "ld");
    STORE("sh", "lhu");
    STORE("sb", "lh");
    STORE("sh", "lwu");
    STORE("sb", "lbu");
    STORE("sw", "lb");
  }
  for (int i = 4096 - 24; i < 4096 + 24; i++) hash = hash_step(hash, page[i]);
  printf("crossing %016lx\n", hash);
}

int main(void) {
  register_operations();
  wide();
  atomics();
  crossing();
  return 0;
}
