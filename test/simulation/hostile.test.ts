/**
 * Programs, clients and hosts that mean harm, or know no better: the machine lives, its accounts stay right, and a
 * second performance, cut and restored anywhere, ends in the same bits.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePlain, encodePlain } from "../../kernel/lib/codec.ts";
import type { MachineState } from "../../kernel/machine/state.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { Random } from "../hardware/cpu/random_program.ts";
import { brokenInvariants } from "../support/invariants.ts";
import {
  fileOf,
  mustApply,
  restoreMachine,
  runProgram,
  startInput,
  testMachine,
  testPorts,
} from "../support/machine.ts";
import {
  client,
  cutBy,
  inOnePiece,
  inputSteps,
  perform,
  randomCode,
  runSteps,
  type Scenario,
  type Step,
  scarce,
  start,
} from "./hostile.ts";

const seed = Number(process.env["OSTLER_SEED"] ?? 1);

function survives(scenario: Scenario, cuts: number): void {
  const first = perform(scenario, inOnePiece, (machine) => expect(brokenInvariants(machine)).toEqual([]));
  expect(first.frozen).toBe("");
  expect(perform(scenario, cutBy(new Random(cuts)), () => {})).toEqual(first);
}

/** Starts of a program with one seed or another, runs, and inputs. */
const around = (starts: fc.Arbitrary<Step>): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 3, arbitrary: starts },
      { weight: 5, arbitrary: runSteps },
      { weight: 3, arbitrary: inputSteps },
    ),
    {
      minLength: 20,
      maxLength: 120,
    },
  );

describe("hostile guests", () => {
  it("random instructions with system calls among them", () => {
    const programs = new Map(Array.from({ length: 40 }, (_, n) => [`/bin/${n}`, randomCode(seed * 1000 + n)]));
    const config = scarce(programs);
    const starts = fc.integer({ min: 0, max: 39 }).map((n) => start(`/bin/${n}`, n));
    fc.assert(
      fc.property(around(starts), fc.nat(), (steps, cuts) => survives({ config, steps }, cuts)),
      { numRuns: 15, seed },
    );
  });

  it.skipIf(!hasCompiler)("storms of system calls (needs riscv64-linux-gnu-gcc)", () => {
    const config = scarce(new Map([["/bin/storm", guest("storm")]]));
    const starts = fc.nat(100_000).map((n) => start("/bin/storm", n));
    fc.assert(
      fc.property(around(starts), fc.nat(), fc.constantFrom(1, 4), (steps, cuts, harts) =>
        survives({ config: { ...config, harts }, steps }, cuts),
      ),
      { numRuns: 20, seed },
    );
  });

  it("clients whose calls make no sense", () => {
    const config = scarce(new Map());
    const steps = fc.array(fc.oneof({ weight: 5, arbitrary: inputSteps }, { weight: 1, arbitrary: runSteps }), {
      maxLength: 150,
    });
    fc.assert(
      fc.property(steps, fc.nat(), (all, cuts) => survives({ config, steps: [client, client, client, ...all] }, cuts)),
      { numRuns: 50, seed },
    );
  });
});

describe.skipIf(!hasCompiler)("the checker of invariants (needs riscv64-linux-gnu-gcc)", () => {
  const running = () => {
    const machine = testMachine({ files: [fileOf("/bin/mixed", guest("mixed"))] });
    mustApply(machine, startInput("/bin/mixed"));
    machine.run({ instructions: 60_000, timeNs: Number.MAX_SAFE_INTEGER });
    return machine;
  };

  it("finds nothing wrong with a machine in the middle of a program", () => {
    expect(brokenInvariants(running())).toEqual([]);
    expect(brokenInvariants(runProgram(guest("memory")).machine)).toEqual([]);
  });

  it.each<[string, (state: MachineState) => void, RegExp]>([
    ["a reference too many", ({ kernel }) => void (kernel.mm.frames.references[40]! += 1), /frame 40/],
    ["a free frame lost", ({ kernel }) => void (kernel.mm.frames.free -= 1), /said to be free/],
    ["a page outside regions", ({ kernel }) => void [...kernel.mm.spaces.values()][0]!.regions.shift(), /in no region/],
    [
      "a thread that is scheduled twice",
      ({ kernel }) => void kernel.sched.queue.push(kernel.sched.current!),
      /scheduled/,
    ],
    [
      "a file that nobody holds",
      ({ kernel }) =>
        void kernel.files.open.set(99, { id: 99, flags: 0, position: 0, target: { kind: "console" }, opened: null }),
      /open files/,
    ],
    [
      "a descriptor's slot that its table does not know",
      ({ kernel }) => void ([...kernel.threads.tasks.values()][0]!.descriptors[1] = null),
      /descriptors/,
    ],
    [
      "a capability that stands in no list",
      ({ kernel }) => void ([...kernel.cap.slots.values()].at(-1)!.next = -7 as never),
      /does not precede/,
    ],
  ])("finds %s", (_what, spoil, found) => {
    const machine = running();
    const state = decodePlain(machine.encodeState()) as MachineState;
    spoil(state);
    const again = restoreMachine(encodePlain(state), testPorts(), () => true);
    for (let page = 0; page < machine.memory.pages; page++) again.memory.page(page).set(machine.memory.page(page));
    expect(brokenInvariants(again).join("\n")).toMatch(found);
  });
});
