/**
 * What must hold of any machine between two steps, whatever its programs did: accounts of frames against the page
 * tables and caches that hold them, regions, threads against the queues they are in, descriptors against open files,
 * capabilities (capability-invariants.ts).
 * Everything is read from the encoded state and from RAM, as a snapshot would have it.
 */

import { PageTables, userEnd } from "../../kernel/hal/rv64/page-table.ts";
import { Permission, type PhysicalMemory, pageBytes, type WalkStep } from "../../kernel/hal/types.ts";
import { addressMap } from "../../kernel/hardware/bus/map.ts";
import type { Machine } from "../../kernel/index.ts";
import { decodePlain, encodePlain } from "../../kernel/lib/codec.ts";
import type { FrameNumber } from "../../kernel/lib/ids.ts";
import type { MachineState } from "../../kernel/machine/state.ts";
import { plainMemory, ramRanges } from "../../kernel/mm/physical.ts";
import { findRegion } from "../../kernel/mm/regions.ts";
import { FrameOwner, type Region, type Space } from "../../kernel/mm/state.ts";
import { isPromised } from "../../kernel/mm/tally.ts";
import type { Task } from "../../kernel/thread/state.ts";
import { isHeld } from "../../kernel/thread/tracing.ts";
import { queuesOf } from "../../kernel/thread/wait.ts";
import { checkCapabilities } from "./capability-invariants.ts";
import { checkFiles, checkSysv } from "./file-invariants.ts";
import { checkNamespaces } from "./namespace-invariants.ts";
import { type Problems, same } from "./problems.ts";

