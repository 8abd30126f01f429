/*
 * The names of the lecture's example "Capabilities Example: seL4", which is for 32-bit x86, in terms of this kernel.
 *
 * The slides name a capability by the physical address of its memory, and the same name is first the untyped memory
 * and then what was made of it. Here these are two windows of the root CNode, of one slot a frame: `lecture_space`
 * says where. cnode_selector gives the address of an object's slot; seL4_X86_Untyped_Retype takes the untyped memory
 * of the same frame.
 *
 * The three arguments that the slides leave out are size_bits, root and node_index; node_depth is missing altogether,
 * and is 0 (the root itself) when node_index is 0, else a whole word. node_offset is a frame's number.
 *
 * A page directory is the root of an address space: as on x86, it needs an ASID before anything can be mapped in it.
 * Sv39 has three levels where the slides have two: a table between the two has to be mapped first, by
 * seL4_X86_PageTable_Map, too, since that puts a table into the highest level that misses one.
 */
#pragma once

#include <sel4/sel4.h>
#include <sel4/x86.h>

#define FRAME_WIDTH seL4_PageBits

#define seL4_AsyncEndpointObject seL4_NotificationObject

static struct {
    seL4_Word base;    /* physical address of the first frame */
    seL4_CPtr untyped; /* first slot of the window with an untyped capability a frame */
    seL4_CPtr objects; /* first slot of the window for what is made of them */
} lecture_space LIBSEL4_UNUSED;

LIBSEL4_INLINE_FUNC seL4_CPtr cnode_selector(seL4_Word phys_addr)
{
    return lecture_space.objects + ((phys_addr - lecture_space.base) >> FRAME_WIDTH);
}

LIBSEL4_INLINE_FUNC seL4_Error seL4_X86_Untyped_Retype(seL4_CPtr selector, seL4_Word type, seL4_Word size_bits,
                                                       seL4_CNode root, seL4_Word node_index, seL4_Word node_offset,
                                                       seL4_Word num_objects)
{
    seL4_Untyped untyped = lecture_space.untyped + (selector - lecture_space.objects);
    seL4_Word slot = lecture_space.objects + (node_offset - (lecture_space.base >> FRAME_WIDTH));
    return seL4_Untyped_Retype(untyped, type, size_bits, root, node_index, node_index == 0 ? 0 : seL4_WordBits, slot,
                               num_objects);
}
