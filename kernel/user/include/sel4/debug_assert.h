/* Assertions that NDEBUG turns off. */
#pragma once

#ifdef NDEBUG
#define seL4_DebugAssert(expression) ((void)0)
#else
#include <sel4/assert.h>
#define seL4_DebugAssert(expression) seL4_Assert(expression)
#endif
