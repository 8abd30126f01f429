/**
 * The page of code that the kernel gives to every program (vdso(7)): a shared object of one page with the one function
 * that signal handlers return to. It is made here, byte by byte, and the same for all.
 *
 * C libraries look it up by name and version; unwinders know the two instructions.
 */
import { pageBytes } from "../types.ts";

const machine = 243;
const text = 0x400;
/** li a7, 139 (rt_sigreturn); ecall */
const code = [0x08b00893, 0x00000073] as const;
const soname = "linux-vdso.so.1";
const version = "LINUX_4.15";
const symbol = "__vdso_rt_sigreturn";

const At = {
  programHeaders: 0x40,
  dynamic: 0x100,
  symbols: 0x1c0,
  hash: 0x200,
  versions: 0x220,
  definitions: 0x228,
  strings: 0x280,
};
const Type = { load: 1, dynamic: 2 } as const;
const Tag = {
  hash: 4,
  strings: 5,
  symbols: 6,
  stringBytes: 10,
  symbolBytes: 11,
  soname: 14,
  versionSymbols: 0x6ffffff0,
  versionDefinitions: 0x6ffffffc,
  versionDefinitionCount: 0x6ffffffd,
} as const;

/** The System V hash of a name, as symbol versions have it. */
function hashOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) {
    hash = ((hash << 4) + name.charCodeAt(i)) >>> 0;
    const high = hash & 0xf000_0000;
    hash = ((hash ^ (high >>> 24)) & ~high) >>> 0;
  }
  return hash;
}

class Writer {
  readonly bytes = new Uint8Array(pageBytes);
  readonly view = new DataView(this.bytes.buffer);

  u16(at: number, ...values: number[]): void {
    for (const [i, value] of values.entries()) this.view.setUint16(at + 2 * i, value, true);
  }
  u32(at: number, ...values: number[]): void {
    for (const [i, value] of values.entries()) this.view.setUint32(at + 4 * i, value, true);
  }
  u64(at: number, ...values: number[]): void {
    for (const [i, value] of values.entries()) this.view.setBigUint64(at + 8 * i, BigInt(value), true);
  }
  text(at: number, value: string): number {
    for (let i = 0; i < value.length; i++) this.bytes[at + i] = value.charCodeAt(i);
    return at + value.length + 1;
  }
}

function headers(w: Writer): void {
  w.u32(0, 0x464c457f, 0x00010102);
  w.u16(16, 3, machine);
  w.u32(20, 1);
  w.u64(24, 0, At.programHeaders, 0);
  // Floating point is passed in registers of double width, and instructions may be compressed.
  w.u32(48, 0x5);
  w.u16(52, 64, 56, 2, 64, 0, 0);
  w.u32(At.programHeaders, Type.load, 5);
  w.u64(At.programHeaders + 8, 0, 0, 0, pageBytes, pageBytes, pageBytes);
  w.u32(At.programHeaders + 56, Type.dynamic, 4);
  w.u64(At.programHeaders + 64, At.dynamic, At.dynamic, At.dynamic, 160, 160, 8);
}

function makePage(): Uint8Array {
  const w = new Writer();
  headers(w);
  const sonameAt = At.strings + 1;
  const symbolAt = w.text(sonameAt, soname);
  const versionAt = w.text(symbolAt, symbol);
  const end = w.text(versionAt, version);
  const name = (at: number): number => at - At.strings;
  const tags: [number, number][] = [
    [Tag.hash, At.hash],
    [Tag.strings, At.strings],
    [Tag.symbols, At.symbols],
    [Tag.stringBytes, end - At.strings],
    [Tag.symbolBytes, 24],
    [Tag.soname, name(sonameAt)],
    [Tag.versionSymbols, At.versions],
    [Tag.versionDefinitions, At.definitions],
    [Tag.versionDefinitionCount, 2],
    [0, 0],
  ];
  w.u64(At.dynamic, ...tags.flat());
  // The second symbol: a global function, in any section that is one.
  w.u32(At.symbols + 24, name(symbolAt));
  w.u16(At.symbols + 28, 0x0012, 1);
  w.u64(At.symbols + 32, text, 4 * code.length);
  w.u32(At.hash, 1, 2, 1, 0, 0);
  w.u16(At.versions, 0, 2);
  // The object itself, then the version of the symbol.
  w.u16(At.definitions, 1, 1, 1, 1);
  w.u32(At.definitions + 8, hashOf(soname), 20, 28, name(sonameAt), 0);
  w.u16(At.definitions + 28, 1, 0, 2, 1);
  w.u32(At.definitions + 36, hashOf(version), 20, 0, name(versionAt), 0);
  w.u32(text, ...code);
  return w.bytes;
}

/** Where in the page handlers return to. */
export const returnOffset = text;
export const vdsoPage: Uint8Array = makePage();
