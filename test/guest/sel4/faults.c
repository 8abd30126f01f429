/* Faults of a thread as messages to its handler, which repairs and answers. */
#include "common.h"

#define BADGE 0x77

static seL4_CPtr endpoint, handler;
static volatile seL4_Word result;

/* The instruction that faults gets a name, so that the message can be compared with it. */
#define AT(name) ".globl " name "\n" name ": "
extern const char load_at[], store_at[], send_at[], call_at[], illegal_at[];

static seL4_MessageInfo_t receive(void)
{
    seL4_Word badge = 0;
    seL4_MessageInfo_t message = seL4_Recv(endpoint, &badge);
    equal(badge, BADGE);
    return message;
}

static struct thread *start(void (*run)(void *), seL4_Word argument)
{
    result = 0;
    struct thread *thread = thread_new(10, run, (void *)argument, handler);
    fine(seL4_TCB_Resume(thread->tcb));
    return thread;
}

static void answer(seL4_Word label, seL4_Word length)
{
    seL4_Reply(seL4_MessageInfo_new(label, 0, 0, length));
    let_others_run();
}

static void __attribute__((noinline)) loading(void *argument)
{
    seL4_Word value;
    __asm__ volatile(AT("load_at") "ld %0, 0(%1)" : "=r"(value) : "r"(argument) : "memory");
    result = value;
}

static void __attribute__((noinline)) storing(void *argument)
{
    __asm__ volatile(AT("store_at") "sd %0, 0(%1)" : : "r"(55ul), "r"(argument) : "memory");
    result = 1;
}

static void jumping(void *argument)
{
    ((void (*)(void))argument)();
    result = 1;
}

/* A pager: where nothing is mapped, it maps a frame. */
static void paging(void)
{
    seL4_Word at = address(seL4_PageBits);
    start(loading, at + 8);
    seL4_MessageInfo_t message = receive();
    check(seL4_isVMFault_tag(message));
    equal(seL4_MessageInfo_get_label(message), seL4_Fault_VMFault);
    equal(seL4_MessageInfo_get_length(message), seL4_VMFault_Length);
    seL4_Fault_t fault = seL4_getFault(message);
    equal(seL4_Fault_get_seL4_FaultType(fault), seL4_Fault_VMFault);
    equal(seL4_Fault_VMFault_get_IP(fault), load_at);
    equal(seL4_Fault_VMFault_get_Addr(fault), at + 8);
    equal(seL4_Fault_VMFault_get_PrefetchFault(fault), 0);
    equal(seL4_Fault_VMFault_get_FSR(fault), 5);
    seL4_CPtr frame = take(seL4_RISCV_4K_Page, 0), mine = copy(frame);
    volatile seL4_Word *seen = map(mine);
    seen[1] = 4711;
    map_in(VSPACE, frame, at, seL4_CanRead);
    answer(0, 0);
    equal(result, 4711);
    ok("load");

    start(storing, at);
    fault = seL4_getFault(receive());
    equal(seL4_Fault_get_seL4_FaultType(fault), seL4_Fault_VMFault);
    equal(seL4_Fault_VMFault_get_IP(fault), store_at);
    equal(seL4_Fault_VMFault_get_Addr(fault), at);
    equal(seL4_Fault_VMFault_get_FSR(fault), 7);
    equal(seen[0], 0);
    fine(seL4_RISCV_Page_Map(frame, VSPACE, at, seL4_ReadWrite, seL4_RISCV_ExecuteNever));
    answer(0, 0);
    equal(result, 1);
    equal(seen[0], 55);
    ok("store to a page for reading");

    seen[2] = 0x8082; /* a return */
    start(jumping, at + 16);
    fault = seL4_getFault(receive());
    equal(seL4_Fault_get_seL4_FaultType(fault), seL4_Fault_VMFault);
    equal(seL4_Fault_VMFault_get_IP(fault), at + 16);
    equal(seL4_Fault_VMFault_get_Addr(fault), at + 16);
    equal(seL4_Fault_VMFault_get_PrefetchFault(fault), 1);
    equal(seL4_Fault_VMFault_get_FSR(fault), 1);
    fine(seL4_RISCV_Page_Map(frame, VSPACE, at, seL4_CanRead, seL4_RISCV_Default_VMAttributes));
    __asm__ volatile("fence.i");
    answer(0, 0);
    equal(result, 1);
    ok("execute what is no code");
}

