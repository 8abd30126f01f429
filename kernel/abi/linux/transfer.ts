/** From one open file to another without the program's memory: sendfile(2), copy_file_range(2), splice(2), tee(2). */
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { type FileOps, mayRead, mayWrite, type WriteResult } from "../../vfs/file-ops.ts";
import { bytesOfPipe, opsOf } from "../../vfs/files.ts";
import { Notify, notifyFile } from "../../vfs/inotify.ts";
import { dropLending } from "../../vfs/names.ts";
import { OpenFlag } from "../../vfs/open.ts";
import { passOn, pipeQueue } from "../../vfs/pipe.ts";
import type { OpenFile, OpenTarget } from "../../vfs/state.ts";
import { fd, flags, gather, inout, readVector, scatter, size, uint, type VectorEntry } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import { failedWrite, isTerminal, writeToTerminal } from "./io.ts";
import type { LinuxKernel } from "./kernel.ts";

/** One side of a transfer. */
interface Side {
  file: OpenFile;
  /** Where the offset is that is used and moved on instead of the file's own; 0n: there is none. */
  where: bigint;
  position: number;
}

function sideOf(k: LinuxKernel, { task }: Call, number: number, where: bigint, reads: boolean): Side | Errno {
  const file = fileOf(k, task, number);
  if (file === null || !(reads ? mayRead(file) : mayWrite(file))) return "EBADF";
  if (where === 0n) return { file, where, position: file.position };
  if (!opsOf(file).seekable) return "ESPIPE";
  const bytes = copyIn(k, getSpace(k, task.space), where, 8);
  if (!bytes.ok) return bytes.errno;
  const position = new DataView(bytes.value.buffer, bytes.value.byteOffset).getBigInt64(0, true);
  if (position < 0n || position > BigInt(limits.fileBytes)) return "EINVAL";
  return { file, where, position: Number(position) };
}

/** Moves a side's position, or the program's, past what was transferred. */
function moveOn(k: LinuxKernel, { task }: Call, { file, where, position }: Side, count: number): Errno | null {
  if (where !== 0n) {
    const bytes = new Uint8Array(BigInt64Array.of(BigInt(position + count)).buffer);
    return copyOut(k, getSpace(k, task.space), where, bytes);
  }
  if (opsOf(file).seekable) file.position = position + count;
  return null;
}

const blockedIn = (file: OpenFile, kind: "read" | "write", queue: string): Outcome => {
  if (file.flags & OpenFlag.O_NONBLOCK) return fail("EAGAIN");
  const where = { queue, deadlineNs: null };
  return { kind: "blocked", wait: kind === "read" ? { kind, ...where } : { kind, ...where, done: 0 } };
};

/** What is asked for bytes: a pipe gives them whatever packets they are in. */
const sourceOf = (file: OpenFile): Pick<FileOps, "read" | "advance" | "seekable"> =>
  file.target.kind === "pipe" ? bytesOfPipe : opsOf(file);

/** From pipe to pipe packets stay what they are; null: it is not from pipe to pipe. */
function betweenPipes(k: LinuxKernel, { file: { target: from } }: Side, to: Side, most: number): WriteResult | null {
  const { target } = to.file;
  if (from.kind !== "pipe" || target.kind !== "pipe") return null;
  const count = passOn(k, from.pipe, target.pipe, Math.min(most, limits.transferBytes));
  return typeof count !== "number" ? { errno: count } : { count, queue: pipeQueue(target.pipe) };
}

/** A terminal takes all of it, up to what the task may still write. */
function toTerminal(k: LinuxKernel, call: Call, from: Side, to: Side, bytes: Uint8Array): Outcome {
  const outcome = writeToTerminal(k, call, to.file, bytes);
  if (outcome.kind !== "done") return outcome;
  const count = Number(outcome.value);
  const source = sourceOf(from.file);
  if (!source.seekable) source.advance(k, from.file, count);
  const errno = moveOn(k, call, from, count);
  return errno === null ? outcome : fail(errno);
}

