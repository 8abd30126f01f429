/** A machine with two pages of code and three of data, and short ways to run something on it. */
import { type Bus, type Core, CoreStop, type HartState } from "../../../kernel/hardware/cpu/core.ts";
import { iType } from "./encode.ts";
import { Machine, PAGE, RW, RX } from "./machine.ts";

export const CODE = 0x10000n;
export const DATA = 0x20000n;

export const ECALL = 0x73;
export const EBREAK = 0x100073;
export const NOP = 0x13;
export const addi = (rd: number, rs1: number, imm: number): number => iType(0x13, 0, rd, rs1, imm);
export const load = (f3: number, rd: number, rs1: number, imm = 0): number => iType(0x03, f3, rd, rs1, imm);
/** csrrs rd, number, x0 */
export const csrr = (rd: number, number: number): number => iType(0x73, 2, rd, 0, number);

export class Fixture {
  readonly machine: Machine;
  readonly core: Core;
  readonly codePage: number;
  readonly dataPage: number;

  constructor(words: number[] = [], registers: Record<number, bigint> = {}, offset = 0, bus?: Bus) {
    this.machine = new Machine(128, bus);
    this.core = this.machine.core;
    this.codePage = this.machine.mapFresh(CODE, 2, RX);
    this.dataPage = this.machine.mapFresh(DATA, 3, RW);
    this.machine.code(this.codePage, words, offset);
    this.core.setPc(CODE + BigInt(offset));
    for (const [register, value] of Object.entries(registers))
      this.core.x[Number(register)] = BigInt.asUintN(64, value);
  }

  /** Replaces the code and the registers given, and runs to the first stop. */
  execute(words: number[], registers: Record<number, bigint> = {}, budget = 1000): CoreStop {
    this.machine.code(this.codePage, words);
    for (const [register, value] of Object.entries(registers))
      this.core.x[Number(register)] = BigInt.asUintN(64, value);
    this.core.setPc(CODE);
    return this.core.run(budget);
  }

  /** Bytes of the data pages. */
  get data(): Uint8Array {
    return this.core.ram.subarray(this.dataPage * PAGE, (this.dataPage + 3) * PAGE);
  }
}

/** Everything a run may change, in a form that compares. */
export function stateOf(core: Core): { hart: HartState; ram: string } {
  let hash = 0xcbf29ce484222325n;
  const words = new BigUint64Array(core.ram.buffer, core.ram.byteOffset, core.ram.length / 8);
  for (const word of words) if (word) hash = BigInt.asUintN(64, (hash ^ word) * 0x100000001b3n);
  return { hart: core.saveHart(), ram: hash.toString(16) };
}

export { CoreStop };
