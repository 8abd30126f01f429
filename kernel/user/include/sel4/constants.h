/* Limits of messages, rights and priorities; how an address in a CSpace can fail to lead to a capability. */
#pragma once

#include <sel4/config.h>
#include <sel4/macros.h>

enum priorityConstants { seL4_InvalidPrio = -1, seL4_MinPrio = 0, seL4_MaxPrio = CONFIG_NUM_PRIORITIES - 1 };

enum seL4_MsgLimits { seL4_MsgLengthBits = 7, seL4_MsgExtraCapBits = 2, seL4_MsgMaxLength = 120 };
/* Words of a message that travel in registers. */
#define seL4_FastMessageRegisters 4
#define seL4_MsgMaxExtraCaps (LIBSEL4_BIT(seL4_MsgExtraCapBits) - 1)

#define seL4_CapRightsBits 4

typedef enum {
    seL4_NoFailure = 0,
    seL4_InvalidRoot = 1,
    seL4_MissingCapability = 2, /* then: bits left */
    seL4_DepthMismatch = 3,     /* then: bits left, bits found */
    seL4_GuardMismatch = 4,     /* then: bits left, guard found, bits of the guard */
    SEL4_FORCE_LONG_ENUM(seL4_LookupFailureType)
} seL4_LookupFailureType;
