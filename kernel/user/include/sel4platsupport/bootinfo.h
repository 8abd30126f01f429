/* The boot information, as programs of seL4's libraries ask for it. */
#pragma once

#include <sel4/bootinfo.h>

LIBSEL4_INLINE_FUNC seL4_BootInfo *platsupport_get_bootinfo(void)
{
    return seL4_GetBootInfo();
}
