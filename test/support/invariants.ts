/**
 * What must hold of any machine between two steps, whatever its programs did: accounts of frames against the page
 * tables and caches that hold them, regions, threads against the queues they are in, descriptors against open files,
 * capabilities (capability-invariants.ts).
 * Everything is read from the encoded state and from RAM, as a snapshot would have it.
 */

import type { CapState } from "../../kernel/cap/state.ts";
import { PageTables, userEnd } from "../../kernel/hal/rv64/page-table.ts";
import { Permission, type PhysicalMemory, pageBytes, type WalkStep } from "../../kernel/hal/types.ts";
import { addressMap } from "../../kernel/hardware/bus/map.ts";
import type { Machine } from "../../kernel/index.ts";
import { decodePlain, encodePlain } from "../../kernel/lib/codec.ts";
import type { FrameNumber, TaskId } from "../../kernel/lib/ids.ts";
import { limits } from "../../kernel/lib/limits.ts";
import type { MachineState } from "../../kernel/machine/state.ts";
import { plainMemory, ramRanges } from "../../kernel/mm/physical.ts";
import { findRegion } from "../../kernel/mm/regions.ts";
import { FrameOwner, type Space } from "../../kernel/mm/state.ts";
import type { Task } from "../../kernel/thread/state.ts";
import { isHeld } from "../../kernel/thread/tracing.ts";
import { queuesOf } from "../../kernel/thread/wait.ts";
import { descriptorSlot } from "../../kernel/vfs/descriptor-slots.ts";
import { MountFlag } from "../../kernel/vfs/mount-flags.ts";
import type { FilesState } from "../../kernel/vfs/state.ts";
import { checkCapabilities } from "./capability-invariants.ts";
import { checkNamespaces } from "./namespace-invariants.ts";

type Problems = string[];

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
  return { frames, getWord: word, nextWord, read, write: never, setWord: never, copyOut: never, clear: never };
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

