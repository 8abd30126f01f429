/**
 * Kinds of system-call arguments: how a register becomes a value, what is copied in before and out after, and
 * how it reads in a trace.
 *
 * A kind that points into the task's memory copies once, before the handler runs: the handler never sees a user
 * address that it would read again. Out arguments are given to the handler as the room there is; what it
 * returns for them is copied after it, and a failing copy is EFAULT.
 */

import { hex, saturate, toSigned32, toSigned64, toUnsigned32 } from "../../lib/bits.ts";
import { joinBytes } from "../../lib/bytes.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { decodeName, quoteBytes } from "../../lib/text.ts";
import type { MmKernel } from "../../mm/kernel.ts";
import type { Space } from "../../mm/state.ts";
import { copyIn, copyOut, readString } from "../../mm/user.ts";

export type Decoded<T> = { value: T } | { errno: Errno };
export type Direction = "in" | "out" | "inout";

/** The raw registers of the call, by the names of its arguments. */
export type Peers = (name: string) => bigint;

export interface Memory {
  readonly k: MmKernel;
  readonly space: Space;
}

/** `In` is what the handler gets, `Out` what it returns for the argument (never: nothing). */
export interface ArgumentKind<In, Out = never> {
  readonly kind: string;
  readonly direction: Direction;
  /** Whether a wild value is an address. */
  readonly pointer: boolean;
  decode(memory: Memory, raw: bigint, peers: Peers): Decoded<In>;
  /** As the call is entered. */
  show(value: In, raw: bigint): string;
  /** For out kinds. */
  store?(memory: Memory, raw: bigint, peers: Peers, value: Out): Errno | null;
  showOut?(value: Out): string;
}

function value<T>(kind: string, convert: (raw: bigint) => T, show: (value: T) => string): ArgumentKind<T> {
  return { kind, direction: "in", pointer: false, decode: (_memory, raw) => ({ value: convert(raw) }), show };
}

export const int = value("int", toSigned32, String);
export const uint = value("uint", toUnsigned32, String);
export const long = value("long", toSigned64, String);
/** 64 bits of any meaning. */
export const word = value("word", (raw) => raw, hex);
/** A count of bytes; more than 2^53 - 1 counts as that. */
export const size = value("size", saturate, String);
export const fd = value("fd", toSigned32, (n) => (n === -100 ? "AT_FDCWD" : String(n)));
/** An address that the call does not look behind, or handles itself. */
export const address: ArgumentKind<bigint> = {
  ...value(
    "address",
    (raw) => raw,
    (a) => (a === 0n ? "NULL" : hex(a)),
  ),
  pointer: true,
};
/** An address that the handler itself reads and writes: arrays that other arguments count. */
export const inout = (what: string): ArgumentKind<bigint> => ({ ...address, kind: what, direction: "inout" });
export const signal = value("signal", toSigned32, String);

/** A set of named bits, or with `choices` one of named values. */
export function flags(names: Readonly<Record<string, number>>): ArgumentKind<number> {
  const list = Object.entries(names);
  return value("flags", toUnsigned32, (bits) => {
    const found = list.filter(([, bit]) => bit !== 0 && (bits & bit) >>> 0 === bit);
    const rest = found.reduce((left, [, bit]) => (left & ~bit) >>> 0, bits);
    const zero = list.find(([, bit]) => bit === 0)?.[0];
    const texts = found.map(([name]) => name);
    if (rest !== 0) texts.push(hex(rest));
    return texts.length > 0 ? texts.join("|") : (zero ?? "0");
  });
}

export function choice(names: Readonly<Record<string, number>>): ArgumentKind<number> {
  const byNumber = new Map(Object.entries(names).map(([name, number]) => [number, name]));
  return value("choice", toUnsigned32, (number) => byNumber.get(number) ?? String(number));
}

const wrap = <T>(copied: { ok: true; value: T } | { ok: false; errno: Errno }): Decoded<T> =>
  copied.ok ? { value: copied.value } : { errno: copied.errno };

/** A NUL-terminated path. */
export const path: ArgumentKind<string> = {
  kind: "path",
  direction: "in",
  pointer: true,
  decode({ k, space }, raw) {
    const bytes = readString(k, space, raw);
    return bytes.ok ? { value: decodeName(bytes.value) } : { errno: bytes.errno };
  },
  show: (text) => JSON.stringify(text.length > 32 ? text.slice(0, 32) : text) + (text.length > 32 ? "..." : ""),
};

/** A path, or null. */
export const optionalPath: ArgumentKind<string | null> = {
  ...path,
  decode: (memory, raw, peers) => (raw === 0n ? { value: null } : path.decode(memory, raw, peers)),
  show: (text, raw) => (text === null ? "NULL" : path.show(text, raw)),
};

/** Bytes whose number another argument gives; a long buffer is cut short, and the call handles less. */
export const bufferIn = (length: string, most: number = limits.transferBytes): ArgumentKind<Uint8Array> => ({
  kind: "buffer",
  direction: "in",
  pointer: true,
  decode: ({ k, space }, raw, peers) => wrap(copyIn(k, space, raw, Math.min(saturate(peers(length)), most))),
  show: (bytes) => quoteBytes(bytes),
});

/** As many bytes as a structure has whose meaning the handler decides. */
export const bytesIn = (kind: string, count: number): ArgumentKind<Uint8Array> => ({
  kind,
  direction: "in",
  pointer: true,
  decode: ({ k, space }, raw) => wrap(copyIn(k, space, raw, count)),
  show: (_bytes, raw) => hex(raw),
});

