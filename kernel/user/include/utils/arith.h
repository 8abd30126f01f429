/* Powers of two, rounding, the smaller and the larger of two numbers. */
#pragma once

#include <sel4/macros.h>

#ifndef BIT
#define BIT(n) LIBSEL4_BIT(n)
#endif
/* The n lowest bits, which are fewer than a word's. */
#define MASK(n) (BIT(n) - 1ul)
#define IS_POWER_OF_2(n) ((n) != 0 && ((n) & ((n) - 1)) == 0)

/* To a multiple of a power of two. */
#define ALIGN_DOWN(x, n) ((x) & ~((__typeof__((x) + 0))(n) - 1))
#define ALIGN_UP(x, n) ALIGN_DOWN((x) + (n) - 1, n)
#define IS_ALIGNED_TO(x, n) (((x) & ((n) - 1)) == 0)
/* To 2^bits. */
#define IS_ALIGNED(x, bits) IS_ALIGNED_TO(x, BIT(bits))

/* To a multiple of anything. */
#define ROUND_DOWN(x, n) ((x) - (x) % (n))
#define ROUND_UP(x, n) ROUND_DOWN((x) + (n) - 1, n)
#define DIV_ROUND_UP(x, n) (((x) + (n) - 1) / (n))

/* Of a number that is not 0. */
#define LOG_BASE_2(x) (63 - __builtin_clzl(x))
#define CTZ(x) __builtin_ctz(x)
#define CTZL(x) __builtin_ctzl(x)
#define CLZ(x) __builtin_clz(x)
#define CLZL(x) __builtin_clzl(x)

#ifndef MIN
#define MIN(a, b)                                                                                                      \
    (__extension__({                                                                                                   \
        __typeof__(a) a_ = (a);                                                                                        \
        __typeof__(b) b_ = (b);                                                                                        \
        a_ < b_ ? a_ : b_;                                                                                             \
    }))
#endif
#ifndef MAX
#define MAX(a, b)                                                                                                      \
    (__extension__({                                                                                                   \
        __typeof__(a) a_ = (a);                                                                                        \
        __typeof__(b) b_ = (b);                                                                                        \
        a_ > b_ ? a_ : b_;                                                                                             \
    }))
#endif
