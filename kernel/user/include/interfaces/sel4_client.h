/*
 * Invocations: calls through a capability to a kernel object.
 *
 * A message's label says which, its words are the arguments in order, capabilities among the arguments go as extra
 * capabilities. A depth takes a word of its own; flags share one with what follows, each aligned to its size. Words 0
 * to 3 travel in registers and do not disturb the IPC buffer unless the answer is an error: then what the kernel says
 * about the error is there for the program to look at.
 */
#pragma once

#include <sel4/config.h>
#include <sel4/invocation.h>
#include <sel4/syscalls.h>
#include <sel4/types.h>

/* Arguments beyond the first four are in the IPC buffer already, and so are extra capabilities. */
LIBSEL4_INLINE seL4_Error seL4_Invoke_(seL4_CPtr service, seL4_Word label, seL4_Word caps, seL4_Word length,
                                       seL4_Word words[4])
{
    seL4_MessageInfo_t answer = seL4_CallWithMRs(service, seL4_MessageInfo_new(label, 0, caps, length), &words[0],
                                                 &words[1], &words[2], &words[3]);
    seL4_Error error = (seL4_Error)seL4_MessageInfo_get_label(answer);
    if (error != seL4_NoError) {
        for (int i = 0; i < 4; i++) {
            seL4_SetMR(i, words[i]);
        }
    }
    return error;
}

/* With node_depth 0, the node is the root itself; size_bits is for untyped memory and CNodes (log2 of their slots). */
LIBSEL4_INLINE seL4_Error seL4_Untyped_Retype(seL4_Untyped _service, seL4_Word type, seL4_Word size_bits,
                                              seL4_CNode root, seL4_Word node_index, seL4_Word node_depth,
                                              seL4_Word node_offset, seL4_Word num_objects)
{
    seL4_Word words[4] = {type, size_bits, node_index, node_depth};
    seL4_SetCap(0, root);
    seL4_SetMR(4, node_offset);
    seL4_SetMR(5, num_objects);
    return seL4_Invoke_(_service, UntypedRetype, 1, 6, words);
}

/* Reads and returns all registers, however few `count` asks for; those beyond are what the IPC buffer held. */
LIBSEL4_INLINE seL4_Error seL4_TCB_ReadRegisters(seL4_TCB _service, seL4_Bool suspend_source, seL4_Uint8 arch_flags,
                                                 seL4_Word count, seL4_UserContext *regs)
{
    seL4_Word words[4] = {(suspend_source & 1ul) | (seL4_Word)arch_flags << 8, count, 0, 0};
    seL4_Error error = seL4_Invoke_(_service, TCBReadRegisters, 0, 2, words);
    seL4_Word *registers = (seL4_Word *)regs;
    for (int i = 0; i < (int)(sizeof(*regs) / sizeof(seL4_Word)); i++) {
        registers[i] = i < 4 ? words[i] : seL4_GetMR(i);
    }
    return error;
}

