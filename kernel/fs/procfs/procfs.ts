/**
 * /proc: the machine and its tasks as files.
 *
 * Nothing is stored. An inode's number says what it is: those of the machine's tree come first; above them each task
 * has a range, with its tree, its descriptors and its threads at places of their own.
 */

import { assert } from "../../lib/assert.ts";
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import type { InodeNumber, SpaceId, TaskId, ThreadId } from "../../lib/ids.ts";
import { encodeText } from "../../lib/text.ts";
import { isNamespaceInode } from "../../ns/namespaces.ts";
import { mayInspect } from "../../thread/credentials.ts";
import { idIn, numberIn, numbersFrom } from "../../thread/pids.ts";
import type { Task } from "../../thread/state.ts";
import { realtimeNs } from "../../time/clock.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import {
  type Attributes,
  type FilesystemOps,
  FileType,
  type GeneratedFor,
  type Listed,
  nameOfFile,
  type Viewer,
} from "../../vfs/filesystem.ts";
import { getSocket } from "../../vfs/sockets.ts";
import type { OpenTarget } from "../../vfs/state.ts";
import type { ProcKernel } from "./kernel.ts";
import { type NamespaceFile, namespaceAt, namespaceName } from "./namespaces.ts";
import { modeOf, type Numbered, type Target } from "./nodes.ts";
import type { Subject } from "./subject.ts";
import { systemTree } from "./system.ts";
import { fdIndex, fdInfoIndex, taskTree, threadsIndex, threadTree } from "./tasks.ts";

/** Numbers of a task, and places in them. */
const perTask = 2 ** 32;
const descriptorsAt = 2 ** 16;
const descriptorInfosAt = 2 ** 19;
const threadsAt = 2 ** 20;
const perThread = 64;
const firstCookie = 3;

type Found =
  | { kind: "system"; index: number }
  | NamespaceFile
  | { kind: "process"; id: TaskId; subject: Subject; index: number }
  | { kind: "descriptor"; task: Task; fd: number }
  | { kind: "descriptorInfo"; task: Task; fd: number }
  | { kind: "thread"; task: Task; thread: ThreadId; index: number };

const inTask = (task: TaskId, at: number): InodeNumber => ((task + 1) * perTask + at) as InodeNumber;
const threadInode = (task: Task, thread: ThreadId, index: number): InodeNumber =>
  inTask(task.id, threadsAt + thread * perThread + index);
const systemInode = (index: number): InodeNumber => (index + 1) as InodeNumber;

/** A process that lives, or has ended and was not waited for yet, if it is to be seen. */
function processOf(k: ProcKernel, pidSpace: number, id: TaskId): Subject | null {
  if (numberIn(k, pidSpace, id) === 0) return null;
  const task = k.threads.tasks.get(id);
  if (task !== undefined) return { kind: "live", task, thread: null, pidSpace, userSpace: 0 };
  const zombie = k.threads.zombies.get(id);
  return zombie === undefined ? null : { kind: "zombie", zombie, pidSpace, userSpace: 0 };
}

/** What a number means; null when it was about a task that is no more. */
function find(k: ProcKernel, pidSpace: number, inode: InodeNumber): Found | null {
  if (isNamespaceInode(inode)) return namespaceAt(k, inode);
  if (inode < perTask) return { kind: "system", index: inode - 1 };
  const id = (Math.floor(inode / perTask) - 1) as TaskId;
  const subject = processOf(k, pidSpace, id);
  if (subject === null) return null;
  const at = inode % perTask;
  if (at < descriptorsAt) return { kind: "process", id, subject, index: at };
  if (subject.kind === "zombie") return null;
  const { task } = subject;
  if (at < descriptorInfosAt) return { kind: "descriptor", task, fd: at - descriptorsAt };
  if (at < threadsAt) return { kind: "descriptorInfo", task, fd: at - descriptorInfosAt };
  const thread = Math.floor((at - threadsAt) / perThread) as ThreadId;
  return { kind: "thread", task, thread, index: (at - threadsAt) % perThread };
}

