/** /proc about what a process is and does: stat, status, limits, and what it is to the machine when memory runs out. */
import { pageBytes } from "../../hal/types.ts";
import { lastSignal } from "../../lib/signals.ts";
import { getSpace } from "../../mm/space.ts";
import { getThread } from "../../thread/blocking.ts";
import { numbersFrom } from "../../thread/pids.ts";
import { limitOf, Resource, softLimit, unlimited } from "../../thread/rlimits.ts";
import { policyNumbers, realTimePriority } from "../../thread/scheduling.ts";
import { signalBit } from "../../thread/signals.ts";
import type { IdKind, SignalInfo, Task, Thread } from "../../thread/state.ts";
import { overflowId, userIdIn } from "../../thread/users.ts";
import { holdersOf, type Member, ownTerminal } from "../../tty/terminal.ts";
import { slaveMajor } from "../../vfs/devices.ts";
import type { ProcKernel } from "./kernel.ts";
import { residentBy, sizesOf } from "./memory.ts";
import { idOf, nameOf, type Subject, shownId, threadOf } from "./subject.ts";

const nsPerTick = 10_000_000;
const ticks = (ns: number): number => Math.floor(ns / nsPerTick);

interface RunState {
  letter: string;
  name: string;
}

/** R: it runs or could; S: it waits; T: it was stopped; Z: it has ended. */
function stateOf(k: ProcKernel, subject: Subject): RunState {
  if (subject.kind === "zombie") return { letter: "Z", name: "Z (zombie)" };
  const { task, thread } = subject;
  if (threadOf(k, subject).tracing?.stop) return { letter: "t", name: "t (tracing stop)" };
  if (task.stopSignal !== 0) return { letter: "T", name: "T (stopped)" };
  const threads = thread === null ? task.threads.map((id) => getThread(k, id)) : [thread];
  const runs = threads.some(({ state }) => state === "ready");
  return runs ? { letter: "R", name: "R (running)" } : { letter: "S", name: "S (sleeping)" };
}

/** The number of its terminal, and who is in the foreground there; 0 and -1 for a task that has none. */
const consoleDevice = 0x501;
const firstSlave = slaveMajor << 8;

function terminalNumbers(k: ProcKernel, subject: Subject, member: Member): [number, number] {
  const id = ownTerminal(k, member);
  if (id === null) return [0, -1];
  const { foreground } = holdersOf(k, id, member);
  return [
    id === "console" ? consoleDevice : firstSlave + id,
    foreground === null ? -1 : shownId(k, subject, foreground),
  ];
}

const setOf = (pending: readonly SignalInfo[]): bigint =>
  pending.reduce((set, { signal }) => set | signalBit(signal), 0n);

/** Signals that are ignored, and those that have handlers. */
function actionsOf({ signalActions }: Task): { ignored: bigint; caught: bigint } {
  let [ignored, caught] = [0n, 0n];
  for (let signal = 1; signal <= lastSignal; signal++) {
    const handler = signalActions.get(signal)?.handler ?? 0n;
    if (handler === 1n) ignored |= signalBit(signal);
    else if (handler !== 0n) caught |= signalBit(signal);
  }
  return { ignored, caught };
}

/** As wait(2) has it. */
const exitCode = (subject: Subject): number => {
  if (subject.kind !== "zombie") return 0;
  const { status } = subject.zombie;
  return status.kind === "exited" ? status.code << 8 : status.signal;
};

/** Where what is known of the program itself lies. */
function codeOf(k: ProcKernel, task: Task): { start: number; end: number } {
  const code = getSpace(k, task.space).regions.filter(
    ({ name, permissions }) => name === task.executable && (permissions & 4) !== 0,
  );
  return { start: code[0]?.start ?? 0, end: code.at(-1)?.end ?? 0 };
}

