/** An invocation of a kernel object: a message through a capability, decoded as far as all objects have in common. */
import type { CapabilityError, Result } from "../../cap/errors.ts";
import { done, refuse } from "../../cap/errors.ts";
import { targetSlot } from "../../cap/lookup.ts";
import { isEmpty, peekSlot } from "../../cap/slots.ts";
import type { Capability, CapabilityOf } from "../../cap/state.ts";
import { lookupWords } from "../../ipc/sel4/fault.ts";
import type { Sel4Kernel } from "../../ipc/sel4/kernel.ts";
import type { SlotAddress } from "../../lib/ids.ts";
import type { Thread } from "../../thread/state.ts";

export interface Invocation<C extends Capability = Capability> {
  readonly thread: Thread;
  /** Where the capability is, and what it is. */
  readonly slot: SlotAddress;
  readonly cap: C;
  readonly label: number;
  readonly words: readonly bigint[];
  readonly extra: readonly SlotAddress[];
  /** This call again, after a step of a long one. */
  readonly again: boolean;
}

/**
 * Words of the answer; or a long call has to be made again; or the caller has stopped itself, and makes its call again
 * should it ever go on; or it has moved: where it goes on is in its registers.
 */
export type Answer = Result<readonly bigint[] | "again" | "stop" | "moved">;

export const answer = (...words: bigint[]): Answer => done(words);
export const again: Answer = done("again");

/** What a method asks for: so many words and capabilities. */
export function needs(call: Invocation, words: number, capabilities = 0): CapabilityError | null {
  return call.words.length < words || call.extra.length < capabilities ? { kind: "truncatedMessage" } : null;
}

export const extraCap = (k: Sel4Kernel, call: Invocation, index: number): Capability | null =>
  peekSlot(k, call.extra[index]!)?.capability ?? null;

export const flag = (word: bigint, bit: number): boolean => ((word >> BigInt(bit)) & 1n) === 1n;

/** An extra capability of a type; which one it was is in the error, counted from 1. */
export function typedExtra<T extends Capability["type"]>(
  k: Sel4Kernel,
  call: Invocation,
  index: number,
  type: T,
): Result<CapabilityOf<T>> {
  const cap = extraCap(k, call, index);
  return cap?.type === type
    ? done(cap as CapabilityOf<T>)
    : refuse({ kind: "invalidCapability", capability: index + 1 });
}

/** An empty slot in the space of a CNode among the extra capabilities. */
export function emptySlot(k: Sel4Kernel, root: Capability | null, index: bigint, depth: bigint): Result<SlotAddress> {
  const slot = targetSlot(k, root, index, depth);
  if (!slot.ok || isEmpty(k, slot.value)) return slot;
  return refuse({ kind: "deleteFirst" });
}

/** seL4_Error. */
export const errorCodes: Record<CapabilityError["kind"], number> = {
  invalidArgument: 1,
  invalidCapability: 2,
  illegalOperation: 3,
  rangeError: 4,
  alignmentError: 5,
  failedLookup: 6,
  truncatedMessage: 7,
  deleteFirst: 8,
  revokeFirst: 9,
  notEnoughMemory: 10,
};

/** The message that tells of an error: its code is the label. */
export function errorMessage(error: CapabilityError): { label: bigint; words: bigint[] } {
  return { label: BigInt(errorCodes[error.kind]), words: errorWords(error) };
}

function errorWords(error: CapabilityError): bigint[] {
  switch (error.kind) {
    case "invalidArgument":
      return [BigInt(error.argument)];
    case "invalidCapability":
      return [BigInt(error.capability)];
    case "rangeError":
      return [error.min, error.max];
    case "failedLookup":
      return [error.source ? 1n : 0n, ...lookupWords(error.fault)];
    case "notEnoughMemory":
      return [BigInt(error.bytesLeft)];
    default:
      return [];
  }
}