/** Sorted ids that differ are shown as lists. */
function same(what: string, left: Iterable<unknown>, right: Iterable<unknown>, problems: Problems): void {
  const [a, b] = [[...left].map(String).sort().join(" "), [...right].map(String).sort().join(" ")];
  if (a !== b) problems.push(`${what}: [${a}] and [${b}]`);
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

/** Pipes are there for as long as they are open, and count who has them open. */
function checkPipes({ pipes, open }: FilesState, problems: Problems): void {
  const ends = [...open.values()].flatMap(({ flags, target }) =>
    target.kind === "pipe" ? [{ pipe: target.pipe, reads: (flags & 3) !== 1, writes: (flags & 3) !== 0 }] : [],
  );
  same("pipes and their ends", pipes.keys(), new Set(ends.map(({ pipe }) => pipe)), problems);
  for (const [id, pipe] of pipes) {
    const own = ends.filter((end) => end.pipe === id);
    const [readers, writers] = [own.filter(({ reads }) => reads).length, own.filter(({ writes }) => writes).length];
    if (pipe.readers !== readers || pipe.writers !== writers)
      problems.push(`pipe ${id}: ${pipe.readers} readers, ${pipe.writers} writers; has ${readers} and ${writers}`);
    for (const { bytes, from } of pipe.pages)
      if (from >= bytes.length || (bytes.length > pageBytes && bytes.length % pageBytes !== 0))
        problems.push(`pipe ${id}: pages ${from} of ${bytes.length}`);
  }
}

/** A pseudo-terminal is there for as long as its master's side is open, and counts who has the slave's side. */
function checkTerminals({ files, tty }: MachineState["kernel"], problems: Problems): void {
  const targets = [...files.open.values()].map(({ target }) => target);
  const masters = targets.flatMap((target) => (target.kind === "master" ? target.pair : []));
  const ours = [...tty.hosted.values()].flatMap(({ pair }) => pair ?? []);
  same("pseudo-terminals and their masters", [...masters, ...ours], tty.pairs.keys(), problems);
  for (const [id, { slaves, generation, output }] of tty.pairs) {
    const own = targets.filter((t) => t.kind === "slave" && t.pair === id && t.generation === generation).length;
    if (own !== slaves) problems.push(`terminal ${id} is open ${own} times, and counts ${slaves}`);
    if (output.some(({ length }) => length === 0)) problems.push(`terminal ${id} has printed pieces of nothing`);
  }
}

const isInFlight = (at: number): boolean => at <= descriptorSlot(0 as TaskId, 0) && at > descriptorSlot(1 as TaskId, 0);

/** Sockets are open or wait to be accepted; what is on its way is carried by one message. */
function checkSockets({ files, cap }: MachineState["kernel"], problems: Problems): void {
  const { sockets, open, socketBytes } = files;
  const opened = [...open.values()].flatMap(({ target }) => (target.kind === "socket" ? target.socket : []));
  const pending = [...sockets.values()].flatMap((socket) => socket.pending);
  same("sockets, and those that are open or pending", [...opened, ...pending], sockets.keys(), problems);
  const queued = [...sockets.values()].flatMap(({ queue }) => queue);
  const carried = queued.flatMap((message) => message.files);
  const slots = [...cap.slots.keys()].filter(isInFlight).map((at) => descriptorSlot(0 as TaskId, 0) - at);
  // What was revoked on its way has left its number behind.
  const lost = carried.filter((number) => !slots.includes(number));
  same("files on their way and their slots", carried, [...slots, ...lost], problems);
  const bytes = queued.reduce((sum, message) => sum + message.bytes.length, 0);
  if (bytes + queued.length * limits.messageBytes !== socketBytes)
    problems.push(`sockets hold ${bytes} bytes, and count ${socketBytes}`);
  for (const [id, { queue, bytes, peer, state }] of sockets) {
    if (queue.reduce((sum, message) => sum + message.bytes.length, 0) !== bytes) problems.push(`socket ${id}: bytes`);
    if (peer !== null && (!sockets.has(peer) || state !== "connected")) problems.push(`socket ${id}: peer ${peer}`);
  }
}

/** Directories list inodes that are there, as often as those say; contents have an inode, or are orphans. */
function checkInodes({ kernel }: MachineState, problems: Problems): void {
  const named = new Set<number>();
  for (const { id, inodes, base } of kernel.files.filesystems.values()) {
    const links = new Map<number, number>();
    const count = (inode: number): number => links.set(inode, (links.get(inode) ?? 0) + 1).size;
    for (const [number, { data }] of inodes) {
      if (data.kind === "regular") named.add(data.file);
      if (data.kind !== "directory") continue;
      for (const { inode } of data.entries.values()) {
        count(inode);
        if (base === null && !inodes.has(inode)) problems.push(`${id}:${number} lists ${inode}, which is not there`);
        if (inodes.get(inode)?.data.kind === "directory") count(number);
      }
    }
    if (base !== null) continue;
    for (const [number, inode] of inodes) {
      const own = inode.data.kind === "directory" && inode.links > 0 ? (number === 1 ? 2 : 1) : 0;
      const found = (links.get(number) ?? 0) + own;
      if (inode.links !== found) problems.push(`inode ${id}:${number} says ${inode.links} links, has ${found}`);
    }
  }
  for (const { segments } of kernel.sysv.spaces.values())
    for (const { file, mode } of segments.entries.values()) if ((mode & 0o1000) === 0) named.add(file);
  const kept = [...kernel.mm.stored.values()].filter(({ orphan }) => !orphan).map((file) => Number(file.id));
  same("contents and their inodes", kept, named, problems);
}

/** Mounts are trees, one to a name space; what was detached is used; file systems are mounted, and their pages counted. */
function checkMounts({ files, mm, threads }: MachineState["kernel"], problems: Problems): void {
  const { mounts, filesystems, detached, open } = files;
  const roots = [...mounts.values()].flatMap(({ on, namespace }) =>
    on === null && namespace !== null ? namespace : [],
  );
  same(
    "roots and name spaces",
    roots,
    new Set([...mounts.values()].flatMap(({ namespace }) => namespace ?? [])),
    problems,
  );
  for (const { id, on, covers, namespace, flags } of mounts.values()) {
    if (on !== null && mounts.get(on.mount)?.covers.get(on.inode) !== id) problems.push(`mount ${id} covers nothing`);
    for (const [inode, top] of covers) {
      const above = mounts.get(top);
      if (above?.on?.mount !== id || above.on.inode !== inode || above.namespace !== namespace)
        problems.push(`mount ${id} is covered by ${top}, which does not say so`);
    }
    const stays = namespace !== null || (flags & MountFlag.locked) !== 0;
    if (on !== null && !stays) problems.push(`mount ${id} is detached, and covers something`);
  }
  const loose = [...mounts.values()].flatMap(({ id, namespace, on }) => (namespace === null && on === null ? id : []));
  same("mounts in no name space and those detached", loose, detached, problems);
  const places = [...threads.tasks.values()].flatMap(({ root, directory }) => [root, directory]);
  for (const { mount } of [...places, ...[...open.values()].flatMap(({ opened }) => opened ?? [])])
    if (!mounts.has(mount)) problems.push(`somebody is in mount ${mount}, which is not there`);
  const shown = new Set([...mounts.values()].map(({ filesystem }) => filesystem));
  const kept = [...filesystems.values()].flatMap(({ id, kind }) => (kind !== "devtmpfs" || shown.has(id) ? id : []));
  same("file systems and what mounts show", kept, shown, problems);
  for (const [id, { frames }] of mm.quotas) {
    const own = [...mm.stored.values()].filter(({ quota }) => quota === id);
    const counted = own.reduce((sum, { pages }) => sum + [...pages.values()].filter((page) => page >= 0).length, 0);
    if (counted !== frames) problems.push(`file system ${id} counts ${frames} pages, has ${counted}`);
  }
}

function checkFiles({ kernel }: MachineState, problems: Problems): void {
  checkSlots(kernel.cap, problems);
  const named = [...kernel.cap.slots.values()].flatMap(({ capability: c }) => (c.type === "file" ? c.file : []));
  same("capabilities to files and open files", new Set(named), kernel.files.open.keys(), problems);
  checkPipes(kernel.files, problems);
  checkTerminals(kernel, problems);
  checkSockets(kernel, problems);
  checkInodes({ kernel } as MachineState, problems);
  checkMounts(kernel, problems);
  const tables = [...kernel.threads.tasks.values()].flatMap(({ id, descriptors }) =>
    descriptors.flatMap((descriptor, fd) => (descriptor === null ? [] : descriptorSlot(id, fd))),
  );
  const filled = [...kernel.cap.slots.keys()].filter((at) => at <= descriptorSlot(1 as TaskId, 0));
  // Of a descriptor that was revoked only the number is left.
  const lost = new Set(tables.filter((at) => !kernel.cap.slots.has(at)));
  same(
    "descriptors and their slots",
    tables.filter((at) => !lost.has(at)),
    filled,
    problems,
  );
  const users = [...kernel.mm.spaces.values()].flatMap(({ id, users }) => Array.from({ length: users }, () => id));
  const spaces = [...kernel.threads.tasks.values()].map(({ space }) => space);
  same("users of spaces and tasks", users, spaces, problems);
}

/** System V's objects are where their ids say, and add up; nobody waits for what is there. */
function checkSysv({ kernel }: MachineState, problems: Problems): void {
  const { spaces, held } = kernel.sysv;
  const found = { objects: 0, semaphores: 0, messages: 0, messageBytes: 0 };
  for (const [space, { segments, sets, queues }] of spaces) {
    // Of one that has ended there can be segments that are attached.
    if (space !== 0 && !kernel.threads.namespaces.has(space) && sets.entries.size + queues.entries.size > 0)
      problems.push(`IPC name space ${space} has ended`);
    for (const { entries } of [segments, sets, queues]) {
      found.objects += entries.size;
      for (const [index, { id }] of entries) if (id % 32768 !== index) problems.push(`object ${id} is at ${index}`);
    }
    for (const { values } of sets.entries.values()) found.semaphores += values.length;
    for (const { id, messages, bytes, mostBytes } of queues.entries.values()) {
      const sum = messages.reduce((all, message) => all + message.bytes.length, 0);
      if (sum !== bytes) problems.push(`queue ${id} is said to have ${bytes} bytes, and has ${sum}`);
      found.messages += messages.length;
      found.messageBytes += sum;
      for (const waiting of kernel.threads.queues.get(`senders of message queue ${space}:${id}`) ?? []) {
        const { wait } = kernel.threads.threads.get(waiting)!;
        if (wait?.kind === "messageSend" && sum + wait.message.bytes.length <= mostBytes && messages.length < mostBytes)
          problems.push(`${waiting} waits with a message that fits`);
      }
    }
  }
  for (const key of ["objects", "semaphores", "messages", "messageBytes"] as const)
    if (held[key] !== found[key]) problems.push(`of System V's there are ${found[key]} ${key}, said are ${held[key]}`);
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
