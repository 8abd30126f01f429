/** Faults as messages to a handler (seL4 Reference Manual 13.0.0, section 6.2): so a pager is a program. */
import type { LookupFault } from "../../cap/errors.ts";
import type { Access } from "../../hal/types.ts";
import { block } from "../../thread/blocking.ts";
import type { Thread } from "../../thread/state.ts";
import type { FaultMessage } from "../../thread/wait.ts";
import { ipcFault } from "../../trace/events/ipc.ts";
import { reportFault } from "./debug.ts";
import { type FaultReply, faultEndpoint, send, sendWait } from "./endpoint.ts";
import { FaultLabel as Label } from "./fault-label.ts";
import type { Sel4Kernel } from "./kernel.ts";
import { inactive } from "./tcb.ts";

/** What the message carries for them: scause of an access fault, whatever fault it was. */
const fsr: Record<Access, bigint> = { execute: 1n, read: 5n, write: 7n };

/** Words of a failed lookup: its kind, and what was found on the way. */
export function lookupWords(fault: LookupFault): bigint[] {
  switch (fault.kind) {
    case "invalidRoot":
      return [1n];
    case "missingCapability":
      return [2n, BigInt(fault.bitsLeft)];
    case "depthMismatch":
      return [3n, BigInt(fault.bitsLeft), BigInt(fault.bitsFound)];
    case "guardMismatch":
      return [4n, BigInt(fault.bitsLeft), fault.guard, BigInt(fault.guardBits)];
  }
}

const pcOf = (k: Sel4Kernel, thread: Thread): bigint => k.hal.contexts.getPc(thread.context);

export const vmFault = (k: Sel4Kernel, thread: Thread, address: bigint, access: Access): FaultMessage => ({
  label: Label.vmFault,
  words: [pcOf(k, thread), address, access === "execute" ? 1n : 0n, fsr[access]],
});

export const capFault = (
  k: Sel4Kernel,
  thread: Thread,
  address: bigint,
  receiving: boolean,
  fault: LookupFault,
): FaultMessage => ({
  label: Label.capFault,
  words: [pcOf(k, thread), address, receiving ? 1n : 0n, ...lookupWords(fault)],
});

/** FaultIP, SP, RA, A0 to A6 and the number. */
export function unknownSyscall(k: Sel4Kernel, thread: Thread, number: bigint): FaultMessage {
  const [pc, ra, sp, , ...rest] = k.hal.contexts.getUserRegisters(thread.context);
  const argumentsFrom = 12;
  return {
    label: Label.unknownSyscall,
    words: [pc!, sp!, ra!, ...rest.slice(argumentsFrom, argumentsFrom + 7), number],
  };
}

export const userException = (k: Sel4Kernel, thread: Thread, number: bigint, code: bigint): FaultMessage => ({
  label: Label.userException,
  words: [pcOf(k, thread), k.hal.contexts.getStackPointer(thread.context), number, code],
});

/** Sends a fault of the running thread to its handler; false when there is none. */
export function deliverFault(k: Sel4Kernel, thread: Thread, fault: FaultMessage): boolean {
  const cap = faultEndpoint(k, thread);
  const [address] =
    fault.label === Label.capFault || fault.label === Label.vmFault ? fault.words.slice(1) : fault.words;
  if (k.trace.on(ipcFault))
    k.trace.write(ipcFault, { kind: names.get(fault.label)!, address: address!, delivered: cap !== null });
  if (cap === null) return false;
  const wait = send(k, thread, cap, sendWait(cap, { call: false, fault }), true);
  if (typeof wait !== "string") block(k, thread, wait);
  return true;
}

/** A thread whose fault has no handler stops where it is, and people are told. */
export function stopOnFault(k: Sel4Kernel, thread: Thread, fault: FaultMessage): void {
  reportFault(k, thread, fault);
  block(k, thread, { ...inactive });
}

const names = new Map<number, string>(Object.entries(Label).map(([name, label]) => [label, name]));

/**
 * Registers that a handler's answer sets are those that the fault's message showed. With a label it stops the thread
 * there; an access or a call that found no capability is tried again in any case.
 */
export const applyFaultReply: FaultReply = (k, thread, fault, { label, words }) => {
  if (fault.label !== Label.unknownSyscall && fault.label !== Label.userException) return true;
  const registers = k.hal.contexts.getUserRegisters(thread.context);
  const set = (index: number, word: bigint | undefined): void => {
    if (word !== undefined) registers[index] = word;
  };
  // In the order of seL4_UserContext: pc 0, ra 1, sp 2, a0 16.
  if (fault.label === Label.unknownSyscall) {
    for (const [i, index] of [0, 2, 1, 16, 17, 18, 19, 20, 21, 22].entries()) set(index, words[i]);
  } else {
    set(0, words[0]);
    set(2, words[1]);
  }
  k.hal.contexts.setUserRegisters(thread.context, registers);
  return label === 0n;
};
