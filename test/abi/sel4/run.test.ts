/** The programs that check seL4's interface from inside, run. */
import { describe, expect, it } from "vitest";
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
    const machine = testMachine({ files: [fileOf("/bin/program", guest(`sel4/${name}`))] });
    mustApply(machine, startInput("/bin/program"));
    for (let at = 1; machine.tasks().some(({ status }) => status === null); at = Math.ceil(at * 1.15)) {
      const stop = machine.run({ instructions: machine.position().instructions + at, timeNs: Number.MAX_SAFE_INTEGER });
      const line = stop.kind === "idle" ? lines.shift() : undefined;
      if (line !== undefined) mustApply(machine, { kind: "console", bytes: new TextEncoder().encode(`${line}\n`) });
      expect(brokenInvariants(machine)).toEqual([]);
    }
    const { kernel } = decodePlain(machine.encodeState()) as MachineState;
    expect(kernel.sel4).toEqual(initSel4());
    expect(kernel.cap).toMatchObject({ slots: new Map(), graves: [] });
    // What is left is the page cache.
    const owners = new Set<number>(kernel.mm.frames.owner);
    expect([...owners].sort()).toEqual([FrameOwner.free, FrameOwner.image]);
  });
});
