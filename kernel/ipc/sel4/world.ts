/**
 * The world of a root task: memory as untyped capabilities, and the first objects, made of one of them (seL4
 * Reference Manual 13.0.0, section 9).
 *
 * Must hold: everything of a world lies in its ranges, so when the program ends they are given back whole.
 */
import { derive } from "../../cap/cnode.ts";
import { deleteSlot } from "../../cap/delete.ts";
import { placeFirst } from "../../cap/memory.ts";
import { extentOf } from "../../cap/relations.ts";
import { clear, getSlot, placeDerived } from "../../cap/slots.ts";
import { type Capability, Right, slotAt } from "../../cap/state.ts";
import { pageBytes } from "../../hal/types.ts";
import { assert, must } from "../../lib/assert.ts";
import { spend } from "../../lib/effort.ts";
import type { FrameNumber, PhysicalAddress, TaskId } from "../../lib/ids.ts";
import { limits } from "../../lib/limits.ts";
import { orderOf } from "../../mm/allocators/allocator.ts";
import { dropRun, FrameOwner, takeRun } from "../../mm/frames.ts";
import { freeFigures } from "../../mm/physical.ts";
import { getSpace, takeTableFor } from "../../mm/space.ts";
import type { Space } from "../../mm/state.ts";
import { highestPriority } from "../../thread/scheduling.ts";
import type { Task, Thread } from "../../thread/state.ts";
import { getTask } from "../../thread/tasks.ts";
import { isInWorld, isVspace, tcbSlot } from "./access.ts";
import type { Sel4Kernel } from "./kernel.ts";
import type { World } from "./state.ts";
import { newTcb } from "./tcb.ts";
import {
  addressOf,
  asidPoolCount,
  asidPoolsEach,
  asidPoolsForWorlds,
  asidsPerPool,
  frameAt,
  pageBits,
  permissionsOf,
  putPage,
  unmapFrame,
  unmapTable,
} from "./vspace.ts";

/** log2 of the slots of the first CNode. */
export const rootRadix = 12;
/** log2 of the bytes that the first objects take: the CNode, then a page each. */
const firstObjectsBits = 18;
/** Where the program finds its boot information and its IPC buffer. */
export const bootInfoAddress = 0x30_0000_0000;
export const ipcBufferAddress = bootInfoAddress + pageBytes;
/** Of the largest possible untyped range: 2^38 bytes; of the smallest one that is given out, a page. */
const maxRanges = 128;

/** Slots of the first CNode that are filled at the start (seL4_RootCNodeCapSlots). */
export const rootSlots = {
  tcb: 1,
  cnode: 2,
  vspace: 3,
  irqControl: 4,
  asidControl: 5,
  asidPool: 6,
  bootInfo: 9,
  ipcBuffer: 10,
  domain: 11,
  firstUntyped: 16,
} as const;

export interface Untyped {
  address: PhysicalAddress;
  sizeBits: number;
  device: boolean;
}

/** The page with the registers of the serial port. One root task at a time has it. */
const devices: readonly Untyped[] = [{ address: 0x1000_0000 as PhysicalAddress, sizeBits: 12, device: true }];

/** Devices' registers that no capability is to. */
function freeDevices(k: Sel4Kernel): Untyped[] {
  const taken = new Set<number>();
  for (const { capability: cap } of k.cap.slots.values())
    if ((cap.type === "untyped" || cap.type === "frame") && cap.device) taken.add(cap.address);
  return devices.filter(({ address }) => !taken.has(address));
}

export interface NewWorld {
  untyped: Untyped[];
  /** The first slot with nothing in it. */
  firstEmpty: number;
  bootInfo: FrameNumber;
}

/** Takes half of what is free, in ranges as large as they come; the rest is for programs in the ordinary way. */
function takeMemory(k: Sel4Kernel): Untyped[] {
  const ranges: Untyped[] = [];
  let left = Math.floor((k.mm.frames.free - limits.reservedFrames) / 2);
  for (let order = orderOf(Math.max(1, left)); order >= 0 && ranges.length < maxRanges; ) {
    const first = 2 ** order <= left ? takeRun(k.mm.frames, order, FrameOwner.untyped) : null;
    if (first === null) order -= 1;
    else {
      ranges.push({ address: addressOf(k, first), sizeBits: order + pageBits, device: false });
      left -= 2 ** order;
    }
  }
  return ranges;
}

const firstObjectsOrder = firstObjectsBits - pageBits;

/** Page tables that lead to the boot information. */
export const tablesOfWorld = 2;

