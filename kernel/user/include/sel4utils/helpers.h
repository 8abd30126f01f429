/*
 * The registers with which a thread of this program starts.
 *
 * A thread needs more than where to begin and a stack: code of this program finds some of its data by the register gp,
 * and its own variables by tp. Where these are 0, as in a thread that never ran, they are filled in, tp with variables
 * of its own; the memory of these stays allocated.
 */
#pragma once

#include <sel4/types.h>
#include <sel4runtime.h>

typedef void (*sel4utils_thread_entry_fn)(void *arg0, void *arg1, void *ipc_buf);

LIBSEL4_INLINE_FUNC void sel4utils_set_instruction_pointer(seL4_UserContext *regs, seL4_Word value)
{
    regs->pc = value;
    if (regs->gp == 0) {
        __asm__("mv %0, gp" : "=r"(regs->gp));
    }
    if (regs->tp == 0) {
        void *memory = malloc(sel4runtime_get_tls_size());
        regs->tp = memory ? sel4runtime_write_tls_image(memory) : 0;
    }
}

LIBSEL4_INLINE_FUNC seL4_Word sel4utils_get_instruction_pointer(seL4_UserContext regs)
{
    return regs.pc;
}

LIBSEL4_INLINE_FUNC void sel4utils_set_stack_pointer(seL4_UserContext *regs, seL4_Word value)
{
    regs->sp = value;
}

LIBSEL4_INLINE_FUNC seL4_Word sel4utils_get_sp(seL4_UserContext regs)
{
    return regs.sp;
}

LIBSEL4_INLINE_FUNC void sel4utils_set_arg0(seL4_UserContext *regs, seL4_Word value)
{
    regs->a0 = value;
}

/* A function with no arguments. The results here and below: 0. */
LIBSEL4_INLINE_FUNC int sel4utils_arch_init_context(void *entry_point, void *stack_top, seL4_UserContext *context)
{
    sel4utils_set_instruction_pointer(context, (seL4_Word)entry_point);
    sel4utils_set_stack_pointer(context, (seL4_Word)stack_top);
    return 0;
}

/* A function with three arguments. */
LIBSEL4_INLINE_FUNC int sel4utils_arch_init_local_context(sel4utils_thread_entry_fn entry_point, void *arg0, void *arg1,
                                                          void *arg2, void *stack_top, seL4_UserContext *context)
{
    sel4utils_arch_init_context((void *)entry_point, stack_top, context);
    context->a0 = (seL4_Word)arg0;
    context->a1 = (seL4_Word)arg1;
    context->a2 = (seL4_Word)arg2;
    return 0;
}