/** Reads what one side has, at most so much, and writes it to the other; what that does not take stays where it was. */
function transfer(k: LinuxKernel, call: Call, from: Side, to: Side, most: number, takes: boolean): Outcome {
  const { task } = call;
  const [source, target] = [sourceOf(from.file), opsOf(to.file)];
  const read = source.read(k, from.file, from.position, Math.min(most, limits.transferBytes));
  if ("errno" in read) return fail(read.errno);
  if ("queue" in read) return blockedIn(from.file, "read", read.queue);
  if (read.bytes.length === 0) return done(0);
  if (isTerminal(to.file)) return toTerminal(k, call, from, to, read.bytes);
  const appends = target.seekable && (to.file.flags & OpenFlag.O_APPEND) !== 0;
  const place = appends ? target.size(k, to.file) : to.position;
  const written = betweenPipes(k, from, to, most) ?? target.write(k, task, to.file, place, read.bytes);
  if ("errno" in written) return failedWrite(k, call, written.errno);
  if (!k.threads.tasks.has(task.id)) return { kind: "gone" };
  const { count } = written;
  if (count > 0) {
    const { opened } = to.file;
    if (to.file.target.kind === "regular" && opened !== null) dropLending(k, task, opened);
    notifyFile(k, from.file.opened, Notify.access);
    notifyFile(k, to.file.opened, Notify.modify);
  }
  if (count === 0 && written.queue !== undefined) return blockedIn(to.file, "write", written.queue);
  if (takes && !source.seekable) source.advance(k, from.file, count);
  const errno = (takes ? moveOn(k, call, from, count) : null) ?? moveOn(k, call, { ...to, position: place }, count);
  return errno === null ? done(count) : fail(errno);
}

function sendFile(k: LinuxKernel, call: Call, output: number, input: number, where: bigint, count: number): Outcome {
  const from = sideOf(k, call, input, where, true);
  if (typeof from === "string") return fail(from);
  const to = sideOf(k, call, output, 0n, false);
  if (typeof to === "string") return fail(to);
  if (!opsOf(from.file).seekable || to.file.flags & OpenFlag.O_APPEND) return fail("EINVAL");
  return transfer(k, call, from, to, count, true);
}

interface Ends {
  input: number;
  inputOffset: bigint;
  output: number;
  outputOffset: bigint;
}

function sidesOf(k: LinuxKernel, call: Call, ends: Ends): { from: Side; to: Side } | Errno {
  const from = sideOf(k, call, ends.input, ends.inputOffset, true);
  if (typeof from === "string") return from;
  const to = sideOf(k, call, ends.output, ends.outputOffset, false);
  return typeof to === "string" ? to : { from, to };
}

const overlap = (a: number, b: number, count: number): boolean => a < b + count && b < a + count;

function copyRange(k: LinuxKernel, call: Call, ends: Ends, count: number, how: number): Outcome {
  if (how !== 0) return fail("EINVAL");
  const sides = sidesOf(k, call, ends);
  if (typeof sides === "string") return fail(sides);
  const { from, to } = sides;
  const kinds = [from.file.target.kind, to.file.target.kind];
  if (kinds.includes("directory")) return fail("EISDIR");
  if (kinds.some((kind) => kind !== "regular")) return fail("EINVAL");
  if (to.file.flags & OpenFlag.O_APPEND) return fail("EBADF");
  const [a, b] = [from.file.opened, to.file.opened];
  const isSame = a !== null && b !== null && a.mount === b.mount && a.inode === b.inode;
  if (isSame && overlap(from.position, to.position, count)) return fail("EINVAL");
  return transfer(k, call, from, to, count, true);
}

const Splice = { SPLICE_F_MOVE: 1, SPLICE_F_NONBLOCK: 2, SPLICE_F_MORE: 4, SPLICE_F_GIFT: 8 } as const;
const allSplice = Splice.SPLICE_F_MOVE | Splice.SPLICE_F_NONBLOCK | Splice.SPLICE_F_MORE | Splice.SPLICE_F_GIFT;

/** What is read whole, or not at all. */
const records: readonly OpenTarget["kind"][] = [
  "event",
  "timer",
  "signals",
  "inotify",
  "epoll",
  "process",
  "namespace",
];

function splice(k: LinuxKernel, call: Call, ends: Ends, count: number, how: number): Outcome {
  if (how & ~allSplice) return fail("EINVAL");
  if (count === 0) return done(0);
  const sides = sidesOf(k, call, ends);
  if (typeof sides === "string") return fail(sides);
  const { from, to } = sides;
  if (from.file.target.kind !== "pipe" && to.file.target.kind !== "pipe") return fail("EINVAL");
  if (records.includes(from.file.target.kind) || records.includes(to.file.target.kind)) return fail("EINVAL");
  if (samePipe(from.file, to.file) || to.file.flags & OpenFlag.O_APPEND) return fail("EINVAL");
  return withoutWaiting(transfer(k, call, from, to, count, true), how);
}

const samePipe = ({ target: a }: OpenFile, { target: b }: OpenFile): boolean =>
  a.kind === "pipe" && b.kind === "pipe" && a.pipe === b.pipe;

const withoutWaiting = (outcome: Outcome, how: number): Outcome =>
  outcome.kind === "blocked" && how & Splice.SPLICE_F_NONBLOCK ? fail("EAGAIN") : outcome;

