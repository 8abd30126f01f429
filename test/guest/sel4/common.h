/*
 * What the programs here share: checks, slots of the root CNode, memory, threads.
 *
 * A check that fails prints its line and ends the program with 1. Only the first thread may print or use anything else
 * of the C library: the others have no more of it than thread-local storage.
 */
#pragma once

#include <elf.h>
#include <sel4/sel4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define ROOT ((seL4_CPtr)seL4_CapInitThreadCNode)
#define VSPACE ((seL4_CPtr)seL4_CapInitThreadVSpace)
#define SELF ((seL4_CPtr)seL4_CapInitThreadTCB)

static inline void fail(const char *file, int line, const char *what)
{
    printf("%s:%d: %s\n", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, what);
    fflush(stdout);
    exit(1);
}

#define check(expression)                                                                                              \
    do {                                                                                                               \
        if (!(expression)) {                                                                                           \
            fail(__FILE__, __LINE__, #expression);                                                                     \
        }                                                                                                              \
    } while (0)

/* Two numbers: says which they are where they differ. */
#define equal(is, should)                                                                                              \
    do {                                                                                                               \
        seL4_Word is_ = (seL4_Word)(is), should_ = (seL4_Word)(should);                                                \
        if (is_ != should_) {                                                                                          \
            char text_[300];                                                                                           \
            snprintf(text_, sizeof(text_), "%s is 0x%lx, not 0x%lx", #is, is_, should_);                               \
            fail(__FILE__, __LINE__, text_);                                                                           \
        }                                                                                                              \
    } while (0)

#define fine(invocation) equal(invocation, seL4_NoError)

static inline void ok(const char *what)
{
    printf("ok %s\n", what);
}

/* Slots of the root CNode, none twice. */
static inline seL4_CPtr slots(seL4_Word count)
{
    static seL4_CPtr next;
    seL4_SlotRegion empty = seL4_GetBootInfo()->empty;
    if (next == 0) {
        next = empty.start;
    }
    check(next + count <= empty.end);
    next += count;
    return next - count;
}

static inline seL4_CPtr slot(void)
{
    return slots(1);
}

static inline int is_empty(seL4_CPtr cptr)
{
    return seL4_DebugCapIdentify(cptr) == 0;
}

static inline seL4_Error delete(seL4_CPtr cptr)
{
    return seL4_CNode_Delete(ROOT, cptr, seL4_WordBits);
}

static inline seL4_Error revoke(seL4_CPtr cptr)
{
    return seL4_CNode_Revoke(ROOT, cptr, seL4_WordBits);
}

static inline seL4_CPtr mint(seL4_CPtr from, seL4_CapRights_t rights, seL4_Word badge)
{
    seL4_CPtr to = slot();
    fine(seL4_CNode_Mint(ROOT, to, seL4_WordBits, ROOT, from, seL4_WordBits, rights, badge));
    return to;
}

static inline seL4_CPtr copy(seL4_CPtr from)
{
    seL4_CPtr to = slot();
    fine(seL4_CNode_Copy(ROOT, to, seL4_WordBits, ROOT, from, seL4_WordBits, seL4_AllRights));
    return to;
}

static inline seL4_Error retype(seL4_CPtr untyped, seL4_Word type, seL4_Word bits, seL4_CPtr to, seL4_Word count)
{
    return seL4_Untyped_Retype(untyped, type, bits, ROOT, 0, 0, to, count);
}

/* log2 of an object's bytes. */
static inline seL4_Word object_bits(seL4_Word type, seL4_Word bits)
{
    switch (type) {
    case seL4_UntypedObject:
        return bits;
    case seL4_TCBObject:
        return seL4_TCBBits;
    case seL4_EndpointObject:
        return seL4_EndpointBits;
    case seL4_NotificationObject:
        return seL4_NotificationBits;
    case seL4_CapTableObject:
        return bits + seL4_SlotBits;
    case seL4_RISCV_Mega_Page:
        return seL4_LargePageBits;
    case seL4_RISCV_Giga_Page:
        return seL4_HugePageBits;
    default:
        return seL4_PageBits;
    }
}

/* A new object out of the smallest untyped memory that has room; 0 if there is none. */
static inline seL4_CPtr try_take(seL4_Word type, seL4_Word bits)
{
    seL4_BootInfo *info = seL4_GetBootInfo();
    seL4_CPtr to = slot();
    for (seL4_Word size = object_bits(type, bits); size <= seL4_MaxUntypedBits; size++) {
        for (seL4_Word i = 0; i < info->untyped.end - info->untyped.start; i++) {
            if (info->untypedList[i].isDevice || info->untypedList[i].sizeBits != size) {
                continue;
            }
            seL4_Error error = retype(info->untyped.start + i, type, bits, to, 1);
            if (error == seL4_NoError) {
                return to;
            }
            equal(error, seL4_NotEnoughMemory);
        }
    }
    return 0;
}

static inline seL4_CPtr take(seL4_Word type, seL4_Word bits)
{
    seL4_CPtr taken = try_take(type, bits);
    check(taken != 0);
    return taken;
}

/* Where programs map what they map: far from anything that the C library does. */
#define AREA 0x1000000000ul

static inline seL4_Word address(seL4_Word bits)
{
    static seL4_Word next = AREA;
    next = (next + (1ul << bits) - 1) & ~((1ul << bits) - 1);
    next += 1ul << bits;
    return next - (1ul << bits);
}

/* Maps a frame, and tables as long as one is missing. */
static inline void map_in(seL4_CPtr vspace, seL4_CPtr frame, seL4_Word at, seL4_CapRights_t rights)
{
    for (;;) {
        seL4_Error error = seL4_RISCV_Page_Map(frame, vspace, at, rights, seL4_RISCV_Default_VMAttributes);
        if (error == seL4_NoError) {
            return;
        }
        equal(error, seL4_FailedLookup);
        seL4_CPtr table = take(seL4_RISCV_PageTableObject, 0);
        fine(seL4_RISCV_PageTable_Map(table, vspace, at, seL4_RISCV_Default_VMAttributes));
    }
}

static inline volatile seL4_Word *map(seL4_CPtr frame)
{
    seL4_Word at = address(seL4_PageBits);
    map_in(VSPACE, frame, at, seL4_ReadWrite);
    return (volatile seL4_Word *)at;
}

/* A thread in this program's address space and CSpace, with a stack and an IPC buffer of its own. */
struct thread {
    seL4_CPtr tcb, frame;
    seL4_IPCBuffer *buffer;
    void (*run)(void *);
    void *argument;
    volatile int finished;
    /* The C library's own record of a thread lies before its variables. */
    unsigned char storage[8192] __attribute__((aligned(64)));
    unsigned char stack[16384] __attribute__((aligned(16)));
};

#define TLS_OFFSET 4096

static inline void thread_enter(struct thread *self)
{
    seL4_SetIPCBuffer(self->buffer);
    self->run(self->argument);
    self->finished = 1;
    seL4_TCB_Suspend(self->tcb);
    __builtin_unreachable();
}

static inline void copy_storage(struct thread *thread)
{
    const Elf64_Phdr *header = (const Elf64_Phdr *)getauxval(AT_PHDR);
    for (seL4_Word i = 0; i < getauxval(AT_PHNUM); i++) {
        if (header[i].p_type == PT_TLS) {
            check(header[i].p_memsz <= sizeof(thread->storage) - TLS_OFFSET);
            memcpy(thread->storage + TLS_OFFSET, (const void *)header[i].p_vaddr, header[i].p_filesz);
        }
    }
}

static inline seL4_UserContext thread_registers(struct thread *thread)
{
    seL4_UserContext registers = {0};
    __asm__("mv %0, gp" : "=r"(registers.gp));
    registers.pc = (seL4_Word)thread_enter;
    registers.sp = (seL4_Word)(thread->stack + sizeof(thread->stack));
    registers.tp = (seL4_Word)(thread->storage + TLS_OFFSET);
    registers.a0 = (seL4_Word)thread;
    return registers;
}

/* Ready to run, but not running. */
static inline struct thread *thread_new(seL4_Word priority, void (*run)(void *), void *argument, seL4_CPtr handler)
{
    struct thread *thread = aligned_alloc(64, sizeof(struct thread));
    check(thread != NULL);
    memset(thread, 0, sizeof(*thread));
    thread->run = run;
    thread->argument = argument;
    thread->tcb = take(seL4_TCBObject, 0);
    thread->frame = take(seL4_RISCV_4K_Page, 0);
    thread->buffer = (seL4_IPCBuffer *)map(thread->frame);
    copy_storage(thread);
    fine(seL4_TCB_Configure(thread->tcb, handler, ROOT, 0, VSPACE, 0, (seL4_Word)thread->buffer, thread->frame));
    fine(seL4_TCB_SetSchedParams(thread->tcb, SELF, priority, priority));
    seL4_UserContext registers = thread_registers(thread);
    fine(seL4_TCB_WriteRegisters(thread->tcb, 0, 0, sizeof(registers) / sizeof(seL4_Word), &registers));
    return thread;
}

static inline struct thread *thread_start(seL4_Word priority, void (*run)(void *), void *argument)
{
    struct thread *thread = thread_new(priority, run, argument, 0);
    fine(seL4_TCB_Resume(thread->tcb));
    return thread;
}

/*
 * The first thread has the highest priority there is, so that others run only while it waits: this waits until all
 * those above priority 1 are waiting or done, and returns.
 */
static inline void idle_signal(void *notification)
{
    seL4_Signal((seL4_CPtr)notification);
}

static inline void let_others_run(void)
{
    static struct thread *last;
    static seL4_CPtr notification;
    if (last == NULL) {
        notification = take(seL4_NotificationObject, 0);
        last = thread_new(1, idle_signal, (void *)notification, 0);
    }
    seL4_UserContext registers = thread_registers(last);
    fine(seL4_TCB_WriteRegisters(last->tcb, 1, 0, sizeof(registers) / sizeof(seL4_Word), &registers));
    seL4_Wait(notification, NULL);
}
