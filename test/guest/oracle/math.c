// Every function of <math.h>, double and single, over special and random arguments in all rounding modes: a hash of the
// bits for each, and the exceptions that it raised.
#define _GNU_SOURCE
#include <complex.h>
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include "random.h"

static const uint64_t special[] = {
    0, 0x8000000000000000u, 0x3ff0000000000000u, 0xbff0000000000000u, 0x7ff0000000000000u, 0xfff0000000000000u, 0x7ff8000000000000u,
    0x7ff0000000000001u, 0xfff8000000001234u, 1, 0x8000000000000001u, 0x000fffffffffffffu, 0x0010000000000000u, 0x7fefffffffffffffu,
    0x3fe0000000000000u, 0x3ff0000000000001u, 0x3fefffffffffffffu, 0x4005bf0a8b145769u, 0x400921fb54442d18u, 0x3ff921fb54442d18u,
    0x4086232bdd7abcd2u, 0xc0874910d52d3051u, 0x4340000000000000u, 0x43e0000000000000u, 0x4059000000000000u, 0xc059000000000000u,
};
enum { SPECIAL = sizeof special / sizeof *special };

static double argument(unsigned n) { return n < SPECIAL ? double_of(special[n]) : random_double(); }

typedef double one(double);
typedef double two(double, double);
typedef float onef(float);
typedef float twof(float, float);
#define ROW(name) {#name, name, name##f}
static const struct { const char *name; one *of; onef *off; } ones[] = {
    ROW(sin), ROW(cos), ROW(tan), ROW(asin), ROW(acos), ROW(atan), ROW(sinh), ROW(cosh), ROW(tanh), ROW(asinh), ROW(acosh),
    ROW(atanh), ROW(exp), ROW(exp2), ROW(exp10), ROW(expm1), ROW(log), ROW(log2), ROW(log10), ROW(log1p), ROW(logb), ROW(sqrt),
    ROW(cbrt), ROW(fabs), ROW(ceil), ROW(floor), ROW(trunc), ROW(round), ROW(roundeven), ROW(rint), ROW(nearbyint), ROW(erf),
    ROW(erfc), ROW(lgamma), ROW(tgamma), ROW(j0), ROW(j1), ROW(y0), ROW(y1), ROW(significand),
};
static const struct { const char *name; two *of; twof *off; } twos[] = {
    ROW(pow), ROW(atan2), ROW(hypot), ROW(fmod), ROW(remainder), ROW(fdim), ROW(fmin), ROW(fmax), ROW(copysign), ROW(nextafter),
    ROW(drem), ROW(scalb),
};
static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};

/** The payload and sign of a NaN count too: the hardware's rules fix them. */
static void unary(unsigned row, int mode) {
  uint64_t hash = 0, singles = 0, raised = 0;
  for (unsigned n = 0; n < SPECIAL + 150; n++) {
    double x = argument(n);
    fesetround(mode);
    feclearexcept(FE_ALL_EXCEPT);
    double y = ones[row].of(x);
    float z = ones[row].off((float)x);
    raised = hash_step(raised, (uint64_t)fetestexcept(FE_ALL_EXCEPT));
    fesetround(FE_TONEAREST);
    hash = hash_step(hash, bits_of(y));
    singles = hash_step(singles, float_bits_of(z));
  }
  printf("%s %d: %016lx %016lx %016lx\n", ones[row].name, mode, hash, singles, raised);
}

static void binary(unsigned row, int mode) {
  uint64_t hash = 0, singles = 0, raised = 0;
  for (unsigned n = 0; n < SPECIAL * SPECIAL + 200; n++) {
    double x = argument(n < SPECIAL * SPECIAL ? n / SPECIAL : SPECIAL), y = argument(n < SPECIAL * SPECIAL ? n % SPECIAL : SPECIAL);
    fesetround(mode);
    feclearexcept(FE_ALL_EXCEPT);
    double r = twos[row].of(x, y);
    float s = twos[row].off((float)x, (float)y);
    raised = hash_step(raised, (uint64_t)fetestexcept(FE_ALL_EXCEPT));
    fesetround(FE_TONEAREST);
    hash = hash_step(hash, bits_of(r));
    singles = hash_step(singles, float_bits_of(s));
  }
  printf("%s %d: %016lx %016lx %016lx\n", twos[row].name, mode, hash, singles, raised);
}

static void others(void) {
  uint64_t hash = 0;
  for (unsigned n = 0; n < SPECIAL + 300; n++) {
    double x = argument(n), y = argument(n * 7 % SPECIAL), whole, s, c;
    int exponent, quotient;
    hash = hash_step(hash, bits_of(frexp(x, &exponent)));
    hash = hash_step(hash, bits_of(modf(x, &whole)) ^ bits_of(whole));
    hash = hash_step(hash, bits_of(remquo(x, y, &quotient)) ^ (uint64_t)(quotient & 7));
    sincos(x, &s, &c);
    hash = hash_step(hash, bits_of(s) ^ bits_of(c) << 1);
    hash = hash_step(hash, bits_of(ldexp(x, (int)(n % 200) - 100)) ^ bits_of(fma(x, y, y)));
    hash = hash_step(hash, (uint64_t)(lrint(x) + lround(y) * 3 + ilogb(x) * 5 + fpclassify(x) * 7 + !!signbit(y)));
    double complex z = csqrt(x + y * I) + cexp(fmod(x, 20) + fmod(y, 20) * I);
    hash = hash_step(hash, bits_of(creal(z)) ^ bits_of(cimag(z)) << 1);
    long double wide = (long double)x / 3 + y;
    hash = hash_step(hash, bits_of((double)wide));
    printf("%s%016lx", n % 8 ? " " : "\n", hash);
  }
  putchar('\n');
}

int main(void) {
  for (unsigned m = 0; m < 4; m++) {
    for (unsigned i = 0; i < sizeof ones / sizeof *ones; i++) unary(i, modes[m]);
    for (unsigned i = 0; i < sizeof twos / sizeof *twos; i++) binary(i, modes[m]);
  }
  others();
  return 0;
}
