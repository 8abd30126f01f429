/** The headers of programs that use capabilities: each stands alone, and what they say is seL4 13.0.0's interface. */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const include = fileURLToPath(new URL("../../../kernel/user/include", import.meta.url));
const headers = globSync("**/*.h", { cwd: include }).sort();
const strict = ["-Wall", "-Wextra", "-Werror", "-O2", "-I", include];

const has = (compiler: string): boolean => spawnSync(compiler, ["--version"]).status === 0;
const cross = "riscv64-linux-gnu-gcc";

/** What a compiler has to say about a text. */
function complaints(compiler: string, options: string[], text: string): string {
  const { stderr } = spawnSync(compiler, [...options, ...strict, "-c", "-o", "/dev/null", "-"], {
    input: text,
    encoding: "utf8",
  });
  return stderr;
}

const c = (text: string): string => complaints(cross, ["-x", "c", "-std=gnu11"], text);

/** What must hold, by subject; the numbers are the reference's. */
const facts: Record<string, string[]> = {
  "system calls": [
    "sizeof(seL4_Syscall_ID) == 8",
    ...["Call", "ReplyRecv", "Send", "NBSend", "Recv", "Reply", "Yield", "NBRecv"].map(
      (name, i) => `seL4_Sys${name} == ${-1 - i}`,
    ),
    ...["PutChar", "DumpScheduler", "Halt", "CapIdentify", "Snapshot", "NameThread"].map(
      (name, i) => `seL4_SysDebug${name} == ${-9 - i}`,
    ),
  ],
  errors: [
    "seL4_NoError == 0",
    "seL4_InvalidArgument == 1",
    "seL4_InvalidCapability == 2",
    "seL4_IllegalOperation == 3",
    "seL4_RangeError == 4",
    "seL4_AlignmentError == 5",
    "seL4_FailedLookup == 6",
    "seL4_TruncatedMessage == 7",
    "seL4_DeleteFirst == 8",
    "seL4_RevokeFirst == 9",
    "seL4_NotEnoughMemory == 10",
    "seL4_NumErrors == 11",
    "seL4_InvalidRoot == 1",
    "seL4_MissingCapability == 2",
    "seL4_DepthMismatch == 3",
    "seL4_GuardMismatch == 4",
  ],
  "object types": [
    "seL4_UntypedObject == 0",
    "seL4_TCBObject == 1",
    "seL4_EndpointObject == 2",
    "seL4_NotificationObject == 3",
    "seL4_CapTableObject == 4",
    "seL4_RISCV_Giga_Page == 5",
    "seL4_RISCV_4K_Page == 6",
    "seL4_RISCV_Mega_Page == 7",
    "seL4_RISCV_PageTableObject == 8",
    "seL4_ObjectTypeCount == 9",
  ],
  "sizes of objects": [
    "seL4_SlotBits == 5",
    "seL4_TCBBits == 11",
    "seL4_EndpointBits == 4",
    "seL4_NotificationBits == 5",
    "seL4_PageBits == 12",
    "seL4_LargePageBits == 21",
    "seL4_HugePageBits == 30",
    "seL4_PageTableBits == 12",
    "seL4_VSpaceBits == 12",
    "seL4_ASIDPoolBits == 12",
    "seL4_IPCBufferSizeBits == 10",
    "seL4_MinUntypedBits == 4",
    "seL4_MaxUntypedBits == 38",
    "seL4_UserTop == 0x3ffffff000",
    "seL4_WordBits == 64",
    "seL4_MaxPrio == 255",
  ],
  "labels of invocations": [
    ...[
      "UntypedRetype",
      "TCBReadRegisters",
      "TCBWriteRegisters",
      "TCBCopyRegisters",
      "TCBConfigure",
      "TCBSetPriority",
      "TCBSetMCPriority",
      "TCBSetSchedParams",
      "TCBSetIPCBuffer",
      "TCBSetSpace",
      "TCBSuspend",
      "TCBResume",
      "TCBBindNotification",
      "TCBUnbindNotification",
      "TCBSetTLSBase",
      "CNodeRevoke",
      "CNodeDelete",
      "CNodeCancelBadgedSends",
      "CNodeCopy",
      "CNodeMint",
      "CNodeMove",
      "CNodeMutate",
      "CNodeRotate",
      "CNodeSaveCaller",
      "IRQIssueIRQHandler",
      "IRQAckIRQ",
      "IRQSetIRQHandler",
      "IRQClearIRQHandler",
      "DomainSetSet",
      "RISCVPageTableMap",
      "RISCVPageTableUnmap",
      "RISCVPageMap",
      "RISCVPageUnmap",
      "RISCVPageGetAddress",
      "RISCVASIDControlMakePool",
      "RISCVASIDPoolAssign",
      "RISCVIRQIssueIRQHandlerTrigger",
    ].map((name, i) => `(int)${name} == ${i + 1}`),
    "InvalidInvocation == 0",
  ],
  "the IPC buffer": [
    "sizeof(seL4_IPCBuffer) == 1024",
    "_Alignof(seL4_IPCBuffer) == 1024",
    "offsetof(seL4_IPCBuffer, tag) == 0",
    "offsetof(seL4_IPCBuffer, msg) == 8",
    "offsetof(seL4_IPCBuffer, userData) == 968",
    "offsetof(seL4_IPCBuffer, caps_or_badges) == 976",
    "offsetof(seL4_IPCBuffer, receiveCNode) == 1000",
    "offsetof(seL4_IPCBuffer, receiveIndex) == 1008",
    "offsetof(seL4_IPCBuffer, receiveDepth) == 1016",
    "seL4_MsgMaxLength == 120",
    "seL4_MsgMaxExtraCaps == 3",
    "seL4_FastMessageRegisters == 4",
  ],
  "boot information": [
    "sizeof(seL4_BootInfo) == 3848",
    "offsetof(seL4_BootInfo, extraLen) == 0",
    "offsetof(seL4_BootInfo, nodeID) == 8",
    "offsetof(seL4_BootInfo, numNodes) == 16",
    "offsetof(seL4_BootInfo, numIOPTLevels) == 24",
    "offsetof(seL4_BootInfo, ipcBuffer) == 32",
    "offsetof(seL4_BootInfo, empty) == 40",
    "offsetof(seL4_BootInfo, sharedFrames) == 56",
    "offsetof(seL4_BootInfo, userImageFrames) == 72",
    "offsetof(seL4_BootInfo, userImagePaging) == 88",
    "offsetof(seL4_BootInfo, ioSpaceCaps) == 104",
    "offsetof(seL4_BootInfo, extraBIPages) == 120",
    "offsetof(seL4_BootInfo, initThreadCNodeSizeBits) == 136",
    "offsetof(seL4_BootInfo, initThreadDomain) == 144",
    "offsetof(seL4_BootInfo, untyped) == 152",
    "offsetof(seL4_BootInfo, untypedList) == 168",
    "sizeof(seL4_UntypedDesc) == 16",
    "offsetof(seL4_UntypedDesc, sizeBits) == 8",
    "offsetof(seL4_UntypedDesc, isDevice) == 9",
    "seL4_CapInitThreadTCB == 1",
    "seL4_CapInitThreadCNode == 2",
    "seL4_CapInitThreadVSpace == 3",
    "seL4_CapIRQControl == 4",
    "seL4_CapASIDControl == 5",
    "seL4_CapInitThreadASIDPool == 6",
    "seL4_CapBootInfoFrame == 9",
    "seL4_CapInitThreadIPCBuffer == 10",
    "seL4_CapDomain == 11",
    "seL4_NumInitialCaps == 16",
  ],
  "registers of a thread": [
    "sizeof(seL4_UserContext) == 256",
    "offsetof(seL4_UserContext, pc) == 0",
    "offsetof(seL4_UserContext, gp) == 24",
    "offsetof(seL4_UserContext, s0) == 32",
    "offsetof(seL4_UserContext, a0) == 128",
    "offsetof(seL4_UserContext, t0) == 192",
    "offsetof(seL4_UserContext, tp) == 248",
  ],
  faults: [
    "seL4_Fault_NullFault == 0",
    "seL4_Fault_UserException == 3",
    "seL4_Fault_VMFault == 5",
    "seL4_VMFault_FSR == 3",
    "seL4_VMFault_Length == 4",
    "seL4_UnknownSyscall_A0 == 3",
    "seL4_UnknownSyscall_Syscall == 10",
    "seL4_UnknownSyscall_Length == 11",
    "seL4_UserException_Number == 2",
    "seL4_UserException_Length == 4",
    "seL4_CapFault_LookupFailureType == 3",
    "seL4_CapFault_BitsLeft == 4",
    "seL4_CapFault_DepthMismatch_BitsFound == 5",
    "seL4_CapFault_GuardMismatch_BitsFound == 6",
  ],
  attributes: ["sizeof(seL4_RISCV_VMAttributes) == 8", "seL4_RISCV_ExecuteNever == 1"],
};

