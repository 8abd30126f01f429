/** Faults of programs: resolved by memory management, or the end of the task with a signal and a reason. */
import { type Access, pageBytes, type Trap } from "../hal/types.ts";
import { reportFault } from "../ipc/sel4/debug.ts";
import { deliverFault, userException, vmFault } from "../ipc/sel4/fault.ts";
import { inactive } from "../ipc/sel4/tcb.ts";
import { alignDown, hex } from "../lib/bits.ts";
import { signals } from "../lib/signals.ts";
import { commitPolicy } from "../mm/accounting.ts";
import { type FaultResult, resolveFault } from "../mm/fault.ts";
import { findRegion, firstBehind } from "../mm/regions.ts";
import { getSpace } from "../mm/space.ts";
import type { Space } from "../mm/state.ts";
import { isStack } from "../mm/tally.ts";
import { userRange } from "../mm/user.ts";
import { runsAbroad } from "../sched/sched.ts";
import { block } from "../thread/blocking.ts";
import { forceSignal } from "../thread/signals.ts";
import type { Task, Thread } from "../thread/state.ts";
import { killTask, taskOf } from "../thread/tasks.ts";
import { endVictim } from "../thread/victim.ts";
import type { FaultMessage } from "../thread/wait.ts";
import { faultFatal, faultPage } from "../trace/events/fault.ts";
import type { EntryKernel } from "./kernel.ts";

/** Ends the task with a signal; the description is what people read about it. */
export function dieOf(k: EntryKernel, thread: Thread, signal: number, address: bigint, what: string): void {
  const task = taskOf(k, thread);
  const pc = k.hal.contexts.getPc(thread.context);
  const description = `${what} at pc ${hex(pc)}`;
  task.fault = { signal, pc, address, description };
  if (k.trace.on(faultFatal)) k.trace.write(faultFatal, { signal, address, pc, description });
  killTask(k, task, signal);
}

/** Numbers of si_code that say what a fault was. */
const FaultCode = {
  notMapped: 1,
  notPermitted: 2,
  misaligned: 1,
  noMemory: 2,
  illegalInstruction: 1,
  breakpoint: 1,
} as const;

/** A fault that the program's handler is told of; without one it ends the task. */
function signalFault(
  k: EntryKernel,
  thread: Thread,
  { signal, code, address }: { signal: number; code: number; address: bigint },
  what: string,
): void {
  const info = { signal, code, detail: { kind: "fault", address } } as const;
  if (runsAbroad(k, thread) || !forceSignal(k, taskOf(k, thread), thread, info))
    dieOf(k, thread, signal, address, what);
}

/** Faults this far below what a stack may be are called what they most likely are. */
const overflowBytes = 1024 * 1024;

function isBelowStack({ regions, bounds }: Space, address: number): boolean {
  const above = regions[firstBehind(regions, address)];
  if (above === undefined || !isStack(above)) return false;
  return above.end - address <= bounds.stack + overflowBytes;
}

function reason(k: EntryKernel, space: Space, address: bigint, result: FaultResult): string {
  const number = userRange(k, address, 1);
  if (result === "beyondFile") return "beyond the end of the mapped file";
  if (result === "forbidden")
    return `not permitted: ${findRegion(space.regions, number ?? 0)?.name || "the mapping"} does not allow it`;
  return number !== null && isBelowStack(space, number) ? "stack overflow" : "not mapped";
}

const verbs: Record<Access, string> = { read: "read of", write: "write to", execute: "jump to" };

/** Where promises are not counted, the end of memory is the end of a task; "gone" if it was this one. */
function bringIn(k: EntryKernel, thread: Thread, space: Space, address: number, access: Access): FaultResult | "gone" {
  for (;;) {
    const result = resolveFault(k, space, alignDown(address, pageBytes), access);
    if (result !== "outOfMemory" || commitPolicy(k) === "strict") return result;
    if (!endVictim(k, thread, BigInt(address))) return result;
    if (!k.threads.tasks.has(thread.task)) return "gone";
  }
}

function pageFault(k: EntryKernel, thread: Thread, task: Task, address: bigint, access: Access): void {
  const space = getSpace(k, task.space);
  const number = userRange(k, address, 1);
  const nobodys = number === null || runsAbroad(k, thread);
  const result = nobodys ? "unmapped" : bringIn(k, thread, space, number, access);
  if (result === "gone") return;
  if (result === "resolved") {
    task.pageFaults += 1;
    if (k.trace.on(faultPage)) k.trace.write(faultPage, { address, access, pc: k.hal.contexts.getPc(thread.context) });
    return;
  }
  if (handled(k, thread, () => vmFault(k, thread, address, access))) return;
  if (result === "outOfMemory" || result === "overLimit") {
    dieOf(k, thread, signals.SIGKILL, address, `out of memory: no frame for ${hex(address)}`);
    return;
  }
  const fault =
    result === "beyondFile"
      ? { signal: signals.SIGBUS, code: FaultCode.noMemory, address }
      : {
          signal: signals.SIGSEGV,
          code: result === "forbidden" ? FaultCode.notPermitted : FaultCode.notMapped,
          address,
        };
  signalFault(k, thread, fault, `${verbs[access]} ${hex(address)} (${reason(k, space, address, result)})`);
}

/** A thread that capabilities control has a handler for its faults, or stops; one of its program's own may die of them. */
function handled(k: EntryKernel, thread: Thread, message: () => FaultMessage): boolean {
  if (thread.tcb === null) return false;
  const fault = message();
  if (deliverFault(k, thread, fault)) return true;
  reportFault(k, thread, fault);
  if (!runsAbroad(k, thread)) return false;
  block(k, thread, { ...inactive });
  return true;
}

/** Numbers of a user exception's message: scause. */
const exceptionNumbers = { illegalInstruction: 2n, breakpoint: 3n, busError: 5n } as const;

type Fault = Extract<Trap, { kind: "pageFault" | "illegalInstruction" | "breakpoint" | "busError" }>;

export function handleFault(k: EntryKernel, thread: Thread, fault: Fault): void {
  if (fault.kind !== "pageFault") {
    const message = () => userException(k, thread, exceptionNumbers[fault.kind], 0n);
    if (handled(k, thread, message)) return;
  }
  switch (fault.kind) {
    case "pageFault":
      pageFault(k, thread, taskOf(k, thread), fault.address, fault.access);
      return;
    case "illegalInstruction": {
      const address = k.hal.contexts.getPc(thread.context);
      const told = { signal: signals.SIGILL, code: FaultCode.illegalInstruction, address };
      signalFault(k, thread, told, `illegal instruction ${hex(fault.bits)}`);
      return;
    }
    case "breakpoint": {
      const address = k.hal.contexts.getPc(thread.context);
      signalFault(k, thread, { signal: signals.SIGTRAP, code: FaultCode.breakpoint, address }, "breakpoint");
      return;
    }
    case "busError": {
      const { address, description, misaligned } = fault;
      const code = misaligned ? FaultCode.misaligned : FaultCode.noMemory;
      signalFault(k, thread, { signal: signals.SIGBUS, code, address }, `${description}: ${hex(address)}`);
      return;
    }
  }
}
