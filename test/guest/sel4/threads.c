/* Threads: registers, stacks, priorities, stopping and going on. */
#include "common.h"

static volatile seL4_Word seen[8];
static volatile int count;

static void note(void *argument)
{
    seen[count++] = (seL4_Word)argument;
}

static void starting(void)
{
    struct thread *thread = thread_new(10, note, (void *)77, 0);
    fine(seL4_TCB_Resume(thread->tcb));
    equal(count, 0); /* less important than this one */
    let_others_run();
    equal(count, 1);
    equal(seen[0], 77);
    check(thread->finished);
    ok("start");

    /* Over again, from the first instruction. */
    thread->argument = (void *)78;
    seL4_UserContext registers = thread_registers(thread);
    fine(seL4_TCB_WriteRegisters(thread->tcb, 1, 0, 32, &registers));
    let_others_run();
    equal(count, 2);
    equal(seen[1], 78);
    ok("start again");
}

static void registers(void)
{
    struct thread *thread = thread_new(10, note, (void *)1, 0);
    seL4_UserContext is, should;
    seL4_Word *words = (seL4_Word *)&should;
    for (seL4_Word i = 0; i < 32; i++) {
        words[i] = 1000 + 2 * i;
    }
    fine(seL4_TCB_WriteRegisters(thread->tcb, 0, 0, 32, &should));
    memset(&is, 0, sizeof(is));
    fine(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 32, &is));
    check(memcmp(&is, &should, sizeof(is)) == 0);
    /* Only so many as asked for. */
    seL4_UserContext few = {.pc = 4, .ra = 2, .sp = 3};
    fine(seL4_TCB_WriteRegisters(thread->tcb, 0, 0, 2, &few));
    fine(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 32, &is));
    equal(is.pc, 4);
    equal(is.ra, 2);
    equal(is.sp, should.sp);
    equal(is.tp, should.tp);
    fine(seL4_TCB_SetTLSBase(thread->tcb, 4242));
    fine(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 32, &is));
    equal(is.tp, 4242);
    equal(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 0, &is), seL4_RangeError);
    equal(seL4_GetMR(0), 1);
    equal(seL4_GetMR(1), 32);
    equal(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 33, &is), seL4_RangeError);
    equal(seL4_TCB_WriteRegisters(thread->tcb, 0, 0, 33, &should), seL4_TruncatedMessage);
    equal(seL4_TCB_ReadRegisters(SELF, 0, 0, 32, &is), seL4_IllegalOperation);
    equal(seL4_TCB_WriteRegisters(SELF, 0, 0, 32, &should), seL4_IllegalOperation);
    ok("read and write registers");

    struct thread *other = thread_new(10, note, (void *)1, 0);
    fine(seL4_TCB_WriteRegisters(other->tcb, 0, 0, 32, &should));
    fine(seL4_TCB_CopyRegisters(thread->tcb, other->tcb, 0, 0, 1, 0, 0)); /* pc, ra, sp, gp, s0.. */
    fine(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 32, &is));
    equal(is.pc, should.pc);
    equal(is.s11, should.s11);
    equal(is.tp, 4242);
    fine(seL4_TCB_CopyRegisters(thread->tcb, other->tcb, 0, 0, 0, 1, 0)); /* a0.., t0.., tp */
    fine(seL4_TCB_ReadRegisters(thread->tcb, 0, 0, 32, &is));
    check(memcmp(&is, &should, sizeof(is)) == 0);
    equal(seL4_TCB_CopyRegisters(thread->tcb, ROOT, 0, 0, 1, 1, 0), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    ok("copy registers");
}

