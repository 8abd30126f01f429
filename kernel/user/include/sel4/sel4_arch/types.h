/* 64-bit RISC-V has no types of its own beyond words. */
#pragma once

#include <sel4/simple_types.h>
