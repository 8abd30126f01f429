/**
 * What must hold of capabilities, and of what hangs on them, between any two steps: the mapping database, objects in
 * memory, threads with control blocks, queues, and address spaces that were made by hand.
 */
import { poolOf } from "../../kernel/cap/memory.ts";
import { extentOf, isParent } from "../../kernel/cap/relations.ts";
import { type Capability, type Slot, slotAt, slotBits } from "../../kernel/cap/state.ts";
import { pageBytes } from "../../kernel/hal/types.ts";
import { addressMap } from "../../kernel/hardware/bus/map.ts";
import { objectSizes } from "../../kernel/ipc/sel4/objects.ts";
import { TcbSlot, type World } from "../../kernel/ipc/sel4/state.ts";
import { asidsPerPool } from "../../kernel/ipc/sel4/vspace.ts";
import type { SlotAddress } from "../../kernel/lib/ids.ts";
import type { MachineState } from "../../kernel/machine/state.ts";

type Placed = Slot & { at: SlotAddress };

/** The lists of the mapping database, each in its order. */
function listsOf(slots: ReadonlyMap<SlotAddress, Slot>, problems: string[]): Placed[][] {
  const lists: Placed[][] = [];
  const seen = new Set<SlotAddress>();
  for (const [first, { previous }] of slots) {
    if (previous !== null) continue;
    const list: Placed[] = [];
    let behind: SlotAddress | null = null;
    for (let at: SlotAddress | null = first; at !== null && !seen.has(at); at = slots.get(at)?.next ?? null) {
      const slot = slots.get(at);
      if (slot === undefined || slot.previous !== behind) {
        problems.push(`slot ${at} is not linked with the one before it`);
        break;
      }
      seen.add(at);
      list.push({ at, ...slot });
      behind = at;
    }
    lists.push(list);
  }
  if (seen.size !== slots.size) problems.push(`${slots.size} slots, ${seen.size} of them in lists`);
  return lists;
}

/** All memory that frames are taken from is in pools, each with a bank of every task that lives, and nothing else. */
function checkPools({ kernel }: MachineState, all: readonly Placed[], problems: string[]): void {
  const { zones } = kernel.mm.frames;
  const ranges = all.flatMap(({ at, capability: cap }) => {
    const isPool = poolOf(at)?.task === null;
    if (isPool !== (cap.type === "untyped" && cap.pool !== undefined)) problems.push(`slot ${at}: no place for a pool`);
    return cap.type === "untyped" && isPool ? [cap] : [];
  });
  const bytes = ranges.reduce((sum, { sizeBits }) => sum + 2 ** sizeBits, 0);
  const should = zones.reduce((sum, { first, end }) => sum + (end - first) * pageBytes, 0);
  const inZones = ranges.every(({ address, sizeBits }) => {
    const first = (address - addressMap.ram.base) / pageBytes;
    return zones.some((zone) => first >= zone.first && first + 2 ** sizeBits / pageBytes <= zone.end);
  });
  if (bytes !== should || !inZones) problems.push(`pools of ${bytes} bytes for zones of ${should}`);
  const general = ranges.filter(({ pool }) => pool === "general");
  const wanted = [0, ...kernel.threads.tasks.keys()].flatMap((task) =>
    general.map(({ address, sizeBits }) => `${task} ${address}/${sizeBits}`),
  );
  const banks = all.flatMap(({ capability: cap }) =>
    cap.type === "bank" ? [`${cap.task} ${cap.address}/${cap.sizeBits}`] : [],
  );
  if (banks.sort().join() !== wanted.sort().join()) problems.push(`banks [${banks}], tasks need [${wanted}]`);
}

const isDevice = (cap: Capability): boolean => "device" in cap && cap.device;

/** Everything in memory was derived from the pool that it lies in, banks too. */
function checkDerivation(list: readonly Placed[], problems: string[]): void {
  const [head, ...rest] = list;
  for (const { at, capability, ...marks } of rest) {
    const lies = !isDevice(capability) && (extentOf(capability, objectSizes) !== null || capability.type === "bank");
    if (lies && !isParent(head!, { capability, ...marks }, objectSizes)) problems.push(`slot ${at} is of no pool`);
  }
  if (head === undefined || isDevice(head.capability)) return;
  if (extentOf(head.capability, objectSizes) !== null && poolOf(head.at)?.task !== null)
    problems.push(`slot ${head.at} is about memory, and was derived from nothing`);
}