/** Not constant for C, but for its optimiser: calls of an undefined function are left where one is wrong. */
const words: Record<string, string> = {
  "seL4_MessageInfo_new(0x123, 5, 2, 120).words[0]": "0x123b78",
  "seL4_MessageInfo_get_label(seL4_MessageInfo_new(~0ul, 0, 0, 0))": "0xffffffffffffful",
  "seL4_MessageInfo_get_length(seL4_MessageInfo_new(~0ul, 7, 3, 120))": "120",
  "seL4_MessageInfo_get_extraCaps(seL4_MessageInfo_set_extraCaps(seL4_MessageInfo_new(1, 0, 3, 0), 1))": "1",
  "seL4_MessageInfo_get_capsUnwrapped(seL4_MessageInfo_new(1, 5, 0, 0))": "5",
  "seL4_AllRights.words[0]": "15",
  "seL4_CanWrite.words[0]": "1",
  "seL4_CanRead.words[0]": "2",
  "seL4_CanGrant.words[0]": "4",
  "seL4_CanGrantReply.words[0]": "8",
  "seL4_ReadWrite.words[0]": "3",
  "seL4_NoRead.words[0]": "13",
  "seL4_NoWrite.words[0]": "14",
  "seL4_NoRights.words[0]": "0",
  "seL4_CNode_CapData_new(5, 52).words[0]": "(5ul << 6 | 52)",
  "seL4_CNode_CapData_get_guard(seL4_CNode_CapData_new(5, 52))": "5",
};

