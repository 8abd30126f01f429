/** What must hold of files: what they are kept in, who has them open, what is mounted; and of System V's objects. */
import type { CapState } from "../../kernel/cap/state.ts";
import { pageBytes } from "../../kernel/hal/types.ts";
import type { TaskId } from "../../kernel/lib/ids.ts";
import { limits } from "../../kernel/lib/limits.ts";
import type { MachineState } from "../../kernel/machine/state.ts";
import { descriptorSlot } from "../../kernel/vfs/descriptor-slots.ts";
import { MountFlag } from "../../kernel/vfs/mount-flags.ts";
import type { FilesState } from "../../kernel/vfs/state.ts";
import { type Problems, same } from "./problems.ts";

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

/** Files count who writes to them. */
function checkWriters({ files, mm }: MachineState["kernel"], problems: Problems): void {
  const writers = [...files.open.values()].filter(({ writer }) => writer).map(({ target }) => target);
  for (const { id, writers: said } of mm.stored.values()) {
    const found = writers.filter((target) => target.kind === "regular" && target.file === id).length;
    if (said !== found) problems.push(`file ${id} has ${found} writers, said are ${said}`);
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

export function checkFiles({ kernel }: MachineState, problems: Problems): void {
  checkSlots(kernel.cap, problems);
  const named = [...kernel.cap.slots.values()].flatMap(({ capability: c }) => (c.type === "file" ? c.file : []));
  same("capabilities to files and open files", new Set(named), kernel.files.open.keys(), problems);
  checkPipes(kernel.files, problems);
  checkWriters(kernel, problems);
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
export function checkSysv({ kernel }: MachineState, problems: Problems): void {
  const { spaces, held } = kernel.sysv;
  const found = { objects: 0, semaphores: 0, adjustments: 0, messages: 0, messageBytes: 0 };
  for (const [space, { segments, sets, queues }] of spaces) {
    // Of one that has ended there can be segments that are attached.
    if (space !== 0 && !kernel.threads.namespaces.has(space) && sets.entries.size + queues.entries.size > 0)
      problems.push(`IPC name space ${space} has ended`);
    for (const { entries } of [segments, sets, queues]) {
      found.objects += entries.size;
      for (const [index, { id }] of entries) if (id % 32768 !== index) problems.push(`object ${id} is at ${index}`);
    }
    for (const { values, undo } of sets.entries.values()) {
      found.semaphores += values.length;
      for (const own of undo.values()) found.adjustments += own.size;
    }
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
  const files = [...spaces].flatMap(([space, { segments }]) =>
    [...segments.entries.values()].map(({ file, id }) => `${file} ${space} ${id}`),
  );
  const told = [...kernel.sysv.segments].map(([file, { space, id }]) => `${file} ${space} ${id}`);
  same("segments by their files", told, files, problems);
  for (const file of kernel.sysv.segments.keys())
    if (!kernel.mm.stored.has(file)) problems.push(`segment of file ${file} has no memory`);
  for (const key of ["objects", "semaphores", "adjustments", "messages", "messageBytes"] as const)
    if (held[key] !== found[key]) problems.push(`of System V's there are ${found[key]} ${key}, said are ${held[key]}`);
}
