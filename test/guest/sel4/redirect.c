/* What becomes of a thread's registers and of its call when somebody, itself perhaps, changes what it does. */
#include "common.h"

static volatile seL4_Word seen[8];
static volatile int count;
static seL4_CPtr endpoint, notification;

/* One of the calls with these registers; what they are afterwards. */
struct call {
    seL4_Word number, a0, a1, a2;
};

static struct call make(seL4_Word number, seL4_Word a0, seL4_Word a1, seL4_Word a2)
{
    register seL4_Word r0 __asm__("a0") = a0, r1 __asm__("a1") = a1, r2 __asm__("a2") = a2, r7 __asm__("a7") = number;
    register seL4_Word r3 __asm__("a3"), r4 __asm__("a4"), r5 __asm__("a5");
    __asm__ volatile("ecall" : "+r"(r0), "+r"(r1), "+r"(r2), "=r"(r3), "=r"(r4), "=r"(r5) : "r"(r7) : "memory");
    return (struct call){number, r0, r1, r2};
}

static seL4_Word tag(seL4_Word label, seL4_Word length)
{
    return seL4_MessageInfo_new(label, 0, 0, length).words[0];
}

/* A call that gets no answer leaves the registers alone; a signal brings a badge, and no message. */
static void untouched(void)
{
    struct call now = make(seL4_SysSend, notification, tag(5, 1), 77);
    equal(now.a0, notification);
    equal(now.a1, tag(5, 1));
    equal(now.a2, 77);
    now = make(seL4_SysRecv, notification, tag(6, 2), 78);
    equal(now.a0, 0);
    equal(now.a1, tag(6, 2));
    equal(now.a2, 78);
    now = make(seL4_SysNBRecv, notification, tag(6, 2), 78);
    equal(now.a0, 0);
    equal(now.a1, tag(6, 2));
    now = make(seL4_SysNBSend, endpoint, tag(5, 1), 77); /* nobody is there */
    equal(now.a0, endpoint);
    now = make(seL4_SysReply, 1234, tag(5, 1), 77); /* nobody called */
    equal(now.a0, 1234);
    now = make(seL4_SysYield, 1234, tag(5, 1), 77);
    equal(now.a0, 1234);
    now = make(seL4_SysSend, SELF, tag(TCBReadRegisters, 2), 0); /* it would be an error, but nobody asks */
    equal(now.a0, SELF);
    equal(now.a1, tag(TCBReadRegisters, 2));
    now = make(seL4_SysCall, notification, tag(5, 1), 77);
    equal(now.a0, 0);
    equal(now.a1, 0);
    ok("registers without an answer");
}

static void sending(void *argument)
{
    struct call now = make(seL4_SysSend, endpoint, tag(9, 1), (seL4_Word)argument);
    seen[0] = now.a0;
    seen[1] = now.a1;
    count++;
}

static void queued(void)
{
    count = 0;
    thread_start(10, sending, (void *)55);
    let_others_run();
    seL4_Word badge;
    seL4_MessageInfo_t info = seL4_Recv(endpoint, &badge);
    equal(seL4_MessageInfo_get_label(info), 9);
    equal(seL4_GetMR(0), 55);
    let_others_run();
    equal(count, 1);
    equal(seen[0], endpoint);
    equal(seen[1], tag(9, 1));
    ok("a sender that waited");
}

static void suspending(void *self)
{
    struct thread **thread = self;
    seL4_Error error = seL4_TCB_Suspend((*thread)->tcb);
    seen[0] = error;
    count++;
}

/* Whoever suspends itself and is resumed makes its call again: it stops once more. */
static void suspends_itself(void)
{
    static struct thread *thread;
    count = 0;
    thread = thread_new(10, suspending, &thread, 0);
    fine(seL4_TCB_Resume(thread->tcb));
    let_others_run();
    seL4_UserContext before, after;
    fine(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 32, &before));
    fine(seL4_TCB_Resume(thread->tcb));
    let_others_run();
    fine(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 32, &after));
    equal(count, 0);
    check(memcmp(&before, &after, sizeof(before)) == 0);
    equal(after.a1, tag(TCBSuspend, 0));
    ok("suspends itself");
}

__attribute__((noinline, noreturn)) static void landed(void)
{
    register seL4_Word r0 __asm__("a0"), r1 __asm__("a1"), r2 __asm__("a2");
    __asm__ volatile("" : "=r"(r0), "=r"(r1), "=r"(r2));
    seen[0] = r0;
    seen[1] = r1;
    seen[2] = r2;
    count++;
    for (;;) {
        seL4_Wait(notification, NULL);
    }
}

