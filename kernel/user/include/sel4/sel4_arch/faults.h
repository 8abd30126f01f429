/* Fault messages of 64-bit RISC-V. */
#pragma once

#include <sel4/faults.h>
