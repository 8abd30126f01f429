/* A fault as a value: made of a fault message by seL4_getFault, read by its accessors. */
#pragma once

#include <sel4/simple_types.h>

struct vm_attributes {
    seL4_Uint64 words[1];
};
typedef struct vm_attributes vm_attributes_t;

SEL4_FIELD_(vm_attributes, vm_attributes, riscvExecuteNever, 0, 0, 1)

LIBSEL4_INLINE_FUNC CONST vm_attributes_t vm_attributes_new(seL4_Uint64 riscvExecuteNever)
{
    vm_attributes_t it = {{SEL4_PLACE_(riscvExecuteNever, 0, 1)}};
    return it;
}

struct seL4_Fault {
    seL4_Uint64 words[12];
};
typedef struct seL4_Fault seL4_Fault_t;

/* Labels of fault messages. */
enum seL4_Fault_tag {
    seL4_Fault_NullFault = 0,
    seL4_Fault_CapFault = 1,
    seL4_Fault_UnknownSyscall = 2,
    seL4_Fault_UserException = 3,
    seL4_Fault_VMFault = 5
};
typedef enum seL4_Fault_tag seL4_Fault_tag_t;

/* The kind is in the lowest bits of the first word, the fields are in the words after it, the last field first. */
LIBSEL4_INLINE_FUNC seL4_Uint64 seL4_Fault_get_seL4_FaultType(seL4_Fault_t it)
{
    return it.words[0] & SEL4_ONES_(4);
}

LIBSEL4_INLINE_FUNC int seL4_Fault_seL4_FaultType_equals(seL4_Fault_t it, seL4_Uint64 tag)
{
    return seL4_Fault_get_seL4_FaultType(it) == tag;
}

LIBSEL4_INLINE_FUNC seL4_Uint64 seL4_Fault_ptr_get_seL4_FaultType(const seL4_Fault_t *it)
{
    return seL4_Fault_get_seL4_FaultType(*it);
}

LIBSEL4_INLINE_FUNC seL4_Fault_t seL4_Fault_NullFault_new(void)
{
    seL4_Fault_t it = {{seL4_Fault_NullFault}};
    return it;
}

SEL4_FIELD_(seL4_Fault, seL4_Fault_CapFault, IP, 7, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_CapFault, Addr, 6, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_CapFault, InRecvPhase, 5, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_CapFault, LookupFailureType, 4, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_CapFault, MR4, 3, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_CapFault, MR5, 2, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_CapFault, MR6, 1, 0, 64)

LIBSEL4_INLINE_FUNC seL4_Fault_t seL4_Fault_CapFault_new(seL4_Uint64 IP, seL4_Uint64 Addr, seL4_Uint64 InRecvPhase,
                                                         seL4_Uint64 LookupFailureType, seL4_Uint64 MR4,
                                                         seL4_Uint64 MR5, seL4_Uint64 MR6)
{
    seL4_Fault_t it = {{seL4_Fault_CapFault, MR6, MR5, MR4, LookupFailureType, InRecvPhase, Addr, IP}};
    return it;
}

SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, FaultIP, 11, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, SP, 10, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, RA, 9, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, A0, 8, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, A1, 7, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, A2, 6, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, A3, 5, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, A4, 4, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, A5, 3, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, A6, 2, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UnknownSyscall, Syscall, 1, 0, 64)

LIBSEL4_INLINE_FUNC seL4_Fault_t seL4_Fault_UnknownSyscall_new(seL4_Uint64 FaultIP, seL4_Uint64 SP, seL4_Uint64 RA,
                                                               seL4_Uint64 A0, seL4_Uint64 A1, seL4_Uint64 A2,
                                                               seL4_Uint64 A3, seL4_Uint64 A4, seL4_Uint64 A5,
                                                               seL4_Uint64 A6, seL4_Uint64 Syscall)
{
    seL4_Fault_t it = {{seL4_Fault_UnknownSyscall, Syscall, A6, A5, A4, A3, A2, A1, A0, RA, SP, FaultIP}};
    return it;
}

SEL4_FIELD_(seL4_Fault, seL4_Fault_UserException, FaultIP, 4, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UserException, SP, 3, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UserException, Number, 2, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_UserException, Code, 1, 0, 64)

LIBSEL4_INLINE_FUNC seL4_Fault_t seL4_Fault_UserException_new(seL4_Uint64 FaultIP, seL4_Uint64 SP, seL4_Uint64 Number,
                                                              seL4_Uint64 Code)
{
    seL4_Fault_t it = {{seL4_Fault_UserException, Code, Number, SP, FaultIP}};
    return it;
}

SEL4_FIELD_(seL4_Fault, seL4_Fault_VMFault, IP, 3, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_VMFault, Addr, 2, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_VMFault, PrefetchFault, 1, 0, 64)
SEL4_FIELD_(seL4_Fault, seL4_Fault_VMFault, FSR, 0, 27, 5)

LIBSEL4_INLINE_FUNC seL4_Fault_t seL4_Fault_VMFault_new(seL4_Uint64 IP, seL4_Uint64 Addr, seL4_Uint64 PrefetchFault,
                                                        seL4_Uint64 FSR)
{
    seL4_Fault_t it = {{seL4_Fault_VMFault | SEL4_PLACE_(FSR, 27, 5), PrefetchFault, Addr, IP}};
    return it;
}
