/**
 * Copies between the kernel and a task's memory, with demand paging on the way.
 *
 * An address is whatever the program left in a register: any 64-bit value. A copy is made once, so what the
 * kernel checked is what it uses. Errors: EFAULT (not memory, or not permitted), ENOMEM (no frame for it).
 */
import { type Access, Permission, pageBytes } from "../hal/types.ts";
import { alignDown, alignUp } from "../lib/bits.ts";
import { joinBytes } from "../lib/bytes.ts";
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { FrameNumber } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { resolveFault } from "./fault.ts";
import type { MmKernel } from "./kernel.ts";
import { findRegion } from "./regions.ts";
import type { Space } from "./state.ts";
import { getStored, peekStored } from "./stored.ts";
import { isShared } from "./tally.ts";

export type Copied<T> = { ok: true; value: T } | { ok: false; errno: Errno };
const bad = (errno: Errno): { ok: false; errno: Errno } => ({ ok: false, errno });

/** The address as a number if [address, address + length) can be user memory at all. */
export function userRange(k: Pick<MmKernel, "hal">, address: bigint, length: number): number | null {
  // What a number does not hold exactly is far beyond the end on either side.
  const start = Number(address);
  return start >= 0 && start + length <= k.hal.mmu.userEnd ? start : null;
}

/** A page can show a device's registers, which nobody but its own instructions may touch. */
const isRam = (k: Pick<MmKernel, "hal">, frame: FrameNumber): boolean => frame >= 0 && frame < k.hal.memory.frames;

/** The frame that an access to a page goes to, faulted in. */
function reach(k: MmKernel, space: Space, page: number, access: Access, force: boolean): Copied<FrameNumber> {
  const present = k.hal.mmu.lookup(space.root, page);
  if (present !== null && present.permissions & (access === "write" ? Permission.write : Permission.read))
    return isRam(k, present.frame) ? { ok: true, value: present.frame } : bad("EFAULT");
  const result = resolveFault(k, space, page, access, force);
  if (result === "outOfMemory" || result === "overLimit") return bad("ENOMEM");
  const mapping = result === "resolved" ? k.hal.mmu.lookup(space.root, page) : null;
  return mapping === null || !isRam(k, mapping.frame) ? bad("EFAULT") : { ok: true, value: mapping.frame };
}

/** Visits the pieces of a range, page by page. */
function eachPage(
  start: number,
  length: number,
  visit: (page: number, from: number, to: number, at: number) => Errno | null,
): Errno | null {
  for (let at = 0; at < length; ) {
    const page = alignDown(start + at, pageBytes);
    const from = start + at - page;
    const to = Math.min(pageBytes, from + length - at);
    const errno = visit(page, from, to, at);
    if (errno !== null) return errno;
    at += to - from;
  }
  return null;
}

export function copyIn(k: MmKernel, space: Space, address: bigint, length: number, force = false): Copied<Uint8Array> {
  if (length === 0) return { ok: true, value: new Uint8Array(0) };
  const start = userRange(k, address, length);
  if (start === null) return bad("EFAULT");
  const bytes = new Uint8Array(length);
  const errno = copyFrom(k, space, start, bytes, force);
  return errno === null ? { ok: true, value: bytes } : bad(errno);
}

function copyFrom(k: MmKernel, space: Space, start: number, into: Uint8Array, force: boolean): Errno | null {
  spend(k.effort, into.length, "bytes");
  return eachPage(start, into.length, (page, from, to, at) => {
    const frame = reach(k, space, page, "read", force);
    if (!frame.ok) return frame.errno;
    k.hal.memory.copyOut(frame.value, from, to, into, at);
    return null;
  });
}

/** The same into bytes that there are; what is in them after an error nobody knows. */
export function copyInto(k: MmKernel, space: Space, address: bigint, into: Uint8Array): Errno | null {
  const start = userRange(k, address, into.length);
  return start === null ? "EFAULT" : copyFrom(k, space, start, into, false);
}

/**
 * A structure that grows from release to release (Linux's copy_struct_from_user): what a shorter one has not is 0, and so
 * must be all that a longer one has behind the bytes that are known. Else, or beyond a page: E2BIG.
 */
