/* Address spaces by hand: page tables level by level, frames into them, and the errors of both. */
#include "common.h"
#include <sel4/sel4_arch/mapping.h>

#define DEFAULT seL4_RISCV_Default_VMAttributes

static seL4_Error map_table(seL4_CPtr table, seL4_Word at)
{
    return seL4_RISCV_PageTable_Map(table, VSPACE, at, DEFAULT);
}

static seL4_Error map_page(seL4_CPtr frame, seL4_Word at)
{
    return seL4_RISCV_Page_Map(frame, VSPACE, at, seL4_ReadWrite, DEFAULT);
}

static volatile seL4_Word *word(seL4_Word at)
{
    return (volatile seL4_Word *)at;
}

static void levels(void)
{
    seL4_Word at = address(seL4_HugePageBits); /* a part of the address space in which nothing is */
    seL4_CPtr frame = take(seL4_RISCV_4K_Page, 0);
    seL4_CPtr upper = take(seL4_RISCV_PageTableObject, 0), lower = take(seL4_RISCV_PageTableObject, 0);
    seL4_CPtr more = take(seL4_RISCV_PageTableObject, 0);
    equal(map_page(frame, at), seL4_FailedLookup);
    equal(seL4_GetMR(0), 0);
    equal(seL4_GetMR(1), seL4_MissingCapability);
    equal(seL4_MappingFailedLookupLevel(), seL4_HugePageBits);
    fine(map_table(upper, at + 123));
    equal(map_page(frame, at), seL4_FailedLookup);
    equal(seL4_MappingFailedLookupLevel(), SEL4_MAPPING_LOOKUP_NO_PT);
    equal(map_table(upper, at), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 0);
    fine(map_table(lower, at));
    equal(map_table(more, at), seL4_DeleteFirst);
    fine(map_page(frame, at));
    equal(map_table(more, at), seL4_DeleteFirst);
    equal(*word(at), 0);
    *word(at) = 42;
    equal(*word(at), 42);
    ok("levels");

    equal(map_page(frame, at + 4096), seL4_InvalidArgument); /* a frame has one place */
    equal(seL4_GetMR(0), 0);
    equal(map_page(take(seL4_RISCV_4K_Page, 0), at), seL4_DeleteFirst);
    fine(map_page(frame, at)); /* again is no error */
    fine(seL4_RISCV_Page_Map(frame, VSPACE, at, seL4_CanRead, DEFAULT));
    equal(*word(at), 42);
    fine(map_page(frame, at));
    *word(at) = 43;
    fine(seL4_RISCV_Page_Unmap(frame));
    fine(seL4_RISCV_Page_Unmap(frame));
    fine(map_page(frame, at + 8192));
    equal(*word(at + 8192), 43);
    ok("map, remap, unmap");

    /* Without its table a frame is not to be seen, but believes to be where it was. */
    fine(seL4_RISCV_PageTable_Unmap(lower));
    equal(map_page(frame, at + 8192), seL4_FailedLookup);
    fine(map_table(lower, at));
    equal(map_page(frame, at), seL4_InvalidArgument);
    fine(map_page(frame, at + 8192));
    equal(*word(at + 8192), 43);
    /* A copy says that others depend on it. */
    seL4_CPtr copied = copy(lower);
    equal(seL4_RISCV_PageTable_Unmap(lower), seL4_RevokeFirst);
    fine(delete(copied));
    fine(seL4_RISCV_PageTable_Unmap(lower));
    fine(seL4_RISCV_PageTable_Unmap(lower));
    fine(seL4_RISCV_Page_Unmap(frame));
    fine(seL4_RISCV_PageTable_Unmap(upper));
    ok("unmap tables");
}

static void shared(void)
{
    seL4_CPtr frame = take(seL4_RISCV_4K_Page, 0);
    volatile seL4_Word *one = map(frame);
    seL4_CPtr second = copy(frame);
    volatile seL4_Word *other = map(second);
    check(one != other);
    *one = 7;
    equal(*other, 7);
    other[511] = 9;
    equal(one[511], 9);
    equal(seL4_RISCV_Page_GetAddress(frame).paddr, seL4_RISCV_Page_GetAddress(second).paddr);
    fine(seL4_RISCV_Page_Unmap(second));
    equal(*one, 7);
    fine(delete(second));
    equal(*one, 7);
    fine(delete(frame));
    ok("shared frame");
}

