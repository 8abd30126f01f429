/* Mapping by names that do not say for which processor. */
#pragma once

#include <sel4/sel4.h>

#define seL4_ARCH_VMAttributes seL4_RISCV_VMAttributes
#define seL4_ARCH_Default_VMAttributes seL4_RISCV_Default_VMAttributes
#define seL4_ARCH_4KPage seL4_RISCV_4K_Page
#define seL4_ARCH_LargePage seL4_RISCV_Mega_Page

typedef seL4_RISCV_Page seL4_ARCH_Page;
typedef seL4_RISCV_PageTable seL4_ARCH_PageTable;
typedef seL4_RISCV_Page_GetAddress_t seL4_ARCH_Page_GetAddress_t;

#define seL4_ARCH_Page_Map seL4_RISCV_Page_Map
#define seL4_ARCH_Page_Unmap seL4_RISCV_Page_Unmap
#define seL4_ARCH_Page_GetAddress seL4_RISCV_Page_GetAddress
#define seL4_ARCH_PageTable_Map seL4_RISCV_PageTable_Map
#define seL4_ARCH_PageTable_Unmap seL4_RISCV_PageTable_Unmap
#define seL4_ARCH_ASIDPool_Assign seL4_RISCV_ASIDPool_Assign