export function copyStructIn(
  k: MmKernel,
  space: Space,
  address: bigint,
  length: number,
  known: number,
): Copied<DataView> {
  if (length > pageBytes) return bad("E2BIG");
  const copied = copyIn(k, space, address, length);
  if (!copied.ok) return copied;
  if (copied.value.subarray(known).some((byte) => byte !== 0)) return bad("E2BIG");
  const whole = new Uint8Array(known);
  whole.set(copied.value.subarray(0, known));
  return { ok: true, value: new DataView(whole.buffer) };
}

export function copyOut(k: MmKernel, space: Space, address: bigint, bytes: Uint8Array, force = false): Errno | null {
  if (bytes.length === 0) return null;
  const start = userRange(k, address, bytes.length);
  if (start === null) return "EFAULT";
  spend(k.effort, bytes.length, "bytes");
  return eachPage(start, bytes.length, (page, from, to, at) => {
    const frame = reach(k, space, page, "write", force);
    if (!frame.ok) return frame.errno;
    k.hal.memory.copyIn(frame.value, from, bytes, at, to - from);
    return null;
  });
}

/**
 * A store by another program, as its debugger (ptrace(2), /proc/<pid>/mem): whatever the mapping permits. But what
 * others see, too, it changes only where the mapping permits stores: a file may be shown that nobody here may write.
 */
export function copyOutTraced(k: MmKernel, space: Space, address: bigint, bytes: Uint8Array): Errno | null {
  const start = userRange(k, address, bytes.length);
  if (start === null) return "EFAULT";
  const errno = eachPage(start, bytes.length, (page) => {
    const region = findRegion(space.regions, page);
    if (region === null) return "EFAULT";
    const isOthers = isShared(region) || region.backing.kind === "frame";
    return isOthers && (region.permissions & Permission.write) === 0 ? "EFAULT" : null;
  });
  return errno ?? copyOut(k, space, address, bytes, true);
}

/** What is copied at first of a string whose length is not known: as much as fits without a buffer outside the heap. */
const shortString = 64;

/** The bytes of a string up to its NUL; ENAMETOOLONG when there is none in the first `most` bytes. */
export function readString(
  k: MmKernel,
  space: Space,
  address: bigint,
  most: number = limits.pathBytes,
): Copied<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let done = 0;
  // Most strings are short, and what is behind them is not looked at.
  for (let room = shortString; done < most; room = pageBytes) {
    const start = userRange(k, address + BigInt(done), 1);
    if (start === null) return bad("EFAULT");
    const length = Math.min(room, alignUp(start + 1, pageBytes) - start, most - done);
    const piece = copyIn(k, space, BigInt(start), length);
    if (!piece.ok) return piece;
    const end = piece.value.indexOf(0);
    // A view would give few bytes a buffer outside the heap.
    pieces.push(end < 0 ? piece.value : piece.value.slice(0, end));
    if (end >= 0) return { ok: true, value: pieces.length === 1 ? pieces[0]! : joinBytes(pieces) };
    done += length;
  }
  return bad("ENAMETOOLONG");
}

/** One page as the task would read it, without bringing anything in; null where no region is. */
function peekPage(k: MmKernel, space: Space, page: number): Uint8Array | null {
  const region = findRegion(space.regions, page);
  if (region === null) return null;
  const mapping = k.hal.mmu.lookup(space.root, page);
  if (mapping !== null) return isRam(k, mapping.frame) ? k.hal.memory.read(mapping.frame) : null;
  const bytes = new Uint8Array(pageBytes);
  if (region.backing.kind === "anonymous") return bytes;
  if (region.backing.kind === "frame") return null;
  if (region.backing.kind === "vdso") return k.hal.vdso.bytes;
  const { file, offset, fileBytes, beyond } = region.backing;
  const within = page - region.start;
  const stored = getStored(k, file);
  const inFile = Math.min(pageBytes, beyond === "zero" ? fileBytes - within : stored.size - offset - within);
  if (inFile <= 0) return beyond === "zero" ? bytes : null;
  bytes.set(peekStored(k, stored, (offset + within) / pageBytes).subarray(0, inFile));
  return bytes;
}

/** For inspection: what the task would read, leaving the state as it is; null when any byte is not there. */
export function peek(k: MmKernel, space: Space, address: number, length: number): Uint8Array | null {
  const bytes = new Uint8Array(length);
  const errno = eachPage(address, length, (page, from, to, at) => {
    const source = peekPage(k, space, page);
    if (source === null) return "EFAULT";
    bytes.set(source.subarray(from, to), at);
    return null;
  });
  return errno === null ? bytes : null;
}
