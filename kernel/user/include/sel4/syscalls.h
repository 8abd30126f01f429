/* System calls. */
#pragma once

#include <sel4/arch/syscalls.h>
