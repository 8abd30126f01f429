/** Several harts: threads run in between each other, where they are told to, and still every run is the same. */
import { describe, expect, it } from "vitest";
import type { Machine } from "../../kernel/index.ts";
import { sel4Programs } from "../abi/sel4/programs.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import {
  consoleOf,
  exitOf,
  fileOf,
  mustApply,
  restoreMachine,
  runOn,
  startInput,
  testMachine,
  testPorts,
} from "../support/machine.ts";

function started(program: Uint8Array, harts: number, copies = 1): Machine {
  const machine = testMachine({ files: [fileOf("/bin/program", program)], harts, quantumInstructions: 50_000 });
  for (let i = 0; i < copies; i++) mustApply(machine, startInput("/bin/program"));
  return machine;
}

function restored(machine: Machine): Machine {
  const copy = restoreMachine(machine.encodeState(), testPorts(), () => false);
  for (let page = 0; page < machine.memory.pages; page++) copy.providePage(page, machine.memory.page(page).slice());
  return copy;
}

const isOver = (machine: Machine): boolean => machine.tasks().every(({ state }) => state === "exited");

describe.skipIf(!hasCompiler)("several harts (need riscv64-linux-gnu-gcc)", () => {
  it.each([1, 2, 3, 8])("%i run threads where they are to run", (harts) => {
    const machine = started(guest("harts"), harts);
    for (let step = 1; !isOver(machine); step = Math.ceil(step * 1.3)) {
      runOn(machine, step);
      expect(brokenInvariants(machine)).toEqual([]);
    }
    const outputs = machine.drainOutputs();
    expect(consoleOf(outputs)).toBe(`${harts} harts\n`);
    expect(exitOf(outputs)?.status).toEqual({ kind: "exited", code: 0 });
  });

  it("are the same wherever a run is cut, and restored", () => {
    const whole = started(guest("harts"), 4, 3);
    let parts = started(guest("harts"), 4, 3);
    runOn(whole, 1_200_000);
    for (let at = 0; at < 1_200_000; at += 7919) {
      const last = Math.min(1_200_000, at + 7919);
      parts.run({ instructions: last, timeNs: Number.MAX_SAFE_INTEGER });
      if (at % 4 === 0) parts = restored(parts);
    }
    expect(parts.encodeState()).toEqual(whole.encodeState());
  });

  it("share what there is to do, and leave nobody alone with it", () => {
    const machine = started(guest("spin"), 4, 8);
    runOn(machine, 900_000);
    expect(machine.tasks().filter(({ threads }) => threads[0]?.state === "running")).toHaveLength(4);
    const done = machine.tasks().map(({ instructions }) => instructions);
    for (const each of done) expect(each).toBeGreaterThan(20_000);
    expect(brokenInvariants(machine)).toEqual([]);
    for (const { task } of machine.tasks().slice(0, 6)) mustApply(machine, { kind: "killTask", task, signal: 9 });
    expect(brokenInvariants(machine)).toEqual([]);
    runOn(machine, 10_000);
    expect(machine.tasks().filter(({ threads }) => threads[0]?.state === "running")).toHaveLength(2);
  });

  it.each(["affinity", "ipc", "threads", "notifications"])("run %s as one does", (name) => {
    const machine = started(guest(`sel4/${name}`), 4);
    runOn(machine);
    const outputs = machine.drainOutputs();
    const lines = consoleOf(outputs).trimEnd().split("\n");
    expect(lines).toEqual(sel4Programs.find((program) => program.name === name)!.console);
    expect(exitOf(outputs)?.status).toEqual({ kind: "exited", code: 0 });
    expect(brokenInvariants(machine)).toEqual([]);
  });
});
