/* Capabilities in slots: copying, minting, moving, deleting, revoking, and how an address fails to lead to one. */
#include "common.h"

#define DEPTH seL4_WordBits

static seL4_CPtr endpoint, tcb;

static seL4_Error copy_to(seL4_CPtr to, seL4_CPtr from)
{
    return seL4_CNode_Copy(ROOT, to, DEPTH, ROOT, from, DEPTH, seL4_AllRights);
}

static seL4_Error move_to(seL4_CPtr to, seL4_CPtr from)
{
    return seL4_CNode_Move(ROOT, to, DEPTH, ROOT, from, DEPTH);
}

static void copying(void)
{
    seL4_CPtr to = slot();
    fine(copy_to(to, endpoint));
    equal(seL4_DebugCapIdentify(to), seL4_DebugCapIdentify(endpoint));
    equal(copy_to(to, endpoint), seL4_DeleteFirst);
    fine(delete(to));
    check(is_empty(to));
    check(!is_empty(endpoint));
    fine(delete(to)); /* nothing to delete is no error */
    ok("copy and delete");

    equal(copy_to(slot(), seL4_CapIRQControl), seL4_IllegalOperation);
    fine(delete(copy(seL4_CapASIDControl)));
    seL4_CPtr table = take(seL4_RISCV_PageTableObject, 0);
    to = slot();
    equal(copy_to(to, table), seL4_IllegalOperation);
    check(is_empty(to));
    ok("what cannot be copied");
}

static void minting(void)
{
    seL4_CPtr badged = mint(endpoint, seL4_AllRights, 7), to = slot();
    equal(seL4_CNode_Mint(ROOT, to, DEPTH, ROOT, badged, DEPTH, seL4_AllRights, 8), seL4_IllegalOperation);
    equal(seL4_CNode_Mint(ROOT, to, DEPTH, ROOT, badged, DEPTH, seL4_AllRights, 0), seL4_IllegalOperation);
    check(is_empty(to));
    fine(copy_to(to, badged));
    equal(seL4_CNode_Mint(ROOT, to, DEPTH, ROOT, endpoint, DEPTH, seL4_AllRights, 1), seL4_DeleteFirst);
    fine(delete(to));
    /* A badge means nothing for a thread, so that it is ignored. */
    fine(delete(mint(tcb, seL4_NoRights, 5)));
    fine(delete(badged));
    ok("mint");
}

static void moving(void)
{
    seL4_CPtr from = copy(tcb), to = slot();
    fine(move_to(to, from));
    check(is_empty(from) && !is_empty(to));
    equal(move_to(slot(), from), seL4_FailedLookup);
    equal(move_to(to, endpoint), seL4_DeleteFirst);
    equal(move_to(to, to), seL4_DeleteFirst);
    check(!is_empty(endpoint));
    fine(seL4_CNode_Mutate(ROOT, from, DEPTH, ROOT, to, DEPTH, 0));
    check(!is_empty(from) && is_empty(to));
    /* Mutating would change the badge, and a badge is for ever. */
    equal(seL4_CNode_Mutate(ROOT, to, DEPTH, ROOT, endpoint, DEPTH, 1), seL4_IllegalOperation);
    check(!is_empty(endpoint) && is_empty(to));
    fine(delete(from));
    ok("move and mutate");
}

static seL4_Error rotate(seL4_CPtr to, seL4_CPtr pivot, seL4_CPtr from)
{
    return seL4_CNode_Rotate(ROOT, to, DEPTH, 0, ROOT, pivot, DEPTH, 0, ROOT, from, DEPTH);
}

