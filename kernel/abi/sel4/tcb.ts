/** Methods of threads. */
import { derive } from "../../cap/cnode.ts";
import { deleteSlot } from "../../cap/delete.ts";
import { done, type Result, refuse } from "../../cap/errors.ts";
import { withData } from "../../cap/relations.ts";
import { isFinal, peekSlot, placeDerived } from "../../cap/slots.ts";
import { type Capability, type CapabilityOf, Right } from "../../cap/state.ts";
import { getNotification, getTcb, tcbSlot, threadOf } from "../../ipc/sel4/access.ts";
import type { Sel4Kernel } from "../../ipc/sel4/kernel.ts";
import { ipcBufferBits } from "../../ipc/sel4/message.ts";
import { bind, notificationQueue, unbind } from "../../ipc/sel4/notification.ts";
import { redirect, resume, suspend } from "../../ipc/sel4/tcb.ts";
import type { PhysicalAddress, SlotAddress } from "../../lib/ids.ts";
import { setAffinity, setPriority } from "../../sched/sched.ts";
import { highestPriority } from "../../thread/scheduling.ts";
import type { Thread } from "../../thread/state.ts";
import { capTcb } from "../../trace/events/capability.ts";
import { type Answer, answer, extraCap, flag, type Invocation, needs, typedExtra } from "./invocation.ts";
import { Label, methodName } from "./labels.ts";

type Call = Invocation<CapabilityOf<"tcb">>;
const registerCount = 32;
/** pc, ra, sp, gp and s0 to s11: seL4's frame registers. */
const frameRegisters = 16;
const domains = 1;

type Method = (k: Sel4Kernel, call: Call) => Answer;

/** Words, capabilities, what it does. */
const methods: Partial<Record<number, readonly [number, number, Method]>> = {
  [Label.tcbReadRegisters]: [2, 0, readRegisters],
  [Label.tcbWriteRegisters]: [2, 0, writeRegisters],
  [Label.tcbCopyRegisters]: [1, 1, copyRegisters],
  [Label.tcbConfigure]: [4, 3, configure],
  [Label.tcbSetPriority]: [1, 1, (k, call) => setPriorities(k, call, call.words[0]!, null)],
  [Label.tcbSetMCPriority]: [1, 1, (k, call) => setPriorities(k, call, null, call.words[0]!)],
  [Label.tcbSetSchedParams]: [2, 1, (k, call) => setPriorities(k, call, call.words[1]!, call.words[0]!)],
  [Label.tcbSetIPCBuffer]: [1, 1, setIpcBuffer],
  [Label.tcbSetSpace]: [3, 2, setSpace],
  [Label.tcbSuspend]: [0, 0, stop],
  [Label.tcbResume]: [0, 0, start],
  [Label.tcbBindNotification]: [0, 1, bindNotification],
  [Label.tcbUnbindNotification]: [0, 0, unbindNotification],
  [Label.tcbSetTLSBase]: [1, 0, setThreadPointer],
  [Label.tcbSetAffinity]: [1, 0, setHart],
};

export function tcbInvocation(k: Sel4Kernel, call: Call): Answer {
  const row = methods[call.label];
  if (row === undefined) return refuse({ kind: "illegalOperation" });
  const [words, capabilities, method] = row;
  const truncated = needs(call, words, capabilities);
  if (truncated !== null) return refuse(truncated);
  const { address } = call.cap;
  const { thread } = getTcb(k, address);
  const result = method(k, call);
  if (result.ok && k.trace.on(capTcb))
    k.trace.write(capTcb, { method: methodName(call.label), tcb: BigInt(address), thread });
  return result;
}

const isSelf = (call: Call): boolean => call.cap.address === call.thread.tcb;

function readRegisters(k: Sel4Kernel, call: Call): Answer {
  const [flags, count] = call.words as [bigint, bigint];
  if (count < 1n || count > BigInt(registerCount))
    return refuse({ kind: "rangeError", min: 1n, max: BigInt(registerCount) });
  if (isSelf(call)) return refuse({ kind: "illegalOperation" });
  const thread = threadOf(k, call.cap.address);
  if (thread === null) return answer(...Array<bigint>(Number(count)).fill(0n));
  if (flag(flags, 0)) suspend(k, thread);
  return answer(...k.hal.contexts.getUserRegisters(thread.context).slice(0, Number(count)));
}

function writeRegisters(k: Sel4Kernel, call: Call): Answer {
  const [flags, count, ...values] = call.words as [bigint, bigint, ...bigint[]];
  if (BigInt(values.length) < count) return refuse({ kind: "truncatedMessage" });
  if (isSelf(call)) return refuse({ kind: "illegalOperation" });
  const thread = threadOf(k, call.cap.address);
  if (thread === null) return answer();
  k.hal.contexts.setUserRegisters(thread.context, values.slice(0, Math.min(Number(count), registerCount)));
  redirect(k, thread);
  if (flag(flags, 0)) resume(k, thread);
  return answer();
}

