/** The programs that check seL4's interface from inside, run. */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../../guest/compile.ts";
import { runProgram } from "../../support/machine.ts";
import { sel4Programs } from "./programs.ts";

describe.skipIf(!hasCompiler)("seL4's interface (needs riscv64-linux-gnu-gcc)", () => {
  it.each(sel4Programs)("$name", ({ name, console }) => {
    const run = runProgram(guest(`sel4/${name}`));
    expect(run.console.trimEnd().split("\n")).toEqual(console);
    expect(run.exit?.status).toEqual({ kind: "exited", code: 0 });
  });
});
