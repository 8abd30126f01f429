/** Limits of resources that cannot be compared with another kernel's in the time that a test may take, or differ by design. */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../guest/compile.ts";
import { runProgram } from "../support/machine.ts";

describe.skipIf(!hasCompiler)("limits of resources (needs riscv64-linux-gnu-gcc)", () => {
  it("tells a program of its processor time to the instruction, and ends it at the hard limit", () => {
    const { console, exit } = runProgram(guest("processor-limit"), { instructions: 1_100_000_000 });
    expect(console).toBe("told 24 128, now 2 5\n");
    expect(exit?.status).toEqual({ kind: "signaled", signal: 9 });
    expect(exit?.instructions).toBeGreaterThanOrEqual(1_000_000_000);
    expect(exit?.instructions).toBeLessThan(1_000_010_000);
  });
});