/**
 * Why there can be none, for people; null if there is memory for one, and something to give away. The first objects take an aligned piece; there has to
 * be one still when the program has been loaded, which can take frames out of the middle of two.
 */
export function worldProblem(k: Sel4Kernel): string | null {
  if (freePool(k) === null) return "all numbers of address spaces are taken: there are too many root tasks";
  const { frames, largest } = freeFigures(k.mm.frames.zones);
  const needed = 4 * 2 ** firstObjectsOrder;
  if (largest >= needed && frames >= limits.reservedFrames + needed) return null;
  return "the machine has not enough free memory in one piece for a root task's objects";
}

/** Makes a program that is about to start the root task of a world. There is memory for it (see above). */
export function createWorld(k: Sel4Kernel, task: Task, thread: Thread, space: Space): NewWorld {
  const first = takeRun(k.mm.frames, firstObjectsOrder, FrameOwner.untyped);
  assert(first !== null, "there was room for the first objects");
  const base = addressOf(k, first);
  const memory = takeMemory(k);
  const untyped = [...memory, ...freeDevices(k)];
  const cnode = base;
  const page = (index: number): PhysicalAddress => (base + 2 ** (rootRadix + 5) + index * pageBytes) as PhysicalAddress;
  const places = { cnode, bootInfo: page(0), ipcBuffer: page(1), asidPool: page(2), tcb: page(3) };
  const emptyRoot = page(4);
  const ranges = [{ address: base, sizeBits: firstObjectsBits }, ...memory].map(({ address, sizeBits }) => ({
    address,
    sizeBits,
  }));
  k.sel4.worlds.set(task.id, { task: task.id, ranges, emptyRoot });
  for (const address of [places.bootInfo, places.ipcBuffer, emptyRoot]) k.hal.memory.clear(frameAt(k, address));
  fillRoot(k, places, space, untyped);
  bindThread(k, places, thread, space);
  mapForProgram(k, places, space);
  return { untyped, firstEmpty: rootSlots.firstUntyped + untyped.length, bootInfo: frameAt(k, places.bootInfo) };
}

interface Places {
  cnode: PhysicalAddress;
  bootInfo: PhysicalAddress;
  ipcBuffer: PhysicalAddress;
  asidPool: PhysicalAddress;
  tcb: PhysicalAddress;
}

function fillRoot(k: Sel4Kernel, places: Places, space: Space, untyped: readonly Untyped[]): void {
  const at = (slot: number) => slotAt(places.cnode, slot);
  const asid = space.asid;
  const root = addressOf(k, space.root);
  const frame = (address: PhysicalAddress, mapped: number): Capability => ({
    type: "frame",
    address,
    sizeBits: pageBits,
    rights: Right.read | Right.write,
    device: false,
    mapped: { asid, address: mapped },
  });
  k.sel4.vspaces.set(asid, root);
  const pool = must(freePool(k), "a pool is free");
  k.sel4.asidPools.set(pool, places.asidPool);
  // The top of the address is a guard of zeros, so that small numbers are addresses.
  const guard = { guard: 0n, guardBits: 64 - rootRadix };
  placeFirst(k, at(rootSlots.tcb), { type: "tcb", address: places.tcb });
  placeFirst(k, at(rootSlots.cnode), { type: "cnode", address: places.cnode, radix: rootRadix, ...guard });
  placeFirst(k, at(rootSlots.vspace), { type: "pageTable", address: root, mapped: { asid, address: 0 } });
  placeFirst(k, at(rootSlots.irqControl), { type: "irqControl" });
  placeFirst(k, at(rootSlots.asidControl), { type: "asidControl" });
  placeFirst(k, at(rootSlots.asidPool), { type: "asidPool", address: places.asidPool, base: pool });
  placeFirst(k, at(rootSlots.bootInfo), frame(places.bootInfo, bootInfoAddress));
  placeFirst(k, at(rootSlots.ipcBuffer), frame(places.ipcBuffer, ipcBufferAddress));
  placeFirst(k, at(rootSlots.domain), { type: "domain" });
  for (const [i, range] of untyped.entries())
    placeFirst(k, at(rootSlots.firstUntyped + i), { type: "untyped", ...range, used: 0 });
}

/** A free pool; from the end, since programs' own spaces have numbers from the beginning. */
export function freePool(k: Sel4Kernel): number | null {
  for (let base = (asidPoolCount - 1) * asidsPerPool; base > 0; base -= asidsPerPool)
    if (!k.sel4.asidPools.has(base)) return base;
  return null;
}

