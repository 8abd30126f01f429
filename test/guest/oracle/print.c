// Every conversion of printf with every flag, width and precision over numbers that are special or random.
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include "random.h"

static const char *const flags[] = {"", "-", "+", " ", "#", "0", "-#", "+0", "#0", " 0"};
static const char *const sizes[] = {"", "1", "12", "30", ".0", ".1", ".5", "12.3", "25.17", ".40"};

static void real(double x) {
  for (const char *c = "eEfFgGaA"; *c; c++)
    for (unsigned i = 0; i < 10; i++) {
      char format[16];
      snprintf(format, sizeof format, "[%%%s%s%c]", flags[i], sizes[(i * 7 + *c) % 10], *c);
      printf(format, x);
    }
  putchar('\n');
}

static void integer(int64_t x) {
  for (const char *c = "dioxXu"; *c; c++)
    for (unsigned i = 0; i < 10; i++) {
      char format[24];
      snprintf(format, sizeof format, "[%%%s%sl%c|%%%shh%c|%%h%c]", flags[i], sizes[(i * 3 + *c) % 10], *c, flags[i], *c, *c);
      printf(format, x, (int)x, (int)x);
    }
  putchar('\n');
}

int main(void) {
  const double reals[] = {0, -0.0, 1, -1, 0.1, 0.5, 1.5, 2.5, 9.5, 99.5, 999999.5, 1e15, 1e16, 123456789.123, 1e100, DBL_MAX,
                          DBL_MIN, DBL_TRUE_MIN, DBL_EPSILON, INFINITY, -INFINITY, NAN, 1e-5, 1e-4, 4503599627370497.5};
  for (unsigned i = 0; i < sizeof reals / sizeof *reals; i++) real(reals[i]);
  for (int i = 0; i < 40; i++) real(random_double());
  const int64_t integers[] = {0, 1, -1, 9, 10, 127, 128, -128, 255, 256, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
  for (unsigned i = 0; i < sizeof integers / sizeof *integers; i++) integer(integers[i]);
  for (int i = 0; i < 40; i++) integer((int64_t)random_word());
  printf("[%s][%10s][%-10s][%.3s][%.0s][%c][%5c][%%]\n", "text", "text", "text", "text", "text", 'x', 'y');
  printf("[%*d][%-*d][%.*f][%2$d]\n", 8, 42, 8, 42, 3, 2.0);
  printf("[%2$s %1$s %2$5s]\n", "one", "two");
  printf("[%p][%p]\n", (void *)0, (void *)0x1234);
  printf("[%Lf][%.30Lg][%La]\n", 1.0L / 3, 1.0L / 3, 1.0L / 3);
  printf("[%ls][%lc]\n", L"wide", (wint_t)L'w');
  int counted = 0;
  printf("%d%n ", 12345, &counted);
  printf("counted %d, %jd %zd %td\n", counted, (intmax_t)-7, (size_t)8, (ptrdiff_t)-9);
  char small[8];
  printf("%d ", snprintf(small, sizeof small, "%s", "longer than it"));
  puts(small);
  return 0;
}
