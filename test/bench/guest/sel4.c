/* Does one thing of seL4's argv[2] times: which, says argv[1]. */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "../../guest/sel4/common.h"

/* unistd.h has a revoke of its own. */
long syscall(long number, ...);
int pipe(int ends[2]);
int close(int fd);
long read(int fd, void *bytes, unsigned long count);
long write(int fd, const void *bytes, unsigned long count);

enum { AT_ONCE = 256 };
static long count;
static seL4_CPtr endpoint;

/* Answers with the words that it got: without a stack or data, so that its address space is one page of code. */
__asm__(".pushsection .text\n"
        ".balign 4096\n"
        ".globl echo_start, echo_end\n"
        "echo_start:\n"
        "  li a1, 0\n"
        "1: mv a0, s1\n"
        "  li a7, -2\n"
        "  ecall\n"
        "  j 1b\n"
        "echo_end:\n"
        ".popsection\n");
extern const char echo_start[], echo_end[];

static void server(seL4_CPtr vspace, seL4_Word code)
{
    seL4_CPtr tcb = take(seL4_TCBObject, 0);
    fine(seL4_TCB_Configure(tcb, 0, ROOT, 0, vspace, 0, 0, 0));
    fine(seL4_TCB_SetSchedParams(tcb, SELF, 255, 255));
    seL4_UserContext registers = {.pc = code, .s1 = endpoint};
    fine(seL4_TCB_WriteRegisters(tcb, 1, 0, sizeof(registers) / sizeof(seL4_Word), &registers));
}

static seL4_CPtr other_space(void)
{
    seL4_CPtr vspace = take(seL4_RISCV_PageTableObject, 0), frame = take(seL4_RISCV_4K_Page, 0);
    seL4_CPtr shown = copy(frame);
    fine(seL4_RISCV_ASIDPool_Assign(seL4_CapInitThreadASIDPool, vspace));
    memcpy((void *)map(shown), echo_start, echo_end - echo_start);
    map_in(vspace, frame, 0x10000, seL4_AllRights);
    return vspace;
}

static void calls(int apart)
{
    endpoint = take(seL4_EndpointObject, 0);
    if (apart) {
        server(other_space(), 0x10000);
    } else {
        server(VSPACE, (seL4_Word)echo_start);
    }
    seL4_Yield();
    for (long i = 0; i < count; i++) {
        seL4_Call(endpoint, seL4_MessageInfo_new(0, 0, 0, 2));
    }
}

static seL4_CPtr node_of(seL4_Word bits)
{
    return take(seL4_CapTableObject, bits);
}

/* Endpoints in and out: what was made of the memory is revoked each time that the node is full. */
static void retypes(void)
{
    seL4_CPtr untyped = take(seL4_UntypedObject, 12), node = node_of(8);
    for (long i = 0; i < count; i += AT_ONCE) {
        fine(seL4_Untyped_Retype(untyped, seL4_EndpointObject, 0, ROOT, node, seL4_WordBits, 0, AT_ONCE));
        fine(revoke(untyped));
    }
}

static void retypes_one_by_one(void)
{
    seL4_CPtr untyped = take(seL4_UntypedObject, 12), node = node_of(8);
    for (long i = 0; i < count; i++) {
        if (i % AT_ONCE == 0) {
            fine(revoke(untyped));
        }
        fine(seL4_Untyped_Retype(untyped, seL4_EndpointObject, 0, ROOT, node, seL4_WordBits, i % AT_ONCE, 1));
    }
}

static void mints(void)
{
    seL4_CPtr from = take(seL4_EndpointObject, 0), node = node_of(8);
    for (long i = 0; i < count; i++) {
        if (i % AT_ONCE == 0) {
            fine(revoke(from));
        }
        fine(seL4_CNode_Mint(node, i % AT_ONCE, 8, ROOT, from, seL4_WordBits, seL4_AllRights, i + 1));
    }
}

/* Signals to a notification at the end of so many nodes, each of them a guard and 4 bits of an address. */
static void lookups(int levels)
{
    seL4_CPtr notification = take(seL4_NotificationObject, 0), inner = notification;
    seL4_Word bits = seL4_WordBits / levels, address = 0;
    for (int i = 0; i < levels; i++) {
        seL4_CPtr node = node_of(4), guarded = slot();
        fine(seL4_CNode_Copy(node, 1, 4, ROOT, inner, seL4_WordBits, seL4_AllRights));
        fine(seL4_CNode_Mint(ROOT, guarded, seL4_WordBits, ROOT, node, seL4_WordBits, seL4_AllRights,
                             seL4_CNode_CapData_new(0, bits - 4).words[0]));
        inner = guarded;
        address |= 1ul << (i * bits);
    }
    fine(seL4_TCB_SetSpace(SELF, 0, inner, 0, VSPACE, 0));
    for (long i = 0; i < count; i++) {
        seL4_Signal(address);
    }
}

static unsigned turn;

/* Each side wakes the other and waits for its own turn: two switches a round. */
static void *ping(void *side)
{
    unsigned mine = (unsigned)(long)side, now;
    for (long i = 0; i < count; i++) {
        while ((now = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) != mine) {
            syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, 0, 0, 0);
        }
        __atomic_store_n(&turn, !mine, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
    }
    return 0;
}

static int there[2], back[2];

static void *pipe_echo(void *unused)
{
    char c;
    while (read(there[0], &c, 1) == 1) {
        write(back[1], &c, 1);
    }
    return unused;
}

/* A byte to another thread and one back. */
static void pipes(void)
{
    pthread_t other;
    char c = 0;
    if (pipe(there) || pipe(back)) {
        return;
    }
    pthread_create(&other, 0, pipe_echo, 0);
    for (long i = 0; i < count; i++) {
        write(there[1], &c, 1);
        read(back[0], &c, 1);
    }
    close(there[1]);
    pthread_join(other, 0);
}

static void futexes(void)
{
    pthread_t other;
    pthread_create(&other, 0, ping, (void *)1L);
    ping(0);
    pthread_join(other, 0);
}

int main(int argc, char **argv)
{
    const char *what = argv[argc - 2];
    count = atol(argv[argc - 1]);
    if (!strcmp(what, "apart")) {
        calls(1);
    } else if (!strcmp(what, "together")) {
        calls(0);
    } else if (!strcmp(what, "pipe")) {
        pipes();
    } else if (!strcmp(what, "futex")) {
        futexes();
    } else if (!strcmp(what, "retypes")) {
        retypes();
    } else if (!strcmp(what, "retype")) {
        retypes_one_by_one();
    } else if (!strcmp(what, "mint")) {
        mints();
    } else {
        lookups(atoi(what));
    }
    return 0;
}
