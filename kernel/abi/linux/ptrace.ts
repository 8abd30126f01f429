/** ptrace(2): looking into another thread, and letting it go on as far as one likes. */

import type { Errno } from "../../lib/errno.ts";
import { lastSignal, signals } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut, copyOutTraced } from "../../mm/user.ts";
import { getThread, interruptWait } from "../../thread/blocking.ts";
import { mayInspect } from "../../thread/credentials.ts";
import { threadFor } from "../../thread/pids.ts";
import { fromSender, SignalCode, sendSignal, setSignalMask } from "../../thread/signals.ts";
import type { SignalInfo, Task, Thread, TraceStop, Tracing } from "../../thread/state.ts";
import { taskOf } from "../../thread/tasks.ts";
import { beginTracing, endTracing, groupStop, letGo, listenTo, stopTraced, TraceOption } from "../../thread/tracing.ts";
import { choice, int, word } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { decodeSignalInfo, encodeSignalInfo, siginfoBytes } from "./siginfo.ts";

const Request = {
  PTRACE_TRACEME: 0,
  PTRACE_PEEKTEXT: 1,
  PTRACE_PEEKDATA: 2,
  PTRACE_POKETEXT: 4,
  PTRACE_POKEDATA: 5,
  PTRACE_CONT: 7,
  PTRACE_KILL: 8,
  PTRACE_SINGLESTEP: 9,
  PTRACE_ATTACH: 16,
  PTRACE_DETACH: 17,
  PTRACE_SYSCALL: 24,
  PTRACE_SETOPTIONS: 0x4200,
  PTRACE_GETEVENTMSG: 0x4201,
  PTRACE_GETSIGINFO: 0x4202,
  PTRACE_SETSIGINFO: 0x4203,
  PTRACE_GETREGSET: 0x4204,
  PTRACE_SETREGSET: 0x4205,
  PTRACE_SEIZE: 0x4206,
  PTRACE_INTERRUPT: 0x4207,
  PTRACE_LISTEN: 0x4208,
  PTRACE_GETSIGMASK: 0x420a,
  PTRACE_SETSIGMASK: 0x420b,
  PTRACE_GET_SYSCALL_INFO: 0x420e,
} as const;

const knownOptions = Object.values(TraceOption).reduce((all, option) => all | option, 0);

interface Wanted {
  request: number;
  address: bigint;
  data: bigint;
}

/** A thread that stands still for its tracer. */
interface Stopped {
  thread: Thread;
  task: Task;
  tracing: Tracing;
  stop: TraceStop;
}

const wordBytes = (value: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, value)).buffer);
/** Puts bytes into the caller's memory. */
const put = (k: LinuxKernel, { task }: Call, at: bigint, bytes: Uint8Array): Errno | null =>
  copyOut(k, getSpace(k, task.space), at, bytes);

function traceMe(k: LinuxKernel, { task, thread }: Call): Outcome {
  if (thread.tracing !== null || task.parent === null || task.kind === "remote") return fail("EPERM");
  if (!k.threads.tasks.has(task.parent)) return fail("EPERM");
  thread.tracing = beginTracing(task.parent, false, 0);
  return done(0);
}

/** Who has instructions of its own, is nobody's yet, and may be looked into. */
function attachProblem(k: LinuxKernel, call: Call, thread: Thread): Errno | null {
  const task = taskOf(k, thread);
  if (task === call.task || task.kind === "remote" || thread.tcb !== null) return "EPERM";
  return thread.tracing !== null || !mayInspect(k, call.task, task) ? "EPERM" : null;
}

function attach(k: LinuxKernel, call: Call, id: number, { request, address, data }: Wanted): Outcome {
  const thread = threadFor(k, call.task, id);
  if (thread === undefined) return fail("ESRCH");
  const seizes = request === Request.PTRACE_SEIZE;
  if (seizes && (address !== 0n || (data & ~BigInt(knownOptions)) !== 0n)) return fail("EIO");
  const problem = attachProblem(k, call, thread);
  if (problem !== null) return fail(problem);
  const task = taskOf(k, thread);
  const tracing = beginTracing(call.task.id, seizes, seizes ? Number(data) : 0);
  const wasStopped = task.stopSignal !== 0;
  thread.tracing = tracing;
  // One that was stopped with its task stays so, but for its tracer.
  if (wasStopped) stopTraced(k, thread, tracing, groupStop(tracing, task.stopSignal));
  else if (!seizes) sendSignal(k, task, fromSender(k, signals.SIGSTOP, SignalCode.user, call.task, task), thread);
  return done(0);
}

