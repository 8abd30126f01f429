/**
 * Entries of a tar archive: POSIX.1-1988 (ustar), POSIX.1-2001 (pax) and GNU's long names and large numbers.
 *
 * The bytes come from anywhere: what does not make sense is told in words (`ArchiveProblem`), and nothing is read
 * outside of them. What an entry holds stays where it is; only its place is given.
 */
import { decodeName, decodeText } from "../../lib/text.ts";

export interface TarEntry {
  /** As it is in the archive. */
  path: string;
  /** The header's letter; "0" for what has none. */
  type: string;
  mode: number;
  uid: number;
  gid: number;
  mtimeNs: bigint;
  size: number;
  link: string;
  major: number;
  minor: number;
  /** Where the content is. */
  offset: number;
}

/** What is wrong with an archive, for people. */
export class ArchiveProblem {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

const block = 512;
const longest = 65536;

interface Overrides {
  path?: string;
  linkpath?: string;
  size?: number;
  uid?: number;
  gid?: number;
  mtimeNs?: bigint;
}

const untilNul = (bytes: Uint8Array): Uint8Array => {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
};

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** An octal number, or GNU's: big-endian behind a first byte with its top bit set. -1: neither. */
function numberAt(header: Uint8Array, at: number, length: number): number {
  const field = header.subarray(at, at + length);
  if (field[0]! & 0x80) {
    let value = field[0]! & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    return value <= Number.MAX_SAFE_INTEGER ? value : -1;
  }
  const text = decodeText(untilNul(field)).trim();
  return text === "" ? 0 : /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : -1;
}

/** The header's sum, in which its own field counts as blanks. */
function sumOf(header: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 32 : header[i]!;
  return sum;
}

const nsPerSecond = 1_000_000_000n;

/** Seconds with a fraction, as pax has times. null: not that. */
function timeOf(text: string): bigint | null {
  const parts = /^(-?\d{1,12})(?:\.(\d{1,20}))?$/.exec(text);
  if (parts === null) return null;
  const fraction = BigInt((parts[2] ?? "").slice(0, 9).padEnd(9, "0"));
  return BigInt(parts[1]!) * nsPerSecond + (text.startsWith("-") ? -fraction : fraction);
}

/** Records of a pax header: "<length> <name>=<value>\n". */
function paxRecords(bytes: Uint8Array, into: Overrides): ArchiveProblem | null {
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(32, at);
    const length = blank < 0 ? Number.NaN : Number(decodeText(bytes.subarray(at, blank)));
    const end = at + length;
    if (!Number.isSafeInteger(length) || end > bytes.length || end <= blank || bytes[end - 1] !== 10)
      return new ArchiveProblem("a pax header is malformed");
    const equals = bytes.indexOf(61, blank);
    if (equals < 0 || equals >= end) return new ArchiveProblem("a pax header is malformed");
    const problem = paxRecord(decodeText(bytes.subarray(blank + 1, equals)), bytes.subarray(equals + 1, end - 1), into);
    if (problem !== null) return problem;
    at = end;
  }
  return null;
}

function paxRecord(name: string, value: Uint8Array, into: Overrides): ArchiveProblem | null {
  switch (name) {
    case "path":
      into.path = decodeName(value);
      return null;
    case "linkpath":
      into.linkpath = decodeName(value);
      return null;
    case "size":
    case "uid":
    case "gid": {
      const text = decodeText(value);
      if (!/^\d{1,15}$/.test(text)) return new ArchiveProblem(`a pax header has the ${name} ${text.slice(0, 32)}`);
      into[name] = Number(text);
      return null;
    }
    case "mtime": {
      const time = timeOf(decodeText(value));
      if (time === null) return new ArchiveProblem("a pax header has a time that is none");
      into.mtimeNs = time;
      return null;
    }
    default:
      return name.startsWith("GNU.sparse.") ? new ArchiveProblem("sparse files are not supported") : null;
  }
}

