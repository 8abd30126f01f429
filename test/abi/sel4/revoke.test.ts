/** To revoke very much takes many steps: others go on in between, and so does the host. */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../../guest/compile.ts";
import { brokenInvariants } from "../../support/invariants.ts";
import { consoleOf, exitOf, fileOf, forever, mustApply, startInput, testMachine } from "../../support/machine.ts";

describe.skipIf(!hasCompiler)("revoking (needs riscv64-linux-gnu-gcc)", () => {
  it("of 150000 capabilities is done in steps, each of bounded work", () => {
    const machine = testMachine({
      memoryBytes: 32 * 2 ** 20,
      files: [fileOf("/bin/program", guest("sel4/descendants"))],
    });
    mustApply(machine, startInput("/bin/program"));
    let text = "";
    /** Instructions of each run while it revokes: where the host gets control back. */
    const runs: number[] = [];
    for (let stop = "limit"; stop === "limit"; ) {
      const before = machine.position().instructions;
      stop = machine.run(forever).kind;
      if (text.includes("made") && !text.includes("revoked")) runs.push(machine.position().instructions - before);
      const outputs = machine.drainOutputs();
      text += consoleOf(outputs);
      const exit = exitOf(outputs);
      if (exit !== undefined) expect(exit.status).toEqual({ kind: "exited", code: 0 });
    }
    expect(text).toBe("made\nrevoked\nnest gone\n");
    expect(runs.length).toBeGreaterThan(1);
    expect(brokenInvariants(machine)).toEqual([]);
  });
});
