/* Revokes memory of which very much was made, while another thread goes on; and a deep nest of CNodes. */
#include "common.h"

enum { AT_ONCE = 256, ENDPOINTS = 50000, COPIES = 100000, NEST = 2000 };
static volatile seL4_Word turns;

static void counting(void *argument)
{
    (void)argument;
    for (;;) {
        turns += 1;
    }
}

/* Endpoints of all this memory, and badged copies of one of them, in a node of their own. */
static void many(seL4_CPtr untyped)
{
    seL4_CPtr node = take(seL4_CapTableObject, 18);
    for (seL4_Word at = 0; at < ENDPOINTS; at += AT_ONCE) {
        fine(seL4_Untyped_Retype(untyped, seL4_EndpointObject, 0, ROOT, node, seL4_WordBits, at, AT_ONCE));
    }
    for (seL4_Word i = 0; i < COPIES; i++) {
        fine(seL4_CNode_Mint(node, 1 << 17 | i, 18, node, 0, 18, seL4_AllRights, i + 1));
    }
    printf("made\n");
    fflush(stdout);
    seL4_Word before = turns;
    fine(revoke(untyped));
    check(turns > before + 1000);
    for (seL4_Word i = 0; i < 1 << 18; i += 97) {
        equal(seL4_CNode_Move(ROOT, 0, seL4_WordBits, node, i, 18), seL4_FailedLookup);
    }
    printf("revoked\n");
    fflush(stdout);
}

/* Each holds the only capability to the next, so that one deletion is the end of all. */
static void nest(seL4_CPtr untyped)
{
    seL4_CPtr outer = slot(), inner = slot();
    fine(retype(untyped, seL4_CapTableObject, 1, outer, 1));
    for (int i = 0; i < NEST; i++) {
        fine(retype(untyped, seL4_CapTableObject, 1, inner, 1));
        fine(seL4_CNode_Move(inner, 0, 1, ROOT, outer, seL4_WordBits));
        fine(seL4_CNode_Move(ROOT, outer, seL4_WordBits, ROOT, inner, seL4_WordBits));
    }
    fine(delete(outer));
    fine(retype(untyped, seL4_UntypedObject, 20, inner, 1)); /* all of it is free again */
    printf("nest gone\n");
}

int main(void)
{
    seL4_CPtr untyped = take(seL4_UntypedObject, 20);
    thread_start(100, counting, NULL);
    fine(seL4_TCB_SetPriority(SELF, SELF, 100));
    many(untyped);
    nest(untyped);
    return 0;
}
