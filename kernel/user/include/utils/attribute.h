/* Attributes of functions, variables and types by short names. */
#pragma once

#include <sel4/macros.h>

#define ALIGN(n) __attribute__((__aligned__(n)))
#define DEPRECATED(reason) SEL4_DEPRECATED(reason)
#define FORMAT(...) __attribute__((__format__(__VA_ARGS__)))
#define MALLOC __attribute__((__malloc__))
#define NONNULL(...) __attribute__((__nonnull__(__VA_ARGS__)))
#define NORETURN __attribute__((__noreturn__))
#define NO_INLINE __attribute__((__noinline__))
#define PACKED SEL4_PACKED
#define SECTION(name) __attribute__((__section__(name)))
#define UNUSED LIBSEL4_UNUSED
#define USED __attribute__((__used__))
#define VISIBLE __attribute__((__visibility__("default")))
#define WARN_UNUSED_RESULT __attribute__((__warn_unused_result__))
#define WEAK LIBSEL4_WEAK

#ifndef likely
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#endif
