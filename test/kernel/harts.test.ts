/** Several harts: threads run in between each other, where they are told to, and still every run is the same. */
import { describe, expect, it } from "vitest";
import { defaultTiming } from "../../kernel/hardware/cache/model.ts";
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

  it("are told apart by /proc/stat: what each did, and when it waited for its turn", () => {
    const machine = started(guest("stat"), 3, 2);
    runOn(machine, 1e9);
    const last = consoleOf(machine.drainOutputs()).trim().split("\n").slice(-4);
    const [all, ...harts] = last.map((line) => line.split(/ +/).slice(1).map(Number));
    const now = Math.floor(machine.position().timeNs / 10_000_000);
    expect(last.map((line) => line.split(" ")[0])).toEqual(["cpu", "cpu0", "cpu1", "cpu2"]);
    for (const [user, , , idle, , , , steal] of harts) expect(user! + idle! + steal!).toBe(now);
    for (const column of [0, 3, 7]) expect(all![column]).toBe(harts.reduce((sum, hart) => sum + hart[column]!, 0));
    // Two computed, and each waited while the other did; the third had nothing to do.
    expect(harts.map(([user]) => user! > now / 3)).toEqual([true, true, false]);
    expect(harts.map((hart) => hart[7]! > now / 3)).toEqual([true, true, false]);
    expect(harts[2]).toEqual([0, 0, 0, now, 0, 0, 0, 0, 0, 0]);
  });

  it("have caches of their own where timing is modelled", () => {
    const machine = testMachine({
      files: [fileOf("/bin/program", guest("spin"))],
      harts: 3,
      timing: {
        ...defaultTiming(),
        distances: [
          [10, 20],
          [20, 10],
        ],
      },
    });
    for (let i = 0; i < 2; i++) mustApply(machine, startInput("/bin/program"));
    runOn(machine, 100_000);
    const copy = restored(machine);
    for (const each of [machine, copy]) runOn(each, 100_000);
    const figures = machine.timing()!;
    expect(figures.harts.map(({ data }) => data.hits > 1000)).toEqual([true, true, false]);
    expect(figures.harts[2]!.instructions).toEqual({ hits: 0, misses: 0, writtenBack: 0 });
    expect(figures.remoteAccesses).toBeGreaterThan(0);
    expect(copy.timing()).toEqual(figures);
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
