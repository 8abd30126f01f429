/* Which level of page tables was missing when mapping a page failed with seL4_FailedLookup. */
#pragma once

#include <sel4/functions.h>

#define SEL4_MAPPING_LOOKUP_LEVEL 2

/* The size (log2) of what the missing table's place covers. */
LIBSEL4_INLINE_FUNC seL4_Word seL4_MappingFailedLookupLevel(void)
{
    return seL4_GetMR(SEL4_MAPPING_LOOKUP_LEVEL);
}

#define SEL4_MAPPING_LOOKUP_NO_PT 21