static void receiving(void *argument)
{
    seL4_Recv((seL4_CPtr)argument, NULL);
    count = 100;
    seL4_Wait(notification, NULL);
}

static void calling(void *argument)
{
    seL4_SetMR(0, 5);
    seL4_Call((seL4_CPtr)argument, seL4_MessageInfo_new(3, 0, 0, 1));
    count = 100;
}

/* Written to while it waits for a message, a thread goes on waiting, and then from where it was told to. */
static void waits_on(void)
{
    count = 0;
    struct thread *thread = thread_start(10, receiving, (void *)endpoint);
    let_others_run();
    seL4_UserContext registers, now;
    fine(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 32, &registers));
    registers.pc = (seL4_Word)landed;
    fine(seL4_TCB_WriteRegisters(thread->tcb, 0, 0, 3, &registers));
    let_others_run();
    equal(count, 0);
    seL4_SetMR(0, 4711);
    seL4_Send(endpoint, seL4_MessageInfo_new(8, 0, 0, 1)); /* it waits still */
    fine(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 1, &now));
    equal(now.pc, (seL4_Word)landed);
    let_others_run();
    equal(count, 1);
    equal(seen[0], 0);
    equal(seen[1], tag(8, 1));
    equal(seen[2], 4711);
    fine(delete(thread->tcb));
    ok("a receiver is redirected");

    /* A sender's registers are its message. */
    count = 0;
    thread = thread_start(10, calling, (void *)endpoint);
    let_others_run();
    fine(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 32, &registers));
    registers.pc = (seL4_Word)landed;
    registers.a1 = tag(21, 1);
    registers.a2 = 2121;
    fine(seL4_TCB_WriteRegisters(thread->tcb, 0, 0, 32, &registers));
    seL4_MessageInfo_t info = seL4_Recv(endpoint, NULL);
    equal(seL4_MessageInfo_get_label(info), 21);
    equal(seL4_GetMR(0), 2121);
    seL4_SetMR(0, 99);
    seL4_Reply(seL4_MessageInfo_new(7, 0, 0, 1));
    let_others_run();
    equal(count, 1);
    equal(seen[0], 0);
    equal(seen[1], tag(7, 1));
    equal(seen[2], 99);
    fine(delete(thread->tcb));
    ok("a sender is redirected");

    /* With the flag to go on it does at once, and what it waited for is forgotten. */
    count = 0;
    thread = thread_start(10, receiving, (void *)endpoint);
    let_others_run();
    registers.pc = (seL4_Word)landed;
    registers.a0 = 12;
    fine(seL4_TCB_WriteRegisters(thread->tcb, 1, 0, 32, &registers));
    let_others_run();
    equal(count, 1);
    equal(seen[0], 12);
    fine(delete(thread->tcb));
    ok("and goes on");
}

/*
 * Makes the call in a0 to a2 with all registers that the callee saves kept aside. It may go on at `landing`: a2 is then
 * what ra was, and else 0.
 */
__asm__(".pushsection .text\n"
        ".option push\n"
        ".option norelax\n"
        "copy_self:\n"
        "  la t0, kept\n"
        "  sd ra, 0(t0)\n  sd sp, 8(t0)\n  sd gp, 16(t0)\n  sd s0, 24(t0)\n  sd s1, 32(t0)\n  sd s2, 40(t0)\n"
        "  sd s3, 48(t0)\n  sd s4, 56(t0)\n  sd s5, 64(t0)\n  sd s6, 72(t0)\n  sd s7, 80(t0)\n  sd s8, 88(t0)\n"
        "  sd s9, 96(t0)\n  sd s10, 104(t0)\n  sd s11, 112(t0)\n"
        "  li a7, -1\n"
        "  ecall\n"
        "  li a2, 0\n"
        "  j 1f\n"
        ".globl landing\n"
        "landing:\n"
        "  .word 0x00008613\n" /* mv a2, ra, in four bytes */
        "1: la t0, kept\n"
        "  ld ra, 0(t0)\n  ld sp, 8(t0)\n  ld gp, 16(t0)\n  ld s0, 24(t0)\n  ld s1, 32(t0)\n  ld s2, 40(t0)\n"
        "  ld s3, 48(t0)\n  ld s4, 56(t0)\n  ld s5, 64(t0)\n  ld s6, 72(t0)\n  ld s7, 80(t0)\n  ld s8, 88(t0)\n"
        "  ld s9, 96(t0)\n  ld s10, 104(t0)\n  ld s11, 112(t0)\n"
        "  la t0, after\n"
        "  sd a0, 0(t0)\n  sd a1, 8(t0)\n  sd a2, 16(t0)\n"
        "  ret\n"
        ".option pop\n"
        ".popsection\n");