/** The tracer wants it to stop, whatever it does. */
function interruptTraced(k: LinuxKernel, thread: Thread, { seized, stop }: Tracing): Outcome {
  if (!seized) return fail("EIO");
  thread.tracing!.trap = true;
  if (stop === null && thread.state === "blocked") interruptWait(k, thread);
  if (stop?.listening === true) letGo(k, thread);
  return done(0);
}

/** The signal that a thread goes on with: what it stopped for as it was, anything else as if sent by the tracer. */
function injectedBy(
  k: LinuxKernel,
  { task }: Call,
  { task: to, stop }: Pick<Stopped, "task" | "stop">,
  signal: number,
): SignalInfo | null {
  if (signal === 0) return null;
  return stop.info !== null && stop.info.signal === signal
    ? stop.info
    : fromSender(k, signal, SignalCode.user, task, to);
}

const modes: Readonly<Record<number, Tracing["mode"]>> = {
  [Request.PTRACE_CONT]: "free",
  [Request.PTRACE_SYSCALL]: "syscall",
  [Request.PTRACE_SINGLESTEP]: "step",
};

function goOn(k: LinuxKernel, call: Call, stopped: Stopped, mode: Tracing["mode"], data: bigint) {
  const { thread, tracing, stop } = stopped;
  if (data < 0n || data > BigInt(lastSignal)) return fail("EIO");
  // Only before a signal is taken, or a call's end, is there room for one.
  if (stop.kind === "signal" || stop.kind === "entry" || stop.kind === "exit")
    tracing.injected = injectedBy(k, call, stopped, Number(data));
  tracing.mode = mode;
  letGo(k, thread);
  return done(0);
}

function detach(k: LinuxKernel, call: Call, stopped: Stopped, data: bigint): Outcome {
  const { thread, tracing } = stopped;
  if (data < 0n || data > BigInt(lastSignal)) return fail("EIO");
  tracing.injected = injectedBy(k, call, stopped, Number(data));
  endTracing(k, thread);
  return done(0);
}

/** Stays where it is, until its task goes on or the tracer wants something else. */
function listen(k: LinuxKernel, { thread, tracing, stop }: Stopped): Outcome {
  if (!tracing.seized || stop.kind !== "group") return fail("EIO");
  listenTo(k, thread, tracing);
  return done(0);
}

/** What the stop is about, as a siginfo_t. */
function infoOf(k: LinuxKernel, call: Call, { tracing, stop, task }: Stopped): SignalInfo | null {
  if (stop.info !== null) return stop.info;
  if (stop.kind === "group" && !tracing.seized) return null;
  return fromSender(k, stop.code & 0x7f, stop.code, task, call.task);
}

function setInfo(k: LinuxKernel, call: Call, { stop }: Stopped, at: bigint): Outcome {
  const bytes = copyIn(k, getSpace(k, call.task.space), at, siginfoBytes);
  if (!bytes.ok) return fail(bytes.errno);
  if (stop.info === null) return fail("EINVAL");
  const signal = new DataView(bytes.value.buffer, bytes.value.byteOffset).getInt32(0, true);
  if (signal >= 1 && signal <= lastSignal) stop.info = decodeSignalInfo(signal, bytes.value);
  return done(0);
}

/** At a call the program counter is behind it, as programs' kernels have it; here a thread stays on its call. */
const isOnCall = ({ stop }: Stopped): boolean => stop.kind === "entry" || stop.result !== null;

function readSet(k: LinuxKernel, stopped: Stopped, set: number): Uint8Array | null {
  const { registerSets, contexts } = k.hal;
  const bytes = registerSets.read(stopped.thread.context, set);
  if (bytes === null || set !== 1 || !isOnCall(stopped)) return bytes;
  const view = new DataView(bytes.buffer);
  const pc = view.getBigUint64(registerSets.pcAt, true) + BigInt(contexts.callBytes);
  view.setBigUint64(registerSets.pcAt, BigInt.asUintN(64, pc), true);
  const { result } = stopped.stop;
  if (result !== null) view.setBigInt64(registerSets.resultAt, result, true);
  return bytes;
}