static void cleared(void)
{
    seL4_CPtr small = take(seL4_UntypedObject, 12), frame = slot();
    fine(retype(small, seL4_RISCV_4K_Page, 0, frame, 1));
    volatile seL4_Word *at = map(frame);
    for (int i = 0; i < 512; i++) {
        equal(at[i], 0);
        at[i] = ~0ul;
    }
    seL4_Word physical = seL4_RISCV_Page_GetAddress(frame).paddr;
    fine(revoke(small)); /* unmaps it, too */
    check(is_empty(frame));
    fine(retype(small, seL4_RISCV_4K_Page, 0, frame, 1));
    equal(seL4_RISCV_Page_GetAddress(frame).paddr, physical);
    fine(map_page(frame, (seL4_Word)at));
    for (int i = 0; i < 512; i++) {
        equal(at[i], 0);
    }
    fine(delete(frame));
    ok("cleared memory");
}

static void refused(void)
{
    seL4_CPtr frame = take(seL4_RISCV_4K_Page, 0), table = take(seL4_RISCV_PageTableObject, 0);
    seL4_Word at = address(seL4_HugePageBits);
    equal(map_page(frame, seL4_UserTop), seL4_InvalidArgument);
    equal(seL4_GetMR(0), 0);
    equal(map_page(frame, seL4_UserTop - 4096 + 1), seL4_InvalidArgument);
    equal(map_table(table, seL4_UserTop), seL4_InvalidArgument);
    equal(map_page(frame, at + 8), seL4_AlignmentError);
    equal(seL4_RISCV_Page_Map(frame, ROOT, at, seL4_ReadWrite, DEFAULT), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    equal(seL4_RISCV_Page_Map(frame, table, at, seL4_ReadWrite, DEFAULT), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    equal(seL4_RISCV_PageTable_Map(table, table, at, DEFAULT), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    fine(map_table(table, at));
    equal(seL4_RISCV_Page_Map(frame, table, at, seL4_ReadWrite, DEFAULT), seL4_InvalidCapability);
    equal(seL4_GetMR(0), 1);
    equal(seL4_RISCV_PageTable_Map(take(seL4_RISCV_PageTableObject, 0), table, at, DEFAULT), seL4_InvalidCapability);
    equal(seL4_RISCV_PageTable_Unmap(VSPACE), seL4_RevokeFirst);
    fine(delete(table));
    equal(map_page(frame, at), seL4_FailedLookup);
    equal(seL4_MappingFailedLookupLevel(), seL4_HugePageBits);
    ok("refused");
}

static void large(void)
{
    seL4_CPtr frame = try_take(seL4_RISCV_Mega_Page, 0);
    if (frame) {
        seL4_Word at = address(seL4_HugePageBits);
        equal(map_page(frame, at), seL4_FailedLookup);
        equal(seL4_MappingFailedLookupLevel(), seL4_HugePageBits);
        fine(map_table(take(seL4_RISCV_PageTableObject, 0), at));
        equal(map_page(frame, at + 4096), seL4_AlignmentError);
        fine(map_page(frame, at));
        equal(map_table(take(seL4_RISCV_PageTableObject, 0), at), seL4_DeleteFirst);
        *word(at + (1ul << seL4_LargePageBits) - 8) = 5;
        equal(*word(at + (1ul << seL4_LargePageBits) - 8), 5);
        seL4_CPtr small = take(seL4_RISCV_4K_Page, 0);
        equal(map_page(small, at), seL4_FailedLookup); /* it ends at the large page */
        equal(seL4_MappingFailedLookupLevel(), seL4_LargePageBits);
        fine(delete(frame));
    }
    ok("large page");
}

/* Whether a frame may be executed is an attribute of the mapping, and no matter of rights. */
static void execute_only(void)
{
    seL4_CPtr written = take(seL4_RISCV_4K_Page, 0), executed = copy(written);
    *map(written) = 0x80828082; /* ret */
    seL4_Word at = address(seL4_PageBits);
    map_in(VSPACE, executed, at, seL4_NoRights);
    __asm__ volatile("fence.i");
    ((void (*)(void))at)();
    ok("execute only");
}

int main(void)
{
    levels();
    shared();
    cleared();
    refused();
    large();
    execute_only();
    return 0;
}