function modeAt(found: Found): number {
  switch (found.kind) {
    case "system":
      return modeOf(systemTree[found.index]!.node);
    case "process":
      return modeOf(taskTree[found.index]!.node);
    case "descriptor":
      return FileType.symlink | 0o700;
    case "descriptorInfo":
    case "namespace":
      return FileType.regular | 0o444;
    case "thread":
      return modeOf(threadTree[found.index]!.node);
  }
}

/** A folder that anybody may list. */
const openFolder = FileType.directory | 0o555;

/** The process that a file is about, as long as it lives. */
function taskOf(found: Found): Task | null {
  if (found.kind === "system" || found.kind === "namespace") return null;
  if (found.kind !== "process") return found.task;
  return found.subject.kind === "live" ? found.subject.task : null;
}

/** Whose a file is: its process's user's; but root's if nobody is to look into that and the file is not open to all. */
function ownerOf(found: Found | null, mode: number): { uid: number; gid: number } {
  const none = { uid: 0, gid: 0 };
  if (found === null) return none;
  if (found.kind === "process" && found.subject.kind === "zombie") {
    const { userId } = found.subject.zombie;
    return { uid: userId, gid: userId };
  }
  const task = taskOf(found);
  if (task === null || !(task.traits.dumpable || mode === openFolder)) return none;
  return { uid: task.credentials.euid, gid: task.credentials.egid };
}

/** ptrace(2), PTRACE_MODE_READ_FSCREDS. What is about no process that lives has nothing to hide. */
function mayLook(k: ProcKernel, found: Found, viewer: Viewer): boolean {
  const task = taskOf(found);
  return task === null || mayInspect(k, viewer, task, "ids of files");
}

/** Its own descriptors a process may always list, and what is told of them is for those only who may look into it. */
function permits(k: ProcKernel, pidSpace: number, inode: InodeNumber, viewer: Viewer): boolean | null {
  const found = find(k, pidSpace, inode);
  if (found?.kind === "descriptorInfo") return mayLook(k, found, viewer) ? null : false;
  if (found?.kind !== "process") return null;
  if (found.index === fdIndex) return viewer.id === found.id ? true : null;
  return found.index === fdInfoIndex && !mayLook(k, found, viewer) ? false : null;
}

function attributes(k: ProcKernel, pidSpace: number, inode: InodeNumber): Attributes {
  const found = find(k, pidSpace, inode);
  const now = realtimeNs(k);
  const mode = found === null ? FileType.regular : modeAt(found);
  const { uid, gid } = ownerOf(found, mode);
  const links = (mode & FileType.mask) === FileType.directory ? 2 : 1;
  const times = { atimeNs: now, mtimeNs: now, ctimeNs: now };
  return { mode, uid, gid, links, size: 0, allocated: 0, device: null, ...times };
}

const isNumber = (name: string): boolean => /^(0|[1-9][0-9]{0,8})$/.test(name);

function childOf<Of>(tree: readonly Numbered<Of>[], at: number, name: string): number | null {
  return tree[at]!.children.find((index) => tree[index]!.name === name) ?? null;
}

/** What is listed below fd and task depends on the process. */
function lookupListed(k: ProcKernel, pidSpace: number, task: Task, at: number, name: string): InodeNumber | null {
  if (!isNumber(name)) return null;
  const number = Number(name);
  if (at === threadsIndex) {
    const thread = idIn(k, pidSpace, number) as ThreadId;
    return task.threads.includes(thread) ? threadInode(task, thread, 0) : null;
  }
  if (fileOf(k, task, number) === null) return null;
  return inTask(task.id, (at === fdIndex ? descriptorsAt : descriptorInfosAt) + number);
}

const isListed = (index: number): boolean => index === fdIndex || index === fdInfoIndex || index === threadsIndex;

function lookupInProcess(k: ProcKernel, id: TaskId, subject: Subject, at: number, name: string): InodeNumber | null {
  if (isListed(at)) return subject.kind === "live" ? lookupListed(k, subject.pidSpace, subject.task, at, name) : null;
  const index = childOf(taskTree, at, name);
  return index === null ? null : inTask(id, index);
}