function memoryOf(machine: Machine): PhysicalMemory {
  const word = (frame: FrameNumber, index: number): number => {
    const page = machine.memory.page(frame);
    return Number(new DataView(page.buffer, page.byteOffset, page.length).getBigUint64(index * 8, true));
  };
  const never = (): never => {
    throw new Error("checking changes nothing");
  };
  const nextWord = (frame: FrameNumber, from: number, to: number): number => {
    let index = from;
    while (index < to && word(frame, index) === 0) index++;
    return index;
  };
  const { pages: frames, page: read } = machine.memory;
  return {
    frames,
    getWord: word,
    nextWord,
    read,
    write: never,
    setWord: never,
    copyOut: never,
    copyIn: never,
    clear: never,
  };
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

/** Every entry below a top table that leads somewhere. */
function eachEntry(
  tables: PageTables,
  root: FrameNumber,
  visit: (address: number, entry: WalkStep) => void,
  from = 0,
  bits = 39,
): void {
  const below = bits - 9;
  const end = Math.min(from + 2 ** bits, userEnd);
  for (let address = from; address < end; address += 2 ** below) {
    const entry = tables.walk(root, address).find((step) => step.bits === below)!;
    if (entry.kind === "empty") continue;
    visit(address, entry);
    if (entry.kind === "table") eachEntry(tables, root, visit, address, below);
  }
}

/** Sums that are kept are those of what they are of. */
function checkTallies({ regions, promised, spaces, stored }: MachineState["kernel"]["mm"], problems: Problems): void {
  const all = [...spaces.values()].flatMap((space) => space.regions);
  const promises = (of: readonly Region[]): number =>
    of.filter(isPromised).reduce((sum, { start, end }) => sum + end - start, 0);
  if (regions !== all.length) problems.push(`there are ${all.length} regions, said are ${regions}`);
  if (promised !== promises(all)) problems.push(`promised are ${promises(all)}, said are ${promised}`);
  for (const space of spaces.values())
    if (space.promised !== promises(space.regions))
      problems.push(`space ${space.id} was promised ${promises(space.regions)}, said are ${space.promised}`);
  const shown = new Map<number, number>();
  for (const { backing } of all)
    if (backing.kind === "file") shown.set(backing.file, (shown.get(backing.file) ?? 0) + 1);
  for (const { id, mappings, executions } of stored.values()) {
    const found = shown.get(id) ?? 0;
    if (mappings !== found) problems.push(`file ${id} is mapped ${found} times, said are ${mappings}`);
    const programs = [...spaces.values()].filter(({ executable }) => executable === id).length;
    if (executions !== programs) problems.push(`file ${id} is ${programs} programs, said are ${executions}`);
  }
}

/** What capabilities say is mapped: address space, address, size, and what. */
const mappingName = (asid: number, address: number, bits: number, kind: string, frame: number): string =>
  `${kind} of frame ${frame} at ${asid}:${address}, ${bits} bits`;

function mappedByHand(state: MachineState): Map<string, { rights: number }> {
  const mapped = new Map<string, { rights: number }>();
  for (const { capability: cap } of state.kernel.cap.slots.values()) {
    if ((cap.type !== "frame" && cap.type !== "pageTable") || cap.mapped === null) continue;
    const { asid, address } = cap.mapped;
    const frame = (cap.address - addressMap.ram.base) / pageBytes;
    const isPage = cap.type === "frame";
    // A table's own size says nothing of where it is.
    const name = mappingName(asid, address, isPage ? cap.sizeBits : 0, isPage ? "page" : "table", frame);
    mapped.set(name, { rights: (mapped.get(name)?.rights ?? 0) | (isPage ? cap.rights : 0) });
  }
  return mapped;
}

/** An entry that somebody made through capabilities: one of them says so, and permits it. */
function checkByHand(
  caps: ReadonlyMap<string, { rights: number }>,
  asid: number,
  address: number,
  { bits, kind, frame, permissions }: WalkStep,
  problems: Problems,
): void {
  const name = mappingName(asid, address, kind === "page" ? bits : 0, kind, frame);
  const cap = caps.get(name);
  if (cap === undefined) problems.push(`a ${name}: no capability`);
  else if (permissions & Permission.write && (cap.rights & 1) === 0) problems.push(`a ${name}: permits too much`);
}

interface Accounts {
  state: MachineState;
  tables: PageTables;
  holders: Holders;
  caps: ReadonlyMap<string, { rights: number }>;
  problems: Problems;
}

function holdPages(holders: Holders, { bits, frame }: Pick<WalkStep, "bits" | "frame">, owner: FrameOwner): void {
  // A device's registers have no accounts.
  if (frame < 0) return;
  for (let i = 0; i < 2 ** (bits - 12); i++) holders.add((frame + i) as FrameNumber, owner);
}

function checkSpace({ state, tables, holders, caps, problems }: Accounts, space: Space): void {
  let pages = 0;
  let tableFrames = 1;
  const { owner, references } = state.kernel.mm.frames;
  holders.add(space.root, FrameOwner.table);
  eachEntry(tables, space.root, (address, entry) => {
    const { frame, permissions, kind, bits } = entry;
    const byHand = frame < 0 || owner[frame] === FrameOwner.untyped;
    if (byHand) checkByHand(caps, space.asid, address, entry, problems);
    if (kind === "table") {
      holders.add(frame, byHand ? FrameOwner.untyped : FrameOwner.table);
      if (!byHand) tableFrames += 1;
      return;
    }
    holdPages(holders, entry, byHand ? FrameOwner.untyped : FrameOwner.anonymous);
    if (!byHand) pages += 1;
    const region = findRegion(space.regions, address);
    const shows = region?.backing.kind === "file" && region.backing.shared && owner[frame] === FrameOwner.file;
    const shared = !shows && (owner[frame] !== FrameOwner.anonymous || references[frame] !== 1);
    if (region === null || region.end < address + 2 ** bits)
      problems.push(`space ${space.id}: page ${address} is in no region`);
    else if (permissions & ~region.permissions) problems.push(`space ${space.id}: page ${address} permits too much`);
    if (shared && !byHand && permissions & Permission.write)
      problems.push(`space ${space.id}: page ${address} can be stored to, and others see it`);
  });
  const counts = `${space.residentFrames} resident, ${space.tableFrames} tables`;
  if (counts !== `${pages + tableFrames} resident, ${tableFrames} tables`)
    problems.push(`space ${space.id}: says ${counts}, has ${pages} pages and ${tableFrames} tables`);
  if (space.peakFrames < space.residentFrames) problems.push(`space ${space.id}: peak below present`);
  if (space.frameLimit !== 0 && space.residentFrames > space.frameLimit) problems.push(`space ${space.id}: over limit`);
}

/** Address spaces that are nothing but tables and frames that somebody put together. */
function checkHandMade({ state, tables, holders, caps, problems }: Accounts): void {
  const roots = new Set([...state.kernel.mm.spaces.values()].map(({ root }) => root));
  for (const [asid, address] of state.kernel.sel4.vspaces) {
    const root = ((address - addressMap.ram.base) / pageBytes) as FrameNumber;
    if (roots.has(root)) continue;
    eachEntry(tables, root, (at, entry) => {
      checkByHand(caps, asid, at, entry, problems);
      if (entry.kind === "table") holders.add(entry.frame, FrameOwner.untyped);
      else holdPages(holders, entry, FrameOwner.untyped);
    });
  }
  for (const { ranges } of state.kernel.sel4.worlds.values())
    for (const { address, sizeBits } of ranges) {
      const frame = ((address - addressMap.ram.base) / pageBytes) as FrameNumber;
      holdPages(holders, { bits: sizeBits, frame }, FrameOwner.untyped);
    }
}

/** What is told of pools and banks is what page tables and caches hold, and adds up. */
function checkPools({ kernel }: MachineState, machine: Machine, holders: Holders, problems: Problems): void {
  const { owner } = kernel.mm.frames;
  for (const { start, frames, free, cached, untyped, shared, banks } of machine.memoryMap().pools) {
    const first = (start - addressMap.ram.base) / pageBytes;
    const counted = { free: 0, cached: 0, untyped: 0, shared: 0, own: 0 };
    for (let frame = first; frame < first + frames; frame++) {
      if (owner[frame] === FrameOwner.free) counted.free += 1;
      else if (holders.owners[frame] === FrameOwner.image || holders.owners[frame] === FrameOwner.file)
        counted.cached += 1;
      else if (holders.owners[frame] === FrameOwner.untyped) counted.untyped += 1;
      else if (holders.owners[frame] === FrameOwner.anonymous && holders.counts[frame]! > 1) counted.shared += 1;
      else counted.own += 1;
    }
    const own = banks.reduce((sum, { pages, tables }) => sum + pages + tables, 0);
    const [told, is] = [{ free, cached, untyped, shared, own }, counted].map((each) => JSON.stringify(each));
    if (told !== is) problems.push(`the pool at ${start}: told ${told}, is ${is}`);
  }
}

function checkFrames(state: MachineState, machine: Machine, problems: Problems): void {
  checkTallies(state.kernel.mm, problems);
  const { frames, spaces, images } = state.kernel.mm;
  const holders = new Holders(frames.owner.length);
  const tables = new PageTables(memoryOf(machine), addressMap.ram.base);
  const accounts = { state, tables, holders, caps: mappedByHand(state), problems };
  for (const space of spaces.values()) {
    checkRegions(space, problems);
    checkSpace(accounts, space);
  }
  checkHandMade(accounts);
  if (state.kernel.mm.vdso !== null) holders.add(state.kernel.mm.vdso, FrameOwner.image);
  for (const image of images.values())
    for (const frame of image.frames) if (frame >= 0) holders.add(frame as FrameNumber, FrameOwner.image);
  const ranges = ramRanges(frames.owner.length, state.config.physicalMemory ?? plainMemory);
  for (const { kind, first, end } of ranges) {
    if (kind === "available" || kind === "persistent") continue;
    for (let frame = first; frame < end; frame++) holders.add(frame as FrameNumber, FrameOwner[kind]);
  }
  let own = 0;
  for (const { pages } of state.kernel.mm.stored.values())
    for (const frame of pages.values()) {
      if (frame < 0) continue;
      holders.add(frame as FrameNumber, FrameOwner.file);
      own += 1;
    }
  if (own !== state.kernel.mm.storedFrames)
    problems.push(`files are said to have ${state.kernel.mm.storedFrames} frames, and have ${own}`);
  let free = 0;
  for (let frame = 0; frame < frames.owner.length; frame++) {
    const general = frames.zones.some((zone) => zone.kind !== "persistent" && frame >= zone.first && frame < zone.end);
    if (general && frames.owner[frame] === FrameOwner.free) free += 1;
    if (frames.references[frame] !== holders.counts[frame] || frames.owner[frame] !== holders.owners[frame])
      problems.push(
        `frame ${frame}: owner ${frames.owner[frame]} with ${frames.references[frame]} references, ` +
          `held by ${holders.owners[frame]} ${holders.counts[frame]} times`,
      );
  }
  if (free !== frames.free) problems.push(`${frames.free} frames are said to be free, ${free} are`);
  checkPools(state, machine, holders, problems);
}

/** Tasks that have something in common are equal in it. */
function checkSharing(tasks: readonly Task[], problems: Problems): void {
  const shown = {
    files: ({ descriptors }: Task) => descriptors.map((each, fd) => (each === null ? "" : `${fd} ${each.closeOnExec}`)),
    directories: ({ root, directory, fileModeMask }: Task) => [root, directory, fileModeMask],
    actions: ({ signalActions }: Task) =>
      [...signalActions].map(([signal, { handler }]) => `${signal} ${handler}`).sort(),
  };
  for (const [what, show] of Object.entries(shown) as [keyof typeof shown, (task: Task) => unknown[]][]) {
    const seen = new Map<number, string>();
    for (const task of tasks) {
      const number = task.sharing[what];
      const text = JSON.stringify(show(task).filter((each) => each !== ""));
      if (number !== null && (seen.get(number) ?? text) !== text)
        problems.push(`task ${task.id} differs in its ${what}`);
      if (number !== null) seen.set(number, text);
    }
  }
}

function checkThreads({ kernel, clock }: MachineState, problems: Problems): void {
  const { tasks, threads, queues, remoteReady } = kernel.threads;
  const all = [...threads.values()];
  const { sched } = kernel;
  const harts = sched.parked.map((parked) => parked ?? sched);
  const currents = harts.flatMap(({ current }) => current ?? []);
  // Of a remote task the first thread is the client's; others are its own.
  const isClients = ({ id, task }: (typeof all)[number]): boolean =>
    tasks.get(task)?.kind === "remote" && Number(id) === Number(task);
  const isReady = all.filter(({ state }) => state === "ready");
  const isStopped = (thread: (typeof all)[number]): boolean => isHeld(tasks.get(thread.task)!, thread);
  const ready = isReady.filter((thread) => !isClients(thread) && !isStopped(thread)).map(({ id }) => id);
  // A client's thread is scheduled for the steps of a long call only.
  const scheduled = [...currents, ...harts.flatMap(({ queue }) => queue)];
  const called = isReady.filter(isClients).map(({ id }) => id);
  const stepping = called.filter((id) => scheduled.includes(id));
  same("ready threads and who is scheduled", [...ready, ...stepping], scheduled, problems);
  const others = called.filter((id) => !stepping.includes(id));
  same("clients' threads that go on", others, remoteReady, problems);
  for (const id of stepping)
    if (threads.get(id)!.call === null) problems.push(`thread ${id} is scheduled without a call`);
  const listed = [...tasks.values()].flatMap((task) => task.threads.map((id) => `${task.id}.${id}`));
  same(
    "threads and their tasks",
    all.map(({ id, task }) => `${task}.${id}`),
    listed,
    problems,
  );
  for (const { id, tracing } of all)
    if (tracing !== null && !tasks.has(tracing.tracer)) problems.push(`thread ${id} is traced by nobody`);
  checkSharing([...tasks.values()], problems);
  const live = all.filter(({ context }) => context === null).map(({ id }) => id);
  same("whose registers are in the core", live, sched.current === null ? [] : [sched.current], problems);
  if (harts.some((_, hart) => (sched.parked[hart] === null) !== (hart === sched.hart)))
    problems.push(`hart ${sched.hart} has its turn, but others are not put away`);
  for (const [hart, { current, queue: waiting }] of harts.entries())
    for (const id of [...(current === null ? [] : [current]), ...waiting]) {
      const { hart: its, affinity } = threads.get(id)!;
      if (its !== hart || (affinity & (1 << hart)) === 0) problems.push(`thread ${id} of ${its} is on hart ${hart}`);
    }
  const waits = all.flatMap(({ id, state, wait }) => (state === "blocked" ? [{ id, ...wait! }] : []));
  const waiting = waits.flatMap(({ id, ...wait }) => queuesOf(wait).map((name) => `${name}: ${id}`));
  const queued = [...queues].flatMap(([name, ids]) => ids.map((id) => `${name}: ${id}`));
  same("waits and queues", waiting, queued, problems);
  const deadlines = waits.flatMap(({ id, deadlineNs }) => (deadlineNs === null ? [] : [`${id} at ${deadlineNs}`]));
  const timers = [...kernel.threads.timers.values()].flatMap(({ id, counts, signal, dueNs }) =>
    counts === "time" && signal !== 0 && dueNs !== null ? [`timer ${id} at ${dueNs}`] : [],
  );
  const events = clock.events.map(
    ({ kind, subject, dueNs }) => `${kind === "timer" ? "timer " : ""}${subject} at ${dueNs}`,
  );
  same("deadlines, timers and events", [...deadlines, ...timers], events, problems);
}

/** Parents live, numbers are one task's or one zombie's, and jobs are those that somebody is in. */
function checkFamilies({ kernel }: MachineState, problems: Problems): void {
  const { tasks, zombies, jobs, init } = kernel.threads;
  for (const { id, parent } of [...tasks.values(), ...zombies.values()])
    if (parent !== null && !tasks.has(parent)) problems.push(`the parent ${parent} of ${id} has ended`);
  for (const id of zombies.keys()) if (tasks.has(id)) problems.push(`${id} is alive and a zombie`);
  if (init !== null && !tasks.has(init)) problems.push("init has ended");
  same("jobs and tasks", jobs.keys(), new Set([...tasks.values()].map(({ job }) => job)), problems);
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
  checkFamilies(state, problems);
  checkNamespaces(state, problems);
  checkSysv(state, problems);
  checkCapabilities(state, problems);
  return problems.slice(0, 5);
}
