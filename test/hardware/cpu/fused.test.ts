/**
 * Sequences of instructions that the interpreter executes at once, against the same instructions one by one: with a budget of one
 * nothing is fused.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SLOTS } from "../../../kernel/hardware/cpu/rv64/assembly/layout.ts";
import { type RecordedName, recordedNames } from "../../../kernel/hardware/cpu/rv64/instructions/operations.ts";
import { sequences } from "../../../kernel/hardware/cpu/rv64/instructions/sequences.ts";
import {
  accessInstructions,
  branchInstructions,
  integerInstructions,
} from "../../../kernel/hardware/cpu/rv64/instructions/table.ts";
import { CODE, DATA, ECALL } from "./fixture.ts";
import { Machine, PAGE, RW, RWX } from "./machine.ts";

/** Bits of an instruction that are given, and what they are; of those with a C, and of those that are in no table. */
const patterns: Record<string, { mask: number; match: number }> = {
  Auipc: { mask: 0x7f, match: 0x17 },
  Li: { mask: 0x7f, match: 0x37 },
  JalFar: { mask: 0x7f, match: 0x6f },
  Jalr: { mask: 0x707f, match: 0x67 },
  LdC: { mask: 0xe001, match: 0x6000 },
  LwC: { mask: 0xe001, match: 0x4000 },
  SdC: { mask: 0xe001, match: 0xe000 },
  MvC: { mask: 0xf003, match: 0x8002 },
  AddC: { mask: 0xf003, match: 0x9002 },
  AddiC: { mask: 0xe003, match: 0x0001 },
  LiC: { mask: 0xe003, match: 0x4001 },
  AddiwC: { mask: 0xe003, match: 0x2001 },
  SlliC: { mask: 0xe003, match: 0x0002 },
  SrliC: { mask: 0xec03, match: 0x8001 },
  AndiC: { mask: 0xec03, match: 0x8801 },
  SubC: { mask: 0xfc63, match: 0x8c01 },
  XorC: { mask: 0xfc63, match: 0x8c21 },
  Jr: { mask: 0xf07f, match: 0x8002 },
  Jump: { mask: 0xe003, match: 0xa001 },
  BeqC: { mask: 0xe003, match: 0xc001 },
  BneC: { mask: 0xe003, match: 0xe001 },
};
for (const { op, mask, match } of [...integerInstructions, ...accessInstructions, ...branchInstructions])
  patterns[op] = { mask, match };

/** Where the offsets of loads and stores have their lowest bits: without them most accesses are aligned. */
const low: Record<string, number> = { 3: 7 << 20, 35: 7 << 7 };

function instruction(name: RecordedName, random: number): number {
  const pattern = patterns[name];
  if (!pattern) throw new Error(`no pattern for ${name}`);
  const word = pattern.match | (random & ~pattern.mask);
  return (word & 3) === 3 ? word & ~(low[word & 0x7f] ?? 0) : word & 0xffff;
}

/**
 * In the middle of the data or of the code, so that offsets of either sign lead to both sides of their ends; or a number.
 * Or that far from the sequence, which a store may then change while it is executed.
 */
const register = fc.oneof(
  { weight: 2, arbitrary: fc.record({ fromSequence: fc.integer({ min: -300, max: 16 }) }) },
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 511 }).map((i) => DATA + BigInt(8 * i)) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: PAGE - 1 }).map((i) => CODE + BigInt(i)) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 3n }) },
);

const BUDGET = 24;

class Rig {
  readonly #machine = new Machine(64);
  readonly #code = this.#machine.mapFresh(CODE, 2, RWX);
  readonly #data = this.#machine.mapFresh(DATA, 1, RW);

  /** What is left of a run that is cut into pieces. */
  run(words: number[], start: number, entry: number, registers: readonly bigint[], pieces: readonly number[]): unknown {
    const { core } = this.#machine;
    const code = core.ram.subarray(this.#code * PAGE, (this.#code + 2) * PAGE);
    new Uint32Array(code.buffer, code.byteOffset, PAGE / 2).fill(ECALL);
    core.ram.subarray(this.#data * PAGE, (this.#data + 1) * PAGE).fill(0xa5);
    this.#machine.code(this.#code, words, start);
    core.wrote(this.#code + 1);
    core.x.set(registers, 1);
    core.setPc(CODE + BigInt(entry));
    let stop = 0;
    let executed = 0;
    for (let i = 0; stop === 0 && executed < BUDGET; i++) {
      stop = core.run(Math.min(pieces[i % pieces.length] as number, BUDGET - executed));
      executed += core.executed();
    }
    const ram = Buffer.from(core.ram.subarray(this.#code * PAGE, (this.#data + 1) * PAGE)).toString("latin1");
    return { stop, executed, pc: core.getPc(), fault: stop ? core.faultValue() : 0n, x: [...core.x], ram };
  }

  /** What the dispatch loop does at an instruction of the first page of code. */
  dispatched(offset: number): number {
    return new DataView(this.#machine.core.ram.buffer).getUint16(SLOTS + 8 * offset, true);
  }
}

describe("a fused sequence", () => {
  const [whole, single, cut] = [new Rig(), new Rig(), new Rig()];
  test.for(sequences.map((sequence, i) => [sequence.join(" "), sequence, i] as const))("%s", ([, sequence, i]) => {
    let fused = 0;
    fc.assert(
      fc.property(
        fc.tuple(...sequence.map(() => fc.integer())),
        fc.array(register, { minLength: 31, maxLength: 31 }),
        // At the end of the page some of the sequence is on the next one.
        fc.oneof(
          { weight: 4, arbitrary: fc.nat(1000) },
          { weight: 1, arbitrary: fc.integer({ min: 1018, max: 1023 }) },
        ),
        fc.nat(2 * sequence.length),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 }),
        (random, registers, place, first, pieces) => {
          const words = sequence.map((name, k) => instruction(name, random[k] as number));
          const lengths = words.map((word) => ((word & 3) === 3 ? 4 : 2));
          const entry = lengths
            .slice(0, first < sequence.length ? first : 0)
            .reduce((sum, length) => sum + length, 4 * place);
          const values = registers.map((each) =>
            typeof each === "bigint" ? each : CODE + BigInt(4 * place + each.fromSequence),
          );
          const run = (rig: Rig, of: readonly number[]) => rig.run(words, 4 * place, entry, values, of);
          const expected = run(single, [1]);
          expect(run(whole, [BUDGET])).toEqual(expected);
          if (whole.dispatched(4 * place) === recordedNames.length + i) fused++;
          expect(run(cut, pieces)).toEqual(expected);
        },
      ),
      { numRuns: 40 },
    );
    expect(fused).toBeGreaterThan(0);
  });
});
