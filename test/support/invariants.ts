/**
 * What must hold of any machine between two steps, whatever its programs did: accounts of frames against the page
 * tables and caches that hold them, regions, threads against the queues they are in, descriptors against open files.
 * Everything is read from the encoded state and from RAM, as a snapshot would have it.
 */

import type { CapState } from "../../kernel/cap/state.ts";
import { PageTables, userEnd } from "../../kernel/hal/rv64/page-table.ts";
import { Permission, type PhysicalMemory, pageBytes } from "../../kernel/hal/types.ts";
import { addressMap } from "../../kernel/hardware/bus/map.ts";
import type { Machine } from "../../kernel/index.ts";
import { decodePlain, encodePlain } from "../../kernel/lib/codec.ts";
import type { FrameNumber, TaskId } from "../../kernel/lib/ids.ts";
import type { MachineState } from "../../kernel/machine/state.ts";
import { findRegion } from "../../kernel/mm/regions.ts";
import { FrameOwner, type Space } from "../../kernel/mm/state.ts";
import { descriptorSlot } from "../../kernel/vfs/descriptors.ts";

type Problems = string[];

function memoryOf(machine: Machine): PhysicalMemory {
  const word = (frame: FrameNumber, index: number): number => {
    const page = machine.memory.page(frame);
    return Number(new DataView(page.buffer, page.byteOffset, page.length).getBigUint64(index * 8, true));
  };
  const never = (): never => {
    throw new Error("checking changes nothing");
  };
  const { pages: frames, page: read } = machine.memory;
  return { frames, getWord: word, read, write: never, setWord: never, copyOut: never, clear: never };
}

/** Counts what refers to each frame. */
class Holders {
  readonly counts: Uint32Array;
  readonly owners: Uint8Array;
  constructor(frames: number) {
    this.counts = new Uint32Array(frames);
    this.owners = new Uint8Array(frames);
  }
  add(frame: FrameNumber, owner: FrameOwner): void {
    this.counts[frame]! += 1;
    if (owner !== FrameOwner.anonymous) this.owners[frame] = owner;
    else if (this.owners[frame] === FrameOwner.free) this.owners[frame] = owner;
  }
}

function checkRegions({ id, regions }: Space, problems: Problems): void {
  let last = 0;
  for (const { start, end } of regions) {
    if (start < last || end <= start || start % pageBytes !== 0 || end % pageBytes !== 0 || end > userEnd)
      problems.push(`space ${id}: region ${start}-${end} after ${last}`);
    last = end;
  }
}

function checkSpace(state: MachineState, space: Space, tables: PageTables, holders: Holders, problems: Problems): void {
  let pages = 0;
  let tableFrames = 0;
  tables.release(space.root, (frame) => {
    tableFrames += 1;
    holders.add(frame, FrameOwner.table);
  });
  tables.forEach(space.root, 0, userEnd, (address, { frame, permissions }) => {
    pages += 1;
    holders.add(frame, FrameOwner.anonymous);
    const region = findRegion(space.regions, address);
    const { owner, references } = state.kernel.mm.frames;
    const shared = owner[frame] !== FrameOwner.anonymous || references[frame] !== 1;
    if (region === null) problems.push(`space ${space.id}: page ${address} is in no region`);
    else if (permissions & ~region.permissions) problems.push(`space ${space.id}: page ${address} permits too much`);
    if (shared && permissions & Permission.write)
      problems.push(`space ${space.id}: page ${address} can be stored to, and others see it`);
  });
  const counts = `${space.residentFrames} resident, ${space.tableFrames} tables`;
  if (counts !== `${pages + tableFrames} resident, ${tableFrames} tables`)
    problems.push(`space ${space.id}: says ${counts}, has ${pages} pages and ${tableFrames} tables`);
  if (space.peakFrames < space.residentFrames) problems.push(`space ${space.id}: peak below present`);
  if (space.frameLimit !== 0 && space.residentFrames > space.frameLimit) problems.push(`space ${space.id}: over limit`);
}

function checkFrames(state: MachineState, machine: Machine, problems: Problems): void {
  const { frames, spaces, images } = state.kernel.mm;
  const holders = new Holders(frames.owner.length);
  const tables = new PageTables(memoryOf(machine), addressMap.ram.base);
  for (const space of spaces.values()) {
    checkRegions(space, problems);
    checkSpace(state, space, tables, holders, problems);
  }
  for (const image of images.values())
    for (const frame of image.frames) if (frame >= 0) holders.add(frame as FrameNumber, FrameOwner.image);
  let free = 0;
  for (let frame = 0; frame < frames.owner.length; frame++) {
    if (frames.owner[frame] === FrameOwner.free) free += 1;
    if (frames.references[frame] !== holders.counts[frame] || frames.owner[frame] !== holders.owners[frame])
      problems.push(
        `frame ${frame}: owner ${frames.owner[frame]} with ${frames.references[frame]} references, ` +
          `held by ${holders.owners[frame]} ${holders.counts[frame]} times`,
      );
  }
  if (free !== frames.free) problems.push(`${frames.free} frames are said to be free, ${free} are`);
}

