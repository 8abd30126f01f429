/* What invocations refuse: other labels, messages that are too short, capabilities of another type; nothing changes. */
#include "common.h"

static seL4_CPtr tcb, endpoint, notification, untyped, node, frame, table, handler, pool;
static seL4_UserContext before;

/* A message as a program without these headers might send it. */
static seL4_Word send(seL4_CPtr to, seL4_Word label, seL4_Word caps, seL4_Word length)
{
    return seL4_MessageInfo_get_label(seL4_Call(to, seL4_MessageInfo_new(label, 0, caps, length)));
}

/* Each object knows its own invocations only. */
static void labels(void)
{
    struct {
        seL4_CPtr cap;
        seL4_Word first, last; /* its own */
    } all[] = {
        {untyped, UntypedRetype, UntypedRetype},
        {tcb, TCBReadRegisters, TCBSetTLSBase},
        {node, CNodeRevoke, CNodeSaveCaller},
        {seL4_CapIRQControl, IRQIssueIRQHandler, IRQIssueIRQHandler},
        {handler, IRQAckIRQ, IRQClearIRQHandler},
        {seL4_CapDomain, DomainSetSet, DomainSetSet},
        {table, RISCVPageTableMap, RISCVPageTableUnmap},
        {frame, RISCVPageMap, RISCVPageGetAddress},
        {seL4_CapASIDControl, RISCVASIDControlMakePool, RISCVASIDControlMakePool},
        {pool, RISCVASIDPoolAssign, RISCVASIDPoolAssign},
    };
    for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
        for (seL4_Word label = InvalidInvocation; label <= nArchInvocationLabels; label++) {
            if (label >= all[i].first && label <= all[i].last) {
                continue;
            }
            /* Interrupts with a trigger are an invocation of their own, with which not every machine can do anything. */
            if (all[i].cap == seL4_CapIRQControl && label == RISCVIRQIssueIRQHandlerTrigger) {
                continue;
            }
            for (int k = 0; k < 3; k++) {
                seL4_SetCap(k, ROOT);
            }
            for (int k = 0; k < 10; k++) {
                seL4_SetMR(k, 0);
            }
            seL4_Word error = send(all[i].cap, label, 3, 10);
            if (error != seL4_IllegalOperation) {
                printf("capability %u, label %lu\n", i, label);
            }
            equal(error, seL4_IllegalOperation);
        }
        equal(send(all[i].cap, 1ul << 40, 0, 0), seL4_IllegalOperation);
    }
    ok("labels");
}

static void truncated(void)
{
    static const struct {
        seL4_Word label, length, caps; /* that it needs */
    } all[] = {
        {UntypedRetype, 6, 1},      {TCBReadRegisters, 2, 0},        {TCBWriteRegisters, 2, 0},
        {TCBCopyRegisters, 1, 1},   {TCBConfigure, 4, 3},            {TCBSetPriority, 1, 1},
        {TCBSetMCPriority, 1, 1},   {TCBSetSchedParams, 2, 1},       {TCBSetIPCBuffer, 1, 1},
        {TCBSetSpace, 3, 2},        {TCBBindNotification, 0, 1},     {TCBSetTLSBase, 1, 0},
        {CNodeRevoke, 2, 0},        {CNodeDelete, 2, 0},             {CNodeCancelBadgedSends, 2, 0},
        {CNodeCopy, 5, 1},          {CNodeMint, 6, 1},               {CNodeMove, 4, 1},
        {CNodeMutate, 5, 1},        {CNodeRotate, 8, 2},             {CNodeSaveCaller, 2, 0},
        {IRQIssueIRQHandler, 3, 1}, {IRQSetIRQHandler, 0, 1},        {DomainSetSet, 1, 1},
        {RISCVPageTableMap, 2, 1},  {RISCVPageMap, 3, 1},            {RISCVASIDControlMakePool, 2, 2},
        {RISCVASIDPoolAssign, 0, 1},
    };
    for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
        seL4_Word label = all[i].label, words[8] = {0};
        seL4_CPtr to = label == UntypedRetype                                    ? untyped
                       : label <= TCBSetTLSBase                                  ? tcb
                       : label <= CNodeSaveCaller                                ? node
                       : label == IRQIssueIRQHandler                             ? (seL4_CPtr)seL4_CapIRQControl
                       : label == IRQSetIRQHandler                               ? handler
                       : label == DomainSetSet                                   ? (seL4_CPtr)seL4_CapDomain
                       : label == RISCVPageTableMap                              ? table
                       : label == RISCVPageMap                                   ? frame
                       : label == RISCVASIDControlMakePool                       ? (seL4_CPtr)seL4_CapASIDControl
                                                                                 : pool;
        if (to == node) { /* so that both addresses lead somewhere: slot 1, and slot 2, which has something */
            words[0] = 1;
            words[1] = 4;
            words[2] = 2;
            words[3] = 4;
        }
        for (int k = 0; k < 8; k++) {
            seL4_SetMR(k, words[k]);
        }
        for (int k = 0; k < 3; k++) {
            seL4_SetCap(k, node);
        }
        if (all[i].length > 0) {
            equal(send(to, label, 3, all[i].length - 1), seL4_TruncatedMessage);
        }
        for (int k = 0; k < 8; k++) {
            seL4_SetMR(k, words[k]);
        }
        if (all[i].caps > 0) {
            equal(send(to, label, all[i].caps - 1, 8), seL4_TruncatedMessage);
        }
    }
    equal(seL4_CNode_Delete(node, 1, 4), seL4_NoError);
    ok("truncated messages");
}

