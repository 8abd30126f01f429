/* What the kernel prints for people: its threads, and faults that nobody handles. */
#include "common.h"

static void wait_for(void *notification)
{
    seL4_Wait((seL4_CPtr)notification, NULL);
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    struct thread *waiter = thread_start(7, wait_for, (void *)take(seL4_NotificationObject, 0));
    let_others_run();
    seL4_DebugNameThread(waiter->tcb, "waiter");
    seL4_CPtr fresh = take(seL4_TCBObject, 0);
    seL4_DebugDumpScheduler();
    seL4_DebugSnapshot();

    /* A thread in a space of its own, where there is nothing. */
    seL4_CPtr space = take(seL4_RISCV_PageTableObject, 0);
    fine(seL4_RISCV_ASIDPool_Assign(seL4_CapInitThreadASIDPool, space));
    fine(seL4_TCB_SetSpace(fresh, 0, ROOT, 0, space, 0));
    fine(seL4_TCB_SetPriority(fresh, SELF, 9));
    seL4_UserContext registers = {.pc = 0x400000};
    fine(seL4_TCB_WriteRegisters(fresh, 1, 0, 1, &registers));
    let_others_run();

    seL4_DebugNameThread(SELF, "first");
    seL4_DebugHalt();
    return 0;
}
