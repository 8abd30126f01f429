/**
 * Reading an ELF64 executable (System V ABI, chapter 5; the RISC-V psABI for the machine).
 *
 * The bytes come from anybody, so every number in them is checked before it is used, and the message says which
 * one is wrong and where. What comes out is a plan that mapping cannot fail on, memory aside.
 */
import { type InstructionSet, Permission, type Permissions, pageBytes } from "../hal/types.ts";
import { alignDown, alignUp, hex, saturate } from "../lib/bits.ts";
import { limits } from "../lib/limits.ts";
import { decodeName } from "../lib/text.ts";

export interface Segment {
  /** Page-aligned range of addresses, relative to the load base. */
  start: number;
  end: number;
  permissions: Permissions;
  /** Page-aligned offset of `start` in the file, and bytes from `start` that the file has. */
  offset: number;
  fileBytes: number;
}

/** A file to be read piece by piece; a piece behind its end is short. */
export interface Source {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

export const sourceOf = (content: Uint8Array): Source => ({
  size: content.length,
  read: (offset, length) => content.subarray(offset, offset + length),
});

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export interface Executable {
  /** Added to every address: 0, or where a position-independent executable is put. */
  base: number;
  entry: number;
  segments: Segment[];
  /** Where programs find their own program headers, and how many. */
  headersAddress: number;
  headersCount: number;
  /** First page behind the last segment. */
  end: number;
  /** The program that is to load it and what it needs (a dynamic linker), if it names one. */
  interpreter: string | null;
  /** It has the note that asks for the capabilities of a root task. */
  wantsCapabilities: boolean;
}

export type Parsed = { ok: true; executable: Executable } | { ok: false; message: string };

/** Thrown and caught in this file only. */
class Refusal extends Error {}
const refuse = (message: string): never => {
  throw new Refusal(message);
};

const headerBytes = 64;
const entryBytes = 56;
const Type = { none: 0, relocatable: 1, executable: 2, shared: 3, core: 4 } as const;
const SegmentType = { load: 1, dynamic: 2, interpreter: 3, note: 4 } as const;

/** As the file says it: 64 bits, to be checked before any of it becomes a number. */
interface ProgramHeader {
  type: number;
  flags: number;
  offset: bigint;
  address: bigint;
  fileBytes: bigint;
  memoryBytes: bigint;
}

interface Header {
  position: "fixed" | "independent";
  entry: bigint;
  tableOffset: number;
  count: number;
}

const typeNames: Readonly<Record<number, string>> = {
  0: "no type (ET_NONE)",
  1: "an object file (ET_REL); link it into an executable",
  4: "a core dump (ET_CORE)",
};

function readHeader(source: Source, isa: InstructionSet): Header {
  const view = viewOf(source.read(0, headerBytes));
  if (view.byteLength < 4 || view.getUint32(0, false) !== 0x7f454c46)
    refuse("the file does not begin with the ELF magic 7f 45 4c 46");
  if (view.byteLength < headerBytes)
    refuse(`the file is cut off: ${view.byteLength} bytes, but an ELF header has ${headerBytes}`);
  if (view.getUint8(4) !== 2) refuse(`ELF class ${view.getUint8(4)} at offset 4: only 64-bit files (class 2) run here`);
  if (view.getUint8(5) !== 1)
    refuse(`ELF data encoding ${view.getUint8(5)} at offset 5: only little-endian files (1) run here`);
  if (view.getUint8(6) !== 1) refuse(`ELF version ${view.getUint8(6)} at offset 6: only version 1 is known`);
  const machine = view.getUint16(18, true);
  if (machine !== isa.elfMachine)
    refuse(`ELF machine ${machine} at offset 18: this is not a ${isa.elfMachineName} program (${isa.elfMachine})`);
  const type = view.getUint16(16, true);
  if (type !== Type.executable && type !== Type.shared)
    refuse(`ELF type ${type} at offset 16: the file is ${typeNames[type] ?? "of an unknown type"}`);
  const size = view.getUint16(54, true);
  if (size !== entryBytes) refuse(`program header size ${size} at offset 54: it must be ${entryBytes}`);
  const count = view.getUint16(56, true);
  if (count === 0) refuse("the file has no program headers: nothing says what to load");
  if (count > limits.programHeaders)
    refuse(`${count} program headers at offset 56: at most ${limits.programHeaders} are read`);
  const tableOffset = view.getBigUint64(32, true);
  if (tableOffset + BigInt(count * entryBytes) > BigInt(source.size)) {
    refuse(
      `the program header table (offset ${tableOffset}, ${count} entries) lies outside the file of ${source.size} bytes`,
    );
  }
  return {
    position: type === Type.shared ? "independent" : "fixed",
    entry: view.getBigUint64(24, true),
    tableOffset: Number(tableOffset),
    count,
  };
}

function readProgramHeaders(source: Source, { tableOffset, count }: Header): ProgramHeader[] {
  const view = viewOf(source.read(tableOffset, count * entryBytes));
  const headers: ProgramHeader[] = [];
  for (let at = 0; headers.length < count; at += entryBytes) {
    headers.push({
      type: view.getUint32(at, true),
      flags: view.getUint32(at + 4, true),
      offset: view.getBigUint64(at + 8, true),
      address: view.getBigUint64(at + 16, true),
      fileBytes: view.getBigUint64(at + 32, true),
      memoryBytes: view.getBigUint64(at + 40, true),
    });
  }
  return headers;
}

const permissionsOf = (flags: number): Permissions =>
  (flags & 6 ? Permission.read : 0) | (flags & 2 ? Permission.write : 0) | (flags & 1 ? Permission.execute : 0);

function toSegment(header: ProgramHeader, index: number, fileSize: number, lowest: number, highest: number): Segment {
  const name = `segment ${index} (at ${hex(header.address)})`;
  if (header.address >= BigInt(highest)) refuse(`${name} lies outside user memory (which ends at ${hex(highest)})`);
  if (header.address + header.memoryBytes > BigInt(highest))
    refuse(`${name} of ${header.memoryBytes} bytes ends beyond user memory (${hex(highest)})`);
  if (header.fileBytes > header.memoryBytes)
    refuse(`${name} has more bytes in the file (${header.fileBytes}) than in memory (${header.memoryBytes})`);
  if (header.offset + header.fileBytes > BigInt(fileSize))
    refuse(`${name} reaches beyond the file: offset ${header.offset} + ${header.fileBytes} > ${fileSize}`);
  const [offset, address] = [Number(header.offset), Number(header.address)];
  if (address % pageBytes !== offset % pageBytes)
    refuse(`${name} is misaligned: address and file offset ${hex(offset)} differ modulo ${pageBytes}`);
  const start = alignDown(address, pageBytes);
  if (start < lowest) refuse(`${name} lies below ${hex(lowest)}, where nothing may be mapped`);
  const lead = address - start;
  return {
    start,
    end: alignUp(address + Number(header.memoryBytes), pageBytes),
    permissions: permissionsOf(header.flags),
    offset: offset - lead,
    fileBytes: header.fileBytes === 0n ? 0 : lead + Number(header.fileBytes),
  };
}

function checkDisjoint(segments: readonly Segment[]): void {
  for (let i = 1; i < segments.length; i++) {
    if (segments[i]!.start < segments[i - 1]!.end) refuse(`segments overlap in the page at ${hex(segments[i]!.start)}`);
  }
}

/** Address of the program headers in memory, if a segment holds them. */
function headersIn(segments: readonly Segment[], { tableOffset, count }: Header, base: number): number {
  const end = tableOffset + count * entryBytes;
  const holder = segments.find(({ offset, fileBytes }) => offset <= tableOffset && end <= offset + fileBytes);
  return holder === undefined ? 0 : base + holder.start + tableOffset - holder.offset;
}

const noteName = "Ostler\0";
const capabilitiesNote = 1;

/** Of a segment with notes this much is looked at. */
const noteBytes = 4096;

/** Whether one of the notes in a segment is ours; what is not a note as it should be is none. */
function hasOurNote(source: Source, { offset, fileBytes }: ProgramHeader): boolean {
  const content = source.read(saturate(offset), Math.min(noteBytes, saturate(fileBytes)));
  const view = viewOf(content);
  const end = content.length;
  for (let at = 0; at + 12 <= end; ) {
    const nameBytes = view.getUint32(at, true);
    const type = view.getUint32(at + 8, true);
    const name = content.subarray(at + 12, Math.min(end, at + 12 + nameBytes));
    if (type === capabilitiesNote && String.fromCharCode(...name.subarray(0, 16)) === noteName) return true;
    at += 12 + alignUp(nameBytes, 4) + alignUp(view.getUint32(at + 4, true), 4);
  }
  return false;
}

/** The path that a dynamically linked program names, ended by a NUL. */
function readInterpreter(source: Source, { offset, fileBytes }: ProgramHeader): string {
  const length = saturate(fileBytes);
  if (length < 2 || length > limits.pathBytes || saturate(offset) + length > source.size)
    refuse("the path of the program's interpreter lies outside the file, or is too long");
  const bytes = source.read(saturate(offset), length);
  if (bytes.at(-1) !== 0) refuse("the path of the program's interpreter has no end");
  return decodeName(bytes.subarray(0, bytes.indexOf(0)));
}

export interface Bounds {
  /** Addresses that segments may have: [lowest, highest). */
  lowest: number;
  highest: number;
  /** Where position-independent executables go. */
  independentBase: number;
}

function plan(source: Source, isa: InstructionSet, bounds: Bounds): Executable {
  const header = readHeader(source, isa);
  const headers = readProgramHeaders(source, header);
  const interpreter = headers.find(({ type }) => type === SegmentType.interpreter);
  const base = header.position === "independent" ? bounds.independentBase : 0;
  const lowest = base === 0 ? bounds.lowest : 0;
  const segments: Segment[] = [];
  for (const [index, entry] of headers.entries()) {
    if (entry.type !== SegmentType.load || entry.memoryBytes === 0n) continue;
    segments.push(toSegment(entry, index, source.size, lowest, bounds.highest - base));
  }
  if (segments.length === 0) refuse("the file has no loadable segment");
  segments.sort((a, b) => a.start - b.start);
  checkDisjoint(segments);
  const entrySegment = segments.find(({ start, end }) => header.entry >= BigInt(start) && header.entry < BigInt(end));
  if (entrySegment === undefined || (entrySegment.permissions & Permission.execute) === 0) {
    refuse(`the entry point ${hex(header.entry)} is not in an executable segment`);
  }
  if (header.entry % 2n !== 0n) refuse(`the entry point ${hex(header.entry)} is odd`);
  return {
    base,
    entry: base + Number(header.entry),
    segments: segments.map((segment) => ({ ...segment, start: segment.start + base, end: segment.end + base })),
    headersAddress: headersIn(segments, header, base),
    headersCount: header.count,
    end: base + segments.at(-1)!.end,
    interpreter: interpreter === undefined ? null : readInterpreter(source, interpreter),
    wantsCapabilities: headers.some((entry) => entry.type === SegmentType.note && hasOurNote(source, entry)),
  };
}

/** The same program, somewhere else. */
export function moved(executable: Executable, by: number): Executable {
  const { segments, base, entry, headersAddress, end } = executable;
  return {
    ...executable,
    base: base + by,
    entry: entry + by,
    end: end + by,
    headersAddress: headersAddress === 0 ? 0 : headersAddress + by,
    segments: segments.map((segment) => ({ ...segment, start: segment.start + by, end: segment.end + by })),
  };
}

export function parseExecutable(source: Source, isa: InstructionSet, bounds: Bounds): Parsed {
  try {
    return { ok: true, executable: plan(source, isa, bounds) };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, message: error.message };
    throw error;
  }
}
