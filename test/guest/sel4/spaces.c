/* A thread of its own: address space and CSpace made by hand, with nothing in them that it does not need. */
#include "common.h"

#define DEFAULT seL4_RISCV_Default_VMAttributes

/* Addresses in the new space; the first thread has something else at the first, and nothing at the others. */
#define CODE 0x10000ul
#define DATA (0x4000000000ul - 0x40000000ul)
#define BUFFER (DATA + 4096)

/* Addresses in the new CSpace: a node of 16 slots behind a guard. */
#define GUARD 0xabcul
#define IN_SPACE(slot) (GUARD << 4 | (slot))
enum { CALL_SLOT = 1, FAULT_SLOT = 2, MEMORY_SLOT = 3 };

/*
 * What it runs, with a0 the address of its data: adds its two words, calls with the sum, keeps the answer's word, and
 * then looks where nothing is. It has no stack.
 */
__asm__(".pushsection .text\n"
        ".balign 4\n"
        ".globl child_start, child_look, child_end\n"
        "child_start:\n"
        "  mv s0, a0\n"
        "  ld a2, 0(s0)\n"
        "  ld t0, 8(s0)\n"
        "  add a2, a2, t0\n"
        "  mv a0, s1\n"
        "  li a1, 0x5001\n" /* label 5, one word */
        "  li a7, -1\n"
        "  ecall\n"
        "  sd a2, 16(s0)\n"
        "  sd a1, 24(s0)\n"
        "child_look:\n"
        "  ld t0, 0(s2)\n"
        "  sd t0, 32(s0)\n"
        "  mv a0, s1\n"
        "  li a1, 0x6000\n" /* label 6, no word */
        "  li a7, -1\n"
        "  ecall\n"
        "1: j 1b\n"
        "child_end:\n"
        ".popsection\n");
extern const char child_start[], child_look[], child_end[];

static seL4_CPtr vspace, cspace, endpoint, code, data, buffer;
static volatile seL4_Word *shown; /* its data, seen from here */

