/* SHA-256 of a megabyte, twenty times (FIPS 180-4), as a stand-in for straight-line arithmetic with rotations. */
#include <stdint.h>
#include <stdio.h>

static uint32_t k[64], h[8];
static uint8_t data[1 << 20];

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void block(const uint8_t *p) {
  uint32_t w[64], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], z = h[7];
  for (int i = 0; i < 16; i++) w[i] = (uint32_t)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
  }
  for (int i = 0; i < 64; i++) {
    uint32_t t = z + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
    uint32_t u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    z = g, g = f, f = e, e = d + t, d = c, c = b, b = a, a = t + u;
  }
  h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += z;
}

int main(void) {
  for (int i = 0; i < 64; i++) k[i] = 0x428a2f98u * (i + 1);
  for (int i = 0; i < 8; i++) h[i] = 0x6a09e667u * (i + 1);
  for (int i = 0; i < (int)sizeof data; i++) data[i] = i * 7;
  for (int round = 0; round < 20; round++)
    for (int i = 0; i < (int)sizeof data; i += 64) block(data + i);
  printf("%08x\n", h[0]);
  return 0;
}