/** Numbers 24 to 28 and 45 to 51 of stat: of memory. */
function memoryNumbers(k: ProcKernel, task: Task): { total: number; sizes: number[]; ends: number[] } {
  const { total, resident } = sizesOf(k, task);
  const space = getSpace(k, task.space);
  const code = codeOf(k, task);
  const stackStart = space.regions.findLast(({ name }) => name === "[stack]") === undefined ? 0 : space.argumentsStart;
  return {
    total,
    sizes: [Math.floor(resident / pageBytes), code.start, code.end, stackStart],
    ends: [code.end, space.heapStart, space.heapStart, space.argumentsStart, space.argumentsEnd],
  };
}

/** The low half of a set, as stat has them. */
const low = (set: bigint): bigint => set & 0x7fff_ffffn;

function liveNumbers(k: ProcKernel, task: Task, thread: Thread | null): (number | bigint)[] {
  const { total, sizes, ends } = memoryNumbers(k, task);
  const own = threadOf(k, { task, thread });
  const { ignored, caught } = actionsOf(task);
  const { nice, policy } = own.scheduling;
  const realTime = realTimePriority(own);
  const used = thread === null ? task.instructions : thread.instructions;
  const [rss, ...addresses] = sizes;
  return [
    ...[task.pageFaults, task.childUsage.pageFaults, 0, 0],
    ...[ticks(used), 0, ticks(task.childUsage.userNs), 0],
    ...[realTime > 0 ? -1 - realTime : 20 + nice, nice, task.threads.length, 0, ticks(task.startNs), total, rss!],
    ...[BigInt(softLimit(k, task, Resource.RLIMIT_RSS)), ...addresses, 0, 0],
    ...[low(setOf(own.pending)), low(own.signalMask), low(ignored), low(caught), own.state === "blocked" ? 1 : 0],
    ...[
      0,
      0,
      thread === null || thread.id === task.threads[0] ? task.exitSignal : -1,
      own.hart,
      realTime,
      policyNumbers[policy],
    ],
    ...[0, 0, 0],
    ...[...ends, ends.at(-1)!, getSpace(k, task.space).environmentEnd],
  ];
}

function zombieNumbers({ usage, exitSignal, startNs }: Extract<Subject, { kind: "zombie" }>["zombie"]): number[] {
  const none = (count: number): number[] => Array.from({ length: count }, () => 0);
  return [
    ...[usage.pageFaults, 0, 0, 0, ticks(usage.userNs), 0, 0, 0, 20, 0, 1, 0, ticks(startNs), 0, 0],
    ...[...none(13), exitSignal, ...none(13)],
  ];
}

/** proc_pid_stat(5), number by number. */
export function statistics(k: ProcKernel, subject: Subject): string {
  const member = subject.kind === "zombie" ? subject.zombie : subject.task;
  const { group, session, parent } = member;
  const numbers =
    subject.kind === "zombie" ? zombieNumbers(subject.zombie) : liveNumbers(k, subject.task, subject.thread);
  const shown = [parent, group, session].map((id) => shownId(k, subject, id));
  const ids = [...shown, ...terminalNumbers(k, subject, member), 0];
  const { letter } = stateOf(k, subject);
  return `${shownId(k, subject, idOf(subject))} (${nameOf(k, subject)}) ${letter} ${[...ids, ...numbers, exitCode(subject)].join(" ")}\n`;
}

const set64 = (set: bigint): string => set.toString(16).padStart(16, "0");
const inKib = (bytes: number): string => `${String(Math.floor(bytes / 1024)).padStart(8)} kB`;
type Row = [string, string];

function memoryRows(k: ProcKernel, task: Task): Row[] {
  const { total, locked, peak, resident, data, stack, text, libraries, tables } = sizesOf(k, task);
  const { anonymous, file } = residentBy(k, getSpace(k, task.space));
  const rows: [string, number][] = [
    ["VmPeak", total],
    ["VmSize", total],
    ["VmLck", locked],
    ["VmPin", 0],
    ["VmHWM", peak],
    ["VmRSS", resident],
    ["RssAnon", anonymous],
    ["RssFile", file],
    ["RssShmem", 0],
    ["VmData", data],
    ["VmStk", stack],
    ["VmExe", text],
    ["VmLib", libraries],
    ["VmPTE", tables],
    ["VmSwap", 0],
  ];
  return rows.map(([name, bytes]) => [name, inKib(bytes)]);
}

