/**
 * Programs that make as many of a kind as there can be, and go on from there: what they then do costs the host what it
 * would cost anybody. Counted is effort, by the runs that end for it: one for each 50 ms of a slow host.
 */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { consoleOf, fileOf, forever, mustApply, startInput, testMachine } from "../support/machine.ts";

describe.skipIf(!hasCompiler)("as many as there can be (needs riscv64-linux-gnu-gcc)", () => {
  it.each([
    ["segments", 4],
    ["adjustments", 4],
    ["waiters", 4],
    ["files in flight", 4],
    ["circles", 4],
    ["nest", 4],
    ["timers", 4],
    ["watched files", 4],
    ["watches", 20],
    ["pending signals", 4],
    ["locks", 20],
    ["sizes", 4],
  ] as const)("of %s", (kind, most) => {
    const machine = testMachine({ memoryBytes: 64 * 2 ** 20, files: [fileOf("/bin/maxima", guest("maxima"))] });
    mustApply(machine, startInput("/bin/maxima", { arguments: ["/bin/maxima", kind] }));
    let stops = 0;
    while (machine.run(forever).kind === "limit") stops += 1;
    expect(consoleOf(machine.drainOutputs())).toBe("done\n");
    expect(stops).toBeLessThan(most);
    expect(brokenInvariants(machine)).toEqual([]);
  });
});