describe.skipIf(!has(cross))(`headers for programs (needs ${cross})`, () => {
  it.each(headers)("%s stands alone in C11", (header) => {
    expect(c(`#include <${header}>\nint main(void) { return 0; }\n`)).toBe("");
  });

  it.each(Object.keys(facts))("%s are the reference's", (subject) => {
    const asserts = facts[subject]?.map((fact) => `_Static_assert(${fact}, "");`).join("\n");
    expect(c(`#include <stddef.h>\n#include <sel4/sel4.h>\n${asserts}\nint main(void) { return 0; }\n`)).toBe("");
  });

  it("puts the fields of words where the reference has them", () => {
    const checks = Object.entries(words).map(([is, should]) => `if ((${is}) != (seL4_Word)(${should})) wrong();`);
    const text = `#include <sel4/sel4.h>
      extern void wrong(void) __attribute__((error("a field is elsewhere")));
      int main(void) { ${checks.join("\n")} return 0; }`;
    expect(c(text)).toBe("");
  });

  it("finds a wrong number", () => {
    expect(c('#include <sel4/sel4.h>\n_Static_assert(seL4_SysCall == 1, "");\n')).toContain("static assertion failed");
  });
});

// The syntax is the same for every target; a cross compiler would check the assembly, too.
const cxx = ["riscv64-linux-gnu-g++", "g++"].find(has);

describe.skipIf(cxx === undefined)("headers for programs (needs a C++ compiler)", () => {
  it.each(headers)("%s stands alone in C++17", (header) => {
    const options = ["-x", "c++", "-std=gnu++17", "-fsyntax-only"];
    expect(complaints(cxx ?? "", options, `#include <${header}>\nint main() { return 0; }\n`)).toBe("");
  });
});
