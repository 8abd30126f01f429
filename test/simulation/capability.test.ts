/**
 * Root tasks that do with their capabilities what comes to their mind, beside Linux's calls, other programs and
 * clients: the machine lives, its accounts stay right, and a second performance, cut and restored anywhere, ends in
 * the same bits.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../guest/compile.ts";
import { Random } from "../hardware/cpu/random_program.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { fileOf, startInput } from "../support/machine.ts";
import { client, cutBy, inOnePiece, inputSteps, perform, runSteps, type Scenario, type Step } from "./hostile.ts";

const seed = Number(process.env["OSTLER_SEED"] ?? 1);

function survives(scenario: Scenario, cuts: number): void {
  const first = perform(scenario, inOnePiece, (machine) => expect(brokenInvariants(machine)).toEqual([]));
  expect(first.frozen).toBe("");
  expect(perform(scenario, cutBy(new Random(cuts)), () => {})).toEqual(first);
}

const start = (path: string, number: number): Step => ({
  kind: "input",
  input: startInput(path, { arguments: [path, String(number)], limits: { instructions: 1_000_000 } }),
});

/** Starts of root tasks, and of programs that use up memory; runs; what a host does. */
const around = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.nat(100_000).map((number) => start("/bin/storm", number)) },
    { weight: 1, arbitrary: fc.constant(start("/bin/mixed", 0)) },
    { weight: 8, arbitrary: runSteps },
    { weight: 3, arbitrary: inputSteps },
  ),
  { minLength: 10, maxLength: 50 },
);

describe.skipIf(!hasCompiler)("hostile root tasks (needs riscv64-linux-gnu-gcc)", () => {
  const config = {
    memoryBytes: 6 * 2 ** 20,
    quantumInstructions: 333,
    files: [fileOf("/bin/storm", guest("sel4/storm")), fileOf("/bin/mixed", guest("mixed"))],
    limits: { tasks: 6, threads: 40, openFiles: 24 },
  };

  it("storms of invocations", () => {
    fc.assert(
      fc.property(fc.nat(100_000), around, fc.nat(), fc.constantFrom(1, 1, 3), (number, steps, cuts, harts) =>
        survives({ config: { ...config, harts }, steps: [start("/bin/storm", number), client, ...steps] }, cuts),
      ),
      { numRuns: 25, seed },
    );
  });
});