function tee(k: LinuxKernel, call: Call, input: number, output: number, count: number, how: number): Outcome {
  if (how & ~allSplice) return fail("EINVAL");
  if (count === 0) return done(0);
  const sides = sidesOf(k, call, { input, inputOffset: 0n, output, outputOffset: 0n });
  if (typeof sides === "string") return fail(sides);
  const { from, to } = sides;
  if (from.file.target.kind !== "pipe" || to.file.target.kind !== "pipe") return fail("EINVAL");
  if (samePipe(from.file, to.file)) return fail("EINVAL");
  return withoutWaiting(transfer(k, call, from, to, count, false), how);
}

/** Memory into a pipe, as much as there is room for; or out of one, if that is the end that is read from. */
function spliceMemory(k: LinuxKernel, call: Call, number: number, vector: VectorEntry[], how: number): Outcome {
  const { task } = call;
  const file = fileOf(k, task, number);
  if (file?.target.kind !== "pipe") return fail("EBADF");
  const bytes = vector.reduce((sum, { length }) => sum + length, 0);
  if (bytes === 0) return done(0);
  const memory = { k, space: getSpace(k, task.space) };
  if (!mayWrite(file)) {
    const read = bytesOfPipe.read(k, file, 0, Math.min(bytes, limits.transferBytes));
    if ("errno" in read) return fail(read.errno);
    if ("queue" in read) return withoutWaiting(blockedIn(file, "read", read.queue), how);
    const errno = scatter(memory, vector, read.bytes);
    if (errno !== null) return fail(errno);
    bytesOfPipe.advance(k, file, read.bytes.length);
    notifyFile(k, file.opened, Notify.access);
    return done(read.bytes.length);
  }
  const gathered = gather(memory, vector);
  if ("errno" in gathered) return fail(gathered.errno);
  const written = opsOf(file).write(k, task, file, 0, gathered.value);
  if ("errno" in written) return failedWrite(k, call, written.errno);
  if (written.count === 0) return withoutWaiting(blockedIn(file, "write", pipeQueue(file.target.pipe)), how);
  notifyFile(k, file.opened, Notify.modify);
  return done(written.count);
}

function vmsplice(k: LinuxKernel, call: Call, number: number, at: bigint, count: number, how: number): Outcome {
  if (how & ~allSplice) return fail("EINVAL");
  const vector = readVector({ k, space: getSpace(k, call.task.space) }, at, BigInt(count));
  return "errno" in vector ? fail(vector.errno) : spliceMemory(k, call, number, vector.value, how);
}

const errors = [
  "EAGAIN",
  "EBADF",
  "EFAULT",
  "EFBIG",
  "EINTR",
  "EINVAL",
  "EISDIR",
  "ENOMEM",
  "ENOSPC",
  "ENXIO",
  "EPIPE",
  "ESPIPE",
] as const;
const ends = { input: fd, inputOffset: inout("off_t"), output: fd, outputOffset: inout("off_t") } as const;

export const transferCalls = [
  syscall({
    name: "sendfile",
    nr: { rv64: 71 },
    support: "full",
    args: { output: fd, input: fd, offset: inout("off_t"), count: size },
    errors,
    run: (k: LinuxKernel, { output, input, offset, count }, call) => sendFile(k, call, output, input, offset, count),
  }),
  syscall({
    name: "copy_file_range",
    nr: { rv64: 285 },
    support: "full",
    args: { ...ends, count: size, flags: uint },
    errors,
    run: (k: LinuxKernel, { count, flags, ...args }, call) => copyRange(k, call, args, count, flags),
  }),
  syscall({
    name: "splice",
    nr: { rv64: 76 },
    support: "full",
    args: { ...ends, count: size, flags: flags(Splice) },
    errors,
    run: (k: LinuxKernel, { count, flags, ...args }, call) => splice(k, call, args, count, flags),
  }),
  syscall({
    name: "vmsplice",
    nr: { rv64: 75 },
    support: "full",
    note: "What is given is copied, so it may be changed at once.",
    args: { fd, vector: inout("iovec"), count: size, flags: flags(Splice) },
    errors,
    run: (k: LinuxKernel, { fd, vector, count, flags }, call) => vmsplice(k, call, fd, vector, count, flags),
  }),
  syscall({
    name: "tee",
    nr: { rv64: 77 },
    support: "full",
    args: { input: fd, output: fd, count: size, flags: flags(Splice) },
    errors,
    run: (k: LinuxKernel, { input, output, count, flags }, call) => tee(k, call, input, output, count, flags),
  }),
] as const;