/** Sorted ids that differ are shown as lists. */
function same(what: string, left: Iterable<unknown>, right: Iterable<unknown>, problems: Problems): void {
  const [a, b] = [[...left].map(String).sort().join(" "), [...right].map(String).sort().join(" ")];
  if (a !== b) problems.push(`${what}: [${a}] and [${b}]`);
}

function checkThreads({ kernel, clock }: MachineState, problems: Problems): void {
  const { tasks, threads, queues, remoteReady } = kernel.threads;
  const all = [...threads.values()];
  const { current, queue } = kernel.sched;
  const isRemote = (task: number): boolean => tasks.get(task as never)?.kind === "remote";
  const ready = all.filter(({ state, task }) => state === "ready" && !isRemote(task)).map(({ id }) => id);
  same("ready threads and who is scheduled", ready, current === null ? queue : [current, ...queue], problems);
  const called = all.filter(({ state, task }) => state === "ready" && isRemote(task)).map(({ id }) => id);
  same("clients' threads that go on", called, remoteReady, problems);
  const listed = [...tasks.values()].flatMap((task) => task.threads.map((id) => `${task.id}.${id}`));
  same(
    "threads and their tasks",
    all.map(({ id, task }) => `${task}.${id}`),
    listed,
    problems,
  );
  const live = all.filter(({ context }) => context === null).map(({ id }) => id);
  same("who is on the hart", live, current === null ? [] : [current], problems);
  const waits = all.flatMap(({ id, state, wait }) => (state === "blocked" ? [{ id, ...wait! }] : []));
  const waiting = waits.flatMap(({ id, queue: name }) => (name === null ? [] : [`${name}: ${id}`]));
  const queued = [...queues].flatMap(([name, ids]) => ids.map((id) => `${name}: ${id}`));
  same("waits and queues", waiting, queued, problems);
  const due = waits.flatMap(({ id, deadlineNs }) => (deadlineNs === null ? [] : [`${id} at ${deadlineNs}`]));
  same(
    "deadlines and timers",
    due,
    clock.events.map(({ subject, dueNs }) => `${subject} at ${dueNs}`),
    problems,
  );
}

/** Slots in lists, each between its neighbours, and the capabilities of one file side by side. */
function checkSlots({ slots }: CapState, problems: Problems): void {
  const begun = new Set<number>();
  for (const [at, { capability, previous, next }] of slots) {
    if (previous !== null && slots.get(previous)?.next !== at) problems.push(`slot ${at} does not follow ${previous}`);
    if (next !== null && slots.get(next)?.previous !== at) problems.push(`slot ${at} does not precede ${next}`);
    if (capability.type !== "file") continue;
    const before = previous === null ? undefined : slots.get(previous)?.capability;
    if (before?.type === "file" && before.file === capability.file) continue;
    if (begun.has(capability.file)) problems.push(`capabilities to file ${capability.file} stand apart`);
    begun.add(capability.file);
  }
}

function checkFiles({ kernel }: MachineState, problems: Problems): void {
  checkSlots(kernel.cap, problems);
  const named = [...kernel.cap.slots.values()].flatMap(({ capability: c }) => (c.type === "file" ? c.file : []));
  same("capabilities to files and open files", new Set(named), kernel.files.open.keys(), problems);
  const tables = [...kernel.threads.tasks.values()].flatMap(({ id, descriptors }) =>
    descriptors.flatMap((descriptor, fd) => (descriptor === null ? [] : descriptorSlot(id, fd))),
  );
  const filled = [...kernel.cap.slots.keys()].filter((at) => at <= descriptorSlot(0 as TaskId, 0));
  // Of a descriptor that was revoked only the number is left.
  const lost = new Set(tables.filter((at) => !kernel.cap.slots.has(at)));
  same(
    "descriptors and their slots",
    tables.filter((at) => !lost.has(at)),
    filled,
    problems,
  );
  same(
    "spaces and tasks",
    [...kernel.mm.spaces.keys()],
    [...kernel.threads.tasks.values()].map(({ space }) => space),
    problems,
  );
}

/** What does not hold, in words; at most a few. */
export function brokenInvariants(machine: Machine): string[] {
  const problems: Problems = [];
  const encoded = machine.encodeState();
  const state = decodePlain(encoded) as MachineState;
  if (Buffer.compare(encodePlain(state), encoded) !== 0) problems.push("the state is not what it decodes to");
  if (state.control.frozen !== null) problems.push(`frozen: ${state.control.frozen}`);
  checkFrames(state, machine, problems);
  checkThreads(state, problems);
  checkFiles(state, problems);
  return problems.slice(0, 5);
}