static void __attribute__((noinline)) sending(void *argument)
{
    register seL4_Word to __asm__("a0") = (seL4_Word)argument;
    register seL4_Word info __asm__("a1") = 0;
    register seL4_Word number __asm__("a7") = (seL4_Word)seL4_SysSend;
    __asm__ volatile(AT("send_at") "ecall" : "+r"(to), "+r"(info) : "r"(number) : "memory");
    result = 1;
}

static void receiving(void *argument)
{
    seL4_Recv((seL4_CPtr)argument, NULL);
    result = 1;
}

static void polling(void *argument)
{
    seL4_NBSend((seL4_CPtr)argument, seL4_MessageInfo_new(0, 0, 0, 0));
    result = 1;
}

static void capabilities(void)
{
    seL4_Word bits = seL4_GetBootInfo()->initThreadCNodeSizeBits, wrong = 1ul << bits | 3;
    struct thread *thread = start(sending, wrong);
    seL4_MessageInfo_t message = receive();
    check(seL4_isCapFault_tag(message));
    equal(seL4_MessageInfo_get_length(message), 7);
    seL4_Fault_t fault = seL4_getFault(message);
    equal(seL4_Fault_CapFault_get_IP(fault), send_at);
    equal(seL4_Fault_CapFault_get_Addr(fault), wrong);
    equal(seL4_Fault_CapFault_get_InRecvPhase(fault), 0);
    equal(seL4_Fault_CapFault_get_LookupFailureType(fault), seL4_GuardMismatch);
    equal(seL4_GetMR(seL4_CapFault_BitsLeft), 64);
    equal(seL4_GetMR(seL4_CapFault_GuardMismatch_GuardFound), 0);
    equal(seL4_GetMR(seL4_CapFault_GuardMismatch_BitsFound), 64 - bits);
    /* Answered, it tries again: and fails again. */
    answer(0, 0);
    equal(result, 0);
    check(seL4_isCapFault_tag(receive()));
    fine(delete(thread->tcb));
    ok("send to nowhere");

    seL4_CPtr empty = slot();
    thread = start(receiving, empty);
    message = receive();
    check(seL4_isCapFault_tag(message));
    fault = seL4_getFault(message);
    equal(seL4_Fault_CapFault_get_Addr(fault), empty);
    equal(seL4_Fault_CapFault_get_InRecvPhase(fault), 1);
    equal(seL4_Fault_CapFault_get_LookupFailureType(fault), seL4_MissingCapability);
    equal(seL4_GetMR(seL4_CapFault_BitsLeft), 0);
    equal(seL4_MessageInfo_get_length(message), 5);
    /* Put something there, and it goes on. */
    seL4_CPtr notification = take(seL4_NotificationObject, 0);
    seL4_Signal(notification);
    fine(seL4_CNode_Move(ROOT, empty, seL4_WordBits, ROOT, notification, seL4_WordBits));
    answer(0, 0);
    equal(result, 1);
    ok("receive from nowhere");

    seL4_CPtr unreadable = mint(take(seL4_EndpointObject, 0), seL4_CanWrite, 0);
    thread = start(receiving, unreadable);
    fault = seL4_getFault(receive());
    equal(seL4_Fault_get_seL4_FaultType(fault), seL4_Fault_CapFault);
    equal(seL4_Fault_CapFault_get_InRecvPhase(fault), 1);
    fine(delete(thread->tcb));
    /* What does not wait does not fault, either. */
    start(polling, wrong);
    let_others_run();
    equal(result, 1);
    ok("without the right");
}