static void rotating(void)
{
    seL4_CPtr to = slot(), pivot = copy(tcb), from = copy(seL4_CapInitThreadASIDPool);
    equal(rotate(to, from, from), seL4_IllegalOperation);
    equal(rotate(pivot, pivot, from), seL4_IllegalOperation);
    equal(rotate(endpoint, pivot, from), seL4_DeleteFirst);
    equal(rotate(to, pivot, slot()), seL4_FailedLookup);
    equal(seL4_GetMR(0), 1);
    equal(rotate(to, slot(), from), seL4_FailedLookup);
    equal(seL4_GetMR(0), 0);
    fine(rotate(to, pivot, from));
    check(is_empty(from));
    equal(seL4_DebugCapIdentify(to), seL4_DebugCapIdentify(tcb));
    equal(seL4_DebugCapIdentify(pivot), seL4_DebugCapIdentify(seL4_CapInitThreadASIDPool));
    fine(rotate(to, pivot, to)); /* to and from the same: an exchange */
    equal(seL4_DebugCapIdentify(pivot), seL4_DebugCapIdentify(tcb));
    equal(seL4_DebugCapIdentify(to), seL4_DebugCapIdentify(seL4_CapInitThreadASIDPool));
    fine(delete(pivot));
    fine(delete(to));
    ok("rotate");
}

static void revoking(void)
{
    seL4_CPtr original = take(seL4_EndpointObject, 0);
    seL4_CPtr first = copy(original), second = copy(first), badged = mint(original, seL4_AllRights, 3);
    seL4_CPtr of_badged = copy(badged);
    fine(revoke(first)); /* a copy is no parent of its copies */
    check(!is_empty(second));
    fine(revoke(badged)); /* but what first got a badge is one */
    check(is_empty(of_badged) && !is_empty(badged));
    of_badged = copy(badged);
    fine(revoke(original));
    check(!is_empty(original));
    check(is_empty(first) && is_empty(second) && is_empty(badged) && is_empty(of_badged));
    fine(revoke(original));
    fine(revoke(slot()));
    fine(delete(original));
    ok("revoke");
}

/* What an error says about an address, in the words after the first. */
static void lookup_says(seL4_Word source, seL4_Word type, seL4_Word first, seL4_Word second, seL4_Word third)
{
    seL4_Word words[] = {source, type, first, second, third};
    static const int lengths[] = {0, 2, 3, 4, 5};
    for (int i = 0; i < lengths[type]; i++) {
        equal(seL4_GetMR(i), words[i]);
    }
}

static void addresses(void)
{
    seL4_CPtr to = slot(), empty = slot();
    equal(copy_to(to, empty), seL4_FailedLookup);
    lookup_says(1, seL4_MissingCapability, DEPTH, 0, 0);

    equal(seL4_CNode_Copy(ROOT, to, 0, ROOT, endpoint, DEPTH, seL4_AllRights), seL4_RangeError);
    equal(seL4_GetMR(0), 1);
    equal(seL4_GetMR(1), 64);
    equal(seL4_CNode_Copy(ROOT, to, DEPTH, ROOT, endpoint, 65, seL4_AllRights), seL4_RangeError);

    equal(seL4_CNode_Copy(ROOT, to, DEPTH, tcb, endpoint, DEPTH, seL4_AllRights), seL4_FailedLookup);
    lookup_says(1, seL4_InvalidRoot, 0, 0, 0);

    seL4_Word guard = DEPTH - seL4_GetBootInfo()->initThreadCNodeSizeBits;
    equal(seL4_CNode_Copy(ROOT, to, 32, ROOT, endpoint, DEPTH, seL4_AllRights), seL4_FailedLookup);
    lookup_says(0, seL4_GuardMismatch, 32, 0, guard);
    equal(seL4_CNode_Delete(ROOT, 1ul << 63 | endpoint, DEPTH), seL4_FailedLookup);
    lookup_says(0, seL4_GuardMismatch, DEPTH, 0, guard);
    check(!is_empty(endpoint));
    ok("addresses in the root");
}

