/**
 * The system calls of seL4 13.0.0 (non-MCS) on riscv64. Their numbers are below zero, so they live beside Linux's: a
 * program with a root task's capabilities makes both kinds.
 *
 * Registers: a0 the capability's address, and in the end the badge; a1 the message's tag; a2 to a5 its first words.
 */
import { type LookupFault, refuse } from "../../cap/errors.ts";
import { peekSlot } from "../../cap/slots.ts";
import { type Capability, type CapabilityOf, Right } from "../../cap/state.ts";
import { capabilityNamed, getTcb, slotNamed, tcbSlot } from "../../ipc/sel4/access.ts";
import { nameOf, printText, threadTable } from "../../ipc/sel4/debug.ts";
import { dropCaller, extraCaps, receive, reply, send, sendWait } from "../../ipc/sel4/endpoint.ts";
import { applyFaultReply, capFault, deliverFault, stopOnFault } from "../../ipc/sel4/fault.ts";
import type { Sel4Kernel } from "../../ipc/sel4/kernel.ts";
import {
  bufferOf,
  decodeInfo,
  endCall,
  infoOf,
  keepInfo,
  readMessage,
  setInfo,
  writeMessage,
} from "../../ipc/sel4/message.ts";
import { signal, take, waitFor } from "../../ipc/sel4/notification.ts";
import { inactive } from "../../ipc/sel4/tcb.ts";
import { type CallText, callText, resultText } from "../../ipc/sel4/text.ts";
import { unreachable } from "../../lib/assert.ts";
import type { SlotAddress } from "../../lib/ids.ts";
import { limits } from "../../lib/limits.ts";
import { signals } from "../../lib/signals.ts";
import { chargeQuantum, yieldHart } from "../../sched/sched.ts";
import { block } from "../../thread/blocking.ts";
import { countOutput, outputLeft } from "../../thread/jobs.ts";
import type { Task, Thread } from "../../thread/state.ts";
import { exitTask, killTask } from "../../thread/tasks.ts";
import type { Wait } from "../../thread/wait.ts";
import { capRefuse } from "../../trace/events/capability.ts";
import { word } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, passed } from "../define/outcome.ts";
import { type SystemCall, syscall } from "../define/syscall.ts";
import { cnodeInvocation } from "./cnode.ts";
import { type Answer, answer, errorMessage, type Invocation } from "./invocation.ts";
import { irqControlInvocation, irqHandlerInvocation } from "./irq.ts";
import { domainInvocation, tcbInvocation } from "./tcb.ts";
import { untypedInvocation } from "./untyped.ts";
import { asidControlInvocation, asidPoolInvocation, frameInvocation, pageTableInvocation } from "./vspace.ts";

/** Somebody without a TCB has no capabilities to name. */
const noCapabilities = fail("ENOSYS");
const gone = { kind: "gone" } as const;
const blocked = (wait: Wait): Outcome => ({ kind: "blocked", wait });

interface Manner {
  blocking: boolean;
  call: boolean;
}

/** A fault of the call itself: to the handler. Without one the thread stops; a client's is told instead. */
function faulted(k: Sel4Kernel, thread: Thread, address: bigint, receiving: boolean, why: LookupFault): Outcome {
  const fault = capFault(k, thread, address, receiving, why);
  if (deliverFault(k, thread, fault)) return gone;
  if (thread.call?.invocation !== undefined) {
    thread.call.invocation.fault = fault;
    return done(0);
  }
  stopOnFault(k, thread, fault);
  return gone;
}

const missing = (bitsLeft: number): LookupFault => ({ kind: "missingCapability", bitsLeft });

/** Send, NBSend and Call: what they do depends on what the capability is of. */
function invoke(
  k: Sel4Kernel,
  { task, thread, progress }: Call,
  address: bigint,
  tag: bigint,
  manner: Manner,
): Outcome {
  if (thread.tcb === null) return noCapabilities;
  const found = slotNamed(k, thread, address);
  if ("fault" in found) return manner.blocking ? faulted(k, thread, address, false, found.fault) : passed;
  const info = decodeInfo(tag);
  const extra = extraCaps(k, thread, info.extraCaps);
  if ("fault" in extra) return manner.blocking ? faulted(k, thread, extra.address, false, extra.fault) : passed;
  const cap = peekSlot(k, found.slot)?.capability;
  // An empty slot is a capability to nothing, and nothing can be done with it.
  if (cap === undefined) return answered(k, thread, manner, nothingThere);
  if (cap.type === "endpoint") return sendTo(k, thread, cap, manner);
  if (cap.type === "notification") return signalTo(k, thread, cap, manner);
  if (cap.type === "reply") return replyTo(k, thread, found.slot, cap, manner);
  const words = readMessage(k, thread, info.length);
  const again = progress?.kind === "again";
  const result = method(k, { thread, slot: found.slot, cap, label: Number(info.label), words, extra, again });
  if (!k.threads.threads.has(thread.id)) return endedItself(k, task);
  if (!result.ok && k.trace.on(capRefuse))
    k.trace.write(capRefuse, { type: cap.type, label: info.label, error: result.error.kind });
  // What is not done yet, and a thread that stops, concern also those who only sent.
  const unfinished = result.ok && typeof result.value === "string";
  return unfinished ? finishObject(k, thread, result) : answered(k, thread, manner, result);
}