function copyRegisters(k: Sel4Kernel, call: Call): Answer {
  const source = typedExtra(k, call, 0, "tcb");
  if (!source.ok) return source;
  const [flags] = call.words as [bigint];
  const [stops, starts, frame, integer] = [0, 1, 2, 3].map((bit) => flag(flags, bit)) as [
    boolean,
    boolean,
    boolean,
    boolean,
  ];
  const from = threadOf(k, source.value.address);
  const to = threadOf(k, call.cap.address);
  if (from === null || to === null) return answer();
  // The caller itself stops at the end of its call, unless it is the one that is started.
  const stopsItself = stops && from === call.thread && !(starts && to === from);
  if (stops && from !== call.thread) suspend(k, from);
  if (starts && to !== call.thread) resume(k, to);
  const values = k.hal.contexts.getUserRegisters(from.context);
  const registers = k.hal.contexts.getUserRegisters(to.context);
  for (let i = 0; i < registerCount; i++) if (i < frameRegisters ? frame : integer) registers[i] = values[i]!;
  k.hal.contexts.setUserRegisters(to.context, registers);
  if (frame && to !== call.thread) redirect(k, to);
  if (stopsItself) return done("stop");
  return frame && to === call.thread ? done("moved") : answer();
}

/** A priority, if the authority may give it. */
function priorityOf(word: bigint | null, most: number): Result<number | null> {
  if (word === null) return done(null);
  return word <= BigInt(most) ? done(Number(word)) : refuse({ kind: "rangeError", min: 0n, max: BigInt(most) });
}

function setPriorities(k: Sel4Kernel, call: Call, priority: bigint | null, maximum: bigint | null): Answer {
  const authority = typedExtra(k, call, 0, "tcb");
  if (!authority.ok) return authority;
  const most = Math.min(getTcb(k, authority.value.address).maxControlledPriority, highestPriority);
  const wantedMaximum = priorityOf(maximum, most);
  if (!wantedMaximum.ok) return wantedMaximum;
  const wanted = priorityOf(priority, most);
  if (!wanted.ok) return wanted;
  if (wantedMaximum.value !== null) getTcb(k, call.cap.address).maxControlledPriority = wantedMaximum.value;
  const thread = threadOf(k, call.cap.address);
  if (wanted.value !== null && thread !== null) setPriority(k, thread, wanted.value);
  return answer();
}

/** What is to go into one of the TCB's slots; undefined for nothing. */
interface Filling {
  slot: "cspace" | "vspace" | "buffer";
  from: SlotAddress;
  cap: Capability;
}

function filling(k: Sel4Kernel, call: Call, index: number, slot: Filling["slot"], data: bigint): Result<Filling> {
  const illegal = refuse({ kind: "illegalOperation" });
  const given = extraCap(k, call, index);
  const changed = given === null || data === 0n ? given : withData(given, data, false);
  if (changed === null) return illegal;
  const derived = derive(k, call.extra[index]!, changed);
  if (!derived.ok) return derived;
  const fits = derived.value.type === (slot === "cspace" ? "cnode" : "pageTable");
  return fits ? done({ slot, from: call.extra[index]!, cap: derived.value }) : illegal;
}

function bufferFilling(k: Sel4Kernel, call: Call, index: number, address: bigint): Result<Filling | null> {
  if (address === 0n) return done(null);
  const given = extraCap(k, call, index);
  const derived = given === null ? refuse({ kind: "illegalOperation" }) : derive(k, call.extra[index]!, given);
  if (!derived.ok) return derived;
  const cap = derived.value;
  if (cap.type !== "frame" || cap.device) return refuse({ kind: "illegalOperation" });
  if (address % 2n ** BigInt(ipcBufferBits) !== 0n) return refuse({ kind: "alignmentError" });
  return done({ slot: "buffer", from: call.extra[index]!, cap });
}

/** Whether to take this capability out of a TCB would be the end of a CNode: that is a thing for CNode_Delete. */
function endsNode(k: Sel4Kernel, at: SlotAddress): boolean {
  const type = peekSlot(k, at)?.capability.type;
  return type === "zombie" || (type === "cnode" && isFinal(k, at));
}

function fill(k: Sel4Kernel, tcb: PhysicalAddress, { slot, from, cap }: Filling): void {
  const at = tcbSlot(tcb, slot);
  deleteSlot(k, at);
  placeDerived(k, from, at, cap);
}