function writeSet(k: LinuxKernel, stopped: Stopped, set: number, given: Uint8Array): void {
  const { registerSets, contexts } = k.hal;
  const { thread, stop } = stopped;
  const bytes = readSet(k, stopped, set)!;
  const before = bytes.slice();
  bytes.set(given);
  if (set === 1 && isOnCall(stopped)) {
    const view = new DataView(bytes.buffer);
    const pc = view.getBigUint64(registerSets.pcAt, true) - BigInt(contexts.callBytes);
    view.setBigUint64(registerSets.pcAt, BigInt.asUintN(64, pc), true);
    // What was only shown is not taken for the argument that lies in its place.
    const own = registerSets.read(thread.context, set)!;
    const isSame = [0, 1, 2, 3, 4, 5, 6, 7].every(
      (i) => bytes[registerSets.resultAt + i] === before[registerSets.resultAt + i],
    );
    if (stop.result !== null && isSame)
      bytes.set(own.subarray(registerSets.resultAt, registerSets.resultAt + 8), registerSets.resultAt);
  }
  registerSets.write(thread.context, set, bytes);
  const moved = set === 1 && [...Array(8).keys()].some((i) => given.length > i && given[i] !== before[i]);
  // Who is sent elsewhere does not come back to the call that it waited in.
  if (moved && thread.resume?.kind === "interrupted") {
    thread.resume = null;
    thread.wait = null;
  }
}

function registers(k: LinuxKernel, call: Call, stopped: Stopped, { request, address, data }: Wanted): Outcome {
  const space = getSpace(k, call.task.space);
  const vector = copyIn(k, space, data, 16);
  if (!vector.ok) return fail(vector.errno);
  const view = new DataView(vector.value.buffer, vector.value.byteOffset);
  const base = view.getBigUint64(0, true);
  const room = view.getBigUint64(8, true);
  const set = Number(BigInt.asUintN(32, address));
  const size = k.hal.registerSets.sizeOf(set);
  if (size === null || room % 8n !== 0n) return fail("EINVAL");
  const count = Math.min(size, Number(room > 4096n ? 4096n : room));
  if (request === Request.PTRACE_SETREGSET) {
    const bytes = copyIn(k, space, base, count);
    if (!bytes.ok) return fail(bytes.errno);
    writeSet(k, stopped, set, bytes.value);
  } else {
    const errno = copyOut(k, space, base, readSet(k, stopped, set)!.subarray(0, count));
    if (errno !== null) return fail(errno);
  }
  return orError(copyOut(k, space, data + 8n, wordBytes(BigInt(count))));
}

const auditBits = 0xc000_0000;
const CallInfo = { none: 0, entry: 1, exit: 2 } as const;

/** struct ptrace_syscall_info: which call, or what came of it. */
function callInfo(k: LinuxKernel, call: Call, stopped: Stopped, room: bigint, at: bigint): Outcome {
  const { thread, stop } = stopped;
  const { contexts, isa, registerSets } = k.hal;
  const bytes = new Uint8Array(80);
  const view = new DataView(bytes.buffer);
  const general = new DataView(readSet(k, stopped, 1)!.buffer);
  view.setUint32(4, (auditBits | isa.elfMachine) >>> 0, true);
  view.setBigUint64(8, general.getBigUint64(registerSets.pcAt, true), true);
  view.setBigUint64(16, contexts.getStackPointer(thread.context), true);
  let size = 24;
  if (stop.kind === "entry") {
    size = 80;
    bytes[0] = CallInfo.entry;
    view.setBigUint64(24, contexts.getCallNumber(thread.context), true);
    for (const [i, value] of contexts.getCallArguments(thread.context, 6).entries())
      view.setBigUint64(32 + 8 * i, value, true);
  } else if (stop.kind === "exit") {
    size = 33;
    bytes[0] = CallInfo.exit;
    const result = general.getBigInt64(registerSets.resultAt, true);
    view.setBigInt64(24, result, true);
    bytes[32] = result < 0n && result >= -4095n ? 1 : 0;
  }
  const count = Math.min(size, Number(room > 80n ? 80n : room));
  const errno = put(k, call, at, bytes.subarray(0, count));
  return errno === null ? done(size) : fail(errno);
}

/** A word of the thread's memory, whatever its mapping permits. */
function peek(k: LinuxKernel, call: Call, { task }: Stopped, address: bigint, at: bigint): Outcome {
  const bytes = copyIn(k, getSpace(k, task.space), address, 8, true);
  return bytes.ok ? orError(put(k, call, at, bytes.value)) : fail("EIO");
}

