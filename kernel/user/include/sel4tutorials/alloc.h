/* Objects and slots as a program that only ever takes some gets them. Also the names of x86's objects. */
#pragma once

#include <sel4/sel4.h>
#include <sel4/x86.h>
#include <utils/util.h>

/* The next slot of the root CNode; none is given twice. */
LIBSEL4_INLINE_FUNC seL4_CPtr alloc_slot(seL4_BootInfo *info)
{
    static seL4_CPtr taken;
    ZF_LOGF_IF(info->empty.start + taken >= info->empty.end, "No slot is left");
    return info->empty.start + taken++;
}

/* A new object of the first untyped memory that has room for it; size_bits where the type leaves it open. */
LIBSEL4_INLINE_FUNC seL4_CPtr alloc_object(seL4_BootInfo *info, seL4_Word type, seL4_Word size_bits)
{
    seL4_CPtr slot = alloc_slot(info);
    for (seL4_CPtr i = 0; i < info->untyped.end - info->untyped.start; i++) {
        if (info->untypedList[i].isDevice) {
            continue;
        }
        seL4_Error error = seL4_Untyped_Retype(info->untyped.start + i, type, size_bits, seL4_CapInitThreadCNode, 0, 0,
                                               slot, 1);
        if (error == seL4_NoError) {
            return slot;
        }
        ZF_LOGF_IF(error != seL4_NotEnoughMemory, "Failed to make an object of type %lu: %s", type,
                   zf_log_error_(error));
    }
    ZF_LOGF("No memory is left for an object of type %lu", type);
    return seL4_CapNull;
}