extern const char landing[];
void copy_self(seL4_Word cap, seL4_Word info, seL4_Word flags);
seL4_Word kept[15], after[3];

/* A thread that copies another's registers to itself goes on with them, at exactly that place. */
static void copies_itself(void)
{
    struct thread *model = thread_new(10, receiving, NULL, 0);
    seL4_UserContext registers = {.pc = (seL4_Word)landing, .ra = 4242, .sp = 1, .s11 = 7};
    fine(seL4_TCB_WriteRegisters(model->tcb, 0, 0, 16, &registers));
    seL4_SetCap(0, model->tcb);
    seL4_Word info = seL4_MessageInfo_new(TCBCopyRegisters, 0, 1, 1).words[0];
    copy_self(SELF, info, 4);
    equal(after[0], 0);
    equal(after[1], 0);
    equal(after[2], 4242);
    copy_self(SELF, info, 0); /* copies nothing */
    equal(after[2], 0);
    ok("copies registers to itself");
}

/* The source is stopped and the target started before anything is copied. */
static void copies_and_starts(void)
{
    count = 0;
    struct thread *source = thread_start(10, receiving, (void *)endpoint);
    let_others_run();
    struct thread *target = thread_new(10, receiving, (void *)endpoint, 0);
    fine(seL4_TCB_CopyRegisters(target->tcb, source->tcb, 1, 1, 1, 1, 0));
    let_others_run();
    seL4_SetMR(0, 1);
    seL4_Send(endpoint, seL4_MessageInfo_new(0, 0, 0, 1)); /* to the copy, which makes the call of its model */
    let_others_run();
    equal(count, 100);
    make(seL4_SysNBSend, endpoint, tag(1, 0), 0); /* the source does not wait any more */
    fine(delete(source->tcb));
    fine(delete(target->tcb));
    ok("copies and starts");
}

static seL4_CPtr reply;
static struct thread *client;

/* A caller that wants a capability in the slot where the right to answer it is kept. */
static void wants(void *argument)
{
    (void)argument;
    seL4_IPCBuffer *buffer = client->buffer;
    buffer->receiveCNode = ROOT;
    buffer->receiveIndex = reply;
    buffer->receiveDepth = seL4_WordBits;
    struct call now = make(seL4_SysCall, endpoint, tag(0, 0), 0);
    seen[0] = now.a1;
    count++;
}

/* The right to answer goes after the answer: its slot is no place for a capability that comes with it. */
static void answers_into_its_own_slot(void)
{
    count = 0;
    reply = slot();
    client = thread_new(10, wants, NULL, 0);
    fine(seL4_TCB_Resume(client->tcb));
    let_others_run();
    seL4_Recv(endpoint, NULL);
    fine(seL4_CNode_SaveCaller(ROOT, reply, seL4_WordBits));
    seL4_SetCap(0, notification);
    seL4_Send(reply, seL4_MessageInfo_new(2, 0, 1, 0));
    let_others_run();
    equal(count, 1);
    equal(seen[0], tag(2, 0));
    check(is_empty(reply));
    ok("the slot of an answer");
}

static void long_message(void *argument)
{
    (void)argument;
    struct call now = make(seL4_SysSend, endpoint, tag(3, 6), 1);
    seen[0] = now.a0;
    now = make(seL4_SysRecv, endpoint, 0, 0);
    seen[1] = now.a1;
    count++;
}

/* From a buffer that may only be read one can send; to receive there takes one that may be written. */
static void reads_only(void)
{
    count = 0;
    struct thread *thread = thread_new(10, long_message, NULL, 0);
    seL4_CPtr weak = mint(thread->frame, seL4_CanRead, 0);
    fine(seL4_TCB_SetIPCBuffer(thread->tcb, (seL4_Word)thread->buffer, weak));
    thread->buffer->msg[4] = 44;
    thread->buffer->msg[5] = 55;
    fine(seL4_TCB_Resume(thread->tcb));
    let_others_run();
    seL4_MessageInfo_t info = seL4_Recv(endpoint, NULL);
    equal(seL4_MessageInfo_get_length(info), 6);
    equal(seL4_GetMR(4), 44);
    equal(seL4_GetMR(5), 55);
    let_others_run();
    seL4_Send(endpoint, seL4_MessageInfo_new(4, 0, 0, 6));
    let_others_run();
    equal(count, 1);
    equal(seen[1], tag(4, 4));
    ok("a buffer for reading");
}

int main(void)
{
    endpoint = take(seL4_EndpointObject, 0);
    notification = take(seL4_NotificationObject, 0);
    untouched();
    queued();
    suspends_itself();
    waits_on();
    copies_itself();
    copies_and_starts();
    answers_into_its_own_slot();
    reads_only();
    return 0;
}
