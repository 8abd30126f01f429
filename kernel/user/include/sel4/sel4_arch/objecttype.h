/* Types of objects that 64-bit RISC-V adds. */
#pragma once

#include <sel4/objecttype.h>

typedef enum _mode_object {
    seL4_RISCV_Giga_Page = seL4_NonArchObjectTypeCount,
    seL4_ModeObjectTypeCount
} seL4_ModeObjectType;

/* Three levels of page tables have no such page: a number that is no type. */
#define seL4_RISCV_Tera_Page 0xffffffff