static void __attribute__((noinline)) unknown(void *argument)
{
    register seL4_Word a0 __asm__("a0") = (seL4_Word)argument;
    register seL4_Word a1 __asm__("a1") = 11;
    register seL4_Word a2 __asm__("a2") = 12;
    register seL4_Word a3 __asm__("a3") = 13;
    register seL4_Word a4 __asm__("a4") = 14;
    register seL4_Word a5 __asm__("a5") = 15;
    register seL4_Word a6 __asm__("a6") = 16;
    register seL4_Word a7 __asm__("a7") = -100ul;
    __asm__ volatile(AT("call_at") "ecall"
                     : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5), "+r"(a6)
                     : "r"(a7)
                     : "memory");
    result = a0 + a6;
}

static void system_calls(void)
{
    struct thread *thread = start(unknown, 10);
    seL4_MessageInfo_t message = receive();
    check(seL4_isUnknownSyscall_tag(message));
    equal(seL4_MessageInfo_get_length(message), seL4_UnknownSyscall_Length);
    seL4_Fault_t fault = seL4_getFault(message);
    equal(seL4_Fault_UnknownSyscall_get_FaultIP(fault), call_at);
    check(seL4_Fault_UnknownSyscall_get_SP(fault) > (seL4_Word)thread->stack);
    equal(seL4_Fault_UnknownSyscall_get_A0(fault), 10);
    equal(seL4_Fault_UnknownSyscall_get_A1(fault), 11);
    equal(seL4_Fault_UnknownSyscall_get_A5(fault), 15);
    equal(seL4_Fault_UnknownSyscall_get_A6(fault), 16);
    equal(seL4_Fault_UnknownSyscall_get_Syscall(fault), -100ul);
    /* The answer says where to go on and what the registers are: as many as it is long. */
    for (int i = 0; i < seL4_UnknownSyscall_Length; i++) {
        seL4_SetMR(i, seL4_GetMR(i));
    }
    seL4_SetMR(seL4_UnknownSyscall_FaultIP, (seL4_Word)call_at + 4);
    seL4_SetMR(seL4_UnknownSyscall_A0, 1000);
    answer(0, seL4_UnknownSyscall_A0 + 1);
    equal(result, 1016);
    ok("unknown system call");
}

static void __attribute__((noinline)) illegal(void *argument)
{
    (void)argument;
    __asm__ volatile(AT("illegal_at") ".4byte 0xc0001073" : : : "memory");
    result = 1;
}

static void exceptions(void)
{
    struct thread *thread = start(illegal, 0);
    seL4_MessageInfo_t message = receive();
    check(seL4_isUserException_tag(message));
    equal(seL4_MessageInfo_get_length(message), seL4_UserException_Length);
    seL4_Fault_t fault = seL4_getFault(message);
    equal(seL4_Fault_UserException_get_FaultIP(fault), illegal_at);
    check(seL4_Fault_UserException_get_SP(fault) > (seL4_Word)thread->stack);
    equal(seL4_Fault_UserException_get_Number(fault), 2);
    equal(seL4_Fault_UserException_get_Code(fault), 0);
    seL4_SetMR(seL4_UserException_FaultIP, (seL4_Word)illegal_at + 4);
    answer(0, 1);
    equal(result, 1);
    ok("user exception");

    /* An answer with another label stops the thread; but a load is tried again whatever the label is. */
    start(loading, address(seL4_PageBits));
    receive();
    answer(1, 0);
    receive();
    start(illegal, 0);
    receive();
    seL4_SetMR(seL4_UserException_FaultIP, (seL4_Word)illegal_at + 4);
    answer(1, 1);
    equal(result, 0);
    ok("stop");
}

int main(void)
{
    endpoint = take(seL4_EndpointObject, 0);
    handler = mint(endpoint, seL4_AllRights, BADGE);
    paging();
    capabilities();
    system_calls();
    exceptions();
    return 0;
}
