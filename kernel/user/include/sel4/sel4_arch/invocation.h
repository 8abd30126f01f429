/* 64-bit RISC-V adds no labels. */
#pragma once

#include <sel4/invocation.h>

enum sel4_arch_invocation_label { nSeL4ArchInvocationLabels = 30 };