function signalRows(k: ProcKernel, task: Task, thread: Thread | null): Row[] {
  const own = threadOf(k, { task, thread });
  const { ignored, caught } = actionsOf(task);
  const queued = task.pending.length + task.threads.reduce((sum, id) => sum + getThread(k, id).pending.length, 0);
  const { inheritable, permitted, effective, bounding, ambient } = task.credentials.capabilities;
  return [
    ["Threads", String(task.threads.length)],
    ["SigQ", `${queued}/${limitOf(k, task, Resource.RLIMIT_SIGPENDING).soft}`],
    ["SigPnd", set64(setOf(own.pending))],
    ["ShdPnd", set64(setOf(task.pending))],
    ["SigBlk", set64(own.signalMask)],
    ["SigIgn", set64(ignored)],
    ["SigCgt", set64(caught)],
    ["CapInh", set64(inheritable)],
    ["CapPrm", set64(permitted)],
    ["CapEff", set64(effective)],
    ["CapBnd", set64(bounding)],
    ["CapAmb", set64(ambient)],
    ["NoNewPrivs", task.traits.noNewPrivileges ? "1" : "0"],
    ["Seccomp", "0"],
    ...hartRows(k, own),
  ];
}

function hartRows(k: ProcKernel, { affinity }: Thread): Row[] {
  const harts = k.sched.parked.length;
  const allowed = Array.from({ length: harts }, (_, hart) => hart).filter((hart) => affinity & (1 << hart));
  return [
    ["Cpus_allowed", (affinity & (2 ** harts - 1)).toString(16)],
    ["Cpus_allowed_list", listed(allowed)],
    ["Mems_allowed", "1"],
    ["Mems_allowed_list", "0"],
  ];
}

/** 0,1,2,5 as "0-2,5". */
function listed(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}

const userList = (k: ProcKernel, { userSpace }: Subject, kind: IdKind, ids: readonly number[]): number[] =>
  ids.map((id) => userIdIn(k, userSpace, kind, id) ?? overflowId);

type Live = Subject & { kind: "live" };
type Ended = Subject & { kind: "zombie" };

/** What it is called in the name space that is looked from, and in those below that it is in. */
function spaceRows(k: ProcKernel, { pidSpace }: Subject, ids: readonly [string, number][]): Row[] {
  return ids.map(([name, id]) => [name, numbersFrom(k, pidSpace, id).join("\t")]);
}

function liveRows(k: ProcKernel, subject: Live): Row[] {
  const { task, thread } = subject;
  const { uid, euid, suid, fsuid, gid, egid, sgid, fsgid, groups } = task.credentials;
  const id = thread?.id ?? task.id;
  return [
    ["Tgid", String(shownId(k, subject, task.id))],
    ["Ngid", "0"],
    ["Pid", String(shownId(k, subject, id))],
    ["PPid", String(shownId(k, subject, task.parent))],
    ["TracerPid", String(shownId(k, subject, threadOf(k, subject).tracing?.tracer ?? null))],
    ["Uid", userList(k, subject, "uid", [uid, euid, suid, fsuid]).join("\t")],
    ["Gid", userList(k, subject, "gid", [gid, egid, sgid, fsgid]).join("\t")],
    ["FDSize", String(Math.max(64, task.descriptors.length))],
    ["Groups", `${userList(k, subject, "gid", groups).join(" ")} `],
    ...spaceRows(k, subject, [
      ["NStgid", task.id],
      ["NSpid", id],
      ["NSpgid", task.group],
      ["NSsid", task.session],
    ]),
    ...memoryRows(k, task),
    ...signalRows(k, task, thread),
  ];
}