function spaces(
  k: Sel4Kernel,
  call: Call,
  [faultHandler, cspaceData, vspaceData]: readonly bigint[],
): Result<() => void> {
  if (endsNode(k, tcbSlot(call.cap.address, "cspace"))) return refuse({ kind: "illegalOperation" });
  const cspace = filling(k, call, 0, "cspace", cspaceData!);
  if (!cspace.ok) return cspace;
  const vspace = filling(k, call, 1, "vspace", vspaceData!);
  if (!vspace.ok) return vspace;
  return done(() => {
    const { address } = call.cap;
    getTcb(k, address).faultHandler = faultHandler!;
    fill(k, address, cspace.value);
    fill(k, address, vspace.value);
  });
}

function placeBuffer(k: Sel4Kernel, tcb: PhysicalAddress, address: bigint, buffer: Filling | null): void {
  getTcb(k, tcb).ipcBuffer = Number(BigInt.asUintN(52, address));
  if (buffer === null) deleteSlot(k, tcbSlot(tcb, "buffer"));
  else fill(k, tcb, buffer);
}

function configure(k: Sel4Kernel, call: Call): Answer {
  const [faultHandler, cspaceData, vspaceData, address] = call.words as [bigint, bigint, bigint, bigint];
  const buffer = bufferFilling(k, call, 2, address);
  if (!buffer.ok) return buffer;
  const wanted = spaces(k, call, [faultHandler, cspaceData, vspaceData]);
  if (!wanted.ok) return wanted;
  wanted.value();
  placeBuffer(k, call.cap.address, address, buffer.value);
  return answer();
}

function setSpace(k: Sel4Kernel, call: Call): Answer {
  const wanted = spaces(k, call, call.words);
  if (!wanted.ok) return wanted;
  wanted.value();
  return answer();
}

function setIpcBuffer(k: Sel4Kernel, call: Call): Answer {
  const address = call.words[0]!;
  const buffer = bufferFilling(k, call, 0, address);
  if (!buffer.ok) return buffer;
  placeBuffer(k, call.cap.address, address, buffer.value);
  return answer();
}

function stop(k: Sel4Kernel, call: Call): Answer {
  if (isSelf(call)) return done("stop");
  const thread = threadOf(k, call.cap.address);
  if (thread !== null) suspend(k, thread);
  return answer();
}

function start(k: Sel4Kernel, call: Call): Answer {
  const thread: Thread | null = threadOf(k, call.cap.address);
  if (thread !== null) resume(k, thread);
  return answer();
}

function bindNotification(k: Sel4Kernel, call: Call): Answer {
  if (getTcb(k, call.cap.address).bound !== null) return refuse({ kind: "illegalOperation" });
  const cap = extraCap(k, call, 0);
  const illegal = refuse({ kind: "illegalOperation" });
  if (cap?.type !== "notification") return illegal;
  const taken = getNotification(k, cap.address).bound !== null;
  const waitedFor = k.threads.queues.has(notificationQueue(cap.address));
  if ((cap.rights & Right.read) === 0 || taken || waitedFor) return illegal;
  bind(k, cap.address, call.cap.address);
  return answer();
}

function unbindNotification(k: Sel4Kernel, call: Call): Answer {
  const { bound } = getTcb(k, call.cap.address);
  if (bound === null) return refuse({ kind: "illegalOperation" });
  unbind(k, bound);
  return answer();
}

function setThreadPointer(k: Sel4Kernel, call: Call): Answer {
  const thread = threadOf(k, call.cap.address);
  if (thread !== null) k.hal.contexts.setThreadPointer(thread.context, call.words[0]!);
  return answer();
}

/** The one hart that the thread runs on. */
function setHart(k: Sel4Kernel, call: Call): Answer {
  const hart = call.words[0]!;
  if (hart >= BigInt(k.sched.parked.length)) return refuse({ kind: "illegalOperation" });
  const thread = threadOf(k, call.cap.address);
  if (thread !== null) setAffinity(k, thread, 1 << Number(hart));
  return answer();
}

/** The capability to set domains: there is one domain. */
export function domainInvocation(k: Sel4Kernel, call: Invocation): Answer {
  if (call.label !== Label.domainSetSet) return refuse({ kind: "illegalOperation" });
  const [domain] = call.words;
  if (domain !== undefined && domain >= BigInt(domains)) return refuse({ kind: "invalidArgument", argument: 0 });
  const truncated = needs(call, 1, 1);
  if (truncated !== null) return refuse(truncated);
  const cap = extraCap(k, call, 0);
  if (cap?.type !== "tcb") return refuse({ kind: "invalidArgument", argument: 1 });
  getTcb(k, cap.address).domain = Number(domain);
  return answer();
}
