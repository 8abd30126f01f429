/* Another name under which programs include this. */
#pragma once

#include <sel4/sel4_arch/mapping.h>