const nothingThere = refuse({ kind: "invalidCapability", capability: 0 });

/** A thread has deleted its own TCB. With its last thread a program ends. */
function endedItself(k: Sel4Kernel, task: Task): Outcome {
  if (task.threads.length === 0) exitTask(k, task, { kind: "exited", code: 0 });
  return gone;
}

function method(k: Sel4Kernel, call: Invocation): Answer {
  const { cap } = call;
  switch (cap.type) {
    case "untyped":
      return untypedInvocation(k, { ...call, cap });
    case "cnode":
      return cnodeInvocation(k, { ...call, cap });
    case "tcb":
      return tcbInvocation(k, { ...call, cap });
    case "frame":
      return frameInvocation(k, { ...call, cap });
    case "pageTable":
      return pageTableInvocation(k, { ...call, cap });
    case "asidControl":
      return asidControlInvocation(k, call);
    case "asidPool":
      return asidPoolInvocation(k, { ...call, cap });
    case "irqControl":
      return irqControlInvocation(k, call);
    case "irqHandler":
      return irqHandlerInvocation(k, { ...call, cap });
    case "domain":
      return domainInvocation(k, call);
    case "zombie":
    case "endpoint":
    case "notification":
    case "reply":
    case "file":
    case "bank":
      return nothingThere;
    default:
      return unreachable(cap);
  }
}

/** The kernel's answer to a caller: the result's words, or the error's. */
function finishObject(k: Sel4Kernel, thread: Thread, result: Answer): Outcome {
  if (thread.call?.invocation !== undefined) thread.call.invocation.ofKernel = true;
  if (result.ok && result.value === "again") {
    // The thread stays on its call, which counts as an instruction each time it is made; of its turn it takes more.
    thread.wait = { kind: "again", queue: null, deadlineNs: null };
    if (k.sched.current === thread.id) chargeQuantum(k, limits.stepInstructions);
    else k.readyQueue.ready(thread);
    return gone;
  }
  if (result.ok && result.value === "stop") return stopItself(k, thread);
  if (result.ok && result.value === "moved") {
    setInfo(k, thread, 0n);
    endCall(k, thread, 0n, true);
    return gone;
  }
  const { label, words } = result.ok ? { label: 0n, words: [...result.value] as bigint[] } : errorMessage(result.error);
  const length = writeMessage(k, thread, words);
  setInfo(k, thread, infoOf(label, length));
  return done(0);
}

/** A program's thread stays on its call, and makes it again when it is resumed; a client is answered then. */
function stopItself(k: Sel4Kernel, thread: Thread): Outcome {
  if (thread.call !== null) {
    setInfo(k, thread, 0n);
    endCall(k, thread, 0n);
  }
  block(k, thread, { ...inactive });
  return gone;
}

/** The kernel's answer to who made a call; who only sent gets none. */
const answered = (k: Sel4Kernel, thread: Thread, { call }: Manner, result: Answer): Outcome =>
  call ? finishObject(k, thread, result) : passed;

function sendTo(k: Sel4Kernel, thread: Thread, cap: CapabilityOf<"endpoint">, manner: Manner): Outcome {
  if ((cap.rights & Right.write) === 0) return answered(k, thread, manner, nothingThere);
  const sent = send(k, thread, cap, sendWait(cap, { call: manner.call, fault: null }), manner.blocking);
  return typeof sent === "string" ? passed : blocked(sent);
}

function signalTo(k: Sel4Kernel, thread: Thread, cap: CapabilityOf<"notification">, manner: Manner): Outcome {
  if ((cap.rights & Right.write) === 0) return answered(k, thread, manner, nothingThere);
  signal(k, cap.address, cap.badge);
  return answered(k, thread, manner, answer());
}

