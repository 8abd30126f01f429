/** Pieces of text shared by the two halves of the disassembler. */

const X = "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6".split(
  " ",
);
const F = (
  "ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 " +
  "ft8 ft9 ft10 ft11"
).split(" ");

export const x = (register: number): string => X[register & 31] as string;
export const f = (register: number): string => F[register & 31] as string;
export const hex = (value: number): string => `0x${value.toString(16)}`;
export const signed = (value: number, width: number): number => (value << (32 - width)) >> (32 - width);
export const address = (pc: bigint, distance: number): string =>
  `0x${BigInt.asUintN(64, pc + BigInt(distance)).toString(16)}`;
export const insn = (bits: number, digits: number): string =>
  `.insn 0x${(bits >>> 0).toString(16).padStart(digits, "0")}`;
