/**
 * States of older releases, brought up to date when a snapshot is loaded.
 *
 * When a change to the state cannot be read as it stands (a field that old states lack is such a change), add a row
 * that turns a state of version n into one of version n + 1. Rows stay for as long as snapshots of their
 * version may exist; with a release goes a snapshot of its version into test/golden, to be loaded ever after.
 */
import { encodePlain } from "../lib/codec.ts";
import { SnapshotFormatError } from "./errors.ts";
import { filesBecomeInodes } from "./migrate-files.ts";
import { addPools, type KernelWithoutPools } from "./pools.ts";
import { decoded } from "./root.ts";
import { version5 } from "./version-5.ts";
import { version6 } from "./version-6.ts";
import { version7 } from "./version-7.ts";

/** A state as decoded: a record with a version. */
export type AnyState = Record<string, unknown> & { version: number };
/** Returns the next version's state; may change its argument. */
export type Migration = (state: AnyState) => AnyState;

interface KernelOfVersion1 {
  mm: { frames: { owner: Uint8Array; free: number; next?: number; zones: unknown } };
  threads: { threads: Map<number, object>; tasks: Map<number, { descriptors: ({ file?: number } | null)[] }> };
  files: { open: Map<number, { references?: number }> };
}

interface KernelOfVersion2 {
  threads: { threads: Map<number, { wait: { kind: string; queue: string | null; deadlineNs: number | null } | null }> };
}

/**
 * Version 2 has zones of frames, each with an allocator; version 1 had the owners and a place to search on from.
 * Version 2 has capabilities; in version 1 nobody had any, all threads were equal, and descriptors named their files.
 */
function zonesAndCapabilities(state: AnyState): AnyState {
  const kernel = state["kernel"] as KernelOfVersion1;
  zonesOfFrames(kernel);
  for (const thread of kernel.threads.threads.values()) Object.assign(thread, { priority: 255, tcb: null });
  const cap = { slots: capabilitiesToFiles(kernel), graves: [], nextGrave: -1 };
  const sel4 = {
    tcbs: new Map(),
    notifications: new Map(),
    worlds: new Map(),
    asidPools: new Map(),
    irqs: new Map(),
    vspaces: new Map(),
  };
  Object.assign(kernel, { cap, sel4 });
  return state;
}

/** Of the descriptors of one file the first has the original, the others have copies. */
function capabilitiesToFiles({ threads, files }: KernelOfVersion1): Map<number, object> {
  const slots = new Map<number, { capability: object; next: number | null }>();
  const latest = new Map<number, number>();
  for (const [task, { descriptors }] of threads.tasks) {
    for (const [fd, descriptor] of descriptors.entries()) {
      if (descriptor === null) continue;
      const file = descriptor.file!;
      const at = -(2 ** 41) - task * 2 ** 20 - fd;
      const previous = latest.get(file) ?? null;
      const original = previous === null;
      const slot = { capability: { type: "file", file }, previous, next: null };
      slots.set(at, Object.assign(slot, { revocable: original, firstBadged: original }));
      if (previous !== null) slots.get(previous)!.next = at;
      latest.set(file, at);
      delete descriptor.file;
    }
  }
  for (const file of files.open.values()) delete file.references;
  return slots;
}

function zonesOfFrames({ mm }: KernelOfVersion1): void {
  const { owner, free, next } = mm.frames;
  const end = owner.length;
  const bits = new Uint32Array(Math.ceil(end / 32));
  for (let frame = 0; frame < end; frame++) if (owner[frame] === 0) bits[frame >>> 5]! |= 1 << (frame & 31);
  const allocator = { kind: "bitmap", first: 0, end, free: bits, next };
  Object.assign(mm.frames, { total: end, zones: [{ kind: "normal", first: 0, end, free, allocator }] });
  delete mm.frames.next;
}

interface TaskOfVersion2 {
  id: number;
  instructions: number;
  outputBytes: number;
  limits?: object;
}

/** Before there were processes, every task was the host's, by itself, and user 1000's. */
function families(state: AnyState): void {
  const { threads, mm } = state["kernel"] as {
    threads: { tasks: Map<number, TaskOfVersion2> };
    mm: { spaces: Map<number, object> };
  };
  const jobs = new Map<number, object>();
  const user = { uid: 1000, euid: 1000, suid: 1000, fsuid: 1000, gid: 1000, egid: 1000, sgid: 1000, fsgid: 1000 };
  for (const task of threads.tasks.values()) {
    const { id, instructions, outputBytes, limits } = task;
    jobs.set(id, { limits, instructions, outputBytes });
    delete task.limits;
    const childUsage = { userNs: 0, peakFrames: 0, pageFaults: 0 };
    const alone = { job: id, parent: null, exitSignal: 17, group: id, session: id, executed: false, childUsage };
    Object.assign(task, alone, { credentials: { ...user, groups: [] } });
  }
  for (const space of mm.spaces.values()) Object.assign(space, { users: 1 });
  Object.assign(threads, { zombies: new Map(), jobs, init: null });
}

