/* The example "Capabilities Example: seL4" of the lecture, as the slides have it. */
#include <sel4/lecture.h>
#include "common.h"

#define FRAMES 8

int main(void)
{
    /* The slides' starting point: untyped memory of one frame each, found by its physical address. */
    seL4_CPtr all = take(seL4_UntypedObject, FRAME_WIDTH + 3);
    lecture_space.untyped = slots(FRAMES);
    lecture_space.objects = slots(FRAMES);
    seL4_CPtr probe = slot();
    fine(retype(all, seL4_RISCV_4K_Page, 0, probe, 1));
    lecture_space.base = seL4_RISCV_Page_GetAddress(probe).paddr;
    fine(delete(probe));
    fine(retype(all, seL4_UntypedObject, FRAME_WIDTH, lecture_space.untyped, FRAMES));

    seL4_Word phys_addr = lecture_space.base;
    seL4_Word pt_phys_addr = phys_addr + (1ul << FRAME_WIDTH);
    seL4_Word pd_phys_addr = phys_addr + (2ul << FRAME_WIDTH);
    seL4_Word middle = phys_addr + (3ul << FRAME_WIDTH);
    seL4_Word virt_addr = 0x400000;

    fine(seL4_X86_Untyped_Retype(cnode_selector(phys_addr), seL4_X86_4K, 0, ROOT, 0, phys_addr >> FRAME_WIDTH, 1));
    fine(seL4_X86_Untyped_Retype(cnode_selector(pt_phys_addr), seL4_X86_PageTableObject, 0, ROOT, 0,
                                 pt_phys_addr >> FRAME_WIDTH, 1));
    fine(seL4_X86_Untyped_Retype(cnode_selector(pd_phys_addr), seL4_X86_PageDirectoryObject, 0, ROOT, 0,
                                 pd_phys_addr >> FRAME_WIDTH, 1));
    equal(seL4_RISCV_Page_GetAddress(cnode_selector(phys_addr)).paddr, phys_addr);
    ok("derivation");

    /* What the slides leave out: a name for the address space, and the level that they do not have. */
    fine(seL4_X86_Untyped_Retype(cnode_selector(middle), seL4_X86_PageTableObject, 0, ROOT, 0, middle >> FRAME_WIDTH,
                                 1));
    equal(seL4_X86_PageTable_Map(cnode_selector(middle), cnode_selector(pd_phys_addr), virt_addr,
                                 seL4_X86_Default_VMAttributes),
          seL4_InvalidCapability);
    fine(seL4_RISCV_ASIDPool_Assign(seL4_CapInitThreadASIDPool, cnode_selector(pd_phys_addr)));
    fine(seL4_X86_PageTable_Map(cnode_selector(middle), cnode_selector(pd_phys_addr), virt_addr,
                                seL4_X86_Default_VMAttributes));

    equal(seL4_X86_Page_Map(cnode_selector(phys_addr), cnode_selector(pd_phys_addr), virt_addr, seL4_AllRights,
                            seL4_X86_Default_VMAttributes),
          seL4_FailedLookup);
    fine(seL4_X86_PageTable_Map(cnode_selector(pt_phys_addr), cnode_selector(pd_phys_addr), virt_addr,
                                seL4_X86_Default_VMAttributes));
    fine(seL4_X86_Page_Map(cnode_selector(phys_addr), cnode_selector(pd_phys_addr), virt_addr, seL4_AllRights,
                           seL4_X86_Default_VMAttributes));
    ok("mapping");

    /* The tree of derivations: taking the root of it takes all. */
    fine(revoke(all));
    for (seL4_Word i = 0; i < 4; i++) {
        check(is_empty(lecture_space.untyped + i));
        check(is_empty(lecture_space.objects + i));
    }
    fine(retype(all, seL4_UntypedObject, FRAME_WIDTH + 3, probe, 1));
    ok("revocation");
    return 0;
}
