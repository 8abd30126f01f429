/*
 * Objects that end while others still have to do with them, and the two sides of a program: Linux's calls and
 * capabilities about the same memory and the same threads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "common.h"

/* unistd.h has a revoke of its own. */
long syscall(long number, ...);

static void refused(long result)
{
    equal(result, -1);
    equal(errno, EPERM);
}

/* What was mapped through a capability only its holder takes away. */
static void linux_leaves_frames_alone(void)
{
    seL4_CPtr frame = take(seL4_RISCV_4K_Page, 0);
    volatile seL4_Word *word = map(frame);
    char *page = (char *)word;
    word[0] = 42;
    refused(munmap(page, 4096));
    refused(mprotect(page, 4096, PROT_READ));
    refused(madvise(page, 4096, MADV_DONTNEED));
    refused((long)mremap(page, 4096, 8192, MREMAP_MAYMOVE));
    refused((long)mmap(page - 4096, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    equal(word[0], 42);
    fine(seL4_RISCV_Page_Unmap(frame));
    check(mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
    equal(word[0], 0);
    /* Now it is Linux's. */
    equal(seL4_RISCV_Page_Map(frame, VSPACE, (seL4_Word)page, seL4_ReadWrite, seL4_RISCV_Default_VMAttributes),
          seL4_DeleteFirst);
    equal(munmap(page, 4096), 0);
    ok("Linux leaves frames alone");
}

/* A frame whose table has gone can be mapped there again, unless something else is there now. */
static void mapped_again(void)
{
    seL4_Word at = address(seL4_LargePageBits);
    seL4_CPtr table = take(seL4_RISCV_PageTableObject, 0), one = take(seL4_RISCV_4K_Page, 0), two = copy(one);
    for (;;) {
        fine(seL4_RISCV_PageTable_Map(table, VSPACE, at, seL4_RISCV_Default_VMAttributes));
        if (seL4_RISCV_Page_Map(one, VSPACE, at, seL4_ReadWrite, seL4_RISCV_Default_VMAttributes) == seL4_NoError) {
            break;
        }
        table = take(seL4_RISCV_PageTableObject, 0);
    }
    *(volatile seL4_Word *)at = 7;
    fine(seL4_RISCV_PageTable_Unmap(table));
    equal(seL4_RISCV_Page_Map(one, VSPACE, at, seL4_ReadWrite, seL4_RISCV_Default_VMAttributes), seL4_FailedLookup);
    fine(seL4_RISCV_PageTable_Map(table, VSPACE, at, seL4_RISCV_Default_VMAttributes));
    fine(seL4_RISCV_Page_Map(one, VSPACE, at, seL4_ReadWrite, seL4_RISCV_Default_VMAttributes));
    equal(*(volatile seL4_Word *)at, 7);
    fine(seL4_RISCV_PageTable_Unmap(table));
    fine(seL4_RISCV_PageTable_Map(table, VSPACE, at, seL4_RISCV_Default_VMAttributes));
    seL4_CPtr other = take(seL4_RISCV_4K_Page, 0);
    fine(seL4_RISCV_Page_Map(other, VSPACE, at, seL4_ReadWrite, seL4_RISCV_Default_VMAttributes));
    fine(seL4_RISCV_Page_Map(one, VSPACE, at, seL4_ReadWrite, seL4_RISCV_Default_VMAttributes));
    equal(*(volatile seL4_Word *)at, 7);
    fine(delete(other));
    equal(*(volatile seL4_Word *)at, 7);
    fine(seL4_RISCV_PageTable_Unmap(table));
    fine(seL4_RISCV_PageTable_Map(table, VSPACE, at, seL4_RISCV_Default_VMAttributes));
    check(mmap((void *)at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (void *)at);
    equal(seL4_RISCV_Page_Map(one, VSPACE, at, seL4_ReadWrite, seL4_RISCV_Default_VMAttributes), seL4_DeleteFirst);
    equal(*(volatile seL4_Word *)at, 0);
    *(volatile seL4_Word *)at = 1;
    /* With the table goes what Linux had in it; it begins anew. */
    fine(seL4_RISCV_PageTable_Unmap(table));
    equal(*(volatile seL4_Word *)at, 0);
    fine(delete(two));
    ok("mapped again");
}

/* The thread's own capability to its buffer is not the one that it is mapped through. */
static void buffer_stays(void)
{
    seL4_IPCBuffer *buffer = seL4_GetIPCBuffer();
    fine(seL4_TCB_SetIPCBuffer(SELF, (seL4_Word)buffer, seL4_CapInitThreadIPCBuffer));
    buffer->userData = 5;
    equal(buffer->userData, 5);
    ok("buffer stays");
}

static seL4_CPtr endpoint;

static void caller(void *argument)
{
    (void)argument;
    seL4_Call(endpoint, seL4_MessageInfo_new(1, 0, 0, 0));
}

/* Nobody can answer a thread that has gone, nor what is made of its memory next. */
static void caller_ends(void)
{
    endpoint = take(seL4_EndpointObject, 0);
    struct thread *thread = thread_start(100, caller, NULL);
    seL4_Recv(endpoint, NULL);
    seL4_CPtr saved = slot();
    fine(seL4_CNode_SaveCaller(ROOT, saved, seL4_WordBits));
    check(!is_empty(saved));
    fine(delete(thread->tcb));
    check(is_empty(saved));
    ok("caller ends");
}

static volatile int word, woken;

static void waits(void *argument)
{
    (void)argument;
    register long a0 __asm__("a0") = (long)&word, a1 __asm__("a1") = FUTEX_WAIT, a2 __asm__("a2") = 0;
    register long a3 __asm__("a3") = 0, a7 __asm__("a7") = SYS_futex;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a7) : "memory");
    woken += 1;
}

/* A thread that waits for Linux, or did so until now, goes on where it is told to. */
static void redirected(void)
{
    struct thread *thread = thread_start(100, waits, NULL);
    for (int i = 0; i < 2; i++) {
        let_others_run();
        equal(syscall(SYS_futex, &word, FUTEX_WAKE, 1, 0), 1);
        seL4_UserContext registers = thread_registers(thread);
        registers.a7 = 12345;
        fine(seL4_TCB_WriteRegisters(thread->tcb, 0, 0, sizeof(registers) / sizeof(seL4_Word), &registers));
    }
    let_others_run();
    equal(woken, 0);
    equal(syscall(SYS_futex, &word, FUTEX_WAKE, 1, 0), 1);
    let_others_run();
    equal(woken, 1);
    ok("redirected");
}

static void last(void *argument)
{
    fine(delete((seL4_CPtr)argument));
}

int main(void)
{
    linux_leaves_frames_alone();
    mapped_again();
    buffer_stays();
    caller_ends();
    redirected();
    ok("done");
    fflush(stdout);
    /* With its last thread the program ends. */
    struct thread *thread = thread_new(100, last, NULL, 0);
    thread->argument = (void *)thread->tcb;
    fine(seL4_TCB_Resume(thread->tcb));
    for (seL4_CPtr other = seL4_GetBootInfo()->empty.start; other < thread->tcb; other++) {
        fine(delete(other));
    }
    delete(SELF);
    fail(__FILE__, __LINE__, "a thread that has no TCB runs");
}
