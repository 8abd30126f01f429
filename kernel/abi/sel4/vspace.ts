/** Methods of page tables, frames, and address-space numbers. */
import { done, type Result, refuse } from "../../cap/errors.ts";
import { restrict } from "../../cap/relations.ts";
import { firstChild, getSlot, isFinal, placeDerived } from "../../cap/slots.ts";
import type { CapabilityOf, MappedAt } from "../../cap/state.ts";
import { pageBytes } from "../../hal/types.ts";
import { isVspace, worldAt } from "../../ipc/sel4/access.ts";
import type { Sel4Kernel } from "../../ipc/sel4/kernel.ts";
import {
  asidPoolBits,
  asidsPerPool,
  changePage,
  entryAt,
  frameAt,
  isFreeForPage,
  isGiven,
  permissionsOf,
  putPage,
  putTable,
  spaceOfRoot,
  unmapFrame,
  unmapTable,
} from "../../ipc/sel4/vspace.ts";
import { anotherPool } from "../../ipc/sel4/world.ts";
import type { FrameNumber } from "../../lib/ids.ts";
import { permissionText } from "../../mm/space.ts";
import { capMap, capSpace, capUnmap } from "../../trace/events/capability.ts";
import { type Answer, answer, emptySlot, extraCap, flag, type Invocation, needs } from "./invocation.ts";
import { Label, methodName } from "./labels.ts";

interface Vspace {
  root: FrameNumber;
  asid: number;
}

/** The last page of user memory is left out (seL4_UserTop). */
function checkAddress(k: Sel4Kernel, last: bigint): Result<null> {
  const outside = BigInt.asUintN(64, last) >= BigInt(k.hal.mmu.userEnd - pageBytes);
  return outside ? refuse({ kind: "invalidArgument", argument: 0 }) : done(null);
}

/** The capability to the top of an address space that a message names. */
function topOf(k: Sel4Kernel, call: Invocation): Result<CapabilityOf<"pageTable"> & { mapped: MappedAt }> {
  const cap = extraCap(k, call, 0);
  if (cap?.type !== "pageTable" || cap.mapped === null) return refuse({ kind: "invalidCapability", capability: 1 });
  return done({ ...cap, mapped: cap.mapped });
}

/** The address space itself, if it is one still. */
function vspaceOf(k: Sel4Kernel, cap: CapabilityOf<"pageTable"> & { mapped: MappedAt }): Result<Vspace> {
  if (!k.sel4.vspaces.has(cap.mapped.asid))
    return refuse({ kind: "failedLookup", source: false, fault: { kind: "invalidRoot" } });
  if (!isVspace(k, cap)) return refuse({ kind: "invalidCapability", capability: 1 });
  return done({ root: frameAt(k, cap.address), asid: cap.mapped.asid });
}

export function pageTableInvocation(k: Sel4Kernel, call: Invocation<CapabilityOf<"pageTable">>): Answer {
  if (call.label === Label.pageTableUnmap) return unmapPageTable(k, call);
  if (call.label !== Label.pageTableMap) return refuse({ kind: "illegalOperation" });
  const truncated = needs(call, 2, 1);
  if (truncated !== null) return refuse(truncated);
  if (call.cap.mapped !== null) return refuse({ kind: "invalidCapability", capability: 0 });
  const top = topOf(k, call);
  if (!top.ok) return top;
  const inside = checkAddress(k, call.words[0]!);
  if (!inside.ok) return inside;
  const vspace = vspaceOf(k, top.value);
  if (!vspace.ok) return vspace;
  const { root, asid } = vspace.value;
  const wanted = Number(call.words[0]!);
  const entry = entryAt(k, root, wanted);
  if (entry.kind !== "empty" || entry.bits === 12) return refuse({ kind: "deleteFirst" });
  const address = wanted - (wanted % 2 ** entry.bits);
  putTable(k, root, address, entry.bits, frameAt(k, call.cap.address));
  getSlot(k, call.slot).capability = { ...call.cap, mapped: { asid, address } };
  noteMap(k, call.cap, { asid, address }, "");
  return answer();
}

type Mappable = CapabilityOf<"frame"> | CapabilityOf<"pageTable">;

function noteMap(k: Sel4Kernel, cap: Mappable, { asid, address }: MappedAt, permissions: string): void {
  if (!k.trace.on(capMap)) return;
  const { type, address: object } = cap;
  k.trace.write(capMap, { type, object: BigInt(object), space: asid, address: BigInt(address), permissions });
}

function noteUnmap(k: Sel4Kernel, { type, address: object, mapped }: Mappable): void {
  if (mapped === null || !k.trace.on(capUnmap)) return;
  const { asid, address } = mapped;
  k.trace.write(capUnmap, { type, object: BigInt(object), space: asid, address: BigInt(address) });
}

function unmapPageTable(k: Sel4Kernel, call: Invocation<CapabilityOf<"pageTable">>): Answer {
  if (!isFinal(k, call.slot) || isVspace(k, call.cap)) return refuse({ kind: "revokeFirst" });
  unmapTable(k, call.cap);
  noteUnmap(k, call.cap);
  getSlot(k, call.slot).capability = { ...call.cap, mapped: null };
  return answer();
}

type FrameCall = Invocation<CapabilityOf<"frame">>;

