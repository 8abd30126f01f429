/** Programs that say who runs before whom, and for how long. */
import { describe, expect, it } from "vitest";
import { quantumOf, type SchedulingPolicy } from "../../kernel/thread/scheduling.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { consoleOf, fileOf, runOn, testMachine } from "../support/machine.ts";

/** What root's first program prints. */
function printed(args: string[], harts = 1): string[] {
  const files = [fileOf("/bin/program", guest("realtime"))];
  const machine = testMachine({ files, harts, init: { paths: ["/bin/program"], arguments: args } });
  runOn(machine, 2e8);
  expect(brokenInvariants(machine)).toEqual([]);
  return consoleOf(machine.drainOutputs()).split("\r\n").slice(0, -1);
}

it.each<[SchedulingPolicy, number]>([
  ["idle", 0],
  ["batch", 19],
])("lets threads of %s and nice %i come to the end of a loop with LR and SC in the shortest turns", (policy, nice) => {
  const shortestQuantum = 1000;
  const longestLoop = 16;
  const turn = quantumOf(shortestQuantum, { scheduling: { policy, nice, resetOnFork: false } });
  // Wherever in a loop the turn begins.
  expect(turn).toBeGreaterThanOrEqual(2 * longestLoop);
});

describe.skipIf(!hasCompiler)("scheduling (needs riscv64-linux-gnu-gcc)", () => {
  it("lets real-time threads run first, by priority, in turns or to their end, and weighs the others by nice", () => {
    expect(printed([])).toEqual(["fifo: bbccaaoo", "rr: bababao", "fifo yields: bababa", "weighted"]);
  });

  it("lets real-time threads run first on two harts, whichever they were on", () => {
    // Two run at a time: who has no real-time policy when there is one such thread left.
    expect(printed([], 2)[0]).toBe("fifo: bcbcaoao");
  });

  it("lets nobody wait behind a real-time thread for whom another hart has time", () => {
    expect(printed(["apart"], 2)).toEqual(["ro"]);
  });

  it("permits others than root what their limits permit", () => {
    const nice = ["ok", "EACCES"];
    const realTime = ["EPERM", "ok", "EPERM", "ok", "ok"];
    const idle = ["ok", "ok", "ok", "EPERM"];
    const group = ["EACCES", "8 15"];
    expect(printed(["limits"])).toEqual([...nice, ...realTime, ...idle, ...group]);
  });
});