/** Room for bytes; the handler gets how many fit and returns those that there are. */
export const bufferOut = (length: string, most: number = limits.transferBytes): ArgumentKind<number, Uint8Array> => ({
  kind: "buffer",
  direction: "out",
  pointer: true,
  decode: (_memory, _raw, peers) => ({ value: Math.min(saturate(peers(length)), most) }),
  show: (_room, raw) => hex(raw),
  store: ({ k, space }, raw, _peers, bytes) => copyOut(k, space, raw, bytes),
  showOut: (bytes) => quoteBytes(bytes),
});

/** How a C structure lies in memory. */
export interface Layout<T> {
  readonly name: string;
  readonly bytes: number;
  read(view: DataView): T;
  write(view: DataView, value: T): void;
  show(value: T): string;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

export function pack<T>(layout: Layout<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(layout.bytes);
  layout.write(viewOf(bytes), value);
  return bytes;
}

/** A structure; null when the pointer is. A call that needs it answers null itself (EFAULT). */
export const structIn = <T>(layout: Layout<T>): ArgumentKind<T | null> => ({
  kind: layout.name,
  direction: "in",
  pointer: true,
  decode({ k, space }, raw) {
    if (raw === 0n) return { value: null };
    const bytes = copyIn(k, space, raw, layout.bytes);
    return bytes.ok ? { value: layout.read(viewOf(bytes.value)) } : { errno: bytes.errno };
  },
  show: (found) => (found === null ? "NULL" : layout.show(found)),
});

/** A structure that is read, and written anew by the call itself: with its address. */
export const structInOut = <T>(layout: Layout<T>): ArgumentKind<{ value: T; address: bigint } | null> => ({
  kind: layout.name,
  direction: "inout",
  pointer: true,
  decode(memory, address, peers) {
    const found = structIn(layout).decode(memory, address, peers);
    if ("errno" in found) return found;
    return { value: found.value === null ? null : { value: found.value, address } };
  },
  show: (found) => (found === null ? "NULL" : layout.show(found.value)),
});

/** Room for a structure; the handler gets whether there is any (the pointer is not null). */
export const structOut = <T>(
  layout: Layout<T>,
  needed: "needed" | "optional" = "needed",
): ArgumentKind<boolean, T> => ({
  kind: layout.name,
  direction: "out",
  pointer: true,
  decode: (_memory, raw) => ({ value: raw !== 0n }),
  show: (_there, raw) => (raw === 0n ? "NULL" : hex(raw)),
  store({ k, space }, raw, _peers, value) {
    if (raw === 0n) return needed === "needed" ? "EFAULT" : null;
    return copyOut(k, space, raw, pack(layout, value));
  },
  showOut: (value) => layout.show(value),
});

/** One piece of user memory that a struct iovec names. */
export interface VectorEntry {
  base: bigint;
  length: number;
}

/** The entries of a struct iovec array; EINVAL as readv(2) says. */
export function readVector({ k, space }: Memory, raw: bigint, count: bigint): Decoded<VectorEntry[]> {
  const entries = toSigned64(count);
  if (entries < 0n || entries > BigInt(limits.vectorEntries)) return { errno: "EINVAL" };
  const bytes = copyIn(k, space, raw, Number(entries) * 16);
  if (!bytes.ok) return { errno: bytes.errno };
  const view = viewOf(bytes.value);
  const vector: VectorEntry[] = [];
  for (let at = 0; at < bytes.value.length; at += 16) {
    const length = view.getBigUint64(at + 8, true);
    if (length > 0x7fff_ffff_ffff_ffffn) return { errno: "EINVAL" };
    vector.push({ base: view.getBigUint64(at, true), length: saturate(length) });
  }
  return { value: vector };
}

/** What lies in these pieces, in one; as much as one call moves. */
export function gather({ k, space }: Memory, vector: readonly VectorEntry[]): Decoded<Uint8Array> {
  const parts: Uint8Array[] = [];
  let left: number = limits.transferBytes;
  for (const { base, length } of vector) {
    const part = copyIn(k, space, base, Math.min(length, left));
    if (!part.ok) return { errno: part.errno };
    parts.push(part.value);
    left -= part.value.length;
  }
  return { value: joinBytes(parts) };
}

/** Puts bytes into these pieces, one behind the other. */
export function scatter({ k, space }: Memory, vector: readonly VectorEntry[], bytes: Uint8Array): Errno | null {
  let at = 0;
  for (const { base, length } of vector) {
    const part = bytes.subarray(at, at + length);
    const errno = copyOut(k, space, base, part);
    if (errno !== null) return errno;
    at += part.length;
  }
  return null;
}

/** The bytes that a struct iovec array names, gathered. */
export const vectorIn = (count: string): ArgumentKind<Uint8Array> => ({
  kind: "vector",
  direction: "in",
  pointer: true,
  decode(memory, raw, peers) {
    const vector = readVector(memory, raw, peers(count));
    return "errno" in vector ? vector : gather(memory, vector.value);
  },
  show: (bytes) => `[${quoteBytes(bytes)}]`,
});

/** Room in the pieces that a struct iovec array names; the handler gets how many bytes fit in all. */
export const vectorOut = (count: string): ArgumentKind<number, Uint8Array> => ({
  kind: "vector",
  direction: "out",
  pointer: true,
  decode(memory, raw, peers) {
    const vector = readVector(memory, raw, peers(count));
    if ("errno" in vector) return vector;
    return {
      value: Math.min(
        limits.transferBytes,
        vector.value.reduce((sum, { length }) => sum + length, 0),
      ),
    };
  },
  show: (_room, raw) => hex(raw),
  store(memory, raw, peers, bytes) {
    const vector = readVector(memory, raw, peers(count));
    return "errno" in vector ? vector.errno : scatter(memory, vector.value, bytes);
  },
  showOut: (bytes) => `[${quoteBytes(bytes)}]`,
});
