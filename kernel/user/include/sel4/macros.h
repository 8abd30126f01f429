/* Attributes and small macros that the other headers and programs for seL4 use. */
#pragma once

#include <sel4/config.h>

#ifndef CONST
#define CONST __attribute__((__const__))
#endif
#ifndef PURE
#define PURE __attribute__((__pure__))
#endif

#define SEL4_PACKED __attribute__((packed))
#define SEL4_DEPRECATED(reason) __attribute__((deprecated(reason)))

#define LIBSEL4_UNUSED __attribute__((unused))
#define LIBSEL4_WEAK __attribute__((weak))
#define LIBSEL4_NOINLINE __attribute__((noinline))
/* There is no library to link: every function is in a header. */
#define LIBSEL4_INLINE static inline LIBSEL4_UNUSED
#define LIBSEL4_INLINE_FUNC static inline LIBSEL4_UNUSED

#ifdef __cplusplus
#define SEL4_COMPILE_ASSERT(name, expression) static_assert(expression, #name);
#else
#define SEL4_COMPILE_ASSERT(name, expression) _Static_assert(expression, #name);
#endif

#define LIBSEL4_BIT(n) (1ul << (n))

/* Such an enum has the size of a word whatever its members are, because it is part of the kernel's interface. */
#define SEL4_FORCE_LONG_ENUM(type) _enum_pad_##type = 0x7fffffffffffffffl

/*
 * Accessors of one field of a block of words: by value (get, set) and through a pointer (ptr_get, ptr_set).
 * A value that does not fit is cut to the field.
 */
#define SEL4_FIELD_(block, prefix, field, word, shift, bits)                                                           \
    LIBSEL4_INLINE_FUNC seL4_Uint64 prefix##_get_##field(block##_t it)                                                 \
    {                                                                                                                  \
        return (it.words[word] >> (shift)) & SEL4_ONES_(bits);                                                         \
    }                                                                                                                  \
    LIBSEL4_INLINE_FUNC block##_t prefix##_set_##field(block##_t it, seL4_Uint64 value)                                \
    {                                                                                                                  \
        it.words[word] = (it.words[word] & ~(SEL4_ONES_(bits) << (shift))) | SEL4_PLACE_(value, shift, bits);          \
        return it;                                                                                                     \
    }                                                                                                                  \
    LIBSEL4_INLINE_FUNC seL4_Uint64 prefix##_ptr_get_##field(const block##_t *it)                                      \
    {                                                                                                                  \
        return prefix##_get_##field(*it);                                                                              \
    }                                                                                                                  \
    LIBSEL4_INLINE_FUNC void prefix##_ptr_set_##field(block##_t *it, seL4_Uint64 value)                                \
    {                                                                                                                  \
        *it = prefix##_set_##field(*it, value);                                                                        \
    }

#define SEL4_ONES_(bits) (~(seL4_Uint64)0 >> (64 - (bits)))
#define SEL4_PLACE_(value, shift, bits) (((seL4_Uint64)(value) & SEL4_ONES_(bits)) << (shift))
