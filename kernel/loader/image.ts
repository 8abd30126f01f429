/**
 * Boot images: what firmware and kernels come as, raw bytes or ELF, as pieces of physical memory.
 *
 * The bytes come from anybody: every number is checked before it is used.
 */
import type { InstructionSet } from "../hal/types.ts";
import { hex, saturate } from "../lib/bits.ts";
import { limits } from "../lib/limits.ts";

export interface BootPiece {
  address: number;
  /** What lies there; behind it zeros, up to `memoryBytes`. */
  bytes: Uint8Array;
  memoryBytes: number;
}

export interface BootImage {
  entry: number;
  pieces: BootPiece[];
}

type Isa = Pick<InstructionSet, "elfMachine" | "elfMachineName">;

const headerBytes = 64;
const entryBytes = 56;
const loadSegment = 1;

export const isElf = (bytes: Uint8Array): boolean =>
  bytes.length >= headerBytes && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

/** An image that is put at `address` unless it says itself where it belongs; or what is wrong with it. */
export function planBootImage(bytes: Uint8Array, address: number, isa: Isa): BootImage | string {
  if (isElf(bytes)) return planElf(bytes, isa);
  return { entry: address, pieces: [{ address, bytes, memoryBytes: bytes.length }] };
}

function planElf(bytes: Uint8Array, { elfMachine, elfMachineName }: Isa): BootImage | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes[4] !== 2 || bytes[5] !== 1 || view.getUint16(18, true) !== elfMachine)
    return `is an ELF file, but not for ${elfMachineName} with 64 bits, little-endian`;
  const table = saturate(view.getBigUint64(32, true));
  const count = view.getUint16(56, true);
  if (view.getUint16(54, true) !== entryBytes || count > limits.programHeaders)
    return `has ${count} program headers of ${view.getUint16(54, true)} bytes`;
  if (table + count * entryBytes > bytes.length) return "has program headers outside the file";
  const pieces: BootPiece[] = [];
  for (let at = table; at < table + count * entryBytes; at += entryBytes) {
    if (view.getUint32(at, true) !== loadSegment) continue;
    const piece = pieceOf(bytes, view, at);
    if (piece === null) return `has a segment outside the file (program header at ${hex(at)})`;
    pieces.push(piece);
  }
  if (pieces.length === 0) return "has nothing to load";
  return { entry: saturate(view.getBigUint64(24, true)), pieces };
}

/** By physical address. */
function pieceOf(bytes: Uint8Array, view: DataView, at: number): BootPiece | null {
  const word = (offset: number): number => saturate(view.getBigUint64(at + offset, true));
  const [offset, address, fileBytes, memoryBytes] = [word(8), word(24), word(32), word(40)];
  if (offset + fileBytes > bytes.length || fileBytes > memoryBytes) return null;
  return { address, bytes: bytes.subarray(offset, offset + fileBytes), memoryBytes };
}
