import { describe, expect, test } from "vitest";
import { CoreStop } from "../../../kernel/hardware/cpu/core.ts";
import { disassemble } from "../../../kernel/hardware/cpu/rv64/disassemble.ts";
import { CODE, DATA, Fixture } from "./fixture.ts";
import { PAGE, RWX } from "./machine.ts";
import { Random } from "./random_program.ts";

const RECOVERABLE = new Set<CoreStop>(Object.values(CoreStop));

describe("random bytes as code", () => {
  test("execute or stop, never throw, never exceed the budget", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Random(seed);
      const fixture = new Fixture();
      const { core, machine } = fixture;
      for (const page of [0, 1]) machine.map(CODE + BigInt(page * PAGE), fixture.codePage + page, RWX);
      for (let i = 0; i < 2 * PAGE; i += 8) core.ramView.setBigUint64(fixture.codePage * PAGE + i, random.u64(), true);
      core.wrote(fixture.codePage);
      core.wrote(fixture.codePage + 1);
      for (let r = 1; r < 32; r++) core.x[r] = random.pick([DATA, CODE, random.u64(), DATA + (random.u64() % 8192n)]);
      for (let round = 0; round < 150; round++) {
        core.setPc(CODE + BigInt(random.below(PAGE)) * 2n);
        const budget = random.below(200);
        const stop = core.run(budget);
        expect(RECOVERABLE.has(stop), `seed ${seed} stop ${stop}`).toBe(true);
        expect(core.executed()).toBeLessThanOrEqual(budget);
        if (stop === CoreStop.budget) expect(core.executed(), `seed ${seed}`).toBe(budget);
        expect(core.x[0]).toBe(0n);
      }
    }
  });

  test("mutated page tables, roots and addresses stop cleanly", () => {
    const random = new Random(99);
    for (let n = 0; n < 300; n++) {
      const fixture = new Fixture();
      const { core, machine } = fixture;
      const entries = [CODE, DATA].flatMap((va) => [0, 1, 2].map((level) => machine.entryAddress(va, level)));
      for (let i = 0; i < 3; i++) {
        core.ramView.setBigUint64(random.pick(entries), random.u64() >> BigInt(random.below(40)), true);
      }
      if (random.chance(20)) core.setAddressSpace(random.below(2 ** 31), random.below(70000));
      core.setPc(random.chance(20) ? random.u64() : CODE);
      expect(RECOVERABLE.has(core.run(50))).toBe(true);
    }
  });

  test("every halfword and many words disassemble", () => {
    const random = new Random(5);
    const words = Array.from({ length: 20_000 }, () => Number(random.u64() & 0xffffffffn) | 3);
    const all = [...Array.from({ length: 0x10000 }, (_, half) => half), ...words];
    expect(all.filter((bits) => !/^[.a-z]/.test(disassemble(bits, 0x1000n)))).toEqual([]);
  });
});