function pathOf(header: Uint8Array): string {
  const name = decodeName(untilNul(header.subarray(0, 100)));
  const isPosix = decodeText(header.subarray(257, 263)) === "ustar\0";
  const prefix = isPosix ? decodeName(untilNul(header.subarray(345, 500))) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function entryOf(header: Uint8Array, offset: number, overrides: Overrides): TarEntry | ArchiveProblem {
  const entry: TarEntry = {
    path: overrides.path ?? pathOf(header),
    type: header[156] === 0 ? "0" : String.fromCharCode(header[156]!),
    mode: numberAt(header, 100, 8),
    uid: overrides.uid ?? numberAt(header, 108, 8),
    gid: overrides.gid ?? numberAt(header, 116, 8),
    size: overrides.size ?? numberAt(header, 124, 12),
    mtimeNs: overrides.mtimeNs ?? BigInt(numberAt(header, 136, 12)) * nsPerSecond,
    link: overrides.linkpath ?? decodeName(untilNul(header.subarray(157, 257))),
    major: numberAt(header, 329, 8),
    minor: numberAt(header, 337, 8),
    offset,
  };
  const { mode, uid, gid, size, major, minor } = entry;
  if ([mode, uid, gid, size].some((value) => value < 0))
    return new ArchiveProblem(`${entry.path}: a number is malformed`);
  return { ...entry, major: Math.max(0, major), minor: Math.max(0, minor) };
}

/** Types that say something about the next entry, or about all that follow. */
const extensions: readonly string[] = ["x", "g", "L", "K"];
const mostExtensionBytes = 16 * longest;

/** A part of the archive: what is to be read next. */
export interface Part {
  offset: number;
  length: number;
}

/**
 * Visits the entries in their order, reading nothing but headers: whoever has the archive gives the parts that it needs.
 *
 *     while (reader.need !== null) reader.provide(reader.need.offset, more);
 */
export class TarReader {
  readonly #size: number;
  readonly #visit: (entry: TarEntry) => ArchiveProblem | null;
  readonly #all: Overrides = {};
  #next: Overrides = {};
  /** An extension whose header was read and whose content was not. */
  #extension: TarEntry | null = null;
  /** The least that must be given now; null: it has ended. */
  need: Part | null = null;
  problem: ArchiveProblem | null = null;

  constructor(size: number, visit: (entry: TarEntry) => ArchiveProblem | null) {
    this.#size = size;
    this.#visit = visit;
    if (size < block) this.problem = new ArchiveProblem("it is too short to be a tar archive");
    else this.#goOn(0);
  }

  /** The archive's bytes from an offset on; at least what is needed now, and what follows is read along. */
  provide(offset: number, bytes: Uint8Array): void {
    while (this.need !== null) {
      const from = this.need.offset - offset;
      const end = from + this.need.length;
      if (from < 0 || end > bytes.length) return;
      this.problem = this.#take(bytes.subarray(from, end), this.need.offset);
      if (this.problem !== null) this.need = null;
    }
  }

  #take(bytes: Uint8Array, at: number): ArchiveProblem | null {
    if (this.#extension === null) return this.#header(bytes, at);
    const { type } = this.#extension;
    this.#endEntry(this.#extension);
    this.#extension = null;
    if (type === "L") this.#next.path = decodeName(untilNul(bytes));
    else if (type === "K") this.#next.linkpath = decodeName(untilNul(bytes));
    else return paxRecords(bytes, type === "g" ? this.#all : this.#next);
    return null;
  }

  #header(header: Uint8Array, at: number): ArchiveProblem | null {
    if (isZero(header)) {
      this.need = null;
      return null;
    }
    if (numberAt(header, 148, 8) !== sumOf(header))
      return new ArchiveProblem(`at byte ${at} is no header of a tar archive (its checksum is wrong)`);
    const isExtension = extensions.includes(String.fromCharCode(header[156]!));
    const entry = entryOf(header, at + block, isExtension ? {} : { ...this.#all, ...this.#next });
    if (entry instanceof ArchiveProblem) return entry;
    if (entry.offset + storedBytes(entry) > this.#size)
      return new ArchiveProblem(`${entry.path}: the archive ends in the middle of it`);
    if (isExtension) return this.#expect(entry);
    this.#next = {};
    this.#endEntry(entry);
    return this.#visit(entry);
  }

  #expect(entry: TarEntry): ArchiveProblem | null {
    if (entry.size > mostExtensionBytes)
      return new ArchiveProblem("a header of extended attributes is larger than 1 MiB");
    this.#extension = entry;
    this.need = { offset: entry.offset, length: entry.size };
    return null;
  }

  #endEntry(entry: TarEntry): void {
    this.#goOn(entry.offset + Math.ceil(storedBytes(entry) / block) * block);
  }

  #goOn(offset: number): void {
    this.need = offset + block <= this.#size ? { offset, length: block } : null;
  }
}

/** Links, devices and directories have a size in some archives, and no content. */
const storedBytes = ({ type, size }: TarEntry): number => ("12345".includes(type) ? 0 : size);