function replyTo(
  k: Sel4Kernel,
  thread: Thread,
  slot: SlotAddress,
  cap: CapabilityOf<"reply">,
  manner: Manner,
): Outcome {
  if (cap.master) return answered(k, thread, manner, nothingThere);
  reply(k, thread, slot, cap, applyFaultReply);
  return answered(k, thread, manner, answer());
}

/** Answers the caller that the thread's TCB remembers; nobody, if there is none. */
function answerCaller(k: Sel4Kernel, thread: Thread): void {
  const slot = tcbSlot(thread.tcb!, "caller");
  const cap = peekSlot(k, slot)?.capability;
  if (cap?.type === "reply") reply(k, thread, slot, cap, applyFaultReply);
}

/** A badge and no message: of a signal, or of nothing at all. */
function signalled(k: Sel4Kernel, thread: Thread, badge: bigint): Outcome {
  keepInfo(k, thread);
  return done(badge);
}

/** Recv and NBRecv. */
function receiveFrom(k: Sel4Kernel, { thread }: Call, address: bigint, blocking: boolean): Outcome {
  if (thread.tcb === null) return noCapabilities;
  const found = slotNamed(k, thread, address);
  if ("fault" in found) return faulted(k, thread, address, true, found.fault);
  const cap = peekSlot(k, found.slot)?.capability;
  if (cap?.type === "endpoint" && cap.rights & Right.read) return receiveAt(k, thread, cap, blocking);
  const mine =
    cap?.type === "notification" && cap.rights & Right.read
      ? (k.sel4.notifications.get(cap.address)!.bound ?? thread.tcb) === thread.tcb
      : false;
  if (cap?.type !== "notification" || !mine) return faulted(k, thread, address, true, missing(0));
  const flags = take(k, cap.address);
  if (flags === null && blocking) return blocked(waitFor(cap.address));
  return signalled(k, thread, flags ?? 0n);
}

function receiveAt(k: Sel4Kernel, thread: Thread, cap: CapabilityOf<"endpoint">, blocking: boolean): Outcome {
  dropCaller(k, thread);
  const { bound } = getTcb(k, thread.tcb!);
  const flags = bound === null ? null : take(k, bound);
  if (flags !== null) return signalled(k, thread, flags);
  const got = receive(k, thread, cap);
  if ("kind" in got) return blocking ? blocked(got) : signalled(k, thread, 0n);
  setInfo(k, thread, got.info);
  return done(got.badge);
}

function debugName(k: Sel4Kernel, { thread }: Call, address: bigint): Outcome {
  if (thread.tcb === null) return noCapabilities;
  const cap = capabilityNamed(k, thread, address);
  const buffer = bufferOf(k, thread, false);
  if (cap?.type !== "tcb" || buffer === null) return passed;
  const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + 8, 960);
  const end = bytes.indexOf(0);
  getTcb(k, cap.address).name = String.fromCharCode(...bytes.subarray(0, end < 0 ? 64 : Math.min(end, 64)));
  return passed;
}

/** Numbers of seL4's capability tags, for who debugs. */
const tags: Partial<Record<Capability["type"], number>> = {
  untyped: 2,
  endpoint: 4,
  notification: 6,
  reply: 8,
  cnode: 10,
  tcb: 12,
  irqControl: 14,
  irqHandler: 16,
  zombie: 18,
  domain: 20,
  frame: 1,
  pageTable: 3,
  asidControl: 11,
  asidPool: 13,
};

const message = { capability: word, info: word, mr0: word, mr1: word, mr2: word, mr3: word } as const;
const row = { support: "full" } as const;

/** A call that passes a message: its text says what the message is and what the capability is of. */
function readable(call: SystemCall<Sel4Kernel>): SystemCall<Sel4Kernel> {
  const numberIn = (k: Sel4Kernel): number => call.nr[k.hal.isa.name];
  // Found out when it is first asked for: as the call begins, or else not at all.
  type Texts = { texts?: () => CallText | null };
  return {
    ...call,
    decode(k, made, raw) {
      let found: CallText | null | undefined;
      // The kernel is one object; memory management sees less of it.
      const whole = k as Sel4Kernel;
      const texts = () => (found ??= callText(whole, made.thread, numberIn(whole), raw));
      const { values, errno } = call.decode(k, made, raw);
      return { values: { ...values, texts }, errno };
    },
    show: (decoding, raw, out) => (decoding.values as Texts).texts?.()?.text ?? call.show(decoding, raw, out),
    showResult(k, decoding, { thread }, value) {
      const texts = (decoding.values as Texts).texts?.() ?? null;
      return texts === null ? ` = ${value}` : resultText(k, thread, numberIn(k), texts, value);
    },
  };
}

