import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { stateOf } from "./fixture.ts";
import { Program } from "./machine.ts";
import { Random, randomProgram } from "./random_program.ts";

/** Runs a program in pieces, doing to the core between them what a host may do. */
function inPieces(path: string, random: Random | undefined, largest: number, disturb: boolean) {
  const program = new Program(path, 8192);
  if (!random) program.run();
  while (random && program.exitCode === undefined) {
    const piece = random.below(largest) + (random.chance(10) ? 0 : 1);
    const before = program.executed;
    if (piece) program.run(before + piece);
    if (program.exitCode === undefined) expect(program.executed - before).toBe(piece);
    if (!disturb) continue;
    switch (random.below(6)) {
      case 0:
        program.core.flushTlb();
        break;
      case 1:
        program.core.clearDirty();
        break;
      case 2:
        program.core.flushTlb(Number(program.core.getPc()));
        break;
      case 3:
        program.core.wrote(random.below(8192));
        break;
      case 4:
        program.core.loadHart(structuredClone(program.core.saveHart()));
        break;
      default:
    }
  }
  return {
    state: stateOf(program.core),
    executed: program.executed,
    output: Buffer.concat(program.output).toString("base64"),
  };
}

describe("the budget", () => {
  test("split anywhere gives the same registers, memory and counts as one run", () => {
    const directory = mkdtempSync(join(tmpdir(), "cpu-budget-"));
    for (const seed of [101, 102, 103]) {
      const path = join(directory, "program");
      writeFileSync(path, randomProgram(seed, 60, "all").elf);
      const whole = inPieces(path, undefined, 0, false);
      for (const [largest, disturb] of [
        [2, false],
        [40, false],
        [7, true],
        [300, true],
      ] as const) {
        expect(
          inPieces(path, new Random(seed * 7 + largest), largest, disturb),
          `seed ${seed}, pieces up to ${largest}`,
        ).toEqual(whole);
      }
    }
    rmSync(directory, { recursive: true });
  });
});