static void priorities(void)
{
    count = 0;
    thread_start(10, note, (void *)10);
    thread_start(30, note, (void *)30);
    thread_start(20, note, (void *)20);
    let_others_run();
    equal(count, 3);
    equal(seen[0], 30);
    equal(seen[1], 20);
    equal(seen[2], 10);
    /* A more important thread runs at once. */
    count = 0;
    fine(seL4_TCB_SetPriority(SELF, SELF, 100));
    thread_start(150, note, (void *)150);
    equal(count, 1);
    thread_start(50, note, (void *)50);
    equal(count, 1);
    fine(seL4_TCB_SetPriority(SELF, SELF, 40));
    equal(count, 2);
    fine(seL4_TCB_SetPriority(SELF, SELF, seL4_MaxPrio));
    ok("priorities");

    struct thread *thread = thread_new(10, note, NULL, 0);
    equal(seL4_TCB_SetPriority(thread->tcb, SELF, 256), seL4_RangeError);
    equal(seL4_GetMR(0), seL4_MinPrio);
    equal(seL4_GetMR(1), seL4_MaxPrio);
    equal(seL4_TCB_SetPriority(thread->tcb, thread->tcb, 11), seL4_RangeError); /* its own may be 10 at most */
    equal(seL4_GetMR(1), 10);
    equal(seL4_TCB_SetMCPriority(thread->tcb, thread->tcb, 11), seL4_RangeError);
    equal(seL4_TCB_SetSchedParams(thread->tcb, thread->tcb, 11, 5), seL4_RangeError);
    equal(seL4_TCB_SetSchedParams(thread->tcb, thread->tcb, 5, 11), seL4_RangeError);
    fine(seL4_TCB_SetMCPriority(thread->tcb, SELF, 5));
    equal(seL4_TCB_SetPriority(thread->tcb, thread->tcb, 6), seL4_RangeError);
    fine(seL4_TCB_SetPriority(thread->tcb, thread->tcb, 5));
    equal(seL4_TCB_SetPriority(thread->tcb, ROOT, 5), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    ok("limits of priorities");
}

static volatile seL4_Word turns[6];

static void yielding(void *argument)
{
    for (int i = 0; i < 3; i++) {
        turns[count++] = (seL4_Word)argument;
        seL4_Yield();
    }
}

static void yields(void)
{
    count = 0;
    thread_start(15, yielding, (void *)1);
    thread_start(15, yielding, (void *)2);
    let_others_run();
    equal(count, 6);
    for (int i = 1; i < 6; i++) { /* in turn, whoever is the first */
        check(turns[i] != turns[i - 1]);
    }
    ok("yield");
}

static volatile seL4_Word spins;

static void spinning(void *argument)
{
    (void)argument;
    for (;;) {
        spins++;
        seL4_Yield();
    }
}

static void suspending(void)
{
    struct thread *thread = thread_start(50, spinning, NULL);
    /* It never waits: so this one has to be less important for a while, and a third to end it. */
    fine(seL4_TCB_SetPriority(SELF, SELF, 50));
    seL4_Yield();
    fine(seL4_TCB_SetPriority(SELF, SELF, seL4_MaxPrio));
    seL4_Word before = spins;
    check(before > 0);
    fine(seL4_TCB_Suspend(thread->tcb));
    let_others_run();
    equal(spins, before);
    fine(seL4_TCB_Suspend(thread->tcb));
    fine(seL4_TCB_Resume(thread->tcb));
    fine(seL4_TCB_Resume(thread->tcb));
    fine(seL4_TCB_SetPriority(SELF, SELF, 50));
    seL4_Yield();
    fine(seL4_TCB_SetPriority(SELF, SELF, seL4_MaxPrio));
    check(spins > before);
    /* Reading registers can stop it. */
    seL4_UserContext is;
    fine(seL4_TCB_ReadRegisters(thread->tcb, 1, 0, 32, &is));
    check(is.sp > (seL4_Word)thread->stack && is.sp <= (seL4_Word)thread->stack + sizeof(thread->stack));
    equal(is.tp, (seL4_Word)(thread->storage + TLS_OFFSET));
    before = spins;
    let_others_run();
    equal(spins, before);
    fine(seL4_TCB_Resume(thread->tcb));
    fine(delete(thread->tcb));
    let_others_run();
    equal(spins, before);
    ok("suspend and resume");
}

static void buffers(void)
{
    struct thread *thread = thread_new(10, note, NULL, 0);
    seL4_Word at = (seL4_Word)thread->buffer;
    equal(seL4_TCB_SetIPCBuffer(thread->tcb, at + 8, thread->frame), seL4_AlignmentError);
    equal(seL4_TCB_SetIPCBuffer(thread->tcb, at + 512, thread->frame), seL4_AlignmentError);
    equal(seL4_TCB_SetIPCBuffer(thread->tcb, at, ROOT), seL4_IllegalOperation);
    fine(seL4_TCB_SetIPCBuffer(thread->tcb, at + 1024, thread->frame));
    fine(seL4_TCB_SetIPCBuffer(thread->tcb, 0, 0));
    fine(seL4_TCB_SetIPCBuffer(thread->tcb, at, thread->frame));
    ok("IPC buffers");

    equal(seL4_TCB_SetSpace(thread->tcb, 0, VSPACE, 0, VSPACE, 0), seL4_IllegalOperation);
    equal(seL4_TCB_SetSpace(thread->tcb, 0, ROOT, 0, ROOT, 0), seL4_IllegalOperation);
    equal(seL4_TCB_SetSpace(thread->tcb, 0, ROOT, 0, take(seL4_RISCV_PageTableObject, 0), 0), seL4_IllegalOperation);
    fine(seL4_TCB_SetSpace(thread->tcb, 0, ROOT, 0, VSPACE, 0));
    equal(seL4_TCB_Configure(thread->tcb, 0, ROOT, 0, VSPACE, 0, at + 1, thread->frame), seL4_AlignmentError);
    ok("spaces");
}

static void domains(void)
{
    struct thread *thread = thread_new(10, note, NULL, 0);
    fine(seL4_DomainSet_Set(seL4_CapDomain, 0, thread->tcb));
    equal(seL4_DomainSet_Set(seL4_CapDomain, 255, thread->tcb), seL4_InvalidArgument);
    equal(seL4_GetMR(0), 0);
    equal(seL4_DomainSet_Set(seL4_CapDomain, 0, ROOT), seL4_InvalidArgument);
    equal(seL4_GetMR(0), 1);
    ok("domains");
}

int main(void)
{
    starting();
    registers();
    priorities();
    yields();
    suspending();
    buffers();
    domains();
    return 0;
}
