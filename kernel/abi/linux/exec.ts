/**
 * execve(2) and execveat(2): another program in the same process.
 *
 * Everything that can fail is done first and leaves the caller as it is: names are walked, scripts lead to their
 * interpreters, headers are read, memory is counted. What follows cannot fail: other threads end, the old address space
 * is left, and the caller is the new program's first thread.
 */

import { pageBytes } from "../../hal/types.ts";
import { leaveSegments } from "../../ipc/sysv/shared-memory.ts";
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import type { StoredId, ThreadId } from "../../lib/ids.ts";
import { limits } from "../../lib/limits.ts";
import { randomBytes } from "../../lib/random.ts";
import { signals } from "../../lib/signals.ts";
import { decodeName, encodeName, tooLongPath } from "../../lib/text.ts";
import type { Source } from "../../loader/elf.ts";
import {
  framesToStart,
  type LoadedFile,
  leavesRoom,
  loadProgram,
  type Program,
  planProgram,
} from "../../loader/program.ts";
import { reclaim } from "../../mm/images.ts";
import { getSpace, leaveSpace } from "../../mm/space.ts";
import type { Space } from "../../mm/state.ts";
import { getStored, readStored } from "../../mm/stored.ts";
import { copyIn, readString } from "../../mm/user.ts";
import { renameCurrent } from "../../sched/sched.ts";
import { leaveMemory } from "../../sync/robust.ts";
import { getThread, wakeQueue } from "../../thread/blocking.ts";
import { Cap, capabilitiesAtExec, hasOwnCapability, isWithin, permittedAtExec } from "../../thread/capabilities.ts";
import { copyCredentials, noteCredentials } from "../../thread/credentials.ts";
import { jobOf } from "../../thread/jobs.ts";
import { boundsOf, Resource, softLimit } from "../../thread/rlimits.ts";
import { sharers } from "../../thread/sharing.ts";
import { fromSender, resetHandlers, SignalCode, sendSignal } from "../../thread/signals.ts";
import type { Credentials, Place, Task } from "../../thread/state.ts";
import { exitThread, vforkQueue } from "../../thread/tasks.ts";
import { deleteTimers } from "../../thread/timers.ts";
import { eventStop, numberForTracer, TraceEvent, TraceOption } from "../../thread/tracing.ts";
import { hasCapabilityIn, rootOf, sees, shownGroup, shownUser, userSpaceOf } from "../../thread/users.ts";
import { taskExecute } from "../../trace/events/task.ts";
import { type OpenedProgram, openExecutable } from "../../vfs/executable.ts";
import { attributesOf, FileType, filesystemOf, isType, opsOfFilesystem, pathOf } from "../../vfs/filesystem.ts";
import { Access, permits, Special, subjectOf } from "../../vfs/permissions.ts";
import { findPlace, type Walked } from "../../vfs/walk.ts";
import { address, fd, flags, path } from "../define/arguments.ts";
import { type Call, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { At, currentDirectory, pathFrom, subjectAt } from "./names.ts";

type Result<T> = { value: T } | { errno: Errno };

/** The strings that an array of pointers names, ended by a null pointer; no array at all is an empty one. */
function readStrings(k: LinuxKernel, space: Space, array: bigint, room: { bytes: number }): Result<string[]> {
  const strings: string[] = [];
  for (let at = array; at !== 0n; at += 8n) {
    const word = copyIn(k, space, at, 8);
    if (!word.ok) return word;
    const pointer = new DataView(word.value.buffer, word.value.byteOffset).getBigUint64(0, true);
    room.bytes -= 8;
    if (pointer === 0n) break;
    const text = readString(k, space, pointer, limits.execStringBytes);
    if (!text.ok) return { errno: text.errno === "ENAMETOOLONG" ? "E2BIG" : text.errno };
    room.bytes -= text.value.length + 1;
    if (room.bytes < 0) return { errno: "E2BIG" };
    strings.push(decodeName(text.value));
  }
  return { value: strings };
}

/** A program file as it was found: by which path, and what is in it. */
interface Found extends OpenedProgram {
  path: string;
}

/** The path of a file that was found, as the task sees it. */
function pathOfFound(k: LinuxKernel, task: Task, start: Place, name: string, found: Walked): string {
  if (found.name !== "") {
    const above = pathOf(k, task, found.directory);
    if (above === tooLongPath) return above;
    return above === "/" ? `/${found.name}` : `${above ?? ""}/${found.name}`;
  }
  // A link of /proc leads to a file without a name; its text is one.
  const link = findPlace(k, task, start, name, "keep");
  if ("errno" in link) return name;
  const fs = filesystemOf(k, link.place.mount);
  const led = opsOfFilesystem(k, fs).readLink(k, fs, link.place.inode, task);
  return typeof led === "string" ? name : led.text;
}

function openByPath(k: LinuxKernel, task: Task, name: string): Result<Found> {
  const found = findPlace(k, task, task.directory, name);
  if ("errno" in found) return found;
  const opened = openExecutable(k, task, found.place);
  if (typeof opened === "string") return { errno: opened };
  return { value: { ...opened, path: pathOfFound(k, task, task.directory, name, found) } };
}

/** Pieces that there is no memory for are as if they were behind the file's end. */
function programSource(k: LinuxKernel, id: StoredId): Source {
  const file = getStored(k, id);
  return { size: file.size, read: (offset, length) => readStored(k, file, offset, length) ?? new Uint8Array(0) };
}

/** What the first line of a script says: its interpreter, and one argument if there is more. */
function readScript(
  k: LinuxKernel,
  { file }: Found,
): { interpreter: string; argument: string | null } | "ENOEXEC" | "EACCES" | null {
  const head = programSource(k, file).read(0, limits.scriptLineBytes);
  if (head[0] !== 0x23 || head[1] !== 0x21) return null;
  const end = head.indexOf(10);
  const line = decodeName(head.subarray(2, end < 0 ? head.length : end)).replace(/^[ \t]+|[ \t\0]+$/g, "");
  const parts = /^([^ \t\0]+)(?:[ \t]+([^\0]*))?$/.exec(line);
  // No name at all, where the file ends, is the working directory's.
  if (parts === null && end < 0 && head.length < limits.scriptLineBytes) return "EACCES";
  // A name that goes on behind what is read is not the name.
  if (parts === null || (end < 0 && parts[2] === undefined && head.length === limits.scriptLineBytes)) return "ENOEXEC";
  return { interpreter: parts[1]!, argument: parts[2] ?? null };
}

interface Request {
  /** The path as it was given. */
  name: string;
  first: Found;
  arguments: string[];
  environment: string[];
}

/** Follows scripts to a program that is none. */
function followScripts(k: LinuxKernel, task: Task, request: Request): Result<{ found: Found; arguments: string[] }> {
  let found = request.first;
  let args = request.arguments.length === 0 ? [""] : request.arguments;
  let script = request.name;
  for (let depth = 0; depth < limits.scriptDepth; depth++) {
    const line = readScript(k, found);
    if (typeof line === "string") return { errno: line };
    if (line === null) return { value: { found, arguments: args } };
    const { interpreter, argument } = line;
    args = [interpreter, ...(argument === null ? [] : [argument]), script, ...args.slice(1)];
    script = interpreter;
    const next = openByPath(k, task, interpreter);
    if ("errno" in next) return next;
    found = next.value;
  }
  return { errno: "ELOOP" };
}

function planFile(k: LinuxKernel, { path, file }: Found): Result<LoadedFile> {
  const plan = planProgram(k, programSource(k, file));
  return plan.ok ? { value: { path, file, executable: plan.executable } } : { errno: "ENOEXEC" };
}

function planLinker(k: LinuxKernel, task: Task, { executable }: LoadedFile): Result<LoadedFile | null> {
  if (executable.interpreter === null) return { value: null };
  const found = openByPath(k, task, executable.interpreter);
  if ("errno" in found) return found;
  const linker = planFile(k, found.value);
  if ("errno" in linker) return { errno: linker.errno === "ENOEXEC" ? "ELIBBAD" : linker.errno };
  return leavesRoom(k, executable, linker.value.executable) ? linker : { errno: "ENOMEM" };
}

/** Bytes that strings take on the stack, with the pointers to them. */
const bytesOnStack = (strings: readonly string[]): number =>
  strings.reduce((sum, text) => sum + encodeName(text).length + 9, 1024);

/** What arguments and environment may take: a quarter of the stack, and this much in any case. */
const argumentRoom = (k: LinuxKernel, task: Task): number =>
  Math.max(limits.argumentBytes, Math.min(limits.execBytes, softLimit(k, task, Resource.RLIMIT_STACK) / 4));

/** Room for the new address space's first pages beside the old one's. */
function hasMemory(k: LinuxKernel, bytes: number, frameLimit: number): boolean {
  const frames = framesToStart(bytes) + limits.reservedFrames;
  if (frameLimit !== 0 && frames > frameLimit) return false;
  return k.mm.frames.free >= frames || (reclaim(k) > 0 && k.mm.frames.free >= frames);
}

/** Somebody who may not trace just anybody has a hand in the task: who traces it, or who is where it is (CLONE_FS). */
function isInOthersHands(k: LinuxKernel, task: Task): boolean {
  const tracers = task.threads.flatMap((id) => getThread(k, id).tracing?.tracer ?? []);
  const others = [...tracers.flatMap((id) => k.threads.tasks.get(id) ?? []), ...sharers(k, task, "directories")];
  const { userSpace } = task.credentials;
  return others.some(({ credentials }) => !hasCapabilityIn(k, credentials, userSpace, Cap.SYS_PTRACE));
}

/**
 * Files with the bits for it make the program act for their owner or group; and what root executes has all capabilities.
 * A program in others' hands gains nothing.
 */
function credentialsFor(k: LinuxKernel, task: Task, { attributes: { mode, uid, gid } }: Found): Credentials {
  const own = task.credentials;
  const credentials = copyCredentials(own);
  const root = rootOf(k, own);
  const space = own.userSpace === 0 ? null : userSpaceOf(k, own.userSpace);
  // Whom its user name space does not know it cannot act for.
  if (!task.traits.noNewPrivileges && sees(space, { uid, gid })) {
    if (mode & Special.setUser) credentials.euid = uid;
    // Without permission to execute for the group the bit means something else.
    if (mode & Special.setGroup && mode & 0o010) credentials.egid = gid;
  }
  const changesIds = credentials.euid !== own.euid || credentials.egid !== own.egid;
  let permitted = permittedAtExec(credentials, root);
  const gains = changesIds || !isWithin(permitted, own.capabilities.permitted);
  if (gains && (task.traits.noNewPrivileges || isInOthersHands(k, task))) {
    if (task.traits.noNewPrivileges || !hasOwnCapability(own, Cap.SETUID)) {
      credentials.euid = own.uid;
      credentials.egid = own.gid;
    }
    permitted &= own.capabilities.permitted;
  }
  const { euid, egid } = credentials;
  const capabilities = capabilitiesAtExec(credentials, permitted, changesIds, root);
  return { ...credentials, suid: euid, fsuid: euid, sgid: egid, fsgid: egid, capabilities };
}

interface Prepared {
  program: Program;
  credentials: Credentials;
  /** Who may execute a file and not read it is not to learn from its memory what is in it. */
  isReadable: boolean;
}

function prepare(k: LinuxKernel, task: Task, request: Request): Result<Prepared> {
  const followed = followScripts(k, task, request);
  if ("errno" in followed) return followed;
  const { found, arguments: args } = followed.value;
  const main = planFile(k, found);
  if ("errno" in main) return main;
  // Its capabilities would have to come from somewhere.
  if (main.value.executable.wantsCapabilities) return { errno: "EPERM" };
  const linker = planLinker(k, task, main.value);
  if ("errno" in linker) return linker;
  const { name, environment } = request;
  const bytes = bytesOnStack([name, ...args, ...environment]);
  if (bytes > argumentRoom(k, task)) return { errno: "E2BIG" };
  if (!hasMemory(k, bytes, getSpace(k, task.space).frameLimit)) return { errno: "ENOMEM" };
  const program = { ...main.value, interpreter: linker.value, name, arguments: args, environment };
  const isReadable = permits(subjectOf(k, task), found.attributes, Access.read);
  return { value: { program, credentials: credentialsFor(k, task, found), isReadable } };
}

const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** The caller is the only thread, and the task's first one, from here on. */
function becomeOnlyThread(k: LinuxKernel, { task, thread }: Call): void {
  for (const id of [...task.threads]) if (id !== thread.id) exitThread(k, getThread(k, id));
  leaveMemory(k, task, thread);
  const first = task.id as number as ThreadId;
  if (thread.id !== first) renameCurrent(k, thread, first);
  thread.name = null;
  thread.clearOnExit = 0n;
  thread.robustList = 0n;
  thread.signalStack = { address: 0n, flags: 0, size: 0n };
}

/** Who traces the thread is told that it executes another program: by an event, or as of old by a signal. */
function tellTracer(k: LinuxKernel, { task, thread }: Call, former: number): void {
  const { tracing } = thread;
  if (tracing === null) return;
  if (tracing.options & TraceOption.EXEC) tracing.due.push(eventStop(TraceEvent.EXEC, former));
  else if (!tracing.seized) sendSignal(k, task, fromSender(k, signals.SIGTRAP, SignalCode.user, task), thread);
}

/** Nothing here can fail. */
function begin(k: LinuxKernel, call: Call, { program, credentials, isReadable }: Prepared): void {
  const { task } = call;
  const { tracing } = call.thread;
  const former = tracing === null ? 0 : numberForTracer(k, tracing, call.thread.id);
  becomeOnlyThread(k, call);
  const { memoryBytes } = jobOf(k, task).limits;
  const { space, context } = loadProgram(k, task.id, program, {
    frameLimit: Math.floor(memoryBytes / pageBytes),
    random: randomBytes(k.random, 16),
    identity: {
      uid: shownUser(k, { credentials }, credentials.uid),
      euid: shownUser(k, { credentials }, credentials.euid),
      gid: shownGroup(k, { credentials }, credentials.gid),
      egid: shownGroup(k, { credentials }, credentials.egid),
    },
    bounds: boundsOf(k, task),
    auxiliary: [],
  });
  const old = task.space;
  leaveSegments(k, task);
  task.space = space.id;
  leaveSpace(k, old);
  const before = task.credentials;
  task.credentials = credentials;
  task.traits.dumpable = isReadable && before.uid === before.euid && before.gid === before.egid;
  noteCredentials(task, before);
  task.executable = program.path;
  task.name = baseName(program.name);
  task.executed = true;
  // What was others', too, is its own from now on.
  task.sharing.actions = null;
  task.sharing.files = null;
  resetHandlers(task);
  deleteTimers(k, task.id, "own");
  for (const resource of k.taskResources) resource.execute?.(task);
  k.hal.contexts.load(context);
  tellTracer(k, call, former);
  wakeQueue(k, vforkQueue(task.id), 1);
  if (k.trace.on(taskExecute)) k.trace.write(taskExecute, { task: task.id, path: program.path });
}

function execute(
  k: LinuxKernel,
  call: Call,
  place: Result<{ place: Place; path: string }>,
  name: string,
  [args, environment]: [bigint, bigint],
): Outcome {
  const { task } = call;
  // A client's thread has no instructions that it could go on with, and a root task's capabilities are its own.
  if (task.kind === "remote") return fail("ENOSYS");
  if (task.threads.some((id) => getThread(k, id).tcb !== null)) return fail("EPERM");
  if ("errno" in place) return fail(place.errno);
  const opened = openExecutable(k, task, place.value.place);
  if (typeof opened === "string") return fail(opened);
  const space = getSpace(k, task.space);
  const room = { bytes: argumentRoom(k, task) };
  const before = room.bytes;
  const argv = readStrings(k, space, args, room);
  if ("errno" in argv) return fail(argv.errno);
  const envp = readStrings(k, space, environment, room);
  if ("errno" in envp) return fail(envp.errno);
  spend(k.effort, before - room.bytes, "characters");
  const first = { ...opened, path: place.value.path };
  const prepared = prepare(k, task, { name, first, arguments: argv.value, environment: envp.value });
  if ("errno" in prepared) return fail(prepared.errno);
  begin(k, call, prepared.value);
  return { kind: "replaced" };
}

/** The file that is to be executed, and what it is called where it is. */
function target(
  k: LinuxKernel,
  task: Task,
  directory: number,
  name: string,
  how: number,
): Result<{ place: Place; path: string }> {
  if (name === "" && how & At.AT_EMPTY_PATH) {
    const subject = subjectAt(k, task, directory, name, how);
    if ("errno" in subject) return subject;
    return "place" in subject ? { value: { place: subject.place, path: name } } : { errno: "EACCES" };
  }
  const from = pathFrom(k, task, directory, name);
  if ("errno" in from) return from;
  const found = findPlace(k, task, from.start, from.path, how & At.AT_SYMLINK_NOFOLLOW ? "keep" : "follow");
  if ("errno" in found) return found;
  if (isType(attributesOf(k, found.place), FileType.symlink)) return { errno: "ELOOP" };
  return { value: { place: found.place, path: pathOfFound(k, task, from.start, from.path, found) } };
}

const errors = [
  "E2BIG",
  "EACCES",
  "EBADF",
  "EFAULT",
  "EINVAL",
  "ELIBBAD",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOENT",
  "ENOEXEC",
  "ENOMEM",
  "ENOSYS",
  "ENOTDIR",
  "EPERM",
  "ETXTBSY",
] as const;

export const execCalls = [
  syscall({
    name: "execve",
    nr: { rv64: 221 },
    support: "full",
    args: { path, arguments: address, environment: address },
    errors,
    run: (k: LinuxKernel, { path, arguments: args, environment }, call) =>
      execute(k, call, target(k, call.task, currentDirectory, path, 0), path, [args, environment]),
  }),
  syscall({
    name: "execveat",
    nr: { rv64: 281 },
    support: "full",
    args: { directory: fd, path, arguments: address, environment: address, flags: flags(At) },
    errors,
    run(k: LinuxKernel, { directory, path, arguments: args, environment, flags }, call) {
      if (path === "" && !(flags & At.AT_EMPTY_PATH)) return fail("ENOENT");
      if (flags & ~(At.AT_EMPTY_PATH | At.AT_SYMLINK_NOFOLLOW)) return fail("EINVAL");
      const isRelative = directory !== currentDirectory && !path.startsWith("/");
      const name = !isRelative ? path : path === "" ? `/dev/fd/${directory}` : `/dev/fd/${directory}/${path}`;
      return execute(k, call, target(k, call.task, directory, path, flags), name, [args, environment]);
    },
  }),
] as const;
