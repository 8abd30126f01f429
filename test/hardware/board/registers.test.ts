import { expect, test } from "vitest";
import { type Register, readRegisters, writeRegisters } from "../../../kernel/hardware/bus/registers.ts";

const words = new Uint32Array(4);
const bytes = Uint8Array.of(1, 2, 3, 4);
const strided = new Uint32Array(2);
const registers: Register[] = [
  {
    name: "words",
    offset: 0x10,
    bytes: 4,
    count: 4,
    widths: [4, 8],
    read: (i) => words[i]!,
    write: (i, v) => void (words[i] = v),
  },
  { name: "bytes", offset: 0x40, bytes: 1, count: 4, widths: [1, 2, 4], read: (i) => bytes[i]! },
  {
    name: "strided",
    offset: 0x80,
    bytes: 4,
    count: 2,
    stride: 0x10,
    widths: [2, 4, 8],
    read: (i) => strided[i]!,
    write: (i, v) => void (strided[i] = v),
  },
  { name: "plain", offset: 0xc0, bytes: 4, read: () => 0xffff_fffe },
];

test("an access of a register's width is that register, of more width so many neighbours", () => {
  expect(writeRegisters(registers, 0x14, 4, 0x1_2345_6789n)).toBe(true);
  expect([...words]).toEqual([0, 0x2345_6789, 0, 0]);
  expect(writeRegisters(registers, 0x18, 8, 0xffff_fff0_8000_0001n)).toBe(true);
  expect([...words]).toEqual([0, 0x2345_6789, 0x8000_0001, 0xffff_fff0]);
  expect(readRegisters(registers, 0x18, 8)).toBe(0xffff_fff0_8000_0001n);
  expect(readRegisters(registers, 0x41, 1)).toBe(2n);
  expect(readRegisters(registers, 0x40, 4)).toBe(0x0403_0201n);
  expect(readRegisters(registers, 0x42, 2)).toBe(0x0403n);
});

test("a narrower access sees a part", () => {
  writeRegisters(registers, 0x90, 4, 0xaabb_ccddn);
  expect(readRegisters(registers, 0x92, 2)).toBe(0xaabbn);
  expect(writeRegisters(registers, 0x80, 2, 0x1234_5678n)).toBe(true);
  expect(strided[0]).toBe(0x5678);
});

test("wrong widths, misalignment and the end of an array fault", () => {
  expect(readRegisters(registers, 0x10, 1)).toBeNull();
  expect(readRegisters(registers, 0xc0, 8)).toBeNull();
  expect(readRegisters(registers, 0x14, 8)).toBeNull();
  expect(readRegisters(registers, 0x41, 2)).toBeNull();
  expect(readRegisters(registers, 0x80, 8)).toBeNull();
  expect(readRegisters(registers, 0x1, 4)).toBeNull();
  expect(writeRegisters(registers, 0x41, 4, 0n)).toBe(false);
});

test("where nothing is declared reads as zero; without a function nothing happens", () => {
  expect(readRegisters(registers, 0x200, 8)).toBe(0n);
  expect(readRegisters(registers, 0x84, 4)).toBe(0n);
  expect(writeRegisters(registers, 0x200, 4, 5n)).toBe(true);
  expect(writeRegisters(registers, 0x40, 1, 9n)).toBe(true);
  expect(readRegisters(registers, 0x40, 1)).toBe(1n);
  expect(readRegisters(registers, 0xc0, 4)).toBe(0xffff_fffen);
});
