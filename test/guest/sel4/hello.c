/* The first thread: its boot information, its capabilities, printing. */
#include "common.h"

static void boot_information(void)
{
    seL4_BootInfo *info = seL4_GetBootInfo();
    check(info != NULL);
    equal((seL4_Word)info % 4096, 0);
    equal(info->nodeID, 0);
    equal(info->numNodes, 1);
    equal(info->initThreadDomain, 0);
    equal(info->sharedFrames.start, info->sharedFrames.end);
    equal(info->ioSpaceCaps.start, info->ioSpaceCaps.end);
    check(info->ipcBuffer == seL4_GetIPCBuffer());
    equal((seL4_Word)info->ipcBuffer % 1024, 0);
    check(info->empty.start >= seL4_NumInitialCaps);
    check(info->empty.start < info->empty.end);
    equal(info->empty.end, 1ul << info->initThreadCNodeSizeBits);
    ok("boot information");
}

static void memory(void)
{
    seL4_BootInfo *info = seL4_GetBootInfo();
    seL4_Word count = info->untyped.end - info->untyped.start, usable = 0;
    check(count > 0 && count <= CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS);
    for (seL4_Word i = 0; i < count; i++) {
        seL4_UntypedDesc one = info->untypedList[i];
        check(one.sizeBits >= seL4_MinUntypedBits && one.sizeBits <= seL4_MaxUntypedBits);
        check(one.isDevice <= 1);
        equal(one.paddr % (1ul << one.sizeBits), 0);
        check(!is_empty(info->untyped.start + i));
        usable += one.isDevice ? 0 : 1ul << one.sizeBits;
    }
    check(usable >= 1ul << 20);
    ok("memory");
}

static void capabilities(void)
{
    static const seL4_CPtr there[] = {
        seL4_CapInitThreadTCB,      seL4_CapInitThreadCNode,     seL4_CapInitThreadVSpace,
        seL4_CapIRQControl,         seL4_CapASIDControl,         seL4_CapInitThreadASIDPool,
        seL4_CapBootInfoFrame,      seL4_CapInitThreadIPCBuffer, seL4_CapDomain,
    };
    static const seL4_CPtr missing[] = {
        seL4_CapNull,           seL4_CapIOPortControl, seL4_CapIOSpace, seL4_CapSMMUSIDControl,
        seL4_CapSMMUCBControl,  seL4_CapInitThreadSC,  seL4_CapSMC,
    };
    for (unsigned i = 0; i < sizeof(there) / sizeof(*there); i++) {
        check(!is_empty(there[i]));
    }
    for (unsigned i = 0; i < sizeof(missing) / sizeof(*missing); i++) {
        check(is_empty(missing[i]));
    }
    seL4_BootInfo *info = seL4_GetBootInfo();
    check(is_empty(info->empty.start));
    check(is_empty(info->empty.end - 1));
    ok("capabilities");
}

/* How the kernel numbers types of capabilities: odd ones are the architecture's. */
static void types(void)
{
    equal(seL4_DebugCapIdentify(seL4_CapNull), 0);
    equal(seL4_DebugCapIdentify(seL4_GetBootInfo()->untyped.start), 2);
    equal(seL4_DebugCapIdentify(take(seL4_EndpointObject, 0)), 4);
    equal(seL4_DebugCapIdentify(take(seL4_NotificationObject, 0)), 6);
    equal(seL4_DebugCapIdentify(seL4_CapInitThreadCNode), 10);
    equal(seL4_DebugCapIdentify(seL4_CapInitThreadTCB), 12);
    equal(seL4_DebugCapIdentify(seL4_CapIRQControl), 14);
    equal(seL4_DebugCapIdentify(seL4_CapDomain), 20);
    equal(seL4_DebugCapIdentify(seL4_CapInitThreadIPCBuffer), 1);
    equal(seL4_DebugCapIdentify(seL4_CapInitThreadVSpace), 3);
    equal(seL4_DebugCapIdentify(seL4_CapASIDControl), 11);
    equal(seL4_DebugCapIdentify(seL4_CapInitThreadASIDPool), 13);
    ok("types");
}

/* Fault messages as values: what common headers promise beyond the kernel's interface. */
static void faults(void)
{
    for (int i = 0; i < 11; i++) {
        seL4_SetMR(i, 100 + (seL4_Word)i);
    }
    seL4_Fault_t fault = seL4_getFault(seL4_MessageInfo_new(seL4_Fault_CapFault, 0, 0, 7));
    equal(seL4_Fault_get_seL4_FaultType(fault), seL4_Fault_CapFault);
    equal(seL4_Fault_CapFault_get_IP(fault), 100);
    equal(seL4_Fault_CapFault_get_Addr(fault), 101);
    equal(seL4_Fault_CapFault_get_InRecvPhase(fault), 102);
    equal(seL4_Fault_CapFault_get_MR6(fault), 106);
    fault = seL4_getFault(seL4_MessageInfo_new(seL4_Fault_UnknownSyscall, 0, 0, 11));
    equal(seL4_Fault_UnknownSyscall_get_SP(fault), 101);
    equal(seL4_Fault_UnknownSyscall_get_A0(fault), 103);
    equal(seL4_Fault_UnknownSyscall_get_Syscall(fault), 110);
    fault = seL4_getFault(seL4_MessageInfo_new(seL4_Fault_UserException, 0, 0, 4));
    equal(seL4_Fault_UserException_get_Code(fault), 103);
    seL4_SetMR(seL4_VMFault_FSR, 15);
    fault = seL4_getFault(seL4_MessageInfo_new(seL4_Fault_VMFault, 0, 0, 4));
    equal(seL4_Fault_get_seL4_FaultType(fault), seL4_Fault_VMFault);
    equal(seL4_Fault_VMFault_get_IP(fault), 100);
    equal(seL4_Fault_VMFault_get_Addr(fault), 101);
    equal(seL4_Fault_VMFault_get_PrefetchFault(fault), 102);
    equal(seL4_Fault_VMFault_get_FSR(fault), 15);
    ok("faults as values");
}

int main(void)
{
    printf("hello, world\n");
    boot_information();
    memory();
    capabilities();
    types();
    faults();
    seL4_DebugNameThread(SELF, "hello");
    fflush(stdout);
    seL4_DebugPutString("printed by the kernel\n");
    seL4_Yield();
    ok("done");
    return 0;
}
