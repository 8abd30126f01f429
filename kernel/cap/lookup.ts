/** From an address in a capability space to a slot (seL4 Reference Manual 13.0.0, section 3.3). */
import type { SlotAddress } from "../lib/ids.ts";
import { done, type LookupFault, type Result, refuse } from "./errors.ts";
import type { CapKernel } from "./kernel.ts";
import { peekSlot } from "./slots.ts";
import { type Capability, slotAt } from "./state.ts";

type Kernel = Pick<CapKernel, "cap" | "objectSizes">;

/** Bits of a full address. */
export const wordBits = 64;

export type Resolution = { slot: SlotAddress; bitsLeft: number } | { fault: LookupFault };

const masks = Array.from({ length: wordBits + 1 }, (_, bits) => (1n << BigInt(bits)) - 1n);
const powers = Array.from({ length: wordBits + 1 }, (_, bits) => 2 ** bits);
const firstInexact = 2n ** 53n;

/** An address: most are small numbers, and arithmetic on those is cheap. */
interface Address {
  whole: bigint;
  /** The same where a number holds it exactly; null otherwise. */
  small: number | null;
}

/** Of a small address `width` bits from bit `shift` on. Division by a power of two, and the rest of it, are exact. */
const bitsOf = (small: number, shift: number, width: number): number =>
  Math.floor(small / powers[shift]!) % powers[width]!;

function hasGuard({ whole, small }: Address, shift: number, width: number, guard: bigint): boolean {
  // What is no small number is none when it is rounded, either.
  if (small !== null) return bitsOf(small, shift, width) === Number(guard);
  return ((whole >> BigInt(shift)) & masks[width]!) === guard;
}

function indexIn({ whole, small }: Address, shift: number, radix: number): number {
  return small !== null ? bitsOf(small, shift, radix) : Number((whole >> BigInt(shift)) & masks[radix]!);
}

/**
 * Walks from the root: each CNode takes its guard and its radix off the top of the address, until no bits are left
 * or what was found is no CNode. Every CNode takes at least one bit, so a circle of them ends.
 */
export function resolve(k: Kernel, root: Capability | null, index: bigint, depth: number): Resolution {
  if (root?.type !== "cnode") return { fault: { kind: "invalidRoot" } };
  const address = { whole: index, small: index < firstInexact ? Number(index) : null };
  let node = root;
  let bits = depth;
  for (;;) {
    const { guard, guardBits, radix } = node;
    if (guardBits > bits || !hasGuard(address, bits - guardBits, guardBits, guard))
      return { fault: { kind: "guardMismatch", guard, bitsLeft: bits, guardBits } };
    const level = guardBits + radix;
    if (level > bits) return { fault: { kind: "depthMismatch", bitsFound: level, bitsLeft: bits } };
    bits -= level;
    const slot = slotAt(node.address, indexIn(address, bits, radix));
    const capability = bits === 0 ? undefined : peekSlot(k, slot)?.capability;
    if (capability?.type !== "cnode") return { slot, bitsLeft: bits };
    node = capability;
  }
}

/** What a thread means by an address in its own space: all 64 bits, but what is no CNode may end the walk early. */
export function lookupSlot(
  k: Kernel,
  root: Capability | null,
  index: bigint,
): { slot: SlotAddress } | { fault: LookupFault } {
  const found = resolve(k, root, index, wordBits);
  return "fault" in found ? found : { slot: found.slot };
}

/** A slot that an operation names by root, index and depth; `source` only says which of the two is at fault. */
export function targetSlot(
  k: Kernel,
  root: Capability | null,
  index: bigint,
  depth: bigint,
  source = false,
): Result<SlotAddress> {
  const fail = (fault: LookupFault): Result<never> => refuse({ kind: "failedLookup", source, fault });
  if (root?.type !== "cnode") return fail({ kind: "invalidRoot" });
  if (depth < 1n || depth > BigInt(wordBits)) return refuse({ kind: "rangeError", min: 1n, max: BigInt(wordBits) });
  const found = resolve(k, root, index, Number(depth));
  if ("fault" in found) return fail(found.fault);
  if (found.bitsLeft !== 0) return fail({ kind: "depthMismatch", bitsFound: 0, bitsLeft: found.bitsLeft });
  return done(found.slot);
}