export function frameInvocation(k: Sel4Kernel, call: FrameCall): Answer {
  switch (call.label) {
    case Label.pageMap:
      return mapFrame(k, call);
    case Label.pageUnmap:
      unmapFrame(k, call.cap);
      noteUnmap(k, call.cap);
      getSlot(k, call.slot).capability = { ...call.cap, mapped: null };
      return answer();
    case Label.pageGetAddress:
      return answer(BigInt(call.cap.address));
    default:
      return refuse({ kind: "illegalOperation" });
  }
}

/** Whether this frame can be mapped there: a frame that is mapped already only to where it is. */
function checkPlace(k: Sel4Kernel, { cap }: FrameCall, { root, asid }: Vspace, address: number): Result<null> {
  const { sizeBits, mapped } = cap;
  const entry = entryAt(k, root, address);
  if (entry.bits !== sizeBits)
    return refuse({ kind: "failedLookup", source: false, fault: { kind: "missingCapability", bitsLeft: entry.bits } });
  if (mapped !== null && mapped.asid !== asid) return refuse({ kind: "invalidCapability", capability: 1 });
  if (mapped !== null && mapped.address !== address) return refuse({ kind: "invalidArgument", argument: 0 });
  // Whatever frame is there makes room for one that was there before.
  if (mapped !== null && entry.kind === "page" && isGiven(k, entry.frame)) return done(null);
  const free = entry.kind === "empty" && isFreeForPage(spaceOfRoot(k, root), address, sizeBits);
  return free ? done(null) : refuse({ kind: "deleteFirst" });
}

function mapFrame(k: Sel4Kernel, call: FrameCall): Answer {
  const truncated = needs(call, 3, 1);
  if (truncated !== null) return refuse(truncated);
  const [wanted, rights, attributes] = call.words as [bigint, bigint, bigint];
  const { cap } = call;
  const top = topOf(k, call);
  if (!top.ok) return top;
  const vspace = vspaceOf(k, top.value);
  if (!vspace.ok) return vspace;
  const inside = checkAddress(k, wanted + 2n ** BigInt(cap.sizeBits) - 1n);
  if (!inside.ok) return inside;
  const { root, asid } = vspace.value;
  if (wanted % 2n ** BigInt(cap.sizeBits) !== 0n) return refuse({ kind: "alignmentError" });
  const address = Number(wanted);
  const checked = checkPlace(k, call, vspace.value, address);
  if (!checked.ok) return checked;
  const allowed = restrict(cap, Number(rights & 15n)) as CapabilityOf<"frame">;
  const permissions = permissionsOf(allowed.rights, !flag(attributes, 0));
  const place = { root, address, sizeBits: cap.sizeBits, permissions };
  if (entryAt(k, root, address).kind === "page") changePage(k, place, frameAt(k, cap.address));
  else putPage(k, place, frameAt(k, cap.address));
  getSlot(k, call.slot).capability = { ...cap, mapped: { asid, address } };
  noteMap(k, cap, { asid, address }, permissionText(permissions));
  return answer();
}

export function asidControlInvocation(k: Sel4Kernel, call: Invocation): Answer {
  if (call.label !== Label.asidControlMakePool) return refuse({ kind: "illegalOperation" });
  const truncated = needs(call, 2, 2);
  if (truncated !== null) return refuse(truncated);
  const base = anotherPool(k, worldAt(k, call.slot));
  if (base === null) return refuse({ kind: "deleteFirst" });
  const untyped = extraCap(k, call, 0);
  if (untyped?.type !== "untyped" || untyped.sizeBits !== asidPoolBits || untyped.device)
    return refuse({ kind: "invalidCapability", capability: 1 });
  const from = call.extra[0]!;
  if (firstChild(k, from) !== null) return refuse({ kind: "revokeFirst" });
  const slot = emptySlot(k, extraCap(k, call, 1), call.words[0]!, call.words[1]!);
  if (!slot.ok) return slot;
  getSlot(k, from).capability = { ...untyped, used: 2 ** untyped.sizeBits };
  k.sel4.asidPools.set(base, untyped.address);
  placeDerived(k, from, slot.value, { type: "asidPool", address: untyped.address, base });
  noteSpace(k, call, untyped.address, base);
  return answer();
}

export function asidPoolInvocation(k: Sel4Kernel, call: Invocation<CapabilityOf<"asidPool">>): Answer {
  if (call.label !== Label.asidPoolAssign) return refuse({ kind: "illegalOperation" });
  const truncated = needs(call, 0, 1);
  if (truncated !== null) return refuse(truncated);
  const cap = extraCap(k, call, 0);
  if (cap?.type !== "pageTable" || cap.mapped !== null) return refuse({ kind: "invalidCapability", capability: 1 });
  const { base, address } = call.cap;
  if (!k.sel4.asidPools.has(base))
    return refuse({ kind: "failedLookup", source: false, fault: { kind: "invalidRoot" } });
  if (k.sel4.asidPools.get(base) !== address) return refuse({ kind: "invalidCapability", capability: 0 });
  let asid = base;
  while (k.sel4.vspaces.has(asid)) asid += 1;
  if (asid >= base + asidsPerPool) return refuse({ kind: "deleteFirst" });
  k.sel4.vspaces.set(asid, cap.address);
  getSlot(k, call.extra[0]!).capability = { ...cap, mapped: { asid, address: 0 } };
  noteSpace(k, call, cap.address, asid);
  return answer();
}

function noteSpace(k: Sel4Kernel, { label }: Invocation, object: number, space: number): void {
  if (k.trace.on(capSpace)) k.trace.write(capSpace, { method: methodName(label), object: BigInt(object), space });
}
