/** /proc about a task: what ps, top and the C library read of it. */
import { pageBytes } from "../../hal/types.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { getSpace } from "../../mm/space.ts";
import type { Region, Space } from "../../mm/state.ts";
import { peek } from "../../mm/user.ts";
import { getThread } from "../../thread/blocking.ts";
import type { Place, Task } from "../../thread/state.ts";
import { controllingTerminal, terminalOf } from "../../tty/terminal.ts";
import { slaveMajor } from "../../vfs/devices.ts";
import { filesystemOf, getMount, pathOf, type Viewer } from "../../vfs/filesystem.ts";
import { findPlace } from "../../vfs/walk.ts";
import type { ProcKernel } from "./kernel.ts";
import { directory, file, link, number, type Target } from "./nodes.ts";

const nsPerTick = 10_000_000;

/** Virtual memory and what of it has frames, in bytes. */
function sizes(k: ProcKernel, { space: id }: Task): { total: number; resident: number } {
  const space = getSpace(k, id);
  const total = space.regions.reduce((sum, { start, end }) => sum + end - start, 0);
  return { total, resident: (space.residentFrames - space.tableFrames) * pageBytes };
}

/** R: it runs or could; S: it waits; T: it was stopped. */
function stateOf(k: ProcKernel, task: Task): { letter: string; name: string } {
  if (task.stopSignal !== 0) return { letter: "T", name: "T (stopped)" };
  const runs = task.threads.some((id) => getThread(k, id).state === "ready");
  return runs ? { letter: "R", name: "R (running)" } : { letter: "S", name: "S (sleeping)" };
}

/** The number of its terminal, and who is in the foreground there; 0 and -1 for a task that has none. */
const consoleDevice = 0x501;
const firstSlave = slaveMajor << 8;

function terminalNumbers(k: ProcKernel, task: Task): [number, number] {
  const id = controllingTerminal(k, task.session);
  if (id === null) return [0, -1];
  return [id === "console" ? consoleDevice : firstSlave + id, terminalOf(k, id).foreground ?? -1];
}

const shortName = (name: string): string => name.slice(0, 15);

function statistics(k: ProcKernel, task: Task): string {
  const { total, resident } = sizes(k, task);
  const space = getSpace(k, task.space);
  const ids = [task.parent ?? 0, task.group, task.session, ...terminalNumbers(k, task)];
  const faults = [0, task.pageFaults, 0, 0, 0];
  const times = [Math.floor(task.instructions / nsPerTick), 0, 0, 0];
  const threads = [20, 0, task.threads.length, 0];
  const began = Math.floor(task.startNs / nsPerTick);
  const memory = [total, Math.floor(resident / pageBytes), "18446744073709551615"];
  const addresses = [0, 0, space.mapTop, 0, 0];
  const rest = [0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, space.heapStart, space.heapStart, space.heapEnd];
  const ends = [space.argumentsStart, space.argumentsEnd, 0, 0, 0];
  const numbers = [...ids, ...faults, ...times, ...threads, began, ...memory, ...addresses, ...rest, ...ends];
  return `${task.id} (${shortName(task.name)}) ${stateOf(k, task).letter} ${numbers.join(" ")}\n`;
}

function status(k: ProcKernel, task: Task): string {
  const { total, resident } = sizes(k, task);
  const { uid, euid, suid, fsuid, gid, egid, sgid, fsgid, groups } = task.credentials;
  const kib = (bytes: number): string => `${String(Math.floor(bytes / 1024)).padStart(8)} kB`;
  const rows: [string, string][] = [
    ["Name", shortName(task.name)],
    ["Umask", task.fileModeMask.toString(8).padStart(4, "0")],
    ["State", stateOf(k, task).name],
    ["Tgid", String(task.id)],
    ["Ngid", "0"],
    ["Pid", String(task.id)],
    ["PPid", String(task.parent ?? 0)],
    ["TracerPid", "0"],
    ["Uid", [uid, euid, suid, fsuid].join("\t")],
    ["Gid", [gid, egid, sgid, fsgid].join("\t")],
    ["FDSize", String(Math.max(64, task.descriptors.length))],
    ["Groups", groups.join(" ")],
    ["VmPeak", kib(total)],
    ["VmSize", kib(total)],
    ["VmHWM", kib(getSpace(k, task.space).peakFrames * pageBytes)],
    ["VmRSS", kib(resident)],
    ["VmStk", kib(limits.stackBytes)],
    ["Threads", String(task.threads.length)],
  ];
  return rows.map(([name, value]) => `${name}:\t${value}\n`).join("");
}

function memory(k: ProcKernel, task: Task): string {
  const { total, resident } = sizes(k, task);
  return `${total / pageBytes} ${resident / pageBytes} 0 0 0 ${total / pageBytes} 0\n`;
}