function lookup(k: ProcKernel, pidSpace: number, directory: InodeNumber, name: string): InodeNumber | null {
  const found = find(k, pidSpace, directory);
  if (found === null) return null;
  if (found.kind === "process") return lookupInProcess(k, found.id, found.subject, found.index, name);
  if (found.kind === "thread") {
    const index = childOf(threadTree, found.index, name);
    return index === null ? null : threadInode(found.task, found.thread, index);
  }
  if (found.kind !== "system") return null;
  const index = childOf(systemTree, found.index, name);
  if (index !== null) return systemInode(index);
  if (found.index !== 0 || !isNumber(name)) return null;
  const id = idIn(k, pidSpace, Number(name)) as TaskId;
  return processOf(k, pidSpace, id) !== null ? inTask(id, 0) : null;
}

function parent(k: ProcKernel, pidSpace: number, directory: InodeNumber): InodeNumber {
  const found = find(k, pidSpace, directory);
  if (found?.kind === "process" && found.index > 0) return inTask(found.id, taskTree[found.index]!.parent);
  if (found?.kind === "thread") return inTask(found.task.id, threadsIndex);
  return found?.kind === "system" ? systemInode(systemTree[found.index]!.parent) : systemInode(0);
}

function nameOf(k: ProcKernel, pidSpace: number, directory: InodeNumber): string | null {
  const found = find(k, pidSpace, directory);
  if (found === null) return null;
  if (found.kind === "thread") return String(numberIn(k, pidSpace, found.thread));
  if (found.kind === "process")
    return found.index === 0 ? String(numberIn(k, pidSpace, found.id)) : taskTree[found.index]!.name;
  return found.kind === "system" ? systemTree[found.index]!.name : null;
}

interface Entry {
  name: string;
  inode: InodeNumber;
  cookie: number;
}

/** All that a directory lists, in an order that stays: cookies are what the entries are numbered by. */
function entriesOf(k: ProcKernel, pidSpace: number, directory: InodeNumber): Entry[] {
  const found = find(k, pidSpace, directory);
  if (found === null || found.kind === "namespace") return [];
  if (found.kind === "descriptor" || found.kind === "descriptorInfo") return [];
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
    return found.index === 0 ? [...own, ...processesOf(k, pidSpace)] : own;
  }
  return entriesOfProcess(k, found.id, found.subject, found.index);
}

function processesOf(k: ProcKernel, pidSpace: number): Entry[] {
  const all = [...k.threads.tasks.keys(), ...k.threads.zombies.keys()];
  spend(k.effort, 32 * all.length, "items");
  const seen = pidSpace === 0 ? all : all.filter((id) => numberIn(k, pidSpace, id) !== 0);
  return seen.map((id) => {
    const number = numberIn(k, pidSpace, id);
    return { name: String(number), inode: inTask(id, 0), cookie: descriptorsAt + number };
  });
}

function entriesOfProcess(k: ProcKernel, id: TaskId, subject: Subject, index: number): Entry[] {
  if (isListed(index)) return subject.kind === "live" ? listedEntries(k, subject.pidSpace, subject.task, index) : [];
  return taskTree[index]!.children.map((at) => ({
    name: taskTree[at]!.name,
    inode: inTask(id, at),
    cookie: firstCookie + at,
  }));
}

function listedEntries(k: ProcKernel, pidSpace: number, task: Task, index: number): Entry[] {
  spend(k.effort, 32 * (index === threadsIndex ? task.threads : task.descriptors).length, "items");
  if (index === threadsIndex)
    return task.threads.map((id) => {
      const number = numberIn(k, pidSpace, id);
      return { name: String(number), inode: threadInode(task, id, 0), cookie: firstCookie + number };
    });
  const from = index === fdIndex ? descriptorsAt : descriptorInfosAt;
  return [...task.descriptors.keys()]
    .filter((fd) => fileOf(k, task, fd) !== null)
    .map((fd) => ({ name: String(fd), inode: inTask(task.id, from + fd), cookie: firstCookie + fd }));
}

function list(k: ProcKernel, pidSpace: number, directory: InodeNumber, behind: number, most: number): Listed[] {
  const entries = entriesOf(k, pidSpace, directory).filter(({ cookie }) => cookie > behind);
  return entries
    .sort((a, b) => a.cookie - b.cookie)
    .slice(0, most)
    .map((entry) => ({ ...entry, mode: attributes(k, pidSpace, entry.inode).mode }));
}

