/* What programs that include this use of it: names of mapping, messages. */
#pragma once

#include <sel4/sel4.h>
#include <sel4utils/mapping.h>
#include <utils/util.h>
