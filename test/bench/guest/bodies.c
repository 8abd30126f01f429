/* Double precision: a matrix product, and bodies that attract each other. */
#include <math.h>
#include <stdio.h>
#define N 96
static double a[N][N], b[N][N], c[N][N], x[8][3], v[8][3];
int main(void) {
  for (int i = 0; i < N; i++) for (int j = 0; j < N; j++) a[i][j] = 1.0 / (i + j + 1), b[i][j] = i * 0.5 - j * 0.25;
  for (int round = 0; round < 30; round++)
    for (int i = 0; i < N; i++) for (int j = 0; j < N; j++) {
      double s = 0;
      for (int k = 0; k < N; k++) s += a[i][k] * b[k][j];
      c[i][j] = s;
    }
  for (int i = 0; i < 8; i++) for (int k = 0; k < 3; k++) x[i][k] = i * 1.5 + k * k * 0.7;
  for (int step = 0; step < 100000; step++) {
    for (int i = 0; i < 8; i++) for (int j = i + 1; j < 8; j++) {
      double d[3], q = 0.01;
      for (int k = 0; k < 3; k++) d[k] = x[i][k] - x[j][k], q += d[k] * d[k];
      double m = 0.001 / (q * sqrt(q));
      for (int k = 0; k < 3; k++) v[i][k] -= d[k] * m, v[j][k] += d[k] * m;
    }
    for (int i = 0; i < 8; i++) for (int k = 0; k < 3; k++) x[i][k] += 0.01 * v[i][k];
  }
  printf("%.17g %.17g\n", c[3][5], x[0][0]);
  return 0;
}
