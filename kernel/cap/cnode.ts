/**
 * What one does with the slots of capability spaces: copy, mint, move, mutate, rotate (seL4 Reference Manual 13.0.0,
 * section 3.1; delete and revoke are in delete.ts).
 *
 * Contract: everything is checked before anything changes; a refusal leaves the state as it was.
 */
import type { SlotAddress } from "../lib/ids.ts";
import { capCopy, capMove } from "../trace/events/capability.ts";
import { type CapabilityError, done, type Result, refuse } from "./errors.ts";
import type { CapKernel } from "./kernel.ts";
import { restrict, withData } from "./relations.ts";
import { firstChild, isEmpty, move, peekSlot, placeDerived, swap } from "./slots.ts";
import { allRights, type Capability, type Rights } from "./state.ts";

const illegal: CapabilityError = { kind: "illegalOperation" };

/** A source slot that holds something; `depth` is what the error says about where nothing was. */
function sourceOf(k: CapKernel, at: SlotAddress, depth: bigint, source = true): Result<Capability> {
  const slot = peekSlot(k, at);
  if (slot !== null) return done(slot.capability);
  return refuse({ kind: "failedLookup", source, fault: { kind: "missingCapability", bitsLeft: Number(depth) } });
}

/** What a copy of a capability would be, an object of its own; some cannot have one. */
export function derive(k: CapKernel, at: SlotAddress, cap: Capability): Result<Capability> {
  switch (cap.type) {
    case "zombie":
    case "irqControl":
    case "reply":
      return refuse(illegal);
    case "untyped":
      return firstChild(k, at) === null ? done({ ...cap }) : refuse({ kind: "revokeFirst" });
    case "frame":
      return done({ ...cap, mapped: null });
    case "pageTable":
      return cap.mapped === null ? refuse(illegal) : done({ ...cap, mapped: { ...cap.mapped } });
    default:
      return done({ ...cap });
  }
}

export interface CopyRequest {
  to: SlotAddress;
  from: SlotAddress;
  /** How many bits named the source; for the error. */
  depth: bigint;
  rights: Rights;
  /** A badge or guard; null for a plain copy. */
  data: bigint | null;
}

/** Copy, or mint where there is data. */
export function copy(k: CapKernel, { to, from, depth, rights, data }: CopyRequest): Result<null> {
  if (!isEmpty(k, to)) return refuse({ kind: "deleteFirst" });
  const source = sourceOf(k, from, depth);
  if (!source.ok) return source;
  const restricted = restrict(source.value, rights);
  const changed = data === null ? restricted : withData(restricted, data, false);
  if (changed === null) return refuse(illegal);
  const derived = derive(k, from, changed);
  if (!derived.ok) return derived;
  placeDerived(k, from, to, derived.value);
  if (k.trace.on(capCopy)) k.trace.write(capCopy, { type: derived.value.type, from: BigInt(from), to: BigInt(to) });
  return done(null);
}

/** Move, or mutate where there is data. */
export function relocate(
  k: CapKernel,
  { to, from, depth, data }: { to: SlotAddress; from: SlotAddress; depth: bigint; data: bigint | null },
): Result<null> {
  if (!isEmpty(k, to)) return refuse({ kind: "deleteFirst" });
  const source = sourceOf(k, from, depth);
  if (!source.ok) return source;
  const changed = data === null ? source.value : withData(source.value, data, true);
  if (changed === null) return refuse(illegal);
  move(k, from, to, changed);
  if (k.trace.on(capMove)) k.trace.write(capMove, { type: changed.type, from: BigInt(from), to: BigInt(to) });
  return done(null);
}

export interface RotateRequest {
  to: SlotAddress;
  pivot: SlotAddress;
  pivotDepth: bigint;
  pivotData: bigint;
  from: SlotAddress;
  depth: bigint;
  data: bigint;
}

/** The source's capability goes to the pivot, the pivot's to the destination, which is empty or the source itself. */
export function rotate(k: CapKernel, r: RotateRequest): Result<null> {
  if (r.pivot === r.from || r.pivot === r.to) return refuse(illegal);
  if (r.from !== r.to && !isEmpty(k, r.to)) return refuse({ kind: "deleteFirst" });
  const source = sourceOf(k, r.from, r.depth);
  if (!source.ok) return source;
  const pivot = sourceOf(k, r.pivot, r.pivotDepth, false);
  if (!pivot.ok) return pivot;
  const newSource = withData(source.value, r.data, true);
  const newPivot = withData(pivot.value, r.pivotData, true);
  if (newSource === null || newPivot === null) return refuse(illegal);
  if (r.from === r.to) swap(k, r.from, newSource, r.pivot, newPivot);
  else {
    move(k, r.pivot, r.to, newPivot);
    move(k, r.from, r.pivot, newSource);
  }
  if (k.trace.on(capMove)) {
    k.trace.write(capMove, { type: newPivot.type, from: BigInt(r.pivot), to: BigInt(r.to) });
    k.trace.write(capMove, { type: newSource.type, from: BigInt(r.from), to: BigInt(r.pivot) });
  }
  return done(null);
}

/** The endpoint and badge whose queued senders are to be cancelled: all rights to the endpoint are needed for that. */
export function badgedSends(k: CapKernel, at: SlotAddress): Result<{ cap: Capability; badge: bigint }> {
  const cap = peekSlot(k, at)?.capability;
  if (cap?.type !== "endpoint" || (cap.rights & allRights) !== allRights) return refuse(illegal);
  return done({ cap, badge: cap.badge });
}
