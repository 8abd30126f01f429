/* Assertions that stop the program, in every build. */
#pragma once

#include <sel4/macros.h>
#include <stdio.h>
#include <stdlib.h>

#define seL4_Fail(text)                                                                                                \
    (fprintf(stderr, "%s:%d: %s: failed: %s\n", __FILE__, __LINE__, __func__, text), fflush(stderr), abort())

#define seL4_Assert(expression) ((expression) ? (void)0 : seL4_Fail(#expression))

#define seL4_CompileTimeAssert(expression) SEL4_COMPILE_ASSERT(seL4_CompileTimeAssert, expression)
