/* Floating point: an n-body step loop, a Mandelbrot set, and a single-precision matrix product. */
#include <math.h>
#include <stdio.h>

static double x[5][3] = {{0, 0, 0}, {4.8, -1.2, -.1}, {8.3, 4.1, -.4}, {12.9, -15.1, -.2}, {15.4, -25.9, .2}}, v[5][3];
static const double mass[5] = {39.5, .038, .011, .0017, .002};
static float a[64][64], b[64][64], c[64][64];

int main(void) {
  for (int step = 0; step < 200000; step++) {
    for (int i = 0; i < 5; i++)
      for (int j = i + 1; j < 5; j++) {
        double d[3], q = 0;
        for (int k = 0; k < 3; k++) d[k] = x[i][k] - x[j][k], q += d[k] * d[k];
        double m = 0.001 / (q * sqrt(q));
        for (int k = 0; k < 3; k++) v[i][k] -= d[k] * mass[j] * m, v[j][k] += d[k] * mass[i] * m;
      }
    for (int i = 0; i < 5; i++) for (int k = 0; k < 3; k++) x[i][k] += 0.001 * v[i][k];
  }
  int inside = 0;
  for (int py = 0; py < 200; py++)
    for (int px = 0; px < 1000; px++) {
      double cr = px / 400.0 - 2, ci = py / 100.0 - 1, r = 0, i = 0;
      int n = 0;
      for (; n < 100 && r * r + i * i < 4; n++) {
        double t = r * r - i * i + cr;
        i = 2 * r * i + ci;
        r = t;
      }
      inside += n == 100;
    }
  for (int i = 0; i < 64; i++) for (int j = 0; j < 64; j++) a[i][j] = i * .1f + j, b[i][j] = i - j * .3f;
  for (int round = 0; round < 60; round++)
    for (int i = 0; i < 64; i++)
      for (int j = 0; j < 64; j++) {
        float s = 0;
        for (int k = 0; k < 64; k++) s += a[i][k] * b[k][j];
        c[i][j] = s;
      }
  printf("%.17g %d %g\n", x[0][0], inside, c[5][7]);
  return 0;
}
