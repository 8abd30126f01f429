/** The programs that check seL4's interface from inside, run. */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../../guest/compile.ts";
import { consoleOf, exitOf, mustApply, runOn, runProgram } from "../../support/machine.ts";
import { sel4Programs } from "./programs.ts";

describe.skipIf(!hasCompiler)("seL4's interface (needs riscv64-linux-gnu-gcc)", () => {
  it.each(sel4Programs)("$name", ({ name, console, typed = [] }) => {
    const run = runProgram(guest(`sel4/${name}`));
    const outputs = [...run.outputs];
    for (const line of typed) {
      mustApply(run.machine, { kind: "console", bytes: new TextEncoder().encode(`${line}\n`) });
      runOn(run.machine);
      outputs.push(...run.machine.drainOutputs());
    }
    expect(consoleOf(outputs).trimEnd().split("\n")).toEqual(console);
    expect(exitOf(outputs)?.status).toEqual({ kind: "exited", code: 0 });
  });
});