/** What was made of memory comes right behind it in the list, and below the mark. */
function checkUntyped(list: readonly Placed[], problems: string[]): void {
  list.forEach(({ at, capability, ...rest }, index) => {
    if (capability.type !== "untyped") return;
    const { address, sizeBits, used } = capability;
    const end = address + 2 ** sizeBits;
    let isBehind = true;
    for (const other of list.slice(index + 1)) {
      isBehind &&= isParent({ capability, ...rest }, other, objectSizes);
      const extent = extentOf(other.capability, objectSizes);
      if (extent === null || extent.address < address || extent.address >= end) continue;
      if (!isBehind) problems.push(`slot ${other.at} is about memory of slot ${at}, but not behind it`);
      else if (extent.address + 2 ** extent.sizeBits > address + used)
        problems.push(`slot ${other.at} is beyond what slot ${at} has given away`);
    }
  });
}

/** No two objects share memory. */
function checkOverlap(all: readonly Placed[], problems: string[]): void {
  const objects = new Map<string, { from: number; to: number; type: string }>();
  for (const { capability } of all) {
    const extent = extentOf(capability, objectSizes);
    if (extent === null || capability.type === "untyped") continue;
    const to = extent.address + 2 ** extent.sizeBits;
    objects.set(`${capability.type} ${extent.address} ${to}`, { from: extent.address, to, type: capability.type });
  }
  const sorted = [...objects.values()].sort((a, b) => a.from - b.from);
  sorted.forEach((object, index) => {
    const next = sorted[index + 1];
    if (next !== undefined && next.from < object.to)
      problems.push(`${object.type} at ${object.from} and ${next.type} at ${next.from} share memory`);
  });
}

const isIn = ({ ranges }: World, address: number): boolean =>
  ranges.some((range) => address >= range.address && address < range.address + 2 ** range.sizeBits);

/** Slots lie in their world's memory, and are about it. */
function checkWorlds({ kernel }: MachineState, all: readonly Placed[], problems: string[]): void {
  const worlds = [...kernel.sel4.worlds.values()];
  for (const { task } of worlds) if (!kernel.threads.tasks.has(task)) problems.push(`the world of ${task} outlived it`);
  const roots = new Set(kernel.sel4.vspaces.values());
  for (const { at, capability } of all) {
    // Descriptors, pools and banks are of no world; invariants.ts has them.
    if (capability.type === "file" || capability.type === "bank" || poolOf(at) !== null) continue;
    const address = "address" in capability && !isDevice(capability) ? capability.address : null;
    const own = at < 0 ? worlds : worlds.filter((world) => isIn(world, at));
    const isRoot = capability.type === "pageTable" && roots.has(capability.address);
    if (own.length === 0) problems.push(`slot ${at} is in nobody's memory`);
    else if (address !== null && !isRoot && !own.some((world) => isIn(world, address)))
      problems.push(`slot ${at} holds a ${capability.type} of another's memory`);
  }
}

/** Objects that have a state of their own, and capabilities to them: as long as there is one, there is the other. */
function checkObjects({ kernel }: MachineState, all: readonly Placed[], problems: string[]): void {
  const { tcbs, notifications, asidPools, irqs } = kernel.sel4;
  const named = (pick: (cap: Capability) => number | null): string =>
    [...new Set(all.flatMap(({ capability }) => pick(capability) ?? []))].sort((a, b) => a - b).join(" ");
  const sorted = (keys: Iterable<number>): string => [...keys].sort((a, b) => a - b).join(" ");
  const rows: [string, Iterable<number>, (cap: Capability) => number | null][] = [
    ["TCBs", tcbs.keys(), (cap) => (cap.type === "tcb" ? cap.address : null)],
    ["notifications", notifications.keys(), (cap) => (cap.type === "notification" ? cap.address : null)],
    ["ASID pools", asidPools.keys(), (cap) => (cap.type === "asidPool" ? cap.base : null)],
    ["interrupt lines", irqs.keys(), (cap) => (cap.type === "irqHandler" ? cap.irq : null)],
  ];
  for (const [what, keys, pick] of rows) {
    const [is, should] = [sorted(keys), named(pick)];
    if (is !== should) problems.push(`${what}: [${is}], capabilities to [${should}]`);
  }
}

function checkControlBlocks({ kernel }: MachineState, problems: string[]): void {
  const { tcbs, notifications } = kernel.sel4;
  const { threads, tasks } = kernel.threads;
  for (const [address, { thread, bound }] of tcbs) {
    const its = threads.get(thread);
    if (its !== undefined && its.tcb !== address) problems.push(`TCB ${address} says ${thread}, which has ${its.tcb}`);
    if (bound !== null && notifications.get(bound)?.bound !== address)
      problems.push(`TCB ${address} is bound to ${bound}, not the other way`);
  }
  for (const { id, tcb } of threads.values())
    if (tcb !== null && tcbs.get(tcb)?.thread !== id) problems.push(`thread ${id} has TCB ${tcb}, not the other way`);
  for (const [address, { bound, active, word }] of notifications) {
    if (bound !== null && tcbs.get(bound)?.bound !== address)
      problems.push(`notification ${address} is bound to ${bound}, not the other way`);
    if (!active && word !== 0n) problems.push(`notification ${address} has flags, but nobody signalled`);
    if (active && kernel.threads.queues.has(`notification ${address.toString(16)}`))
      problems.push(`notification ${address} is active, and threads wait for it`);
  }
  for (const task of tasks.values()) if (task.threads.length === 0) problems.push(`task ${task.id} has no thread`);
}

