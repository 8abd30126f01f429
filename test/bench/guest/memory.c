/* Memory-bound: chases a random permutation of 8 MiB and streams over it. */
#include <stdint.h>
#include <stdio.h>

#define N (1 << 20)
static uint64_t cell[N];

int main(void) {
  uint32_t seed = 1;
  for (uint32_t i = 0; i < N; i++) cell[i] = i;
  for (uint32_t i = N - 1; i > 0; i--) {
    seed = seed * 1664525u + 1013904223u;
    uint32_t j = (uint32_t)(((uint64_t)seed * i) >> 32);
    uint64_t t = cell[i];
    cell[i] = cell[j];
    cell[j] = t;
  }
  uint64_t at = 0, sum = 0;
  for (int i = 0; i < 6000000; i++) {
    at = cell[at];
    sum += at;
  }
  for (int round = 0; round < 24; round++)
    for (uint32_t i = 0; i < N; i++) sum += cell[i] ^ (sum >> 3);
  printf("%llu\n", (unsigned long long)sum);
  return 0;
}
