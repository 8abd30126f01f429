/**
 * Retype: kernel objects and smaller ranges out of untyped memory (seL4 Reference Manual 13.0.0, section 2.4).
 *
 * Must hold: objects of one untyped capability never overlap, because `used` only grows while there is a child; it
 * starts again from nothing once the last child is gone. Memory is cleared when something is made of it.
 */
import { spend } from "../lib/effort.ts";
import type { PhysicalAddress, SlotAddress } from "../lib/ids.ts";
import { capRetype } from "../trace/events/capability.ts";
import { done, type Result, refuse } from "./errors.ts";
import type { CapKernel, ObjectType } from "./kernel.ts";
import { firstChild, getSlot, isEmpty, placeChild } from "./slots.ts";
import { allRights, type Capability, type CapabilityOf, Right, slotAt, slotBits } from "./state.ts";

/** Objects that one call may make (CONFIG_RETYPE_FAN_OUT_LIMIT). */
export const retypeLimit = 256;
export const minUntypedBits = 4;
export const maxUntypedBits = 38;

export interface RetypeRequest {
  /** The slot of the untyped capability. */
  from: SlotAddress;
  type: ObjectType;
  /** log2: bytes of untyped memory or a frame, slots of a CNode; else without meaning. */
  sizeBits: number;
  /** The CNode that gets the capabilities, from this slot on. */
  node: CapabilityOf<"cnode">;
  offset: bigint;
  count: bigint;
}

/** log2 of an object's bytes. */
export function objectBits(k: CapKernel, type: ObjectType, sizeBits: number): number {
  if (type === "untyped" || type === "frame") return sizeBits;
  return type === "cnode" ? sizeBits + slotBits : k.objectSizes[type];
}

/** Whether the slots [offset, offset + count) of a node are there and empty. */
function checkWindow(k: CapKernel, { node, offset, count }: RetypeRequest): Result<null> {
  const size = 2n ** BigInt(node.radix);
  if (offset > size - 1n) return refuse({ kind: "rangeError", min: 0n, max: size - 1n });
  if (count < 1n || count > BigInt(retypeLimit))
    return refuse({ kind: "rangeError", min: 1n, max: BigInt(retypeLimit) });
  if (count > size - offset) return refuse({ kind: "rangeError", min: 1n, max: size - offset });
  for (let i = 0; i < Number(count); i++)
    if (!isEmpty(k, slotAt(node.address, Number(offset) + i))) return refuse({ kind: "deleteFirst" });
  return done(null);
}

const capabilityFor = (type: ObjectType, address: PhysicalAddress, sizeBits: number, device: boolean): Capability => {
  switch (type) {
    case "untyped":
      return { type, address, sizeBits, device, used: 0 };
    case "cnode":
      return { type, address, radix: sizeBits, guard: 0n, guardBits: 0 };
    case "tcb":
      return { type, address };
    case "endpoint":
      return { type, address, badge: 0n, rights: allRights };
    case "notification":
      return { type, address, badge: 0n, rights: Right.read | Right.write };
    case "frame":
      return { type, address, sizeBits, rights: Right.read | Right.write, device, mapped: null };
    case "pageTable":
      return { type, address, mapped: null };
  }
};

/** Type, size and destination were found in the call; here is what remains to be checked, and then all of it happens. */
export function retype(k: CapKernel, request: RetypeRequest): Result<null> {
  const { from, type, sizeBits, node, offset, count } = request;
  const untyped = getSlot(k, from).capability as CapabilityOf<"untyped">;
  const slots = checkWindow(k, request);
  if (!slots.ok) return slots;
  const bits = objectBits(k, type, sizeBits);
  // Without children nothing of it is used any more, whatever it says.
  const used = firstChild(k, from) === null ? 0 : untyped.used;
  const bytesLeft = 2 ** untyped.sizeBits - used;
  if (Math.floor(bytesLeft / 2 ** bits) < Number(count)) return refuse({ kind: "notEnoughMemory", bytesLeft });
  if (untyped.device && type !== "frame" && type !== "untyped") return refuse({ kind: "invalidArgument", argument: 1 });

  const size = 2 ** bits;
  // An untyped range is aligned to its own size, so that the offset in it aligns an object, too.
  const start = Math.ceil(used / size) * size;
  getSlot(k, from).capability = { ...untyped, used: start + Number(count) * size };
  for (let i = 0; i < Number(count); i++) {
    const address = (untyped.address + start + i * size) as PhysicalAddress;
    if (!untyped.device) k.objects.create(type, address, bits);
    placeChild(
      k,
      from,
      slotAt(node.address, Number(offset) + i),
      capabilityFor(type, address, sizeBits, untyped.device),
    );
  }
  spend(k.effort, 64 * Number(count), "items");
  if (k.trace.on(capRetype))
    k.trace.write(capRetype, { type, sizeBits: bits, count: Number(count), address: BigInt(untyped.address + start) });
  return done(null);
}
