/* What programs for seL4 usually have at hand beside its interface: arithmetic, attributes, messages. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <utils/arith.h>
#include <utils/attribute.h>
#include <utils/page.h>
#include <utils/time.h>
#include <utils/zf_log.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define STRINGIFY(x) XSTRINGIFY(x)
#define XSTRINGIFY(x) #x

#define compile_time_assert(name, expression) SEL4_COMPILE_ASSERT(name, expression)