export const sel4Table = [
  readable(
    syscall({
      ...row,
      name: "seL4_Call",
      nr: { rv64: -1 },
      args: message,
      run: (k: Sel4Kernel, { capability, info }, call) =>
        invoke(k, call, capability, info, { blocking: true, call: true }),
    }),
  ),
  readable(
    syscall({
      ...row,
      name: "seL4_ReplyRecv",
      nr: { rv64: -2 },
      args: message,
      run(k: Sel4Kernel, { capability }, call) {
        if (call.thread.tcb === null) return noCapabilities;
        answerCaller(k, call.thread);
        return receiveFrom(k, call, capability, true);
      },
    }),
  ),
  readable(
    syscall({
      ...row,
      name: "seL4_Send",
      nr: { rv64: -3 },
      args: message,
      run: (k: Sel4Kernel, { capability, info }, call) =>
        invoke(k, call, capability, info, { blocking: true, call: false }),
    }),
  ),
  readable(
    syscall({
      ...row,
      name: "seL4_NBSend",
      nr: { rv64: -4 },
      args: message,
      run: (k: Sel4Kernel, { capability, info }, call) =>
        invoke(k, call, capability, info, { blocking: false, call: false }),
    }),
  ),
  readable(
    syscall({
      ...row,
      name: "seL4_Recv",
      nr: { rv64: -5 },
      args: { capability: word },
      run: (k: Sel4Kernel, { capability }, call) => receiveFrom(k, call, capability, true),
    }),
  ),
  readable(
    syscall({
      ...row,
      name: "seL4_Reply",
      nr: { rv64: -6 },
      args: message,
      run(k: Sel4Kernel, _args, { thread }) {
        if (thread.tcb === null) return noCapabilities;
        answerCaller(k, thread);
        return passed;
      },
    }),
  ),
  syscall({
    ...row,
    name: "seL4_Yield",
    nr: { rv64: -7 },
    args: {},
    run(k: Sel4Kernel, _args, { thread }) {
      endCall(k, thread, null);
      if (k.sched.current === thread.id) yieldHart(k, "yield");
      return gone;
    },
  }),
  readable(
    syscall({
      ...row,
      name: "seL4_NBRecv",
      nr: { rv64: -8 },
      args: { capability: word },
      run: (k: Sel4Kernel, { capability }, call) => receiveFrom(k, call, capability, false),
    }),
  ),
  syscall({
    ...row,
    name: "seL4_DebugPutChar",
    nr: { rv64: -9 },
    args: { character: word },
    run(k: Sel4Kernel, { character }, { task, thread }) {
      if (outputLeft(k, task) <= 0) {
        killTask(k, task, signals.SIGXFSZ);
        return gone;
      }
      countOutput(k, task, 1);
      printText(k, thread, String.fromCharCode(Number(character & 0x7fn)));
      return passed;
    },
  }),
  syscall({
    ...row,
    name: "seL4_DebugDumpScheduler",
    nr: { rv64: -10 },
    args: {},
    run(k: Sel4Kernel, _args, { thread }) {
      printText(k, thread, threadTable(k, thread));
      return passed;
    },
  }),
  syscall({
    ...row,
    name: "seL4_DebugHalt",
    nr: { rv64: -11 },
    note: "ends the program; the machine goes on",
    args: {},
    run(k: Sel4Kernel, _args, { task, thread }) {
      printText(k, thread, `Debug halt syscall from thread "${nameOf(k, thread)}"\n`);
      killTask(k, task, signals.SIGKILL);
      return gone;
    },
  }),
  syscall({
    ...row,
    name: "seL4_DebugCapIdentify",
    nr: { rv64: -12 },
    args: { capability: word },
    run(k: Sel4Kernel, { capability }, { thread }) {
      if (thread.tcb === null) return noCapabilities;
      const cap = capabilityNamed(k, thread, capability);
      return done(cap === null ? 0 : (tags[cap.type] ?? 0));
    },
  }),
  syscall({
    ...row,
    name: "seL4_DebugSnapshot",
    nr: { rv64: -13 },
    support: "partial",
    note: "prints nothing: a trace and a snapshot of the machine say more",
    args: {},
    run: () => passed,
  }),
  syscall({
    ...row,
    name: "seL4_DebugNameThread",
    nr: { rv64: -14 },
    args: { tcb: word },
    run: (k: Sel4Kernel, { tcb }, call) => debugName(k, call, tcb),
  }),
] as const;