function poke(k: LinuxKernel, { task }: Stopped, address: bigint, data: bigint): Outcome {
  return copyOutTraced(k, getSpace(k, task.space), address, wordBytes(data)) === null ? done(0) : fail("EIO");
}

function signalMask(k: LinuxKernel, call: Call, { task, thread }: Stopped, wanted: Wanted): Outcome {
  if (wanted.address !== 8n) return fail("EINVAL");
  const mask = thread.savedMask ?? thread.signalMask;
  if (wanted.request === Request.PTRACE_GETSIGMASK) return orError(put(k, call, wanted.data, wordBytes(mask)));
  const bytes = copyIn(k, getSpace(k, call.task.space), wanted.data, 8);
  if (!bytes.ok) return fail(bytes.errno);
  // A call that waits with a mask of its own does not put back what was before it.
  thread.savedMask = null;
  setSignalMask(k, task, thread, new DataView(bytes.value.buffer, bytes.value.byteOffset).getBigUint64(0, true));
  return done(0);
}

function ofStopped(k: LinuxKernel, call: Call, stopped: Stopped, wanted: Wanted): Outcome {
  const { request, address, data } = wanted;
  switch (request) {
    case Request.PTRACE_PEEKTEXT:
    case Request.PTRACE_PEEKDATA:
      return peek(k, call, stopped, address, data);
    case Request.PTRACE_POKETEXT:
    case Request.PTRACE_POKEDATA:
      return poke(k, stopped, address, data);
    case Request.PTRACE_DETACH:
      return detach(k, call, stopped, data);
    case Request.PTRACE_SETOPTIONS:
      if (data & ~BigInt(knownOptions)) return fail("EINVAL");
      stopped.tracing.options = Number(data);
      return done(0);
    case Request.PTRACE_GETEVENTMSG:
      return orError(put(k, call, data, wordBytes(BigInt(stopped.stop.message))));
    case Request.PTRACE_GETSIGINFO: {
      const info = infoOf(k, call, stopped);
      return info === null ? fail("EINVAL") : orError(put(k, call, data, encodeSignalInfo(info)));
    }
    case Request.PTRACE_SETSIGINFO:
      return setInfo(k, call, stopped, data);
    case Request.PTRACE_GETREGSET:
    case Request.PTRACE_SETREGSET:
      return registers(k, call, stopped, wanted);
    case Request.PTRACE_LISTEN:
      return listen(k, stopped);
    case Request.PTRACE_GETSIGMASK:
    case Request.PTRACE_SETSIGMASK:
      return signalMask(k, call, stopped, wanted);
    case Request.PTRACE_GET_SYSCALL_INFO:
      return callInfo(k, call, stopped, address, data);
    default: {
      const mode = modes[request];
      return mode === undefined ? fail("EIO") : goOn(k, call, stopped, mode, data);
    }
  }
}

function trace(k: LinuxKernel, call: Call, id: number, wanted: Wanted): Outcome {
  const { request } = wanted;
  if (request === Request.PTRACE_TRACEME) return traceMe(k, call);
  if (request === Request.PTRACE_ATTACH || request === Request.PTRACE_SEIZE) return attach(k, call, id, wanted);
  const thread = threadFor(k, call.task, id);
  if (thread?.tracing?.tracer !== call.task.id) return fail("ESRCH");
  const { tracing } = thread;
  const task = taskOf(k, thread);
  if (request === Request.PTRACE_KILL)
    return orError(sendSignal(k, task, fromSender(k, signals.SIGKILL, 0, call.task, task)));
  if (request === Request.PTRACE_INTERRUPT) return interruptTraced(k, thread, tracing);
  const { stop } = tracing;
  if (stop === null || stop.listening) return fail("ESRCH");
  return ofStopped(k, call, { thread: getThread(k, thread.id), task, tracing, stop }, wanted);
}

export const ptraceCalls = [
  syscall({
    name: "ptrace",
    nr: { rv64: 117 },
    support: "partial",
    note: "All of a process's threads are its tracer together; single steps, which this hardware has not, are there. No seccomp, no PEEKSIGINFO.",
    args: { request: choice(Request), id: int, address: word, data: word },
    errors: ["EFAULT", "EINVAL", "EIO", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { id, ...wanted }, call) => trace(k, call, id, wanted),
  }),
] as const;
