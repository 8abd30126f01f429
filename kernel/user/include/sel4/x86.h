/*
 * Names of x86's objects in terms of this kernel, for programs that were written for that.
 *
 * Every table is a page table here, and mapping one puts it into the highest level that misses one. Sv39 has three
 * levels: the root of an address space, which is what a page-directory-pointer table is on x86-64 below the root
 * there; page directories; page tables. So there is nothing to do for a page-directory-pointer table.
 */
#pragma once

#include <sel4/sel4.h>
#include <sel4/sel4_arch/mapping.h>

#define seL4_X86_4K seL4_RISCV_4K_Page
#define seL4_X86_LargePageObject seL4_RISCV_Mega_Page
#define seL4_X86_4M seL4_RISCV_Mega_Page
#define seL4_X86_PageTableObject seL4_RISCV_PageTableObject
#define seL4_X86_PageDirectoryObject seL4_RISCV_PageTableObject
#define seL4_X86_PDPTObject seL4_RISCV_PageTableObject
#define seL4_X86_Default_VMAttributes seL4_RISCV_Default_VMAttributes

#define SEL4_MAPPING_LOOKUP_NO_PD 30
#define SEL4_MAPPING_LOOKUP_NO_PDPT 39

typedef seL4_RISCV_Page seL4_X86_Page;
typedef seL4_RISCV_PageTable seL4_X86_PageTable;
typedef seL4_RISCV_PageTable seL4_X86_PageDirectory;
typedef seL4_RISCV_PageTable seL4_X86_PDPT;
typedef seL4_RISCV_VMAttributes seL4_X86_VMAttributes;

LIBSEL4_INLINE_FUNC seL4_Error seL4_X86_PDPT_Map(seL4_X86_PDPT _service LIBSEL4_UNUSED,
                                                 seL4_CPtr vspace LIBSEL4_UNUSED, seL4_Word vaddr LIBSEL4_UNUSED,
                                                 seL4_X86_VMAttributes attr LIBSEL4_UNUSED)
{
    return seL4_NoError;
}

LIBSEL4_INLINE_FUNC seL4_Error seL4_X86_PageDirectory_Map(seL4_X86_PageDirectory _service, seL4_CPtr vspace,
                                                          seL4_Word vaddr, seL4_X86_VMAttributes attr)
{
    return seL4_RISCV_PageTable_Map(_service, vspace, vaddr, attr);
}

LIBSEL4_INLINE_FUNC seL4_Error seL4_X86_PageDirectory_Unmap(seL4_X86_PageDirectory _service)
{
    return seL4_RISCV_PageTable_Unmap(_service);
}

LIBSEL4_INLINE_FUNC seL4_Error seL4_X86_PageTable_Map(seL4_X86_PageTable _service, seL4_CPtr vspace, seL4_Word vaddr,
                                                      seL4_X86_VMAttributes attr)
{
    return seL4_RISCV_PageTable_Map(_service, vspace, vaddr, attr);
}

LIBSEL4_INLINE_FUNC seL4_Error seL4_X86_PageTable_Unmap(seL4_X86_PageTable _service)
{
    return seL4_RISCV_PageTable_Unmap(_service);
}

LIBSEL4_INLINE_FUNC seL4_Error seL4_X86_Page_Map(seL4_X86_Page _service, seL4_CPtr vspace, seL4_Word vaddr,
                                                 seL4_CapRights_t rights, seL4_X86_VMAttributes attr)
{
    return seL4_RISCV_Page_Map(_service, vspace, vaddr, rights, attr);
}

LIBSEL4_INLINE_FUNC seL4_Error seL4_X86_Page_Unmap(seL4_X86_Page _service)
{
    return seL4_RISCV_Page_Unmap(_service);
}
