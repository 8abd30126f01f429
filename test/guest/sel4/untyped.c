/* Memory: what untyped memory can be made into, how much of it, and how it comes back. */
#include "common.h"

static seL4_CPtr base; /* 64 KiB */

static void splitting(void)
{
    seL4_CPtr quarters = slots(4), more = slot();
    fine(retype(base, seL4_UntypedObject, 14, quarters, 4));
    equal(retype(base, seL4_UntypedObject, 4, more, 1), seL4_NotEnoughMemory);
    equal(seL4_GetMR(0), 0);
    check(is_empty(more));
    seL4_CPtr parent = quarters;
    for (seL4_Word bits = 12; bits >= seL4_MinUntypedBits; bits -= 2) {
        seL4_CPtr parts = slots(4);
        fine(retype(parent, seL4_UntypedObject, bits, parts, 4));
        parent = parts + 3;
    }
    equal(retype(parent, seL4_EndpointObject, 0, more, 1), seL4_NoError);
    equal(retype(parent, seL4_EndpointObject, 0, slot(), 1), seL4_NotEnoughMemory);
    fine(revoke(base));
    check(is_empty(more) && is_empty(parent) && is_empty(quarters) && is_empty(quarters + 3));
    fine(retype(base, seL4_UntypedObject, 15, quarters, 2));
    fine(revoke(base));
    ok("split and revoke");
}

static void every_type(void)
{
    static const struct {
        seL4_Word type, bits, identity;
    } all[] = {
        {seL4_UntypedObject, 12, 2}, {seL4_TCBObject, 0, 12},      {seL4_EndpointObject, 0, 4},
        {seL4_NotificationObject, 0, 6}, {seL4_CapTableObject, 4, 10}, {seL4_RISCV_4K_Page, 0, 1},
        {seL4_RISCV_PageTableObject, 0, 3},
    };
    for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
        seL4_CPtr made = slots(3);
        fine(retype(base, all[i].type, all[i].bits, made, 3));
        for (int k = 0; k < 3; k++) {
            equal(seL4_DebugCapIdentify(made + (seL4_Word)k), all[i].identity);
        }
    }
    fine(revoke(base));
    /* How many fit says how large each is. */
    for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
        seL4_Word count = 1ul << (16 - object_bits(all[i].type, all[i].bits));
        seL4_Word limit = count > seL4_UntypedRetypeMaxObjects ? seL4_UntypedRetypeMaxObjects : count;
        static seL4_CPtr made;
        made = made ? made : slots(seL4_UntypedRetypeMaxObjects + 1);
        for (seL4_Word done = 0; done < count; done += limit) {
            fine(retype(base, all[i].type, all[i].bits, made, limit));
            if (done + limit < count) {
                for (seL4_Word k = 1; k < limit; k++) {
                    fine(delete(made + k));
                }
                seL4_CPtr kept = slot(); /* one is left, so that the memory stays in use */
                fine(seL4_CNode_Move(ROOT, kept, seL4_WordBits, ROOT, made, seL4_WordBits));
            }
        }
        equal(retype(base, all[i].type, all[i].bits, made + seL4_UntypedRetypeMaxObjects, 1), seL4_NotEnoughMemory);
        fine(revoke(base));
    }
    seL4_CPtr large = try_take(seL4_RISCV_Mega_Page, 0);
    if (large) {
        equal(seL4_RISCV_Page_GetAddress(large).paddr % (1ul << seL4_LargePageBits), 0);
        fine(delete(large));
    }
    ok("every type");
}

static void alignment(void)
{
    seL4_CPtr small = take(seL4_UntypedObject, 13), made = slots(4);
    fine(retype(small, seL4_RISCV_4K_Page, 0, made, 1));
    seL4_Word at = seL4_RISCV_Page_GetAddress(made).paddr;
    equal(at % 8192, 0);
    fine(delete(made)); /* the last child gone, it starts again */
    fine(retype(small, seL4_EndpointObject, 0, made, 1));
    fine(retype(small, seL4_RISCV_4K_Page, 0, made + 1, 1));
    equal(seL4_RISCV_Page_GetAddress(made + 1).paddr, at + 4096);
    equal(retype(small, seL4_EndpointObject, 0, made + 2, 1), seL4_NotEnoughMemory);
    equal(seL4_GetMR(0), 0);
    /* Memory before the watermark is not found again while anything of it is in use. */
    fine(delete(made));
    equal(retype(small, seL4_EndpointObject, 0, made, 1), seL4_NotEnoughMemory);
    fine(delete(made + 1));
    fine(retype(small, seL4_RISCV_4K_Page, 0, made, 2));
    fine(revoke(small));
    fine(retype(small, seL4_RISCV_4K_Page, 0, made, 1));
    equal(retype(small, seL4_RISCV_4K_Page, 0, made + 1, 2), seL4_NotEnoughMemory);
    equal(seL4_GetMR(0), 4096);
    check(is_empty(made + 1));
    fine(revoke(small));
    ok("alignment and watermark");
}

