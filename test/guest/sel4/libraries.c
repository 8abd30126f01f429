/* What programs written against seL4's libraries expect beside its interface. */
#include "common.h"

#include <sel4platsupport/bootinfo.h>
#include <sel4runtime.h>
#include <sel4tutorials/alloc.h>
#include <sel4utils/helpers.h>
#include <sel4utils/util.h>
#include <utils/util.h>

static __thread int initialised = 7;
static __thread int cleared;
static volatile int seen, cleared_seen, finished;
static seL4_IPCBuffer *volatile buffer_seen;

static void arithmetic(void)
{
    static const int three[3];
    equal(BIT(12), 4096);
    equal(MASK(4), 15);
    equal(ALIGN_UP(4097ul, 4096), 8192);
    equal(ALIGN_UP(4096, 4096ul), 4096);
    equal(ALIGN_DOWN(0xffffffff00000fffull, 0x1000), 0xffffffff00000000ull);
    equal(ROUND_UP(10, 3), 12);
    equal(ROUND_DOWN(10, 3), 9);
    equal(DIV_ROUND_UP(10, 3), 4);
    equal(IS_ALIGNED(8192ul, 12), 1);
    equal(IS_ALIGNED(8193ul, 12), 0);
    equal(IS_POWER_OF_2(64), 1);
    equal(IS_POWER_OF_2(0), 0);
    equal(LOG_BASE_2(4097ul), 12);
    equal(MIN(3, 4), 3);
    equal(MAX(3, 4), 4);
    equal(ARRAY_SIZE(three), 3);
    equal(NS_IN_S, 1000000000ull);
    equal(PAGE_ALIGN_4K(0x12345ul), 0x12000);
    ok("arithmetic");
}

static void messages(void)
{
    ZF_LOGF_IF(0, "never %d", 1);
    ZF_LOGF_IFERR(seL4_NoError, "never");
    ZF_LOGI("not at this level");
    ZF_LOGW("one");
    ZF_LOGE_IF(1 + 1 == 2, "two %d", 2);
    ZF_LOGE_IFERR(seL4_DeleteFirst, "three");
    ok("messages");
}

static void allocation(void)
{
    seL4_BootInfo *info = platsupport_get_bootinfo();
    check(info == seL4_GetBootInfo() && info == sel4runtime_bootinfo());
    /* The slots of this are the ones that `slots` gives, too. */
    slots(8);
    seL4_CPtr frame = alloc_object(info, seL4_ARCH_4KPage, 0), node = alloc_object(info, seL4_CapTableObject, 4);
    equal(node, frame + 1);
    equal(seL4_DebugCapIdentify(frame), 1);
    equal(seL4_DebugCapIdentify(node), 10);
    ok("allocation");
}

static void x86_names(void)
{
    const seL4_Word at = 0x2000000000;
    const seL4_X86_VMAttributes usual = seL4_X86_Default_VMAttributes;
    seL4_CPtr frame = take(seL4_X86_4K, 0), pdpt = take(seL4_X86_PDPTObject, 0);
    seL4_CPtr directory = take(seL4_X86_PageDirectoryObject, 0), table = take(seL4_X86_PageTableObject, 0);
    fine(seL4_X86_PDPT_Map(pdpt, VSPACE, at, usual));
    equal(seL4_X86_Page_Map(frame, VSPACE, at, seL4_CanRead, usual), seL4_FailedLookup);
    equal(seL4_MappingFailedLookupLevel(), SEL4_MAPPING_LOOKUP_NO_PD);
    fine(seL4_X86_PageDirectory_Map(directory, VSPACE, at, usual));
    equal(seL4_X86_Page_Map(frame, VSPACE, at, seL4_CanRead, usual), seL4_FailedLookup);
    equal(seL4_MappingFailedLookupLevel(), SEL4_MAPPING_LOOKUP_NO_PT);
    fine(seL4_X86_PageTable_Map(table, VSPACE, at, usual));
    fine(seL4_X86_Page_Map(frame, VSPACE, at, seL4_CanRead, usual));
    equal(*(volatile seL4_Word *)at, 0);
    fine(seL4_ARCH_Page_Map(frame, VSPACE, at, seL4_ReadWrite, seL4_ARCH_Default_VMAttributes));
    *(volatile seL4_Word *)at = 5;
    fine(seL4_X86_Page_Unmap(frame));
    ok("names of x86's objects");
}

/* `first` is its TCB. */
static void entry(void *first, void *second, void *third)
{
    printf("a thread: %d %ld %ld\n", first != NULL, (long)second, (long)third);
    seen = initialised;
    cleared_seen = cleared;
    buffer_seen = seL4_GetIPCBuffer();
    finished = 1;
    seL4_TCB_Suspend((seL4_CPtr)first);
}

static seL4_CPtr thread_for(seL4_UserContext *registers)
{
    seL4_CPtr tcb = take(seL4_TCBObject, 0);
    fine(seL4_TCB_Configure(tcb, seL4_CapNull, ROOT, 0, VSPACE, 0, 0, seL4_CapNull));
    fine(seL4_TCB_SetPriority(tcb, SELF, 5));
    fine(seL4_TCB_ReadRegisters(tcb, 0, 0, sizeof(*registers) / sizeof(seL4_Word), registers));
    return tcb;
}

static void threads(void)
{
    static char stack[65536] ALIGN(16), stack_2[65536] ALIGN(16), storage[CONFIG_SEL4RUNTIME_STATIC_TLS];
    seL4_UserContext registers = {0};
    initialised = 8;
    cleared = 9;
    seL4_CPtr tcb = thread_for(&registers);
    equal(sel4utils_arch_init_local_context(entry, (void *)tcb, (void *)2, (void *)3, stack + sizeof(stack), &registers),
          0);
    fine(seL4_TCB_WriteRegisters(tcb, 1, 0, sizeof(registers) / sizeof(seL4_Word), &registers));
    let_others_run();
    equal(finished, 1);
    equal(seen, 7);
    equal(cleared_seen, 0);
    check(buffer_seen == NULL);

    /* By hand: where its variables are, and what one of them is. */
    finished = 0;
    seL4_UserContext again = {0};
    tcb = thread_for(&again);
    check(sel4runtime_get_tls_size() <= sizeof(storage));
    uintptr_t base = sel4runtime_write_tls_image(storage);
    equal(sel4runtime_set_tls_variable(base, __sel4_ipc_buffer, (seL4_IPCBuffer *)0x123400), 0);
    equal(sel4runtime_set_tls_variable(base, cleared, 4), 0);
    again.tp = base;
    sel4utils_arch_init_context((void *)entry, stack_2 + sizeof(stack_2), &again);
    equal(again.tp, base);
    sel4utils_set_arg0(&again, tcb);
    equal(sel4utils_get_instruction_pointer(again), (seL4_Word)entry);
    equal(sel4utils_get_sp(again), (seL4_Word)(stack_2 + sizeof(stack_2)));
    fine(seL4_TCB_WriteRegisters(tcb, 0, 0, sizeof(again) / sizeof(seL4_Word), &again));
    fine(seL4_TCB_SetTLSBase(tcb, base));
    fine(seL4_TCB_Resume(tcb));
    let_others_run();
    equal(finished, 1);
    equal(seen, 7);
    equal(cleared_seen, 4);
    equal((seL4_Word)buffer_seen, 0x123400);
    ok("variables of threads");
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    allocation();
    arithmetic();
    messages();
    x86_names();
    threads();
    ZF_LOGF_IFERR(seL4_FailedLookup, "the end");
    return 0;
}