const hex = (value: number): string => value.toString(16).padStart(8, "0");

function mapLine(k: ProcKernel, { start, end, permissions, backing, name }: Region): string {
  const shared = backing.kind === "file" && backing.shared ? "s" : "p";
  const letters = ["r", "w", "x"].map((letter, bit) => (permissions & (1 << bit) ? letter : "-")).join("");
  const offset = backing.kind === "file" ? backing.offset : 0;
  const isFile = backing.kind === "file" && k.mm.stored.has(backing.file);
  const where = `${hex(start)}-${hex(end)} ${letters}${shared} ${hex(offset)} 00:00 ${isFile ? backing.file : 0}`;
  return name === "" ? `${where}\n` : `${where.padEnd(72)} ${name}\n`;
}

const maps = (k: ProcKernel, task: Task): string =>
  getSpace(k, task.space)
    .regions.map((region) => mapLine(k, region))
    .join("");

/** Of a task's memory what lies between two addresses; nothing where it is not there. */
const textAt = (k: ProcKernel, space: Space, start: number, end: number): Uint8Array =>
  peek(k, space, start, Math.max(0, Math.min(end - start, limits.argumentBytes))) ?? new Uint8Array(0);

function commandLine(k: ProcKernel, task: Task): Uint8Array {
  const space = getSpace(k, task.space);
  return textAt(k, space, space.argumentsStart, space.argumentsEnd);
}

function mountLines(
  k: ProcKernel,
  task: Task,
): { id: number; parent: number; path: string; kind: string; source: string }[] {
  return [...k.files.mounts.values()].flatMap(({ id, on }) => {
    const path = on === null ? "/" : pathOf(k, task, on);
    const { kind, source } = filesystemOf(k, id);
    return path === null ? [] : [{ id, parent: on === null ? id : getMount(k, on.mount).id, path, kind, source }];
  });
}

const mounts = (k: ProcKernel, task: Task): string =>
  mountLines(k, task)
    .map(({ path, kind, source }) => `${source} ${path} ${kind} rw,relatime 0 0\n`)
    .join("");

const mountInfo = (k: ProcKernel, task: Task): string =>
  mountLines(k, task)
    .map(
      ({ id, parent, path, kind, source }) =>
        `${id} ${parent} 0:${0x14 + id} / ${path} rw,relatime - ${kind} ${source} rw\n`,
    )
    .join("");

const to = (k: ProcKernel, reader: Viewer, place: Place): Target => ({
  text: pathOf(k, reader, place) ?? "(unreachable)/",
  place,
});

/** The program's file by the name that it was started by. */
function executable(k: ProcKernel, task: Task): Target | Errno {
  if (task.executable === "") return "ENOENT";
  const found = findPlace(k, task, task.root, task.executable);
  return { text: task.executable, place: "errno" in found ? null : found.place };
}

const limitLines = (k: ProcKernel): string => {
  const row = (name: string, value: string, unit: string): string =>
    `${name.padEnd(26)}${value.padEnd(21)}${value.padEnd(21)}${unit.padEnd(10)}\n`;
  return [
    `${"Limit".padEnd(26)}${"Soft Limit".padEnd(21)}${"Hard Limit".padEnd(21)}${"Units".padEnd(10)}\n`,
    row("Max stack size", String(limits.stackBytes), "bytes"),
    row("Max processes", String(k.config.limits.threads), "processes"),
    row("Max open files", String(limits.descriptors), "files"),
  ].join("");
};

export const taskTree = number<Task>(
  directory<Task>({
    cmdline: file(commandLine),
    comm: file((_k, task) => `${shortName(task.name)}\n`),
    cwd: link((k, task, reader) => to(k, reader, task.directory)),
    environ: file(() => "", 0o400),
    exe: link((k, task) => executable(k, task)),
    fd: directory({}, 0o500),
    limits: file((k) => limitLines(k)),
    maps: file(maps),
    mountinfo: file(mountInfo),
    mounts: file(mounts),
    oom_score_adj: file(() => "0\n"),
    root: link((k, task, reader) => to(k, reader, task.root)),
    stat: file(statistics),
    statm: file(memory),
    status: file(status),
    task: directory({}),
    wchan: file(() => "0"),
  }),
);

export const fdIndex = taskTree.findIndex(({ name }) => name === "fd");
export const threadsIndex = taskTree.findIndex(({ name }) => name === "task");

/** What a thread's own folder has of it. */
export const threadTree = number<Task>(
  directory<Task>({
    comm: file((_k, task) => `${shortName(task.name)}\n`),
    stat: file(statistics),
    status: file(status),
  }),
);
