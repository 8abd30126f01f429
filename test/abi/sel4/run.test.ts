/** The programs that check seL4's interface from inside, run. */
import { describe, expect, it } from "vitest";
import { pageCache } from "../../../kernel/cap/memory.ts";
import type { Machine, RunStop } from "../../../kernel/index.ts";
import { initSel4 } from "../../../kernel/ipc/sel4/state.ts";
import { decodePlain } from "../../../kernel/lib/codec.ts";
import type { MachineState } from "../../../kernel/machine/state.ts";
import { FrameOwner } from "../../../kernel/mm/state.ts";
import { guest, hasCompiler } from "../../guest/compile.ts";
import { brokenInvariants } from "../../support/invariants.ts";
import {
  consoleOf,
  exitOf,
  fileOf,
  mustApply,
  runOn,
  runProgram,
  startInput,
  testMachine,
} from "../../support/machine.ts";
import { plain, sel4Programs } from "./programs.ts";

const started = (name: string, limits = {}): Machine => {
  const machine = testMachine({ files: [fileOf("/bin/program", guest(`sel4/${name}`))] });
  mustApply(machine, startInput("/bin/program", { limits }));
  return machine;
};
const isOver = (machine: Machine): boolean => machine.tasks().every(({ status }) => status !== null);
const runFor = (machine: Machine, instructions: number): RunStop =>
  machine.run({ instructions: machine.position().instructions + instructions, timeNs: Number.MAX_SAFE_INTEGER });

/** Nothing is there any more of a root task, and all its memory is free again. */
function expectNothingLeft(machine: Machine): void {
  expect(brokenInvariants(machine)).toEqual([]);
  const { kernel } = decodePlain(machine.encodeState()) as MachineState;
  expect(kernel.sel4).toEqual(initSel4());
  // Nobody has memory any more but the page cache: of one pool one bank.
  expect([...kernel.cap.slots.values()].map(({ capability }) => capability)).toMatchObject([
    { type: "untyped", pool: "general" },
    { type: "bank", task: pageCache },
  ]);
  expect([...kernel.threads.queues, ...kernel.threads.threads]).toEqual([]);
  // What is left is the page cache.
  const owners = new Set<number>(kernel.mm.frames.owner);
  expect([...owners].sort()).toEqual([FrameOwner.free, FrameOwner.image]);
}

describe.skipIf(!hasCompiler)("seL4's interface (needs riscv64-linux-gnu-gcc)", () => {
  it.each(sel4Programs)("$name", ({ name, console, typed = [], signal }) => {
    const run = runProgram(guest(`sel4/${name}`));
    const outputs = [...run.outputs];
    for (const line of typed) {
      mustApply(run.machine, { kind: "console", bytes: new TextEncoder().encode(`${line}\n`) });
      runOn(run.machine);
      outputs.push(...run.machine.drainOutputs());
    }
    expect(plain(consoleOf(outputs))).toEqual(console);
    expect(exitOf(outputs)?.status).toMatchObject(
      signal === undefined ? { kind: "exited", code: 0 } : { kind: "signaled", signal },
    );
  });

  it.each(sel4Programs)("$name, looked at again and again", ({ name, typed = [] }) => {
    const lines = [...typed];
    const machine = started(name);
    for (let at = 1; !isOver(machine); at = Math.ceil(at * 1.15)) {
      const stop = runFor(machine, at);
      const line = stop.kind === "idle" ? lines.shift() : undefined;
      if (line !== undefined) mustApply(machine, { kind: "console", bytes: new TextEncoder().encode(`${line}\n`) });
      expect(brokenInvariants(machine)).toEqual([]);
    }
    expectNothingLeft(machine);
  });

  it.each(sel4Programs)("$name, killed anywhere", ({ name }) => {
    const all = runProgram(guest(`sel4/${name}`)).machine.position().instructions;
    const parts = 8;
    for (let part = 1; part < parts; part++) {
      const machine = started(name);
      runFor(machine, Math.floor((all * part) / parts));
      mustApply(machine, { kind: "killTask", task: machine.tasks()[0]!.task, signal: 9 });
      expectNothingLeft(machine);
    }
  });

  it("counts what the kernel prints for a program", () => {
    const run = runProgram(guest("sel4/hello"), { limits: { outputBytes: 100 } });
    expect(run.console).toContain("printed by");
    expect(run.console).toHaveLength(100);
    expect(run.exit?.status).toEqual({ kind: "signaled", signal: 25 });
  });

  it("tells of interrupts after the program that handled them has ended", () => {
    const machine = started("interrupts");
    while (!isOver(machine)) runFor(machine, 100_000);
    mustApply(machine, { kind: "console", bytes: new Uint8Array(3) });
    expect(machine.summary().reason).toBe("");
  });
});
