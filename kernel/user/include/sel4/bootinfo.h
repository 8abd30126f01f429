/*
 * Where a program finds its boot information and its IPC buffer.
 *
 * A program is an ordinary Linux executable with its own C library, so nothing of seL4's runtime is linked to it: the
 * kernel passes both addresses in the auxiliary vector, under the types that seL4's runtime uses. The C library keeps
 * that vector; a constructor here reads it before main.
 */
#pragma once

#include <sel4/bootinfo_types.h>
#include <sel4/functions.h>
#include <sys/auxv.h>

#define AT_SEL4_BOOT_INFO 64
#define AT_SEL4_IPC_BUFFER_PTR 67
#define AT_SEL4_TCB 69

/* A note in the executable: the kernel starts the program as a root task, with capabilities to memory. */
__asm__(".pushsection .note.ostler, \"a\", @note\n"
        ".balign 4\n.long 7, 0, 1\n.asciz \"Ostler\"\n.balign 4\n"
        ".popsection");

#ifdef __cplusplus
extern "C" {
#endif
/* Weak: every file of a program that includes this defines it, and they share one. */
__attribute__((weak)) seL4_BootInfo *bootinfo;
#ifdef __cplusplus
}
#endif

LIBSEL4_INLINE_FUNC void seL4_InitBootInfo(seL4_BootInfo *bi)
{
    bootinfo = bi;
}

/* Null in a program that was not started as a root task. */
LIBSEL4_INLINE_FUNC seL4_BootInfo *seL4_GetBootInfo(void)
{
    return bootinfo;
}

static __attribute__((constructor, unused)) void seL4_FindBootInfo_(void)
{
    if (bootinfo == 0) {
        seL4_InitBootInfo((seL4_BootInfo *)getauxval(AT_SEL4_BOOT_INFO));
    }
    if (seL4_GetIPCBuffer() == 0) {
        seL4_SetIPCBuffer((seL4_IPCBuffer *)getauxval(AT_SEL4_IPC_BUFFER_PTR));
    }
    if (seL4_GetIPCBuffer() == 0 && bootinfo != 0) {
        seL4_SetIPCBuffer(bootinfo->ipcBuffer);
    }
}