const anonymousKinds: Readonly<Record<string, string>> = {
  event: "eventfd",
  timer: "timerfd",
  epoll: "eventpoll",
  signals: "signalfd",
  process: "pidfd",
};

/** What an open file is called that has no name. */
function anonymousName(target: OpenTarget, k: ProcKernel): string {
  if (target.kind === "socket") return `socket:[${getSocket(k, target.socket).inode}]`;
  if (target.kind === "namespace") return namespaceName(target.type, target.id);
  if (target.kind === "inotify") return "anon_inode:inotify";
  if (target.kind === "pipe") return `pipe:[${k.files.pipes.get(target.pipe)?.inode ?? 0}]`;
  return target.kind === "console" ? "/dev/console" : `anon_inode:[${anonymousKinds[target.kind] ?? target.kind}]`;
}

function descriptorLink(k: ProcKernel, task: Task, fd: number, reader: Viewer): Target | Errno {
  const open = fileOf(k, task, fd);
  if (open === null) return "ENOENT";
  const name = nameOfFile(k, reader, open);
  const { opened } = open;
  const text = name ?? anonymousName(open.target, k);
  if (opened !== null) return { text, place: { ...opened } };
  // The console has a name, by which it is found.
  return open.target.kind === "console" ? { text, place: null } : { text, place: null, file: open };
}

function readLink(k: ProcKernel, pidSpace: number, inode: InodeNumber, reader: Viewer): Target | Errno {
  const found = find(k, pidSpace, inode);
  if (found === null) return "ENOENT";
  if (!mayLook(k, found, reader)) return "EACCES";
  if (found.kind === "descriptor") return descriptorLink(k, found.task, found.fd, reader);
  if (found.kind === "descriptorInfo" || found.kind === "namespace") return "EINVAL";
  if (found.kind === "system") {
    const { node } = systemTree[found.index]!;
    return node.kind === "link" ? node.target(k, pidSpace, reader) : "EINVAL";
  }
  const { node } = (found.kind === "process" ? taskTree : threadTree)[found.index]!;
  const subject = subjectAt(k, pidSpace, found);
  return node.kind !== "link" ? "EINVAL" : subject === null ? "ENOENT" : node.target(k, subject, reader);
}

/** Whom a file of a process or thread tells of; null when the thread has ended. */
function subjectAt(
  k: ProcKernel,
  pidSpace: number,
  found: Extract<Found, { kind: "process" | "thread" }>,
): Subject | null {
  if (found.kind === "process") return found.subject;
  const thread = k.threads.threads.get(found.thread);
  return thread === undefined ? null : { kind: "live", task: found.task, thread, pidSpace, userSpace: 0 };
}

/** Of a descriptor that stands for a process: what that is called here and in the name spaces below. */
function processLines(k: ProcKernel, pidSpace: number, id: TaskId): string {
  const isKnown = k.threads.tasks.has(id) || k.threads.zombies.has(id);
  if (!isKnown) return "Pid:\t-1\nNSpid:\t-1\n";
  const number = numberIn(k, pidSpace, id);
  return `Pid:\t${number}\nNSpid:\t${number === 0 ? 0 : numbersFrom(k, pidSpace, id).join("\t")}\n`;
}

/** What fdinfo has of every file. */
function descriptorInfo(k: ProcKernel, pidSpace: number, task: Task, fd: number): string | Errno {
  const open = fileOf(k, task, fd);
  if (open === null) return "ENOENT";
  const closes = task.descriptors[fd]?.closeOnExec ? 0o2000000 : 0;
  const { flags, position, opened, target } = open;
  const process = target.kind === "process" ? processLines(k, pidSpace, target.task) : "";
  return `pos:\t${position}\nflags:\t0${(flags | closes).toString(8)}\nmnt_id:\t${opened?.mount ?? 0}\nino:\t${opened?.inode ?? 0}\n${process}`;
}