static void other_types(void)
{
    equal(seL4_TCB_CopyRegisters(tcb, endpoint, 0, 0, 1, 1, 0), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    equal(seL4_TCB_SetPriority(tcb, endpoint, 1), seL4_InvalidCapability);
    equal(seL4_TCB_SetMCPriority(tcb, notification, 1), seL4_InvalidCapability);
    equal(seL4_TCB_SetSchedParams(tcb, seL4_CapNull, 1, 1), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    equal(seL4_TCB_BindNotification(tcb, endpoint), seL4_IllegalOperation);
    equal(seL4_TCB_Configure(tcb, 0, tcb, 0, VSPACE, 0, 0, 0), seL4_IllegalOperation);
    equal(seL4_TCB_Configure(tcb, 0, ROOT, 0, tcb, 0, 0, 0), seL4_IllegalOperation);
    equal(seL4_TCB_Configure(tcb, 0, ROOT, 0, VSPACE, 0, 4096, tcb), seL4_IllegalOperation);
    equal(seL4_TCB_Configure(tcb, 0, ROOT, seL4_CNode_CapData_new(0, 63).words[0], VSPACE, 0, 0, 0),
          seL4_IllegalOperation);
    equal(seL4_IRQHandler_SetNotification(handler, endpoint), seL4_InvalidCapability);
    equal(seL4_IRQControl_Get(seL4_CapIRQControl, 7, tcb, slot(), seL4_WordBits), seL4_FailedLookup);
    equal(seL4_GetMR(0), 0);
    equal(seL4_GetMR(1), seL4_InvalidRoot);
    equal(seL4_DomainSet_Set(seL4_CapDomain, 0, endpoint), seL4_InvalidArgument);
    ok("other types");
}

static void address_spaces(void)
{
    seL4_CPtr to = slot(), page = take(seL4_UntypedObject, 12), large = take(seL4_UntypedObject, 13);
    seL4_CPtr control = seL4_CapASIDControl;
    equal(seL4_RISCV_ASIDControl_MakePool(control, large, ROOT, to, seL4_WordBits), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    equal(seL4_RISCV_ASIDControl_MakePool(control, frame, ROOT, to, seL4_WordBits), seL4_InvalidCapability);
    equal(seL4_RISCV_ASIDControl_MakePool(control, page, ROOT, SELF, seL4_WordBits), seL4_DeleteFirst);
    equal(seL4_RISCV_ASIDControl_MakePool(control, page, tcb, to, seL4_WordBits), seL4_FailedLookup);
    equal(seL4_RISCV_ASIDControl_MakePool(control, page, ROOT, to, 0), seL4_RangeError);
    seL4_CPtr child = slot();
    fine(retype(page, seL4_EndpointObject, 0, child, 1));
    equal(seL4_RISCV_ASIDControl_MakePool(control, page, ROOT, to, seL4_WordBits), seL4_RevokeFirst);
    check(is_empty(to));
    fine(delete(child));
    /* A copy of a pool's capability is not derived from it, as one of the first pool's is. */
    fine(seL4_RISCV_ASIDControl_MakePool(control, page, ROOT, to, seL4_WordBits));
    child = copy(to);
    fine(revoke(to));
    check(!is_empty(child));
    fine(revoke(page));
    check(is_empty(child) && is_empty(to));
    equal(seL4_RISCV_ASIDPool_Assign(pool, frame), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    equal(seL4_RISCV_ASIDPool_Assign(pool, VSPACE), seL4_InvalidCapability); /* has one */
    equal(seL4_RISCV_ASIDPool_Assign(pool, seL4_CapNull), seL4_InvalidCapability);
    ok("address spaces");
}

/* Numbers are not cut off before they are looked at. */
static void whole_words(void)
{
    seL4_CPtr page = take(seL4_UntypedObject, 12), to = slot();
    equal(send(tcb, TCBResume | 1ul << 32, 0, 0), seL4_IllegalOperation);
    equal(seL4_DomainSet_Set(seL4_CapDomain, 0, tcb), seL4_NoError);
    seL4_SetCap(0, tcb);
    seL4_SetMR(0, 256);
    equal(send(seL4_CapDomain, DomainSetSet, 1, 1), seL4_InvalidArgument);
    equal(seL4_GetMR(0), 0);
    seL4_SetMR(0, 1);
    equal(send(seL4_CapDomain, DomainSetSet, 0, 1), seL4_InvalidArgument);
    seL4_SetCap(0, ROOT);
    seL4_SetMR(0, 8);
    seL4_SetMR(1, to);
    seL4_SetMR(2, 256 + 64);
    equal(send(seL4_CapIRQControl, IRQIssueIRQHandler, 1, 3), seL4_RangeError);
    seL4_SetCap(0, page);
    seL4_SetCap(1, ROOT);
    seL4_SetMR(0, to);
    seL4_SetMR(1, 256 + 64);
    equal(send(seL4_CapASIDControl, RISCVASIDControlMakePool, 2, 2), seL4_RangeError);
    check(is_empty(to));
    ok("whole words");
}

/* What comes first where two things are wrong. */
static void order(void)
{
    seL4_CPtr page = take(seL4_UntypedObject, 12), child = slot();
    fine(retype(page, seL4_EndpointObject, 0, child, 1));
    equal(seL4_TCB_SetIPCBuffer(tcb, 1, page), seL4_RevokeFirst);
    equal(seL4_TCB_SetIPCBuffer(tcb, 1, frame), seL4_AlignmentError);
    equal(seL4_RISCV_Page_Map(frame, table, -4096ul, seL4_ReadWrite, 0), seL4_InvalidCapability);
    equal(seL4_RISCV_Page_Map(frame, VSPACE, -4095ul, seL4_ReadWrite, 0), seL4_AlignmentError);
    equal(seL4_RISCV_Page_Map(frame, VSPACE, 0x3ffffff000, seL4_ReadWrite, 0), seL4_InvalidArgument);
    /* What goes with a message is looked up before anything happens. */
    seL4_SetCap(0, 1ul << 40);
    seL4_NBSend(notification, seL4_MessageInfo_new(0, 0, 1, 0));
    seL4_Word badge = 1;
    seL4_Poll(notification, &badge);
    equal(badge, 0);
    ok("order");
}

/* A TCB that has the last capability to a CNode, or to a table that is no top one. */
static void last_node(void)
{
    seL4_CPtr other = take(seL4_TCBObject, 0), own = take(seL4_CapTableObject, 2);
    fine(seL4_TCB_SetSpace(other, 0, own, 0, VSPACE, 0));
    fine(seL4_TCB_SetSpace(other, 0, ROOT, 0, VSPACE, 0));
    fine(seL4_TCB_SetSpace(other, 0, own, 0, VSPACE, 0));
    fine(delete(own));
    equal(seL4_TCB_SetSpace(other, 0, ROOT, 0, VSPACE, 0), seL4_IllegalOperation);
    equal(seL4_TCB_Configure(other, 0, ROOT, 0, VSPACE, 0, 0, 0), seL4_IllegalOperation);
    fine(delete(other));
    seL4_CPtr inner = take(seL4_RISCV_PageTableObject, 0);
    fine(seL4_RISCV_PageTable_Map(inner, VSPACE, address(seL4_HugePageBits), seL4_RISCV_Default_VMAttributes));
    fine(seL4_TCB_SetSpace(tcb, 0, ROOT, 0, inner, 0));
    fine(delete(inner));
    ok("last node");
}

/* None of the above got through. */
static void unchanged(void)
{
    seL4_UserContext now;
    fine(seL4_TCB_ReadRegisters(tcb, 0, 0, 32, &now));
    check(memcmp(&before, &now, sizeof(now)) == 0);
    fine(retype(untyped, seL4_UntypedObject, 12, slot(), 1)); /* all of it is left */
    seL4_CPtr to = slot();
    fine(seL4_CNode_Move(ROOT, to, seL4_WordBits, node, 2, 4));
    check(!is_empty(to));
    for (seL4_Word i = 0; i < 16; i++) {
        equal(seL4_CNode_Move(ROOT, slot(), seL4_WordBits, node, i, 4), seL4_FailedLookup);
    }
    fine(seL4_RISCV_ASIDPool_Assign(pool, table)); /* it was not mapped anywhere */
    seL4_Word badge = 1;
    seL4_Poll(notification, &badge);
    equal(badge, 0);
    ok("nothing changed");
}

int main(void)
{
    tcb = take(seL4_TCBObject, 0);
    endpoint = take(seL4_EndpointObject, 0);
    notification = take(seL4_NotificationObject, 0);
    untyped = take(seL4_UntypedObject, 12);
    node = take(seL4_CapTableObject, 4);
    frame = take(seL4_RISCV_4K_Page, 0);
    table = take(seL4_RISCV_PageTableObject, 0);
    pool = seL4_CapInitThreadASIDPool;
    handler = slot();
    fine(seL4_IRQControl_Get(seL4_CapIRQControl, 6, ROOT, handler, seL4_WordBits));
    fine(seL4_CNode_Copy(node, 2, 4, ROOT, endpoint, seL4_WordBits, seL4_AllRights));
    seL4_UserContext registers = {.pc = 4, .sp = 8, .a0 = 12, .tp = 16};
    fine(seL4_TCB_WriteRegisters(tcb, 0, 0, 32, &registers));
    fine(seL4_TCB_ReadRegisters(tcb, 0, 0, 32, &before));
    labels();
    truncated();
    other_types();
    address_spaces();
    whole_words();
    order();
    last_node();
    unchanged();
    return 0;
}
