/* Words with fields: message information, rights, guards. */
#pragma once

#include <sel4/simple_types.h>

struct seL4_MessageInfo {
    seL4_Uint64 words[1];
};
typedef struct seL4_MessageInfo seL4_MessageInfo_t;

SEL4_FIELD_(seL4_MessageInfo, seL4_MessageInfo, length, 0, 0, 7)
SEL4_FIELD_(seL4_MessageInfo, seL4_MessageInfo, extraCaps, 0, 7, 2)
SEL4_FIELD_(seL4_MessageInfo, seL4_MessageInfo, capsUnwrapped, 0, 9, 3)
SEL4_FIELD_(seL4_MessageInfo, seL4_MessageInfo, label, 0, 12, 52)

LIBSEL4_INLINE_FUNC CONST seL4_MessageInfo_t seL4_MessageInfo_new(seL4_Uint64 label, seL4_Uint64 capsUnwrapped,
                                                                  seL4_Uint64 extraCaps, seL4_Uint64 length)
{
    seL4_MessageInfo_t it = {{SEL4_PLACE_(label, 12, 52) | SEL4_PLACE_(capsUnwrapped, 9, 3) |
                              SEL4_PLACE_(extraCaps, 7, 2) | SEL4_PLACE_(length, 0, 7)}};
    return it;
}

struct seL4_CapRights {
    seL4_Uint64 words[1];
};
typedef struct seL4_CapRights seL4_CapRights_t;

SEL4_FIELD_(seL4_CapRights, seL4_CapRights, capAllowWrite, 0, 0, 1)
SEL4_FIELD_(seL4_CapRights, seL4_CapRights, capAllowRead, 0, 1, 1)
SEL4_FIELD_(seL4_CapRights, seL4_CapRights, capAllowGrant, 0, 2, 1)
SEL4_FIELD_(seL4_CapRights, seL4_CapRights, capAllowGrantReply, 0, 3, 1)

LIBSEL4_INLINE_FUNC CONST seL4_CapRights_t seL4_CapRights_new(seL4_Uint64 capAllowGrantReply, seL4_Uint64 capAllowGrant,
                                                              seL4_Uint64 capAllowRead, seL4_Uint64 capAllowWrite)
{
    seL4_CapRights_t it = {{SEL4_PLACE_(capAllowGrantReply, 3, 1) | SEL4_PLACE_(capAllowGrant, 2, 1) |
                            SEL4_PLACE_(capAllowRead, 1, 1) | SEL4_PLACE_(capAllowWrite, 0, 1)}};
    return it;
}

/* What Mint and Mutate of a CNode capability take for a badge, and TCB_Configure as data of a CSpace root. */
struct seL4_CNode_CapData {
    seL4_Uint64 words[1];
};
typedef struct seL4_CNode_CapData seL4_CNode_CapData_t;

SEL4_FIELD_(seL4_CNode_CapData, seL4_CNode_CapData, guardSize, 0, 0, 6)
SEL4_FIELD_(seL4_CNode_CapData, seL4_CNode_CapData, guard, 0, 6, 58)

LIBSEL4_INLINE_FUNC CONST seL4_CNode_CapData_t seL4_CNode_CapData_new(seL4_Uint64 guard, seL4_Uint64 guardSize)
{
    seL4_CNode_CapData_t it = {{SEL4_PLACE_(guard, 6, 58) | SEL4_PLACE_(guardSize, 0, 6)}};
    return it;
}
