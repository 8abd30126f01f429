/**
 * A device's registers, declared: what is where, how wide it is, and what reading and writing it does.
 *
 * A register has one to four bytes; its value is a number, unsigned. Contract of an access to a block:
 * - of a register's own width: that register;
 * - wider, where `widths` allows it: so many neighbours, the first in the low bytes (an access of 8 bytes to a pair of
 *   words, of 4 bytes to a space of bytes);
 * - narrower, where `widths` allows it: a part of what is read; a write gives the value as it is;
 * - of another width, not aligned to its width, or over the end of an array of registers: an access fault;
 * - where nothing is declared: reads as zero, and a write does nothing.
 */
import type { AccessSize } from "../cpu/core.ts";

export interface Register {
  /** As the device's manual calls it. */
  readonly name: string;
  readonly offset: number;
  readonly bytes: 1 | 2 | 4;
  /** An array of so many, one behind the other. Default 1. */
  readonly count?: number;
  /** From one to the next. Default: `bytes`. */
  readonly stride?: number;
  /** Widths of an access. Default: its own. */
  readonly widths?: readonly AccessSize[];
  /** Without it reads as zero. */
  read?(index: number): number;
  /** Without it writes do nothing. `value` has at most the register's bytes. */
  write?(index: number, value: number): void;
}

/** Where an offset is in an array of registers, if it is. */
function indexIn({ offset, bytes, count = 1, stride = bytes }: Register, at: number): number {
  const index = Math.floor((at - offset) / stride);
  return at >= offset && index < count && at - offset - index * stride < bytes ? index : -1;
}

/** What an access comes to: the register, which one of them, how many; null stands for nothing declared. */
interface Place {
  register: Register;
  index: number;
  /** Registers that it covers; 0: a part of one, from byte `from` on. */
  count: number;
  from: number;
}

function placeOf(registers: readonly Register[], offset: number, size: AccessSize): Place | null | "fault" {
  for (const register of registers) {
    const index = indexIn(register, offset);
    if (index < 0) continue;
    const { bytes, stride = bytes, count = 1, widths = [bytes] } = register;
    const from = offset - register.offset - index * stride;
    if (!widths.includes(size) || offset % size !== 0) return "fault";
    if (size < bytes) return { register, index, count: 0, from };
    const covered = size / bytes;
    return from === 0 && stride === bytes && index + covered <= count
      ? { register, index, count: covered, from: 0 }
      : covered === 1 && from === 0
        ? { register, index, count: 1, from: 0 }
        : "fault";
  }
  return offset % size === 0 ? null : "fault";
}

const mask = (bytes: number): number => 2 ** (bytes * 8) - 1;

/** null: an access fault. */
export function readRegisters(registers: readonly Register[], offset: number, size: AccessSize): bigint | null {
  const place = placeOf(registers, offset, size);
  if (place === "fault") return null;
  if (place === null) return 0n;
  const { register, index, count, from } = place;
  const read = (i: number): number => register.read?.(i) ?? 0;
  if (count === 0) return BigInt((read(index) >>> (from * 8)) & mask(size));
  if (count === 1) return BigInt(read(index) >>> 0);
  let value = 0n;
  for (let i = 0; i < count; i++) value |= BigInt(read(index + i) >>> 0) << BigInt(i * register.bytes * 8);
  return value;
}

/** False: an access fault. */
export function writeRegisters(
  registers: readonly Register[],
  offset: number,
  size: AccessSize,
  value: bigint,
): boolean {
  const place = placeOf(registers, offset, size);
  if (place === "fault") return false;
  if (place === null) return true;
  const { register, index, count } = place;
  const width = Math.min(size, register.bytes) * 8;
  for (let i = 0; i < Math.max(count, 1); i++)
    register.write?.(index + i, Number(BigInt.asUintN(width, value >> BigInt(i * width))));
  return true;
}
