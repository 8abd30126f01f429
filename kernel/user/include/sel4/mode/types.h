/* Sizes of what goes with a capability on 64-bit machines. */
#pragma once

#define seL4_GuardSizeBits 6
#define seL4_GuardBits 58
#define seL4_BadgeBits 64