/** A poll waits in any number of queues. */
function polls(state: AnyState): void {
  const { threads } = state["kernel"] as KernelOfVersion2;
  for (const { wait } of threads.threads.values()) {
    if (wait?.kind === "poll")
      Object.assign(wait, { queues: wait.queue === null ? [] : [wait.queue], queue: null, untilNs: wait.deadlineNs });
  }
}

/** A thread that waits for a message says whether somebody wrote its registers meanwhile. */
function waitsThatCanBeRedirected(state: AnyState): void {
  const { threads } = state["kernel"] as KernelOfVersion2;
  for (const { wait } of threads.threads.values())
    if (wait !== null && ["send", "receive", "reply", "signal"].includes(wait.kind))
      Object.assign(wait, { redirected: false });
}

interface SpaceOfVersion2 {
  mapTop: number;
  regions: { start: number }[];
}

/** Handlers run: signals are pending one by one, and every program has the page that handlers return to. */
function handlers(state: AnyState): void {
  const { threads, mm } = state["kernel"] as {
    threads: {
      tasks: Map<number, { kind: string; space: number }>;
      threads: Map<number, { pendingSignals?: bigint; wait: { kind: string } | null }>;
    };
    mm: { spaces: Map<number, SpaceOfVersion2> };
  };
  for (const task of threads.tasks.values()) {
    Object.assign(task, { pending: [], stopSignal: 0, timerDue: null, change: null, resourceLimits: new Map() });
    const traits = { nice: 0, dumpable: true, noNewPrivileges: false, subreaper: false, deathSignal: 0, persona: 0 };
    Object.assign(task, { traits });
    if (task.kind === "program") addVdso(mm.spaces.get(task.space)!);
  }
  for (const thread of threads.threads.values()) {
    const pending: object[] = [];
    for (let signal = 1; signal <= 64; signal++)
      if (((thread.pendingSignals ?? 0n) >> BigInt(signal - 1)) & 1n)
        pending.push({ signal, code: 0, detail: { kind: "sender", pid: 0, uid: 1000, value: 0n } });
    delete thread.pendingSignals;
    Object.assign(thread, {
      robustList: 0n,
      pending,
      savedMask: null,
      signalStack: { address: 0n, flags: 0, size: 0n },
    });
    if (thread.wait?.kind === "sleep") Object.assign(thread.wait, { remaining: 0n });
  }
  Object.assign(mm, { vdso: null });
  Object.assign(threads, { timers: new Map(), nextTimer: 1 });
  Object.assign(state["kernel"] as object, {
    tty: { console: rawTerminal(), pairs: new Map(), hosted: new Map(), nextGeneration: 1 },
  });
}

const rawTerminal = (): object => ({
  settings: {
    input: 0,
    output: 0,
    control: 0o277,
    local: 0,
    discipline: 0,
    characters: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
  },
  rows: 24,
  columns: 80,
  session: null,
  foreground: null,
  lines: [],
  typed: new Uint8Array(0),
  literal: false,
  suspended: false,
  column: 0,
  lineColumn: 0,
});

function addVdso({ mapTop, regions }: SpaceOfVersion2): void {
  const region = { start: mapTop, end: mapTop + 4096, permissions: 5, backing: { kind: "vdso" }, name: "[vdso]" };
  const at = regions.findIndex(({ start }) => start > mapTop);
  regions.splice(at < 0 ? regions.length : at, 0, region);
}

/** There was one hart, and every thread was on it; who left it lost the rest of its turn. */
function harts(state: AnyState): void {
  const { sched, threads } = state["kernel"] as { sched: object; threads: { threads: Map<number, object> } };
  const { instructions } = state["clock"] as { instructions: number };
  const usage = [{ executed: instructions, stolen: 0 }];
  Object.assign(sched, { hart: 0, turnLeft: 0, handTo: null, parked: [null], usage });
  for (const thread of threads.threads.values()) Object.assign(thread, { hart: 0, affinity: 255, quantumLeft: 0 });
}

/** Limits bounded nothing, stacks were there whole, timers counted all threads of a task. */
function processes(state: AnyState): void {
  const { threads, mm } = state["kernel"] as {
    threads: { tasks: Map<number, object>; threads: Map<number, object>; timers: Map<number, object> };
    mm: { spaces: Map<number, { argumentsEnd: number }> };
  };
  for (const thread of threads.threads.values()) Object.assign(thread, { timerDue: null, tracing: null });
  for (const task of threads.tasks.values()) {
    const sharing = { files: null, directories: null, actions: null };
    Object.assign(task, { namespaces: { uts: 0, ipc: 0 }, sharing });
  }
  Object.assign(threads, { tracedEnds: [], machineNames: new Map(), nextNamespace: 1, nextSharing: 1 });
  for (const timer of threads.timers.values()) Object.assign(timer, { counted: null });
  const bounds = { total: Number.MAX_SAFE_INTEGER, data: Number.MAX_SAFE_INTEGER, stack: 8 * 2 ** 20 };
  for (const space of mm.spaces.values()) {
    const { argumentsEnd: environmentEnd } = space;
    Object.assign(space, { bounds: { ...bounds }, locksNew: "no", environmentEnd, auxiliary: new Uint8Array(0) });
  }
}