/** A free pool for one who has some already; null when he has his share, or the rest is for new root tasks. */
export function anotherPool(k: Sel4Kernel, world: World): number | null {
  const { asidPools } = k.sel4;
  spend(k.effort, asidPools.size * world.ranges.length, "items");
  const own = [...asidPools.values()].filter((address) => isInWorld(world, address)).length;
  const left = asidPoolCount - 1 - asidPools.size;
  return own < asidPoolsEach && left > asidPoolsForWorlds ? freePool(k) : null;
}

function bindThread(k: Sel4Kernel, places: Places, thread: Thread, space: Space): void {
  thread.tcb = places.tcb;
  thread.affinity = 1;
  k.sel4.tcbs.set(places.tcb, {
    ...newTcb(thread),
    maxControlledPriority: highestPriority,
    ipcBuffer: ipcBufferAddress,
    name: "rootserver",
  });
  const copy = (slot: "cspace" | "vspace" | "buffer", number: number): void => {
    const from = slotAt(places.cnode, number);
    const derived = derive(k, from, getSlot(k, from).capability);
    assert(derived.ok, "the first objects' capabilities can be copied");
    placeDerived(k, from, tcbSlot(places.tcb, slot), derived.value);
  };
  copy("cspace", rootSlots.cnode);
  copy("vspace", rootSlots.vspace);
  copy("buffer", rootSlots.ipcBuffer);
  assert(space.task === thread.task, "a root task runs in its own space");
}

function mapForProgram(k: Sel4Kernel, places: Places, space: Space): void {
  const permissions = permissionsOf(Right.read | Right.write, false);
  const pages = [
    [bootInfoAddress, places.bootInfo],
    [ipcBufferAddress, places.ipcBuffer],
  ] as const;
  for (const [address, physical] of pages) {
    prepareTables(k, space, address);
    putPage(k, { root: space.root, address, sizeBits: pageBits, permissions }, frameAt(k, physical));
  }
}

/** The program's own tables lead there, as they do to all that the kernel maps for it. */
function prepareTables(k: Sel4Kernel, space: Space, address: number): void {
  const mapping = { frame: space.root, permissions: 0 };
  assert(
    k.hal.mmu.map(space.root, address, mapping, () => takeTableFor(k, space)),
    "there was memory for tables",
  );
  k.hal.mmu.setEntry(space.root, address, pageBits, null);
}

/** The program's own tables, which Linux's side takes down later, show nothing of the world any more. */
function leaveOwnSpace(k: Sel4Kernel, id: TaskId, inside: (address: number) => boolean): void {
  const { asid } = getSpace(k, getTask(k, id).space);
  const caps = [...k.cap.slots].filter(([at]) => inside(at)).map(([, { capability }]) => capability);
  for (const cap of caps) if (cap.type === "frame" && cap.mapped?.asid === asid) unmapFrame(k, cap);
  for (const cap of caps)
    if (cap.type === "pageTable" && cap.mapped?.asid === asid && !isVspace(k, cap)) unmapTable(k, cap);
}

/** The program has ended, and its threads with it: all its memory is given back. */
export function releaseWorld(k: Sel4Kernel, task: Task): void {
  const world = k.sel4.worlds.get(task.id);
  if (world === undefined) return;
  const inside = (address: number): boolean => isInWorld(world, address);
  const { sel4, cap } = k;
  leaveOwnSpace(k, world.task, inside);
  // What is in no memory (an interrupt line, an open file) does not go with the memory.
  for (const [at, { capability }] of [...cap.slots])
    if (inside(at) && extentOf(capability, k.objectSizes) === null) deleteSlot(k, at);
  // Of graves the zombies say whose they are.
  for (const [at, { capability }] of [...cap.slots]) {
    const grave = at < 0 && capability.type === "zombie" && inside(capability.address);
    if (inside(at) || grave) clear(k, at);
  }
  for (const table of [sel4.tcbs, sel4.notifications])
    for (const at of [...table.keys()]) if (inside(at)) table.delete(at);
  for (const [base, pool] of [...sel4.asidPools]) if (inside(pool)) sel4.asidPools.delete(base);
  const own = addressOf(k, k.mm.spaces.get(task.space)!.root);
  for (const [asid, root] of [...sel4.vspaces]) if (inside(root) || root === own) sel4.vspaces.delete(asid);
  for (const { address, sizeBits } of world.ranges) {
    const first = frameAt(k, address);
    // Hand-made tables referred to them, and end here.
    for (let frame: number = first; frame < first + 2 ** (sizeBits - pageBits); frame++)
      k.mm.frames.references[frame] = 1;
    dropRun(k.mm.frames, first, sizeBits - pageBits);
  }
  k.sel4.worlds.delete(task.id);
  if (freeDevices(k).length === devices.length) k.releaseDevices();
}
