/*
 * Variables of threads: what a thread that was made with seL4_TCB_* needs so that it can use the C library.
 *
 * The variables (`__thread`) of a thread are a copy of an image in the executable, and a register says where. The C
 * library keeps its own record of the thread right before them; here that is empty memory, which is enough for
 * printing and the like, not for anything of pthreads.
 */
#pragma once

#include <elf.h>
#include <sel4/bootinfo.h>
#include <sel4runtime/gen_config.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

/* More than the C library's record. */
#define SEL4RUNTIME_RECORD_BYTES_ 4096ul

/* The part of the executable that is the image; null if it has no such variables. */
LIBSEL4_INLINE_FUNC const Elf64_Phdr *sel4runtime_tls_header_(uintptr_t *start)
{
    const Elf64_Phdr *headers = (const Elf64_Phdr *)getauxval(AT_PHDR), *found = NULL;
    uintptr_t moved = 0;
    for (size_t i = 0; i < getauxval(AT_PHNUM); i++) {
        if (headers[i].p_type == PT_PHDR) {
            moved = (uintptr_t)headers - headers[i].p_vaddr;
        } else if (headers[i].p_type == PT_TLS) {
            found = &headers[i];
        }
    }
    *start = found ? moved + found->p_vaddr : 0;
    return found;
}

LIBSEL4_INLINE_FUNC uintptr_t sel4runtime_tls_align_(const Elf64_Phdr *header)
{
    return header && header->p_align > 64 ? header->p_align : 64;
}

/* Bytes that sel4runtime_write_tls_image wants, wherever they begin. */
LIBSEL4_INLINE_FUNC size_t sel4runtime_get_tls_size(void)
{
    uintptr_t start;
    const Elf64_Phdr *header = sel4runtime_tls_header_(&start);
    return SEL4RUNTIME_RECORD_BYTES_ + sel4runtime_tls_align_(header) + (header ? header->p_memsz : 0);
}

/* Makes fresh variables in that memory; what seL4_TCB_SetTLSBase wants for the thread whose they are to be. */
LIBSEL4_INLINE_FUNC uintptr_t sel4runtime_write_tls_image(void *tls_memory)
{
    uintptr_t start;
    const Elf64_Phdr *header = sel4runtime_tls_header_(&start);
    uintptr_t align = sel4runtime_tls_align_(header);
    uintptr_t at = ((uintptr_t)tls_memory + SEL4RUNTIME_RECORD_BYTES_ + align - 1) & ~(align - 1);
    memset(tls_memory, 0, at - (uintptr_t)tls_memory);
    if (header) {
        memcpy((void *)at, (const void *)start, header->p_filesz);
        memset((char *)at + header->p_filesz, 0, header->p_memsz - header->p_filesz);
    }
    return at;
}

/* The calling thread's. */
LIBSEL4_INLINE_FUNC uintptr_t sel4runtime_get_tls_base(void)
{
    uintptr_t base;
    __asm__("mv %0, tp" : "=r"(base));
    return base;
}

LIBSEL4_INLINE_FUNC int sel4runtime_write_tls_variable_(uintptr_t thread_pointer, const void *own, const void *value,
                                                        size_t size)
{
    uintptr_t offset = (uintptr_t)own - sel4runtime_get_tls_base();
    uintptr_t start;
    const Elf64_Phdr *header = sel4runtime_tls_header_(&start);
    if (!header || offset >= header->p_memsz || size > header->p_memsz - offset) {
        return 1;
    }
    memcpy((void *)(thread_pointer + offset), value, size);
    return 0;
}

/* Gives another thread's variable a value; 0 if there is such a variable. */
#define sel4runtime_set_tls_variable(thread_pointer, variable, value)                                                  \
    (__extension__({                                                                                                   \
        __typeof__(variable) value_ = (value);                                                                         \
        sel4runtime_write_tls_variable_(thread_pointer, &(variable), &value_, sizeof(value_));                         \
    }))

LIBSEL4_INLINE_FUNC seL4_BootInfo *sel4runtime_bootinfo(void)
{
    return seL4_GetBootInfo();
}

LIBSEL4_INLINE_FUNC void sel4runtime_exit(int code)
{
    exit(code);
}
