/* Threads on the harts that they are given. */
#include "common.h"

static volatile seL4_Word spins[8];

static void spinning(void *argument)
{
    for (;;) {
        spins[(seL4_Word)argument]++;
    }
}

int main(void)
{
    seL4_Word harts = seL4_GetBootInfo()->numNodes;
    check(harts >= 1 && harts <= 8);
    struct thread *thread = thread_new(10, spinning, (void *)0, 0);
    equal(seL4_TCB_SetAffinity(thread->tcb, harts), seL4_IllegalOperation);
    equal(seL4_TCB_SetAffinity(thread->tcb, 1ul << 32), seL4_IllegalOperation);
    fine(seL4_TCB_SetAffinity(thread->tcb, harts - 1));
    fine(seL4_TCB_SetAffinity(SELF, 0));
    ok("affinity");
    /* This thread has the highest priority, so on its own hart nobody else runs. */
    fine(seL4_TCB_Resume(thread->tcb));
    for (seL4_Word i = 1; i < harts; i++) {
        struct thread *other = thread_new(10, spinning, (void *)i, 0);
        fine(seL4_TCB_SetAffinity(other->tcb, i));
        fine(seL4_TCB_Resume(other->tcb));
    }
    for (volatile int i = 0; i < 100000; i++) {
    }
    equal(spins[0] > 0, harts > 1);
    for (seL4_Word i = 1; i < harts; i++) {
        check(spins[i] > 1000);
    }
    /* Stopped by one on another hart, it stops at once. */
    fine(seL4_TCB_Suspend(thread->tcb));
    seL4_Word before = spins[0];
    for (volatile int i = 0; i < 10000; i++) {
    }
    equal(spins[0], before);
    /* Taken to this hart, it waits for this thread. */
    fine(seL4_TCB_SetAffinity(thread->tcb, 0));
    fine(seL4_TCB_Resume(thread->tcb));
    for (volatile int i = 0; i < 10000; i++) {
    }
    equal(spins[0], before);
    ok("harts");
    return 0;
}
