/*
 * A first program for seL4's interface: what a root task is given, and a thread that answers calls.
 *
 *     riscv64-linux-gnu-gcc -static -O2 -std=gnu11 -I kernel/user/include \
 *         -o hello-sel4.elf kernel/user/programs/hello-sel4.c
 *     npx ostler run --local --trace hello-sel4.elf
 */
#include <sel4/sel4.h>
#include <sel4platsupport/bootinfo.h>
#include <sel4runtime.h>
#include <sel4tutorials/alloc.h>
#include <sel4utils/helpers.h>
#include <stdio.h>
#include <utils/util.h>

#define BUFFER_ADDRESS 0x1000000000ul
#define CLIENT_BADGE 7

static char stack[65536] ALIGN(16);

/* Answers each message with twice the number in it. */
static void server(void *endpoint, UNUSED void *unused1, UNUSED void *unused2)
{
    seL4_Word badge;
    seL4_Recv((seL4_CPtr)endpoint, &badge);
    for (;;) {
        seL4_SetMR(0, 2 * seL4_GetMR(0));
        seL4_SetMR(1, badge);
        seL4_ReplyRecv((seL4_CPtr)endpoint, seL4_MessageInfo_new(0, 0, 0, 2), &badge);
    }
}

/* Maps a frame, and page tables as long as one is missing. */
static void map(seL4_BootInfo *info, seL4_CPtr frame, seL4_Word address)
{
    seL4_Error error;
    while ((error = seL4_RISCV_Page_Map(frame, seL4_CapInitThreadVSpace, address, seL4_ReadWrite,
                                        seL4_RISCV_Default_VMAttributes)) == seL4_FailedLookup) {
        seL4_CPtr table = alloc_object(info, seL4_RISCV_PageTableObject, 0);
        ZF_LOGF_IFERR(seL4_RISCV_PageTable_Map(table, seL4_CapInitThreadVSpace, address,
                                               seL4_RISCV_Default_VMAttributes),
                      "No page table at %lx", address);
    }
    ZF_LOGF_IFERR(error, "No frame at %lx", address);
}

static void start_server(seL4_BootInfo *info, seL4_CPtr endpoint)
{
    seL4_CPtr tcb = alloc_object(info, seL4_TCBObject, 0);
    seL4_CPtr frame = alloc_object(info, seL4_RISCV_4K_Page, 0);
    map(info, frame, BUFFER_ADDRESS);
    ZF_LOGF_IFERR(seL4_TCB_Configure(tcb, seL4_CapNull, seL4_CapInitThreadCNode, 0, seL4_CapInitThreadVSpace, 0,
                                     BUFFER_ADDRESS, frame),
                  "The thread has no spaces");
    ZF_LOGF_IFERR(seL4_TCB_SetPriority(tcb, seL4_CapInitThreadTCB, 100), "The thread has no priority");
    seL4_DebugNameThread(tcb, "server");

    seL4_UserContext registers = {0};
    sel4utils_arch_init_local_context(server, (void *)endpoint, NULL, NULL, stack + sizeof(stack), &registers);
    sel4runtime_set_tls_variable(registers.tp, __sel4_ipc_buffer, (seL4_IPCBuffer *)BUFFER_ADDRESS);
    ZF_LOGF_IFERR(seL4_TCB_WriteRegisters(tcb, 1, 0, sizeof(registers) / sizeof(seL4_Word), &registers),
                  "The thread did not start");
}

int main(void)
{
    seL4_BootInfo *info = platsupport_get_bootinfo();
    ZF_LOGF_IF(info == NULL, "This is not a root task");
    printf("Hello from a root task with %lu empty slots.\n", info->empty.end - info->empty.start);
    for (seL4_Word i = 0; i < info->untyped.end - info->untyped.start; i++) {
        printf("Untyped memory at slot %lu: 2^%u bytes.\n", info->untyped.start + i, info->untypedList[i].sizeBits);
    }

    /* The server has the endpoint; the client has a capability to it with a badge, which the server sees. */
    seL4_CPtr endpoint = alloc_object(info, seL4_EndpointObject, 0), client = alloc_slot(info);
    ZF_LOGF_IFERR(seL4_CNode_Mint(seL4_CapInitThreadCNode, client, seL4_WordBits, seL4_CapInitThreadCNode, endpoint,
                                  seL4_WordBits, seL4_AllRights, CLIENT_BADGE),
                  "No capability with a badge");
    start_server(info, endpoint);

    seL4_SetMR(0, 21);
    seL4_MessageInfo_t answer = seL4_Call(client, seL4_MessageInfo_new(0, 0, 0, 1));
    printf("The server answers %lu words: %lu for the client with badge %lu.\n", seL4_MessageInfo_get_length(answer),
           seL4_GetMR(0), seL4_GetMR(1));
    fflush(stdout);
    seL4_DebugDumpScheduler();
    return 0;
}
