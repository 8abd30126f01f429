/**
 * Calls as people read them in a trace:
 *
 *     seL4_Call(0x19 untyped, {label=Untyped_Retype, length=6, caps=1}, 0x1, 0x0, 0x0, 0x0, ..., caps=[0x2]) = seL4_NoError
 *     seL4_Recv(0x1a endpoint) = {badge=0x8, label=50, length=1}, 0x3e8
 *
 * It only looks; what it cannot find is left out.
 */
import type { CapabilityType } from "../../cap/state.ts";
import { hex } from "../../lib/bits.ts";
import type { Thread } from "../../thread/state.ts";
import { capabilityNamed } from "./access.ts";
import type { Sel4Kernel } from "./kernel.ts";
import { decodeInfo, extraCapAddresses, type MessageInfo, messageRegisters } from "./message.ts";

/** Methods of objects by label: as the functions of the C interface are called, without seL4_. */
export const methodNames: readonly string[] = [
  "InvalidInvocation",
  "Untyped_Retype",
  ..."ReadRegisters WriteRegisters CopyRegisters Configure SetPriority SetMCPriority SetSchedParams SetIPCBuffer"
    .split(" ")
    .map((name) => `TCB_${name}`),
  ..."SetSpace Suspend Resume BindNotification UnbindNotification SetTLSBase".split(" ").map((name) => `TCB_${name}`),
  ..."Revoke Delete CancelBadgedSends Copy Mint Move Mutate Rotate SaveCaller"
    .split(" ")
    .map((name) => `CNode_${name}`),
  "IRQControl_Get",
  ..."Ack SetNotification Clear".split(" ").map((name) => `IRQHandler_${name}`),
  "DomainSet_Set",
  ..."PageTable_Map PageTable_Unmap Page_Map Page_Unmap Page_GetAddress ASIDControl_MakePool ASIDPool_Assign"
    .split(" ")
    .map((name) => `RISCV_${name}`),
  "IRQControl_GetTrigger",
  "",
  "TCB_SetAffinity",
];

const errorNames: readonly string[] =
  "NoError InvalidArgument InvalidCapability IllegalOperation RangeError AlignmentError FailedLookup TruncatedMessage DeleteFirst RevokeFirst NotEnoughMemory"
    .split(" ")
    .map((name) => `seL4_${name}`);

/** What goes from thread to thread: everything else is a message to the kernel. */
const messagesPass: ReadonlySet<CapabilityType> = new Set(["endpoint", "notification", "reply"]);

/** The parts of a call, as it was made. */
export interface CallText {
  text: string;
  /** The answer is the kernel's, about one of its objects. */
  toKernel: boolean;
  /** What comes is a signal: there is no message with it. */
  signals: boolean;
}

interface Shape {
  /** It names a capability: to send through, or to receive from. */
  names: boolean;
  sends: boolean;
  receives: boolean;
}

const shapes = new Map<number, Shape & { name: string }>([
  [-1, { name: "seL4_Call", names: true, sends: true, receives: true }],
  [-2, { name: "seL4_ReplyRecv", names: true, sends: true, receives: true }],
  [-3, { name: "seL4_Send", names: true, sends: true, receives: false }],
  [-4, { name: "seL4_NBSend", names: true, sends: true, receives: false }],
  [-5, { name: "seL4_Recv", names: true, sends: false, receives: true }],
  [-6, { name: "seL4_Reply", names: false, sends: true, receives: false }],
  [-8, { name: "seL4_NBRecv", names: true, sends: false, receives: true }],
]);

function typeAt(k: Sel4Kernel, thread: Thread, address: bigint): CapabilityType | null {
  return capabilityNamed(k, thread, address)?.type ?? null;
}

const small = (number: bigint): string => (number < 0x1_0000n ? String(number) : hex(number));

function infoText(info: MessageInfo, label: string, badge: bigint | null): string {
  const parts = [
    ...(badge === null ? [] : [`badge=${hex(badge)}`]),
    `label=${label}`,
    `length=${info.length}`,
    ...(info.extraCaps > 0 ? [`caps=${info.extraCaps}`] : []),
    ...(info.capsUnwrapped > 0 ? [`unwrapped=${info.capsUnwrapped}`] : []),
  ];
  return `{${parts.join(", ")}}`;
}

function wordTexts(info: MessageInfo, registers: readonly bigint[]): string[] {
  const words = registers.slice(0, Math.min(info.length, messageRegisters)).map(hex);
  return info.length > messageRegisters ? [...words, "..."] : words;
}

/**
 * A call that the thread stands on; null for one that passes no message. Once the answer is in the registers, what
 * was sent is not there any more, and is left out.
 */
export function callText(
  k: Sel4Kernel,
  thread: Thread,
  number: number,
  raw: readonly bigint[],
  answered = false,
): CallText | null {
  const shape = shapes.get(number);
  if (shape === undefined || thread.tcb === null) return null;
  const [address, tag, ...registers] = raw as [bigint, bigint, ...bigint[]];
  const type = shape.names ? typeAt(k, thread, address) : null;
  const toKernel = number === -1 && (type === null || !messagesPass.has(type));
  const parts = shape.names ? [`${hex(address)} ${type ?? "nothing"}`] : [];
  if (shape.sends && !answered) {
    const info = decodeInfo(tag);
    const method = type !== null && !messagesPass.has(type) ? methodNames[Number(info.label)] : undefined;
    const label = method ?? (toKernel ? methodNames[Number(info.label)] : undefined) ?? small(info.label);
    parts.push(infoText(info, label, null), ...wordTexts(info, registers));
    const caps = extraCapAddresses(k, thread, info.extraCaps);
    if (caps.length > 0) parts.push(`caps=[${caps.map(hex).join(", ")}]`);
  }
  return { text: `${shape.name}(${parts.join(", ")})`, toKernel, signals: shape.receives && type === "notification" };
}

/** What a call came back with: its message is in place, its badge not yet. */
export function resultText(k: Sel4Kernel, thread: Thread, number: number, call: CallText, badge: bigint): string {
  if (shapes.get(number)?.receives !== true) return " = 0";
  const [, tag, ...registers] = k.hal.contexts.getCallArguments(thread.context, 2 + messageRegisters);
  if (call.signals && number !== -1) return ` = {badge=${hex(badge)}}`;
  const info = decodeInfo(tag!);
  if (call.toKernel) {
    const error = errorNames[Number(info.label)] ?? small(info.label);
    return ` = ${[error, ...wordTexts(info, registers)].join(", ")}`;
  }
  return ` = ${[infoText(info, small(info.label), number === -1 ? null : badge), ...wordTexts(info, registers)].join(", ")}`;
}
