/** What guests can make as deep as there is room for takes none of the host's stack, and comes back from its bytes. */
import { describe, expect, it } from "vitest";
import { decodePlain, encodePlain } from "../../kernel/lib/codec.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { consoleOf, fileOf, forever, mustApply, sha256Hex, startInput, testMachine } from "../support/machine.ts";

/** By SIGKILL. */
const killed = "9\n";

describe.skipIf(!hasCompiler)("as deep as there can be (needs riscv64-linux-gnu-gcc)", () => {
  it.each([
    ["parents", 1500, killed],
    ["children", 1300, killed],
    ["tracers", 1500, killed],
    ["groups", 1300, killed],
    ["terminals", 250, killed],
    ["directories", 10_000, "0\n"],
    ["mounts", 2100, "0\n"],
  ] as const)("%s", (kind, length, status) => {
    const room = { memoryBytes: 512 * 2 ** 20, limits: { tasks: 2048, threads: 2048, openFiles: 4096 } };
    const machine = testMachine({ ...room, files: [fileOf("/bin/deep", guest("deep"))] });
    mustApply(machine, startInput("/bin/deep", { arguments: ["/bin/deep", kind, String(length)] }));
    let stop = machine.run(forever);
    while (stop.kind === "limit") stop = machine.run(forever);
    expect(stop).toEqual({ kind: "idle" });
    expect(consoleOf(machine.drainOutputs())).toBe(status);
    expect(machine.tasks().filter(({ state }) => state !== "exited")).toEqual([]);
    expect(brokenInvariants(machine)).toEqual([]);
    const state = machine.encodeState();
    expect(sha256Hex(encodePlain(decodePlain(state)))).toBe(sha256Hex(state));
  });
});