static void nodes(void)
{
    seL4_CPtr node = take(seL4_CapTableObject, 4), guarded = slot();
    fine(seL4_CNode_Copy(node, 3, 4, ROOT, tcb, DEPTH, seL4_AllRights));
    equal(seL4_CNode_Copy(node, 3, 4, ROOT, tcb, DEPTH, seL4_AllRights), seL4_DeleteFirst);
    equal(seL4_CNode_Delete(node, 3, 3), seL4_FailedLookup);
    lookup_says(0, seL4_DepthMismatch, 3, 4, 0);
    equal(seL4_CNode_Delete(node, 6, 5), seL4_FailedLookup); /* slot 3, and a bit too many */
    lookup_says(0, seL4_DepthMismatch, 1, 0, 0);

    seL4_Word data = seL4_CNode_CapData_new(5, 8).words[0];
    equal(seL4_CNode_Mutate(ROOT, guarded, DEPTH, ROOT, node, DEPTH, seL4_CNode_CapData_new(0, 61).words[0]),
          seL4_IllegalOperation);
    fine(seL4_CNode_Mutate(ROOT, guarded, DEPTH, ROOT, node, DEPTH, data));
    check(is_empty(node));
    equal(seL4_CNode_Delete(guarded, 0x43, 12), seL4_FailedLookup);
    lookup_says(0, seL4_GuardMismatch, 12, 5, 8);
    fine(seL4_CNode_Move(ROOT, node, DEPTH, guarded, 0x53, 12));
    equal(seL4_DebugCapIdentify(node), seL4_DebugCapIdentify(tcb));
    fine(seL4_CNode_Copy(guarded, 0x50, 12, ROOT, tcb, DEPTH, seL4_AllRights));
    fine(delete(node));

    /* Two nodes on the way: the bits that the first leaves are the second's. */
    seL4_CPtr inner = take(seL4_CapTableObject, 3);
    fine(seL4_CNode_Mint(guarded, 0x51, 12, ROOT, inner, DEPTH, seL4_AllRights,
                         seL4_CNode_CapData_new(1, 1).words[0]));
    fine(seL4_CNode_Copy(guarded, 0x51 << 4 | 8 | 6, 16, ROOT, tcb, DEPTH, seL4_AllRights));
    fine(seL4_CNode_Move(ROOT, node, DEPTH, inner, 6, 3));
    check(!is_empty(node));
    fine(delete(node));

    /* Deleting a node deletes what it holds. */
    seL4_CPtr original = take(seL4_EndpointObject, 0);
    fine(seL4_CNode_Move(inner, 2, 3, ROOT, original, DEPTH));
    fine(seL4_CNode_Copy(ROOT, original, DEPTH, inner, 2, 3, seL4_AllRights));
    fine(delete(guarded));
    check(!is_empty(inner) && !is_empty(original));
    fine(delete(inner));
    check(is_empty(inner) && !is_empty(original));
    fine(delete(original));
    ok("nodes and guards");
}

static void rights(void)
{
    seL4_MessageInfo_t message = seL4_MessageInfo_new(0, 0, 0, 0);
    seL4_CPtr reader = mint(endpoint, seL4_CanRead, 0);
    equal(seL4_MessageInfo_get_label(seL4_Call(reader, message)), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 0);
    seL4_Send(reader, message); /* an error that nobody hears of */
    seL4_NBSend(reader, message);
    /* Rights do not come back. */
    seL4_CPtr again = mint(reader, seL4_AllRights, 0);
    equal(seL4_MessageInfo_get_label(seL4_Call(again, message)), seL4_InvalidCapability);
    seL4_CPtr notification = take(seL4_NotificationObject, 0);
    seL4_CPtr waiter = mint(notification, seL4_CanRead, 0);
    equal(seL4_MessageInfo_get_label(seL4_Call(waiter, message)), seL4_InvalidCapability);
    seL4_Word badge = 1;
    seL4_Poll(waiter, &badge);
    equal(badge, 0);
    equal(seL4_MessageInfo_get_label(seL4_Call(slot(), message)), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 0);
    ok("rights");
}

int main(void)
{
    endpoint = take(seL4_EndpointObject, 0);
    tcb = take(seL4_TCBObject, 0);
    copying();
    minting();
    moving();
    rotating();
    revoking();
    addresses();
    nodes();
    rights();
    return 0;
}