/** The right to answer belongs to a thread that waits for an answer, and is right behind its master. */
function checkReplies({ kernel }: MachineState, all: readonly Placed[], problems: string[]): void {
  for (const { at, capability, previous } of all) {
    if (capability.type !== "reply") continue;
    const { tcb, master } = capability;
    if (master !== (at === slotAt(tcb, TcbSlot.reply))) problems.push(`slot ${at}: a master reply in the wrong place`);
    if (master) continue;
    const thread = kernel.threads.threads.get(kernel.sel4.tcbs.get(tcb)?.thread ?? (0 as never));
    if (thread?.state !== "blocked" || thread.wait?.kind !== "reply")
      problems.push(`slot ${at} could answer TCB ${tcb}, which waits for no answer`);
    if (previous !== slotAt(tcb, TcbSlot.reply)) problems.push(`slot ${at}: a reply that is not behind its master`);
  }
}

function checkQueues({ kernel }: MachineState, all: readonly Placed[], problems: string[]): void {
  const objects = new Set(
    all.flatMap(({ capability: cap }) =>
      cap.type === "endpoint" || cap.type === "notification" ? [`${cap.type} ${cap.address.toString(16)}`] : [],
    ),
  );
  for (const [name, ids] of kernel.threads.queues) {
    if (!/^(endpoint|notification) /.test(name)) continue;
    const kinds = new Set(ids.map((id) => kernel.threads.threads.get(id)?.wait?.kind));
    if (!objects.has(name)) problems.push(`threads wait at ${name}, which is gone`);
    if (kinds.size !== 1) problems.push(`at ${name} threads wait for ${[...kinds].join(" and ")}`);
  }
}

function checkVspaces({ kernel }: MachineState, all: readonly Placed[], problems: string[]): void {
  const { vspaces, asidPools } = kernel.sel4;
  const own = new Set([...kernel.mm.spaces.values()].map(({ asid }) => asid));
  for (const [asid, root] of vspaces) {
    const pool = asid - (asid % asidsPerPool);
    if (!own.has(asid) && !asidPools.has(pool)) problems.push(`address space ${asid} has no pool`);
    const named = all.some(
      ({ capability: cap }) => cap.type === "pageTable" && cap.address === root && cap.mapped?.asid === asid,
    );
    if (!own.has(asid) && !named) problems.push(`address space ${asid} has no capability`);
  }
}

/** Graves hold zombies only, and have numbers that were given out; a grave that is kept in mind may have gone. */
function checkZombies({ kernel }: MachineState, all: readonly Placed[], problems: string[]): void {
  const { slots, nextGrave } = kernel.cap;
  const isGrave = (at: number): boolean => at < 0 && at > nextGrave;
  for (const { at, capability } of all) {
    if (isGrave(at) && capability.type !== "zombie") problems.push(`grave ${at} holds a ${capability.type}`);
    if (capability.type !== "zombie") continue;
    if (at < 0 && !isGrave(at)) problems.push(`slot ${at} is no grave, and holds a zombie`);
    for (const grave of capability.graves)
      if (!isGrave(grave) || (slots.get(grave)?.capability.type ?? "zombie") !== "zombie")
        problems.push(`the zombie in slot ${at} keeps ${grave} in mind, which is none`);
    const [first, end] = [
      slotAt(capability.address, capability.count + 1),
      capability.address + 2 ** capability.sizeBits,
    ];
    for (let slot: number = first; slot < end; slot += 2 ** slotBits)
      if (slots.has(slot as SlotAddress)) problems.push(`the zombie in slot ${at} has forgotten slot ${slot}`);
  }
}

export function checkCapabilities(state: MachineState, problems: string[]): void {
  const { slots } = state.kernel.cap;
  const lists = listsOf(slots, problems);
  const all = lists.flat();
  for (const list of lists) checkUntyped(list, problems);
  for (const list of lists) checkDerivation(list, problems);
  for (const check of [checkPools, checkWorlds, checkObjects, checkReplies, checkQueues, checkVspaces])
    check(state, all, problems);
  checkOverlap(all, problems);
  checkControlBlocks(state, problems);
  checkZombies(state, all, problems);
}
