/* 64-bit RISC-V adds no system calls. */
#pragma once

#include <sel4/arch/syscalls.h>