static void address_space(void)
{
    vspace = take(seL4_RISCV_PageTableObject, 0);
    seL4_CPtr tcb = take(seL4_TCBObject, 0), frame = take(seL4_RISCV_4K_Page, 0);
    equal(seL4_RISCV_Page_Map(frame, vspace, CODE, seL4_ReadWrite, DEFAULT), seL4_InvalidCapability);
    equal(seL4_TCB_Configure(tcb, 0, ROOT, 0, vspace, 0, 0, 0), seL4_IllegalOperation);
    fine(seL4_RISCV_ASIDPool_Assign(seL4_CapInitThreadASIDPool, vspace));
    equal(seL4_RISCV_ASIDPool_Assign(seL4_CapInitThreadASIDPool, vspace), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    equal(seL4_RISCV_PageTable_Unmap(vspace), seL4_RevokeFirst);
    seL4_CPtr other = take(seL4_RISCV_PageTableObject, 0);
    equal(seL4_RISCV_PageTable_Map(vspace, VSPACE, AREA, DEFAULT), seL4_InvalidCapability);
    fine(seL4_RISCV_PageTable_Map(other, vspace, AREA, DEFAULT));
    equal(seL4_RISCV_ASIDPool_Assign(seL4_CapInitThreadASIDPool, other), seL4_InvalidCapability);
    /* A frame belongs to one space at a time. */
    map_in(vspace, frame, AREA, seL4_ReadWrite);
    equal(seL4_RISCV_Page_Map(frame, VSPACE, address(seL4_PageBits), seL4_ReadWrite, DEFAULT), seL4_FailedLookup);
    volatile seL4_Word *elsewhere = map(copy(frame));
    equal(seL4_RISCV_Page_Map(frame, VSPACE, (seL4_Word)elsewhere, seL4_ReadWrite, DEFAULT), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    fine(delete(frame));
    ok("address space");
}

static void fill(void)
{
    code = take(seL4_RISCV_4K_Page, 0);
    data = take(seL4_RISCV_4K_Page, 0);
    buffer = take(seL4_RISCV_4K_Page, 0);
    seL4_CPtr mine = copy(code);
    memcpy((void *)map(mine), child_start, (size_t)(child_end - child_start));
    __asm__ volatile("fence.i");
    fine(delete(mine));
    map_in(vspace, code, CODE, seL4_CanRead);
    map_in(vspace, data, DATA, seL4_ReadWrite);
    map_in(vspace, buffer, BUFFER, seL4_ReadWrite);
    shown = map(copy(data));
    shown[0] = 40;
    shown[1] = 2;
    ok("memory");
}

static void capability_space(void)
{
    seL4_CPtr bare = take(seL4_CapTableObject, 4);
    cspace = mint(bare, seL4_AllRights, seL4_CNode_CapData_new(GUARD, 60).words[0]);
    endpoint = take(seL4_EndpointObject, 0);
    fine(seL4_CNode_Mint(cspace, IN_SPACE(CALL_SLOT), 64, ROOT, endpoint, 64, seL4_AllRights, 100));
    fine(seL4_CNode_Mint(bare, FAULT_SLOT, 4, ROOT, endpoint, 64, seL4_AllRights, 200));
    fine(seL4_CNode_Copy(bare, MEMORY_SLOT, 4, ROOT, data, 64, seL4_AllRights));
    equal(seL4_CNode_Delete(cspace, CALL_SLOT, 64), seL4_FailedLookup);
    equal(seL4_GetMR(1), seL4_GuardMismatch);
    equal(seL4_GetMR(2), 64);
    equal(seL4_GetMR(3), GUARD);
    equal(seL4_GetMR(4), 60);
    ok("CSpace");
}

static void running(void)
{
    seL4_CPtr tcb = take(seL4_TCBObject, 0);
    seL4_Word unmapped = CODE + 4096;
    fine(seL4_TCB_Configure(tcb, IN_SPACE(FAULT_SLOT), cspace, 0, vspace, 0, BUFFER, buffer));
    fine(seL4_TCB_SetSchedParams(tcb, SELF, 0, 20));
    seL4_UserContext registers = {
        .pc = CODE, .a0 = DATA, .s1 = IN_SPACE(CALL_SLOT), .s2 = unmapped};
    fine(seL4_TCB_WriteRegisters(tcb, 1, 0, 32, &registers));
    seL4_Word badge;
    seL4_MessageInfo_t message = seL4_Recv(endpoint, &badge);
    equal(badge, 100);
    equal(seL4_MessageInfo_get_label(message), 5);
    equal(seL4_MessageInfo_get_length(message), 1);
    equal(seL4_GetMR(0), 42);
    seL4_SetMR(0, 4200);
    seL4_Reply(seL4_MessageInfo_new(9, 0, 0, 1));
    ok("call from the other side");

    message = seL4_Recv(endpoint, &badge);
    equal(badge, 200);
    seL4_Fault_t fault = seL4_getFault(message);
    equal(seL4_Fault_get_seL4_FaultType(fault), seL4_Fault_VMFault);
    equal(seL4_Fault_VMFault_get_IP(fault), CODE + (seL4_Word)(child_look - child_start));
    equal(seL4_Fault_VMFault_get_Addr(fault), unmapped);
    equal(shown[2], 4200);
    equal(shown[3], 9 << 12 | 1);
    seL4_CPtr frame = take(seL4_RISCV_4K_Page, 0);
    seL4_CPtr mine = copy(frame);
    *map(mine) = 777;
    map_in(vspace, frame, unmapped, seL4_CanRead);
    seL4_Reply(seL4_MessageInfo_new(0, 0, 0, 0));
    message = seL4_Recv(endpoint, &badge);
    equal(badge, 100);
    equal(seL4_MessageInfo_get_label(message), 6);
    equal(shown[4], 777);
    ok("fault and repair");

    /* A new root for its CSpace: the same node behind another guard, and another address for the same thread. */
    fine(seL4_TCB_SetSpace(tcb, 5 << 4 | FAULT_SLOT, cspace, seL4_CNode_CapData_new(5, 60).words[0], vspace, 0));
    fine(seL4_TCB_Suspend(tcb));
    registers.s1 = 5 << 4 | CALL_SLOT;
    fine(seL4_TCB_WriteRegisters(tcb, 1, 0, 32, &registers));
    message = seL4_Recv(endpoint, &badge);
    equal(badge, 100);
    equal(seL4_GetMR(0), 42);
    fine(seL4_TCB_Suspend(tcb));
    fine(delete(tcb));
    ok("another CSpace root");
}

static void pools(void)
{
    seL4_CPtr pool = slot(), memory = take(seL4_UntypedObject, seL4_ASIDPoolBits);
    fine(seL4_RISCV_ASIDControl_MakePool(seL4_CapASIDControl, memory, ROOT, pool, seL4_WordBits));
    equal(seL4_DebugCapIdentify(pool), 13);
    seL4_CPtr root = take(seL4_RISCV_PageTableObject, 0), frame = take(seL4_RISCV_4K_Page, 0);
    fine(seL4_RISCV_ASIDPool_Assign(pool, root));
    map_in(root, frame, CODE, seL4_ReadWrite);
    /* With the pool its address spaces go: their tables stay, but are none any more. */
    fine(revoke(memory));
    check(is_empty(pool));
    seL4_CPtr more = take(seL4_RISCV_4K_Page, 0);
    equal(seL4_RISCV_Page_Map(more, root, CODE, seL4_ReadWrite, DEFAULT), seL4_FailedLookup);
    fine(seL4_RISCV_ASIDControl_MakePool(seL4_CapASIDControl, memory, ROOT, pool, seL4_WordBits));
    ok("ASID pools");
}

int main(void)
{
    address_space();
    fill();
    capability_space();
    running();
    pools();
    return 0;
}