function generate(k: ProcKernel, pidSpace: number, inode: InodeNumber, of: GeneratedFor): Uint8Array | Errno {
  const found = find(k, pidSpace, inode);
  if (found === null || found.kind === "descriptor" || found.kind === "namespace") return "ESRCH";
  if (found.kind === "descriptorInfo") {
    const text = descriptorInfo(k, pidSpace, found.task, found.fd);
    return text === "ENOENT" ? text : encodeText(text);
  }
  if (found.kind === "system") return bytesOf(textOf(systemTree[found.index]!, k, pidSpace));
  const subject = subjectAt(k, pidSpace, found);
  if (subject === null) return "ESRCH";
  const numbered = nodeAt(found);
  const isGone = subject.kind === "zombie" || subject.task.space !== of.space;
  if (numbered.node.kind === "file" && numbered.node.ofMemory && isGone) return new Uint8Array(0);
  return bytesOf(textOf(numbered, k, { ...subject, userSpace: of.userSpace }));
}

const nodeAt = (found: { kind: "process" | "thread"; index: number }): Numbered<Subject> =>
  (found.kind === "process" ? taskTree : threadTree)[found.index]!;

const store: NonNullable<FilesystemOps["store"]> = (k, fs, inode, of, by, bytes, position) => {
  const found = find(k as ProcKernel, fs.pidSpace, inode);
  if (found?.kind !== "process" && found?.kind !== "thread") return "EINVAL";
  const subject = subjectAt(k as ProcKernel, fs.pidSpace, found);
  const { node } = nodeAt(found);
  if (subject === null || subject.kind === "zombie") return "ESRCH";
  if (node.kind !== "file" || node.store === undefined) return "EINVAL";
  return node.store(k as ProcKernel, { ...subject, userSpace: of.userSpace }, by, bytes, position);
};

const generated = (space: SpaceId | null, { credentials: { userSpace } }: Viewer): OpenTarget => ({
  kind: "generated",
  text: new Uint8Array(0),
  space,
  userSpace,
});

/** A file is of the memory that its process has when it is opened: rights to that are asked for here, and only here. */
function open(k: ProcKernel, pidSpace: number, inode: InodeNumber, viewer: Viewer): OpenTarget | Errno {
  const found = find(k, pidSpace, inode);
  if (found === null) return "ENOENT";
  if (found.kind === "namespace") return found;
  if ((modeAt(found) & FileType.mask) === FileType.directory) return { kind: "directory" };
  if (found.kind !== "process" && found.kind !== "thread") return generated(null, viewer);
  const { node } = (found.kind === "process" ? taskTree : threadTree)[found.index]!;
  const isOfMemory = node.kind === "memory" || (node.kind === "file" && node.ofMemory);
  if (!isOfMemory) return generated(null, viewer);
  if (!mayLook(k, found, viewer)) return "EACCES";
  const space = taskOf(found)?.space ?? null;
  return node.kind === "memory" ? { kind: "memory", space } : generated(space, viewer);
}

const bytesOf = (made: string | Uint8Array): Uint8Array => (typeof made === "string" ? encodeText(made) : made);

function textOf<Of>({ node }: Numbered<Of>, k: ProcKernel, of: Of): string | Uint8Array {
  assert(node.kind === "file", "only files are read");
  return node.text(k, of);
}

/** `k`: the whole kernel, of which the table of file systems shows less. */
export const procfs = (k: () => ProcKernel): FilesystemOps => ({
  magic: 0x9fa0,
  attributes: (_k, fs, inode) => attributes(k(), fs.pidSpace, inode),
  lookup: (_k, fs, directory, name) => lookup(k(), fs.pidSpace, directory, name),
  parent: (_k, fs, directory) => parent(k(), fs.pidSpace, directory),
  nameOf: (_k, fs, directory) => nameOf(k(), fs.pidSpace, directory),
  isEmpty: (_k, fs, directory) => entriesOf(k(), fs.pidSpace, directory).length === 0,
  list: (_k, fs, directory, behind, most) => list(k(), fs.pidSpace, directory, behind, most),
  readLink: (_k, fs, inode, reader) => readLink(k(), fs.pidSpace, inode, reader),
  open: (_k, fs, inode, viewer) => open(k(), fs.pidSpace, inode, viewer),
  permits: (_k, fs, inode, viewer) => permits(k(), fs.pidSpace, inode, viewer),
  content: () => null,
  generate: (_k, fs, inode, of) => generate(k(), fs.pidSpace, inode, of),
  store: (_k, ...rest) => store(k(), ...rest),
  change: null,
});
