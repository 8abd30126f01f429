/** Tracing where it goes beyond Linux on this hardware; the rest is compared with Linux (oracle.test.ts). */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { consoleOf, fileOf, mustApply, runProgram, startInput, testMachine } from "../support/machine.ts";

const steps = [
  "signal 5 code 1, 0 bytes on, t0 0",
  "signal 5 code 2, 4 bytes on, t0 5",
  "signal 5 code 2, 4 bytes on, t0 80",
  "signal 5 code 2, 4 bytes on, t0 80",
  "signal 5 code 2, 4 bytes on, t0 80",
  "result 1",
  "signal 5 code 1, 0 bytes on, t0 0",
  "exited 3",
];

describe.skipIf(!hasCompiler)("ptrace (needs riscv64-linux-gnu-gcc)", () => {
  it("executes single instructions of another process, system calls among them", () => {
    expect(runProgram(guest("step")).console.split("\n").slice(0, -1)).toEqual(steps);
  });

  it("gives the same run however the host cuts it", () => {
    const machine = testMachine({ files: [fileOf("/bin/step", guest("step"))] });
    mustApply(machine, startInput("/bin/step"));
    let console = "";
    for (let at = 0; machine.run({ instructions: at, timeNs: Number.MAX_SAFE_INTEGER }).kind === "limit"; at += 97)
      console += consoleOf(machine.drainOutputs());
    console += consoleOf(machine.drainOutputs());
    expect(console.split("\n").slice(0, -1)).toEqual(steps);
  });

  it("gives nobody rights that it has not", () => {
    const program = guest("privileges");
    const files = [fileOf("/bin/lent", program, 0o4755)];
    expect(runProgram(program, { config: { files } }).console.split("\n").slice(0, -1)).toEqual([
      ...["fresh: EIO", "ELF", "touched: EIO", "private: stored", "ELF XLF ELF"],
      ...["code: stored", "own 1", "others' 1", "alone: root", "traced: user"],
    ]);
  });

  it.each(["ptrace", "shares", "pidfd"])("keeps what must hold, all along: %s", (name) => {
    const machine = testMachine({ files: [fileOf("/bin/it", guest(`oracle/${name}`))] });
    mustApply(machine, startInput("/bin/it", { arguments: ["/bin/it", "/bin/it"] }));
    for (let at = 0; machine.run({ instructions: at, timeNs: Number.MAX_SAFE_INTEGER }).kind === "limit"; at += 9973) {
      machine.drainOutputs();
      expect(brokenInvariants(machine), `at ${at}`).toEqual([]);
    }
    expect(machine.summary()).toMatchObject({ run: "idle", taskCount: 0 });
    expect(brokenInvariants(machine)).toEqual([]);
  });
});
