/**
 * /proc: the machine and its tasks as files.
 *
 * Nothing is stored. An inode's number says what it is: those of the machine's tree come first; above them each task
 * has a range, with its tree, its descriptors and its threads at places of their own.
 */
import { assert } from "../../lib/assert.ts";
import type { Errno } from "../../lib/errno.ts";
import type { InodeNumber, TaskId, ThreadId } from "../../lib/ids.ts";
import { encodeText } from "../../lib/text.ts";
import type { Task } from "../../thread/state.ts";
import { realtimeNs } from "../../time/clock.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import {
  type Attributes,
  type FilesystemOps,
  FileType,
  type Listed,
  nameOfFile,
  type Viewer,
} from "../../vfs/filesystem.ts";
import { subjectOf } from "../../vfs/permissions.ts";
import type { ProcKernel } from "./kernel.ts";
import { modeOf, type Numbered, type Target } from "./nodes.ts";
import { systemTree } from "./system.ts";
import { fdIndex, taskTree, threadsIndex, threadTree } from "./tasks.ts";

/** Numbers of a task, and places in them. */
const perTask = 2 ** 32;
const descriptorsAt = 2 ** 16;
const threadsAt = 2 ** 20;
const perThread = 16;
const firstCookie = 3;

type Found =
  | { kind: "system"; index: number }
  | { kind: "task"; task: Task; index: number }
  | { kind: "descriptor"; task: Task; fd: number }
  | { kind: "thread"; task: Task; thread: ThreadId; index: number };

const inTask = (task: Task, at: number): InodeNumber => ((task.id + 1) * perTask + at) as InodeNumber;
const threadInode = (task: Task, thread: ThreadId, index: number): InodeNumber =>
  inTask(task, threadsAt + thread * perThread + index);
const systemInode = (index: number): InodeNumber => (index + 1) as InodeNumber;

/** What a number means; null when it was about a task that has ended. */
function find(k: ProcKernel, inode: InodeNumber): Found | null {
  if (inode < perTask) return { kind: "system", index: inode - 1 };
  const task = k.threads.tasks.get((Math.floor(inode / perTask) - 1) as TaskId);
  if (task === undefined) return null;
  const at = inode % perTask;
  if (at < descriptorsAt) return { kind: "task", task, index: at };
  if (at < threadsAt) return { kind: "descriptor", task, fd: at - descriptorsAt };
  const thread = Math.floor((at - threadsAt) / perThread) as ThreadId;
  return { kind: "thread", task, thread, index: (at - threadsAt) % perThread };
}

function modeAt(found: Found): number {
  switch (found.kind) {
    case "system":
      return modeOf(systemTree[found.index]!.node);
    case "task":
      return modeOf(taskTree[found.index]!.node);
    case "descriptor":
      return FileType.symlink | 0o700;
    case "thread":
      return modeOf(threadTree[found.index]!.node);
  }
}

function attributes(k: ProcKernel, inode: InodeNumber): Attributes {
  const found = find(k, inode);
  const now = realtimeNs(k);
  const { uid, gid } = found === null || found.kind === "system" ? { uid: 0, gid: 0 } : subjectOf(found.task);
  const mode = found === null ? FileType.regular : modeAt(found);
  const links = (mode & FileType.mask) === FileType.directory ? 2 : 1;
  const times = { atimeNs: now, mtimeNs: now, ctimeNs: now };
  return { mode, uid, gid, links, size: 0, allocated: 0, device: null, ...times };
}

const isNumber = (name: string): boolean => /^(0|[1-9][0-9]{0,8})$/.test(name);

function childOf<Of>(tree: readonly Numbered<Of>[], at: number, name: string): number | null {
  return tree[at]!.children.find((index) => tree[index]!.name === name) ?? null;
}

function lookupInTask(k: ProcKernel, task: Task, at: number, name: string): InodeNumber | null {
  if (at === fdIndex)
    return isNumber(name) && fileOf(k, task, Number(name)) !== null ? inTask(task, descriptorsAt + Number(name)) : null;
  if (at === threadsIndex)
    return isNumber(name) && task.threads.includes(Number(name) as ThreadId)
      ? threadInode(task, Number(name) as ThreadId, 0)
      : null;
  const index = childOf(taskTree, at, name);
  return index === null ? null : inTask(task, index);
}

function lookup(k: ProcKernel, directory: InodeNumber, name: string): InodeNumber | null {
  const found = find(k, directory);
  if (found === null) return null;
  if (found.kind === "task") return lookupInTask(k, found.task, found.index, name);
  if (found.kind === "thread") {
    const index = childOf(threadTree, found.index, name);
    return index === null ? null : threadInode(found.task, found.thread, index);
  }
  if (found.kind !== "system") return null;
  const index = childOf(systemTree, found.index, name);
  if (index !== null) return systemInode(index);
  const task = found.index === 0 && isNumber(name) ? k.threads.tasks.get(Number(name) as TaskId) : undefined;
  return task === undefined ? null : inTask(task, 0);
}

function parent(k: ProcKernel, directory: InodeNumber): InodeNumber {
  const found = find(k, directory);
  if (found?.kind === "task" && found.index > 0) return inTask(found.task, taskTree[found.index]!.parent);
  if (found?.kind === "thread") return inTask(found.task, threadsIndex);
  return found?.kind === "system" ? systemInode(systemTree[found.index]!.parent) : systemInode(0);
}

function nameOf(k: ProcKernel, directory: InodeNumber): string | null {
  const found = find(k, directory);
  if (found === null) return null;
  if (found.kind === "thread") return String(found.thread);
  if (found.kind === "task") return found.index === 0 ? String(found.task.id) : taskTree[found.index]!.name;
  return found.kind === "system" ? systemTree[found.index]!.name : null;
}