static void refused(void)
{
    seL4_CPtr to = slot();
    equal(retype(base, seL4_ObjectTypeCount, 0, to, 1), seL4_InvalidArgument);
    equal(seL4_GetMR(0), 0);
    equal(retype(base, seL4_UntypedObject, seL4_MinUntypedBits - 1, to, 1), seL4_InvalidArgument);
    equal(seL4_GetMR(0), 1);
    equal(retype(base, seL4_CapTableObject, 0, to, 1), seL4_InvalidArgument);
    equal(seL4_GetMR(0), 1);
    equal(retype(base, seL4_UntypedObject, seL4_MaxUntypedBits + 1, to, 1), seL4_RangeError);
    equal(seL4_GetMR(0), 0);
    equal(seL4_GetMR(1), seL4_MaxUntypedBits);
    equal(retype(base, seL4_UntypedObject, ~0ul, to, 1), seL4_RangeError);
    equal(retype(base, seL4_EndpointObject, 64, to, 1), seL4_RangeError);
    equal(retype(base, seL4_UntypedObject, 17, to, 1), seL4_NotEnoughMemory);
    equal(seL4_GetMR(0), 1ul << 16);
    check(is_empty(to));

    seL4_Word size = 1ul << seL4_GetBootInfo()->initThreadCNodeSizeBits;
    equal(retype(base, seL4_EndpointObject, 0, to, 0), seL4_RangeError);
    equal(seL4_GetMR(0), 1);
    equal(seL4_GetMR(1), seL4_UntypedRetypeMaxObjects);
    equal(retype(base, seL4_EndpointObject, 0, to, seL4_UntypedRetypeMaxObjects + 1), seL4_RangeError);
    equal(retype(base, seL4_EndpointObject, 0, size, 1), seL4_RangeError);
    equal(seL4_GetMR(0), 0);
    equal(seL4_GetMR(1), size - 1);
    equal(retype(base, seL4_EndpointObject, 0, size - 1, 2), seL4_RangeError);
    equal(seL4_GetMR(0), 1);
    equal(seL4_GetMR(1), 1);

    fine(retype(base, seL4_EndpointObject, 0, to, 1));
    seL4_CPtr before = to - 1;
    equal(retype(base, seL4_EndpointObject, 0, before, 2), seL4_DeleteFirst);
    fine(revoke(base));
    ok("refused");
}

static void destinations(void)
{
    seL4_CPtr node = take(seL4_CapTableObject, 2);
    fine(seL4_Untyped_Retype(base, seL4_EndpointObject, 0, node, 0, 0, 1, 3));
    equal(seL4_Untyped_Retype(base, seL4_EndpointObject, 0, node, 0, 0, 0, 2), seL4_DeleteFirst);
    fine(seL4_Untyped_Retype(base, seL4_EndpointObject, 0, ROOT, node, seL4_WordBits, 0, 1));
    equal(seL4_Untyped_Retype(base, seL4_EndpointObject, 0, ROOT, SELF, seL4_WordBits, 0, 1), seL4_FailedLookup);
    equal(seL4_GetMR(0), 0);
    equal(seL4_GetMR(1), seL4_MissingCapability);
    equal(seL4_GetMR(2), seL4_WordBits);
    equal(seL4_Untyped_Retype(base, seL4_EndpointObject, 0, SELF, 0, 0, 0, 1), seL4_FailedLookup);
    equal(seL4_GetMR(2), 0);
    equal(seL4_Untyped_Retype(base, seL4_EndpointObject, 0, ROOT, node, 65, 0, 1), seL4_RangeError);
    seL4_CPtr copied = slot();
    equal(seL4_CNode_Copy(ROOT, copied, seL4_WordBits, ROOT, base, seL4_WordBits, seL4_AllRights), seL4_RevokeFirst);
    check(is_empty(copied));
    fine(revoke(base));
    fine(seL4_CNode_Copy(ROOT, copied, seL4_WordBits, ROOT, base, seL4_WordBits, seL4_AllRights));
    fine(delete(copied));
    fine(delete(node));
    ok("destinations");
}

static void device_memory(void)
{
    seL4_BootInfo *info = seL4_GetBootInfo();
    for (seL4_Word i = 0; i < info->untyped.end - info->untyped.start; i++) {
        if (info->untypedList[i].isDevice && info->untypedList[i].sizeBits >= seL4_PageBits) {
            seL4_CPtr made = slot();
            equal(retype(info->untyped.start + i, seL4_TCBObject, 0, made, 1), seL4_InvalidArgument);
            equal(seL4_GetMR(0), 1);
            fine(retype(info->untyped.start + i, seL4_RISCV_4K_Page, 0, made, 1));
            equal(seL4_RISCV_Page_GetAddress(made).paddr, info->untypedList[i].paddr);
            fine(delete(made));
            break;
        }
    }
    ok("device memory");
}

int main(void)
{
    base = take(seL4_UntypedObject, 16);
    splitting();
    every_type();
    alignment();
    refused();
    destinations();
    device_memory();
    return 0;
}
