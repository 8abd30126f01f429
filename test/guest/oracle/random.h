// Numbers for the oracle programs: the same in every run, random enough to meet what one does not think of.
#include <stdint.h>
#include <string.h>

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static inline uint64_t random_word(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state * 0x2545f4914f6cdd1du;
}

static inline uint64_t random_below(uint64_t n) { return (random_word() >> 11) % n; }

static inline double double_of(uint64_t bits) {
  double x;
  memcpy(&x, &bits, 8);
  return x;
}

static inline uint64_t bits_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, 8);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static inline uint32_t float_bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

/** Any bits: half of them of a moderate exponent. */
static inline double random_double(void) {
  uint64_t bits = random_word();
  if (random_below(2)) bits = (bits & 0x800fffffffffffffu) | (1023 - 30 + random_below(60)) << 52;
  return double_of(bits);
}

static inline uint64_t hash_step(uint64_t hash, uint64_t word) { return (hash ^ word) * 0x100000001b3u + (hash >> 29); }
