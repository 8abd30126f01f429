/*
 * A deletion that is not done: what is being deleted is a zombie in its slot, whoever goes on with it, and nothing
 * else gets into the slot before it has gone.
 */
#include "common.h"

#define ZOMBIE 18
#define BITS 12

static seL4_CPtr endpoint;

static void fill(seL4_CPtr node, int count)
{
    for (int i = 0; i < count; i++) {
        fine(seL4_CNode_Mint(node, i, BITS, ROOT, endpoint, seL4_WordBits, seL4_AllRights, 1 + i));
    }
}

static void deleter(void *argument)
{
    delete((seL4_CPtr)argument);
}

/* A thread that has begun to delete a node of 4,000 capabilities, and was stopped. */
static struct thread *half_done(seL4_CPtr node)
{
    struct thread *thread = thread_start(seL4_MaxPrio, deleter, (void *)node);
    for (int i = 0; i < 3; i++) {
        seL4_Yield();
    }
    fine(seL4_TCB_Suspend(thread->tcb));
    check(!thread->finished);
    equal(seL4_DebugCapIdentify(node), ZOMBIE);
    return thread;
}

static void let_finish(struct thread *thread)
{
    fine(seL4_TCB_Resume(thread->tcb));
    for (int i = 0; i < 1000 && !thread->finished; i++) {
        seL4_Yield();
    }
    check(thread->finished);
}

static void resumed(void)
{
    seL4_CPtr node = take(seL4_CapTableObject, BITS);
    fill(node, 4000);
    struct thread *thread = half_done(node);
    equal(seL4_CNode_Mint(ROOT, node, seL4_WordBits, ROOT, endpoint, seL4_WordBits, seL4_AllRights, 9), seL4_DeleteFirst);
    equal(seL4_CNode_Copy(ROOT, slot(), seL4_WordBits, ROOT, node, seL4_WordBits, seL4_AllRights), seL4_IllegalOperation);
    equal(seL4_CNode_Mint(node, 4001, BITS, ROOT, endpoint, seL4_WordBits, seL4_AllRights, 1), seL4_InvalidCapability);
    let_finish(thread);
    check(is_empty(node));
    fine(seL4_CNode_Mint(ROOT, node, seL4_WordBits, ROOT, endpoint, seL4_WordBits, seL4_AllRights, 9));
    ok("resumed");
}

/* Who deletes the slot, or revokes what the node was made of, finishes what another began. */
static void finished_by_another(void)
{
    seL4_CPtr memory = take(seL4_UntypedObject, BITS + seL4_SlotBits);
    for (int round = 0; round < 2; round++) {
        seL4_CPtr node = slot();
        fine(retype(memory, seL4_CapTableObject, BITS, node, 1));
        fill(node, 4000);
        struct thread *thread = half_done(node);
        /* Another deletion has nothing to do with it. */
        fine(delete(copy(endpoint)));
        equal(seL4_DebugCapIdentify(node), ZOMBIE);
        fine(round == 0 ? delete(node) : revoke(memory));
        check(is_empty(node));
        /* Called again, it finds nothing to do. */
        let_finish(thread);
        fine(revoke(memory));
    }
    ok("finished by another");
}

int main(void)
{
    fine(seL4_TCB_SetPriority(SELF, SELF, seL4_MaxPrio));
    endpoint = take(seL4_EndpointObject, 0);
    resumed();
    finished_by_another();
    /* The last one stays as it is: the program ends meanwhile. */
    seL4_CPtr node = take(seL4_CapTableObject, BITS);
    fill(node, 4000);
    half_done(node);
    ok("done");
    return 0;
}