/* Sends all registers; the kernel takes the first `count`. */
LIBSEL4_INLINE seL4_Error seL4_TCB_WriteRegisters(seL4_TCB _service, seL4_Bool resume_target, seL4_Uint8 arch_flags,
                                                  seL4_Word count, seL4_UserContext *regs)
{
    const seL4_Word *registers = (const seL4_Word *)regs;
    const int all = (int)(sizeof(*regs) / sizeof(seL4_Word));
    seL4_Word words[4] = {(resume_target & 1ul) | (seL4_Word)arch_flags << 8, count, registers[0], registers[1]};
    for (int i = 2; i < all; i++) {
        seL4_SetMR(i + 2, registers[i]);
    }
    return seL4_Invoke_(_service, TCBWriteRegisters, 0, (seL4_Word)all + 2, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_CopyRegisters(seL4_TCB _service, seL4_TCB source, seL4_Bool suspend_source,
                                                 seL4_Bool resume_target, seL4_Bool transfer_frame,
                                                 seL4_Bool transfer_integer, seL4_Uint8 arch_flags)
{
    seL4_Word flags = (suspend_source & 1ul) | (resume_target & 1ul) << 1 | (transfer_frame & 1ul) << 2 |
                      (transfer_integer & 1ul) << 3 | (seL4_Word)arch_flags << 8;
    seL4_Word words[4] = {flags, 0, 0, 0};
    seL4_SetCap(0, source);
    return seL4_Invoke_(_service, TCBCopyRegisters, 1, 1, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_Configure(seL4_TCB _service, seL4_Word fault_ep, seL4_CNode cspace_root,
                                             seL4_Word cspace_root_data, seL4_CPtr vspace_root,
                                             seL4_Word vspace_root_data, seL4_Word buffer, seL4_CPtr bufferFrame)
{
    seL4_Word words[4] = {fault_ep, cspace_root_data, vspace_root_data, buffer};
    seL4_SetCap(0, cspace_root);
    seL4_SetCap(1, vspace_root);
    seL4_SetCap(2, bufferFrame);
    return seL4_Invoke_(_service, TCBConfigure, 3, 4, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_SetPriority(seL4_TCB _service, seL4_TCB authority, seL4_Word priority)
{
    seL4_Word words[4] = {priority, 0, 0, 0};
    seL4_SetCap(0, authority);
    return seL4_Invoke_(_service, TCBSetPriority, 1, 1, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_SetMCPriority(seL4_TCB _service, seL4_TCB authority, seL4_Word mcp)
{
    seL4_Word words[4] = {mcp, 0, 0, 0};
    seL4_SetCap(0, authority);
    return seL4_Invoke_(_service, TCBSetMCPriority, 1, 1, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_SetSchedParams(seL4_TCB _service, seL4_TCB authority, seL4_Word mcp,
                                                  seL4_Word priority)
{
    seL4_Word words[4] = {mcp, priority, 0, 0};
    seL4_SetCap(0, authority);
    return seL4_Invoke_(_service, TCBSetSchedParams, 1, 2, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_SetIPCBuffer(seL4_TCB _service, seL4_Word buffer, seL4_CPtr bufferFrame)
{
    seL4_Word words[4] = {buffer, 0, 0, 0};
    seL4_SetCap(0, bufferFrame);
    return seL4_Invoke_(_service, TCBSetIPCBuffer, 1, 1, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_SetSpace(seL4_TCB _service, seL4_Word fault_ep, seL4_CNode cspace_root,
                                            seL4_Word cspace_root_data, seL4_CPtr vspace_root,
                                            seL4_Word vspace_root_data)
{
    seL4_Word words[4] = {fault_ep, cspace_root_data, vspace_root_data, 0};
    seL4_SetCap(0, cspace_root);
    seL4_SetCap(1, vspace_root);
    return seL4_Invoke_(_service, TCBSetSpace, 2, 3, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_Suspend(seL4_TCB _service)
{
    seL4_Word words[4] = {0, 0, 0, 0};
    return seL4_Invoke_(_service, TCBSuspend, 0, 0, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_Resume(seL4_TCB _service)
{
    seL4_Word words[4] = {0, 0, 0, 0};
    return seL4_Invoke_(_service, TCBResume, 0, 0, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_BindNotification(seL4_TCB _service, seL4_CPtr notification)
{
    seL4_Word words[4] = {0, 0, 0, 0};
    seL4_SetCap(0, notification);
    return seL4_Invoke_(_service, TCBBindNotification, 1, 0, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_UnbindNotification(seL4_TCB _service)
{
    seL4_Word words[4] = {0, 0, 0, 0};
    return seL4_Invoke_(_service, TCBUnbindNotification, 0, 0, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_SetTLSBase(seL4_TCB _service, seL4_Word tls_base)
{
    seL4_Word words[4] = {tls_base, 0, 0, 0};
    return seL4_Invoke_(_service, TCBSetTLSBase, 0, 1, words);
}

LIBSEL4_INLINE seL4_Error seL4_TCB_SetAffinity(seL4_TCB _service, seL4_Word affinity)
{
    seL4_Word words[4] = {affinity, 0, 0, 0};
    return seL4_Invoke_(_service, TCBSetAffinity, 0, 1, words);
}

LIBSEL4_INLINE seL4_Error seL4_CNode_Revoke(seL4_CNode _service, seL4_Word index, seL4_Uint8 depth)
{
    seL4_Word words[4] = {index, depth, 0, 0};
    return seL4_Invoke_(_service, CNodeRevoke, 0, 2, words);
}

LIBSEL4_INLINE seL4_Error seL4_CNode_Delete(seL4_CNode _service, seL4_Word index, seL4_Uint8 depth)
{
    seL4_Word words[4] = {index, depth, 0, 0};
    return seL4_Invoke_(_service, CNodeDelete, 0, 2, words);
}

LIBSEL4_INLINE seL4_Error seL4_CNode_CancelBadgedSends(seL4_CNode _service, seL4_Word index, seL4_Uint8 depth)
{
    seL4_Word words[4] = {index, depth, 0, 0};
    return seL4_Invoke_(_service, CNodeCancelBadgedSends, 0, 2, words);
}

LIBSEL4_INLINE seL4_Error seL4_CNode_SaveCaller(seL4_CNode _service, seL4_Word index, seL4_Uint8 depth)
{
    seL4_Word words[4] = {index, depth, 0, 0};
    return seL4_Invoke_(_service, CNodeSaveCaller, 0, 2, words);
}

LIBSEL4_INLINE seL4_Error seL4_CNode_Copy(seL4_CNode _service, seL4_Word dest_index, seL4_Uint8 dest_depth,
                                          seL4_CNode src_root, seL4_Word src_index, seL4_Uint8 src_depth,
                                          seL4_CapRights_t rights)
{
    seL4_Word words[4] = {dest_index, dest_depth, src_index, src_depth};
    seL4_SetCap(0, src_root);
    seL4_SetMR(4, rights.words[0]);
    return seL4_Invoke_(_service, CNodeCopy, 1, 5, words);
}

LIBSEL4_INLINE seL4_Error seL4_CNode_Mint(seL4_CNode _service, seL4_Word dest_index, seL4_Uint8 dest_depth,
                                          seL4_CNode src_root, seL4_Word src_index, seL4_Uint8 src_depth,
                                          seL4_CapRights_t rights, seL4_Word badge)
{
    seL4_Word words[4] = {dest_index, dest_depth, src_index, src_depth};
    seL4_SetCap(0, src_root);
    seL4_SetMR(4, rights.words[0]);
    seL4_SetMR(5, badge);
    return seL4_Invoke_(_service, CNodeMint, 1, 6, words);
}

LIBSEL4_INLINE seL4_Error seL4_CNode_Move(seL4_CNode _service, seL4_Word dest_index, seL4_Uint8 dest_depth,
                                          seL4_CNode src_root, seL4_Word src_index, seL4_Uint8 src_depth)
{
    seL4_Word words[4] = {dest_index, dest_depth, src_index, src_depth};
    seL4_SetCap(0, src_root);
    return seL4_Invoke_(_service, CNodeMove, 1, 4, words);
}

LIBSEL4_INLINE seL4_Error seL4_CNode_Mutate(seL4_CNode _service, seL4_Word dest_index, seL4_Uint8 dest_depth,
                                            seL4_CNode src_root, seL4_Word src_index, seL4_Uint8 src_depth,
                                            seL4_Word badge)
{
    seL4_Word words[4] = {dest_index, dest_depth, src_index, src_depth};
    seL4_SetCap(0, src_root);
    seL4_SetMR(4, badge);
    return seL4_Invoke_(_service, CNodeMutate, 1, 5, words);
}

LIBSEL4_INLINE seL4_Error seL4_CNode_Rotate(seL4_CNode _service, seL4_Word dest_index, seL4_Uint8 dest_depth,
                                            seL4_Word dest_badge, seL4_CNode pivot_root, seL4_Word pivot_index,
                                            seL4_Uint8 pivot_depth, seL4_Word pivot_badge, seL4_CNode src_root,
                                            seL4_Word src_index, seL4_Uint8 src_depth)
{
    seL4_Word words[4] = {dest_index, dest_depth, dest_badge, pivot_index};
    seL4_SetCap(0, pivot_root);
    seL4_SetCap(1, src_root);
    seL4_SetMR(4, pivot_depth);
    seL4_SetMR(5, pivot_badge);
    seL4_SetMR(6, src_index);
    seL4_SetMR(7, src_depth);
    return seL4_Invoke_(_service, CNodeRotate, 2, 8, words);
}

LIBSEL4_INLINE seL4_Error seL4_IRQControl_Get(seL4_IRQControl _service, seL4_Word irq, seL4_CNode root, seL4_Word index,
                                              seL4_Uint8 depth)
{
    seL4_Word words[4] = {irq, index, depth, 0};
    seL4_SetCap(0, root);
    return seL4_Invoke_(_service, IRQIssueIRQHandler, 1, 3, words);
}

/* trigger: 1 edge, 0 level. */
LIBSEL4_INLINE seL4_Error seL4_IRQControl_GetTrigger(seL4_IRQControl _service, seL4_Word irq, seL4_Word trigger,
                                                     seL4_CNode root, seL4_Word index, seL4_Uint8 depth)
{
    seL4_Word words[4] = {irq, trigger, index, depth};
    seL4_SetCap(0, root);
    return seL4_Invoke_(_service, RISCVIRQIssueIRQHandlerTrigger, 1, 4, words);
}

LIBSEL4_INLINE seL4_Error seL4_IRQHandler_Ack(seL4_IRQHandler _service)
{
    seL4_Word words[4] = {0, 0, 0, 0};
    return seL4_Invoke_(_service, IRQAckIRQ, 0, 0, words);
}

LIBSEL4_INLINE seL4_Error seL4_IRQHandler_SetNotification(seL4_IRQHandler _service, seL4_CPtr notification)
{
    seL4_Word words[4] = {0, 0, 0, 0};
    seL4_SetCap(0, notification);
    return seL4_Invoke_(_service, IRQSetIRQHandler, 1, 0, words);
}

LIBSEL4_INLINE seL4_Error seL4_IRQHandler_Clear(seL4_IRQHandler _service)
{
    seL4_Word words[4] = {0, 0, 0, 0};
    return seL4_Invoke_(_service, IRQClearIRQHandler, 0, 0, words);
}

LIBSEL4_INLINE seL4_Error seL4_DomainSet_Set(seL4_DomainSet _service, seL4_Uint8 domain, seL4_TCB thread)
{
    seL4_Word words[4] = {domain, 0, 0, 0};
    seL4_SetCap(0, thread);
    return seL4_Invoke_(_service, DomainSetSet, 1, 1, words);
}

LIBSEL4_INLINE seL4_Error seL4_RISCV_PageTable_Map(seL4_RISCV_PageTable _service, seL4_RISCV_PageTable vspace,
                                                   seL4_Word vaddr, seL4_RISCV_VMAttributes attr)
{
    seL4_Word words[4] = {vaddr, (seL4_Word)attr, 0, 0};
    seL4_SetCap(0, vspace);
    return seL4_Invoke_(_service, RISCVPageTableMap, 1, 2, words);
}

LIBSEL4_INLINE seL4_Error seL4_RISCV_PageTable_Unmap(seL4_RISCV_PageTable _service)
{
    seL4_Word words[4] = {0, 0, 0, 0};
    return seL4_Invoke_(_service, RISCVPageTableUnmap, 0, 0, words);
}

LIBSEL4_INLINE seL4_Error seL4_RISCV_Page_Map(seL4_RISCV_Page _service, seL4_RISCV_PageTable vspace, seL4_Word vaddr,
                                              seL4_CapRights_t rights, seL4_RISCV_VMAttributes attr)
{
    seL4_Word words[4] = {vaddr, rights.words[0], (seL4_Word)attr, 0};
    seL4_SetCap(0, vspace);
    return seL4_Invoke_(_service, RISCVPageMap, 1, 3, words);
}

LIBSEL4_INLINE seL4_Error seL4_RISCV_Page_Unmap(seL4_RISCV_Page _service)
{
    seL4_Word words[4] = {0, 0, 0, 0};
    return seL4_Invoke_(_service, RISCVPageUnmap, 0, 0, words);
}

struct seL4_RISCV_Page_GetAddress {
    int error;
    seL4_Word paddr;
};
typedef struct seL4_RISCV_Page_GetAddress seL4_RISCV_Page_GetAddress_t;

LIBSEL4_INLINE seL4_RISCV_Page_GetAddress_t seL4_RISCV_Page_GetAddress(seL4_RISCV_Page _service)
{
    seL4_RISCV_Page_GetAddress_t result;
    seL4_Word words[4] = {0, 0, 0, 0};
    result.error = seL4_Invoke_(_service, RISCVPageGetAddress, 0, 0, words);
    result.paddr = words[0];
    return result;
}

LIBSEL4_INLINE seL4_Error seL4_RISCV_ASIDControl_MakePool(seL4_RISCV_ASIDControl _service, seL4_Untyped untyped,
                                                          seL4_CNode root, seL4_Word index, seL4_Uint8 depth)
{
    seL4_Word words[4] = {index, depth, 0, 0};
    seL4_SetCap(0, untyped);
    seL4_SetCap(1, root);
    return seL4_Invoke_(_service, RISCVASIDControlMakePool, 2, 2, words);
}

LIBSEL4_INLINE seL4_Error seL4_RISCV_ASIDPool_Assign(seL4_RISCV_ASIDPool _service, seL4_CPtr vspace)
{
    seL4_Word words[4] = {0, 0, 0, 0};
    seL4_SetCap(0, vspace);
    return seL4_Invoke_(_service, RISCVASIDPoolAssign, 1, 0, words);
}