/** All that a directory lists, in an order that stays: cookies are what the entries are numbered by. */
function entriesOf(k: ProcKernel, directory: InodeNumber): { name: string; inode: InodeNumber; cookie: number }[] {
  const found = find(k, directory);
  if (found === null || found.kind === "descriptor") return [];
  if (found.kind === "thread")
    return threadTree[found.index]!.children.map((index) => ({
      name: threadTree[index]!.name,
      inode: threadInode(found.task, found.thread, index),
      cookie: firstCookie + index,
    }));
  if (found.kind === "system") {
    const own = systemTree[found.index]!.children.map((index) => ({
      name: systemTree[index]!.name,
      inode: systemInode(index),
      cookie: firstCookie + index,
    }));
    return found.index === 0 ? [...own, ...tasksOf(k)] : own;
  }
  return entriesOfTask(k, found.task, found.index);
}

const tasksOf = (k: ProcKernel) =>
  [...k.threads.tasks.values()].map((task) => ({
    name: String(task.id),
    inode: inTask(task, 0),
    cookie: descriptorsAt + task.id,
  }));

function entriesOfTask(k: ProcKernel, task: Task, index: number) {
  if (index === fdIndex)
    return [...task.descriptors.keys()]
      .filter((fd) => fileOf(k, task, fd) !== null)
      .map((fd) => ({ name: String(fd), inode: inTask(task, descriptorsAt + fd), cookie: firstCookie + fd }));
  if (index === threadsIndex)
    return task.threads.map((id) => ({ name: String(id), inode: threadInode(task, id, 0), cookie: firstCookie + id }));
  return taskTree[index]!.children.map((at) => ({
    name: taskTree[at]!.name,
    inode: inTask(task, at),
    cookie: firstCookie + at,
  }));
}

function list(k: ProcKernel, directory: InodeNumber, behind: number, most: number): Listed[] {
  const entries = entriesOf(k, directory).filter(({ cookie }) => cookie > behind);
  return entries
    .sort((a, b) => a.cookie - b.cookie)
    .slice(0, most)
    .map((entry) => ({ ...entry, mode: attributes(k, entry.inode).mode }));
}

const anonymousKinds: Readonly<Record<string, string>> = { event: "eventfd", timer: "timerfd", epoll: "eventpoll" };

/** What an open file is called that has no name. */
function anonymousName(target: { kind: string; pipe?: number }, k: ProcKernel): string {
  if (target.kind === "pipe") return `pipe:[${k.files.pipes.get(target.pipe!)?.inode ?? 0}]`;
  return target.kind === "console" ? "/dev/console" : `anon_inode:[${anonymousKinds[target.kind] ?? target.kind}]`;
}

function descriptorLink(k: ProcKernel, task: Task, fd: number, reader: Viewer): Target | Errno {
  const open = fileOf(k, task, fd);
  if (open === null) return "ENOENT";
  const name = nameOfFile(k, reader, open);
  const { opened } = open;
  if (name === null || opened === null) return { text: anonymousName(open.target, k), place: null };
  return { text: name, place: { mount: opened.mount, inode: opened.inode } };
}

function readLink(k: ProcKernel, inode: InodeNumber, reader: Viewer): Target | Errno {
  const found = find(k, inode);
  if (found === null) return "ENOENT";
  if (found.kind === "descriptor") return descriptorLink(k, found.task, found.fd, reader);
  if (found.kind === "thread") return "EINVAL";
  if (found.kind === "system") {
    const { node } = systemTree[found.index]!;
    return node.kind === "link" ? node.target(k, null, reader) : "EINVAL";
  }
  const { node } = taskTree[found.index]!;
  return node.kind === "link" ? node.target(k, found.task, reader) : "EINVAL";
}

function generate(k: ProcKernel, inode: InodeNumber): Uint8Array | Errno {
  const found = find(k, inode);
  if (found === null || found.kind === "descriptor") return "ESRCH";
  if (found.kind === "thread" && !k.threads.threads.has(found.thread)) return "ESRCH";
  const made =
    found.kind === "system"
      ? textOf(systemTree[found.index]!, k, null)
      : textOf((found.kind === "task" ? taskTree : threadTree)[found.index]!, k, found.task);
  return typeof made === "string" ? encodeText(made) : made;
}

function textOf<Of>({ node }: Numbered<Of>, k: ProcKernel, of: Of): string | Uint8Array {
  assert(node.kind === "file", "only files are read");
  return node.text(k, of);
}

/** `k`: the whole kernel, of which the table of file systems shows less. */
export const procfs = (k: () => ProcKernel): FilesystemOps => ({
  magic: 0x9fa0,
  attributes: (_k, _fs, inode) => attributes(k(), inode),
  lookup: (_k, _fs, directory, name) => lookup(k(), directory, name),
  parent: (_k, _fs, directory) => parent(k(), directory),
  nameOf: (_k, _fs, directory) => nameOf(k(), directory),
  isEmpty: (_k, _fs, directory) => entriesOf(k(), directory).length === 0,
  list: (_k, _fs, directory, behind, most) => list(k(), directory, behind, most),
  readLink: (_k, _fs, inode, reader) => readLink(k(), inode, reader),
  open(_k, _fs, inode) {
    const found = find(k(), inode);
    if (found === null) return "ENOENT";
    const isTree = (modeAt(found) & FileType.mask) === FileType.directory;
    return isTree ? { kind: "directory" } : { kind: "generated", text: new Uint8Array(0) };
  },
  content: () => null,
  generate: (_k, _fs, inode) => generate(k(), inode),
  change: null,
});
