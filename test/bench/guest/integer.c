/* Integer mix: a sieve, a hash table of words, a sort, and a small bytecode interpreter. */
#include <stdint.h>
#include <stdio.h>

static uint8_t sieve[100000];
static uint32_t table[4096], items[20000];

static uint32_t seed = 12345;
static uint32_t next(void) { return seed = seed * 1664525u + 1013904223u; }

static void sort(uint32_t *a, int n) {
  for (int gap = n / 2; gap > 0; gap /= 2)
    for (int i = gap; i < n; i++) {
      uint32_t v = a[i];
      int j = i;
      for (; j >= gap && a[j - gap] > v; j -= gap) a[j] = a[j - gap];
      a[j] = v;
    }
}

static uint64_t interpret(const uint8_t *code, uint64_t n) {
  uint64_t acc = 1, i = 0;
  for (int pc = 0;;) {
    switch (code[pc++]) {
      case 0: acc = acc * 31 + i; break;
      case 1: acc ^= acc >> 7; break;
      case 2: i++; break;
      case 3: if (i < n) pc = 0; break;
      case 4: acc += code[pc++]; break;
      default: return acc;
    }
  }
}

int main(void) {
  uint64_t sum = 0;
  for (int round = 0; round < 20; round++) {
    for (int i = 2; i < 100000; i++) sieve[i] = 1;
    for (int i = 2; i * i < 100000; i++)
      if (sieve[i]) for (int j = i * i; j < 100000; j += i) sieve[j] = 0;
    for (int i = 2; i < 100000; i++) sum += sieve[i];
    for (int i = 0; i < 60000; i++) {
      uint32_t key = next() >> 12, at = (key * 2654435761u) >> 20;
      for (int probe = 0; probe < 8 && table[at] && table[at] != key; probe++) at = (at + 1) & 4095;
      table[at] = key;
    }
    for (int i = 0; i < 20000; i++) items[i] = next();
    sort(items, 20000);
    sum += items[10000] + table[77];
    static const uint8_t code[] = {0, 1, 4, 9, 2, 3, 255};
    sum += interpret(code, 120000);
  }
  printf("%llu\n", (unsigned long long)sum);
  return 0;
}