function zombieRows(k: ProcKernel, subject: Ended): Row[] {
  const { id, parent, userId, group, session } = subject.zombie;
  const pid = String(shownId(k, subject, id));
  const [shown] = userList(k, subject, "uid", [userId]);
  const ids = Array.from({ length: 4 }, () => shown).join("\t");
  return [
    ["Tgid", pid],
    ["Ngid", "0"],
    ["Pid", pid],
    ["PPid", String(shownId(k, subject, parent))],
    ["TracerPid", "0"],
    ["Uid", ids],
    ["Gid", ids],
    ["FDSize", "0"],
    ["Groups", " "],
    ...spaceRows(k, subject, [
      ["NStgid", id],
      ["NSpid", id],
      ["NSpgid", group],
      ["NSsid", session],
    ]),
    ["Threads", "1"],
  ];
}

/** proc_pid_status(5) */
export function status(k: ProcKernel, subject: Subject): string {
  const mask: Row[] =
    subject.kind === "live" ? [["Umask", subject.task.fileModeMask.toString(8).padStart(4, "0")]] : [];
  const rows: Row[] = [
    ["Name", nameOf(k, subject)],
    ...mask,
    ["State", stateOf(k, subject).name],
    ...(subject.kind === "live" ? liveRows(k, subject) : zombieRows(k, subject)),
  ];
  return rows.map(([name, value]) => `${name}:\t${value}\n`).join("");
}

const limitRows: readonly [string, number, string][] = [
  ["Max cpu time", Resource.RLIMIT_CPU, "seconds"],
  ["Max file size", Resource.RLIMIT_FSIZE, "bytes"],
  ["Max data size", Resource.RLIMIT_DATA, "bytes"],
  ["Max stack size", Resource.RLIMIT_STACK, "bytes"],
  ["Max core file size", Resource.RLIMIT_CORE, "bytes"],
  ["Max resident set", Resource.RLIMIT_RSS, "bytes"],
  ["Max processes", Resource.RLIMIT_NPROC, "processes"],
  ["Max open files", Resource.RLIMIT_NOFILE, "files"],
  ["Max locked memory", Resource.RLIMIT_MEMLOCK, "bytes"],
  ["Max address space", Resource.RLIMIT_AS, "bytes"],
  ["Max file locks", Resource.RLIMIT_LOCKS, "locks"],
  ["Max pending signals", Resource.RLIMIT_SIGPENDING, "signals"],
  ["Max msgqueue size", Resource.RLIMIT_MSGQUEUE, "bytes"],
  ["Max nice priority", Resource.RLIMIT_NICE, ""],
  ["Max realtime priority", Resource.RLIMIT_RTPRIO, ""],
  ["Max realtime timeout", Resource.RLIMIT_RTTIME, "us"],
];

export function limitLines(k: ProcKernel, task: Task): string {
  const shown = (limit: bigint): string => (limit === unlimited ? "unlimited" : String(limit));
  const line = (name: string, soft: string, hard: string, unit: string): string =>
    `${name.padEnd(26)}${soft.padEnd(21)}${hard.padEnd(21)}${unit === "" ? "" : unit.padEnd(10)}\n`;
  const lines = limitRows.map(([name, resource, unit]) => {
    const { soft, hard } = limitOf(k, task, resource);
    return line(name, shown(soft), shown(hard), unit);
  });
  return line("Limit", "Soft Limit", "Hard Limit", "Units") + lines.join("");
}

/** How likely it is to go when memory runs out (thread/victim.ts): its share of all, in thousandths. */
export function oomScore(k: ProcKernel, task: Task): string {
  const { residentFrames } = getSpace(k, task.space);
  return `${Math.floor((1000 * residentFrames) / k.mm.frames.total)}\n`;
}

/** Children that the task has, by number. */
export function childrenOf(k: ProcKernel, subject: Subject): string {
  if (subject.kind === "zombie") return "";
  const { task } = subject;
  const ids = [...k.threads.tasks.values(), ...k.threads.zombies.values()]
    .filter(({ parent }) => parent === task.id)
    .map(({ id }) => `${shownId(k, subject, id)} `);
  return ids.join("");
}
