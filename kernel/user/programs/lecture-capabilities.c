/*
 * The lecture's "Capabilities Example: seL4": its two fragments, with the names that they use, and what is around them.
 * sel4/lecture.h says what the names mean here.
 */
#include <sel4/lecture.h>
#include <sel4tutorials/alloc.h>
#include <stdio.h>
#include <utils/util.h>

#define FRAMES 8

/* Cuts untyped memory into pieces of a frame, in a window of slots; the objects of each have a slot in another. */
static seL4_CPtr prepare(seL4_BootInfo *info)
{
    seL4_CPtr whole = alloc_object(info, seL4_UntypedObject, FRAME_WIDTH + LOG_BASE_2(FRAMES));
    seL4_CPtr probe = alloc_slot(info);
    ZF_LOGF_IFERR(seL4_Untyped_Retype(whole, seL4_RISCV_4K_Page, 0, seL4_CapInitThreadCNode, 0, 0, probe, 1), "probe");
    lecture_space.base = seL4_RISCV_Page_GetAddress(probe).paddr;
    ZF_LOGF_IFERR(seL4_CNode_Delete(seL4_CapInitThreadCNode, probe, seL4_WordBits), "delete");
    lecture_space.untyped = alloc_slot(info);
    lecture_space.objects = lecture_space.untyped + FRAMES;
    for (int i = 1; i < 2 * FRAMES; i++) {
        alloc_slot(info);
    }
    ZF_LOGF_IFERR(seL4_Untyped_Retype(whole, seL4_UntypedObject, FRAME_WIDTH, seL4_CapInitThreadCNode, 0, 0,
                                      lecture_space.untyped, FRAMES),
                  "cut");
    return whole;
}

int main(void)
{
    seL4_BootInfo *info = seL4_GetBootInfo();
    ZF_LOGF_IF(info == NULL, "This is not a root task");
    seL4_CPtr whole = prepare(info);
    seL4_CPtr cnode = seL4_CapInitThreadCNode;
    seL4_Word phys_addr = lecture_space.base;
    seL4_Word pt_phys_addr = phys_addr + BIT(FRAME_WIDTH);
    seL4_Word pd_phys_addr = phys_addr + 2 * BIT(FRAME_WIDTH);
    seL4_Word middle_phys_addr = phys_addr + 3 * BIT(FRAME_WIDTH);
    seL4_Word virt_addr = 0x400000;

    /* Untyped memory becomes a frame, a page table and a page directory. */
    seL4_X86_Untyped_Retype(cnode_selector(phys_addr), seL4_X86_4K, 0, cnode, 0, phys_addr >> FRAME_WIDTH, 1);
    seL4_X86_Untyped_Retype(cnode_selector(pt_phys_addr), seL4_X86_PageTableObject, 0, cnode, 0,
                            pt_phys_addr >> FRAME_WIDTH, 1);
    seL4_X86_Untyped_Retype(cnode_selector(pd_phys_addr), seL4_X86_PageDirectoryObject, 0, cnode, 0,
                            pd_phys_addr >> FRAME_WIDTH, 1);
    printf("A frame, a page table and a page directory, derived from untyped memory.\n");

    /* What is different here: the address space needs a number, and Sv39 has a level between the two tables. */
    ZF_LOGF_IFERR(seL4_RISCV_ASIDPool_Assign(seL4_CapInitThreadASIDPool, cnode_selector(pd_phys_addr)), "ASID");
    seL4_X86_Untyped_Retype(cnode_selector(middle_phys_addr), seL4_X86_PageTableObject, 0, cnode, 0,
                            middle_phys_addr >> FRAME_WIDTH, 1);
    ZF_LOGF_IFERR(seL4_X86_PageTable_Map(cnode_selector(middle_phys_addr), cnode_selector(pd_phys_addr), virt_addr,
                                         seL4_X86_Default_VMAttributes),
                  "the level between");

    /* The table is mapped in the directory, and the frame in the table. */
    seL4_X86_PageTable_Map(cnode_selector(pt_phys_addr), cnode_selector(pd_phys_addr), virt_addr,
                           seL4_X86_Default_VMAttributes);
    seL4_Error error = seL4_X86_Page_Map(cnode_selector(phys_addr), cnode_selector(pd_phys_addr), virt_addr,
                                         seL4_AllRights, seL4_X86_Default_VMAttributes);
    ZF_LOGF_IFERR(error, "map");
    printf("The frame is mapped at 0x%lx of the new address space.\n", virt_addr);

    /* Whoever has the untyped memory can take back all that was made of it. */
    ZF_LOGF_IFERR(seL4_CNode_Revoke(cnode, whole, seL4_WordBits), "revoke");
    printf("Revoked: the frame's capability is of type %u, which is none.\n",
           seL4_DebugCapIdentify(cnode_selector(phys_addr)));
    return 0;
}
