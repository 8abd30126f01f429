/** What is left of a root task when it has ended: nothing. */
import { expect, it } from "vitest";
import { decodePlain } from "../../../kernel/lib/codec.ts";
import type { MachineState } from "../../../kernel/machine/state.ts";
import { guest, hasCompiler } from "../../guest/compile.ts";
import { brokenInvariants } from "../../support/invariants.ts";
import { consoleOf, fileOf, mustApply, runOn, startInput, testMachine } from "../../support/machine.ts";

it.skipIf(!hasCompiler)("an interrupt line that a root task had is free when it ends", () => {
  const machine = testMachine({ files: [fileOf("/bin/leaves", guest("sel4/leaves"))] });
  for (let round = 0; round < 2; round++) {
    mustApply(machine, startInput("/bin/leaves"));
    expect(runOn(machine)).toEqual({ kind: "idle" });
    expect(consoleOf(machine.drainOutputs())).toBe("ok left\n");
    // Nobody is there to be signalled.
    mustApply(machine, { kind: "console", bytes: new Uint8Array([10]) });
    expect(brokenInvariants(machine)).toEqual([]);
  }
  const { kernel } = decodePlain(machine.encodeState()) as MachineState;
  const types = [...kernel.cap.slots.values()].map(({ capability }) => capability.type);
  expect([types, kernel.sel4.irqs.size]).toEqual([["untyped", "bank"], 0]);
});
