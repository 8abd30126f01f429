// Text to numbers: strtod and its kin over many spellings, sscanf, and scanf of standard input.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "random.h"

static const char *const spellings[] = {
    "0", "-0", "+1", "  12", "1.", ".5", ".", "1e", "1e+", "1e5x", "1e400", "-1e400", "1e-400", "4.9406564584124654e-324",
    "2.4703282292062327e-324", "2.4703282292062328e-324", "2.2250738585072011e-308", "2.2250738585072012e-308",
    "1.7976931348623157e308", "1.7976931348623159e308", "9007199254740993", "9007199254740992.9999999999999999",
    "0.1000000000000000055511151231257827021181583404541015625", "0x1p3", "0x1.8", "0x.8p1", "0x", "0x1p", "0x1.fffffffffffff8p0",
    "0x1p-1074", "0x1p-1075", "0x1.8p-1075", "inf", "-INFINITY", "nan", "nan(12)", "nan(", "infin", "1_000", "1,5", "abc", "",
    "123456789012345678901234567890", "0b11", "077", "0x7fffffffffffffff", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "-1", "zz", "7fffffff",
};

static void number(const char *text) {
  char *end;
  errno = 0;
  double d = strtod(text, &end);
  printf("%s: %016lx %ld %d", text, bits_of(d), (long)(end - text), errno);
  errno = 0;
  float f = strtof(text, &end);
  printf(" | %08x %ld %d", float_bits_of(f), (long)(end - text), errno);
  for (int base = 0; base <= 36; base += base < 8 ? 8 : 2) {
    errno = 0;
    long l = strtol(text, &end, base);
    printf(" | %ld %ld %d", l, (long)(end - text), errno);
    errno = 0;
    unsigned long u = strtoul(text, &end, base);
    printf(" %lu %ld %d", u, (long)(end - text), errno);
  }
  putchar('\n');
}

static void spelled(void) {
  for (unsigned i = 0; i < sizeof spellings / sizeof *spellings; i++) number(spellings[i]);
  for (int i = 0; i < 300; i++) {
    char text[64];
    double x = random_double();
    snprintf(text, sizeof text, "%.*e", (int)random_below(25), x);
    printf("%s %016lx %08x\n", text, bits_of(strtod(text, 0)), float_bits_of(strtof(text, 0)));
    snprintf(text, sizeof text, "%.17g", x);
    if (x == x && strtod(text, 0) != x) printf("lost %s\n", text);
  }
}

int main(void) {
  spelled();
  int a = 0, b = 0, n = 0;
  char word[32] = "", set[32] = "";
  double d = 0;
  printf("%d ", sscanf("12 0x1f rest 3.5e2", "%d %i %31s %lf%n", &a, &b, word, &d, &n));
  printf("%d %d %s %g %d\n", a, b, word, d, n);
  printf("%d ", sscanf("key=value;tail", "%31[^=]=%31[a-z]%n", word, set, &n));
  printf("%s %s %d\n", word, set, n);
  printf("%d %d\n", sscanf("x", "%d", &a), sscanf("", "%d", &a));
  long sum = 0;
  int count;
  if (scanf("%d", &count) != 1) return 1;
  for (int i = 0; i < count; i++) {
    long value;
    if (scanf("%ld", &value) != 1) return 2;
    sum += value;
  }
  printf("%d numbers, sum %ld\n", count, sum);
  char line[80];
  while (fgets(line, sizeof line, stdin)) printf("%zu %s|", strlen(line), line);
  printf("end %d %d\n", feof(stdin) != 0, ferror(stdin));
  return 3;
}
