#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
// Allocates, resizes and frees blocks of all sizes, and checks what they hold.
static uint32_t seed = 1;
static uint32_t next(void) { return seed = seed * 1664525 + 1013904223; }
int main(void) {
  enum { N = 200 };
  unsigned char *block[N] = {0};
  size_t size[N] = {0};
  for (int round = 0; round < 4000; round++) {
    int i = next() >> 16 % N;
    i = (next() >> 8) % N;
    for (size_t j = 0; j < size[i]; j += 97)
      if (block[i][j] != (unsigned char)(i + j)) { printf("corrupt %d %zu\n", i, j); return 1; }
    size_t wanted = next() % 16 == 0 ? (next() >> 4) % 400000 : (next() >> 4) % 2000;
    if (next() % 3 == 0) { free(block[i]); block[i] = 0; size[i] = 0; continue; }
    unsigned char *p = realloc(block[i], wanted + 1);
    if (!p) { printf("null at round %d\n", round); return 2; }
    block[i] = p; size[i] = wanted;
    for (size_t j = 0; j < wanted; j++) p[j] = (unsigned char)(i + j);
  }
  printf("ok %u\n", seed);
  return 0;
}