/** A 16550A as it is when nobody has touched it. */
const untouchedPort = {
  registers: {
    ...{ fifo: [], interruptEnable: 0, fifoControl: 0, lineControl: 0, modemControl: 0, modemDelta: 0, scratch: 0 },
    ...{ divisor: 12, transmitterEmptied: false, timedOut: false, overrun: false },
  },
  driven: false,
  raised: false,
};

/** A zombie was always in a grave, and all graves were one list; now they are emptied when their memory is revoked. */
function zombies(state: AnyState): void {
  const { cap } = state["kernel"] as {
    cap: { slots: Map<number, { capability: { type: string } }>; graves?: number[] };
  };
  for (const { capability } of cap.slots.values())
    if (capability.type === "zombie") Object.assign(capability, { graves: [] });
  delete cap.graves;
}

/** What a state of version 2 needs to be one of version 3, a step for each thing that came. */
const version3: readonly ((state: AnyState) => void)[] = [
  zombies,
  polls,
  waitsThatCanBeRedirected,
  families,
  (state) => filesBecomeInodes(state as unknown as Parameters<typeof filesBecomeInodes>[0]),
  handlers,
  // Timing could not be modelled.
  (state) => Object.assign(state["hardware"] as object, { timing: null }),
  // All machines ran the kernel of ours.
  (state) => Object.assign(state["hardware"] as object, { bare: null }),
  (state) => addPools(state["kernel"] as KernelWithoutPools),
  harts,
  processes,
  // No machine had a first program.
  (state) => Object.assign(state["control"] as object, { bootProblem: null }),
  // Nobody could touch the serial port's registers.
  (state) => Object.assign(state["hardware"] as object, { port: untouchedPort }),
];

/** What a state of version 3 needs to be one of version 4, a step for each thing that came. */
const version4: readonly ((state: AnyState) => void)[] = [
  capabilitiesOfUsers,
  filesOfMemory,
  // Nobody could watch files.
  (state) =>
    Object.assign((state["kernel"] as { files: object }).files, {
      notify: { watched: new Map(), queued: 0, cookie: 0 },
    }),
];

/** Root could do everything, and others nothing; and who is root by another id than the effective one can go back. */
function capabilitiesOfUsers(state: AnyState): void {
  type Ids = Record<"uid" | "euid" | "suid", number>;
  const { threads } = state["kernel"] as { threads: { tasks: Map<number, { credentials: Ids }> } };
  const every = 2n ** 41n - 1n;
  for (const { credentials } of threads.tasks.values()) {
    const { uid, euid, suid } = credentials;
    const [permitted, effective] = [[uid, euid, suid].includes(0) ? every : 0n, euid === 0 ? every : 0n];
    const sets = { inheritable: 0n, permitted, effective, bounding: every, ambient: 0n };
    Object.assign(credentials, { capabilities: { ...sets, secureBits: 0 } });
  }
}

interface FilesOfTasks {
  threads: { tasks: Map<number, { space: number }> };
  files: { open: Map<number, { opened: { inode: number } | null; target: { kind: string; task?: number } }> };
}

/** Files of /proc that tell of a process's memory looked it up each time; each process's are numbered from here on. */
function filesOfMemory(state: AnyState): void {
  const { threads, files } = state["kernel"] as FilesOfTasks;
  for (const { opened, target } of files.open.values()) {
    if (target.kind !== "memory" && target.kind !== "generated") continue;
    const task = target.task ?? Math.floor((opened?.inode ?? 0) / 2 ** 32) - 1;
    Object.assign(target, { space: threads.tasks.get(task)?.space ?? null });
    delete target.task;
  }
}

const inSteps =
  (steps: readonly ((state: AnyState) => void)[]): Migration =>
  (state) => {
    for (const step of steps) step(state);
    return state;
  };

/** Row i leads from version i + 1 to version i + 2. */
export const migrations: readonly Migration[] = [
  zonesAndCapabilities,
  inSteps(version3),
  inSteps(version4),
  inSteps(version5),
  inSteps(version6),
  inSteps(version7),
];

/** The state blob, made current. Bytes that are current already come back as they are. */
export function migrateState(hash: string, bytes: Uint8Array, rows: readonly Migration[] = migrations): Uint8Array {
  const current = rows.length + 1;
  let state = decoded(hash, bytes) as AnyState;
  const version: unknown = typeof state === "object" && state !== null ? state.version : undefined;
  if (typeof version !== "number" || !Number.isInteger(version) || version < 1) {
    throw new SnapshotFormatError("corrupt", hash, `state ${hash} has no version`);
  }
  if (version > current) {
    const message = `the state has version ${version}; this release reads versions up to ${current}`;
    throw new SnapshotFormatError("incompatible", hash, message);
  }
  if (version === current) return bytes;
  for (const migrate of rows.slice(version - 1)) state = { ...migrate(state), version: state.version + 1 };
  return encodePlain(state);
}
