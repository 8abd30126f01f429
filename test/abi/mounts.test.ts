/**
 * Mounting, which only root may do: programs do here, as the first one, what they did on Linux 6.18 (x86-64), in a mount
 * name space of their own. What they said there is kept; UPDATE_GOLDEN=1 asks this host's Linux anew, as root.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { decodePlain } from "../../kernel/lib/codec.ts";
import type { MachineState } from "../../kernel/machine/state.ts";
import { guest, hasCompiler, hostProgram } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { consoleOf, fileOf, runOn, testMachine } from "../support/machine.ts";

const golden = (program: string): string => fileURLToPath(new URL(`../golden/linux/${program}.txt`, import.meta.url));

/** What the host's Linux says; null where it cannot be asked. */
function theirs(program: string): string | null {
  if (getuid?.() !== 0 || spawnSync("unshare", ["-m", "true"]).status !== 0) return null;
  const made = hostProgram(`oracle/${program}`);
  if (made === null) return null;
  const room = mkdtempSync(join("/dev/shm", "mounts-"));
  try {
    return spawnSync("unshare", ["-m", made, room], { encoding: "utf8", timeout: 60_000 }).stdout;
  } finally {
    rmSync(room, { recursive: true });
  }
}

function ours(program: string): string {
  const machine = testMachine({
    memoryBytes: 32 * 2 ** 20,
    files: [fileOf("/bin/program", guest(`oracle/${program}`))],
    init: { paths: ["/bin/program"], arguments: ["/tmp"] },
  });
  expect(runOn(machine, 1e9)).toEqual({ kind: "idle" });
  expect(brokenInvariants(machine)).toEqual([]);
  return consoleOf(machine.drainOutputs()).replaceAll("\r\n", "\n");
}

describe.skipIf(!hasCompiler)("mounting (needs riscv64-linux-gnu-gcc)", () => {
  it.each(["mounts", "mountspaces", "lockedmounts", "flagged"])("%s do what they do on Linux", (program) => {
    const said = process.env["UPDATE_GOLDEN"] === undefined ? null : theirs(program);
    if (said !== null) writeFileSync(golden(program), said);
    expect(ours(program).split("\n")).toEqual(readFileSync(golden(program), "utf8").split("\n"));
  });

  it.each(["1", "2", "3", "4", "5", "6"])("stay whole in a storm of changes (%s), and give all back", (seed) => {
    const files = [fileOf("/bin/storm", guest("mountstorm"))];
    const machine = testMachine({
      memoryBytes: 32 * 2 ** 20,
      files,
      init: { paths: ["/bin/storm"], arguments: [seed] },
    });
    let stop = machine.run({ instructions: 20_000, timeNs: Number.MAX_SAFE_INTEGER });
    for (let step = 1; stop.kind === "limit" && step < 400; step++) {
      if (step % 40 === 0) expect(brokenInvariants(machine)).toEqual([]);
      stop = machine.run({ instructions: (step + 1) * 20_000, timeNs: Number.MAX_SAFE_INTEGER });
    }
    expect(runOn(machine, 1e9)).toEqual({ kind: "idle" });
    expect(brokenInvariants(machine)).toEqual([]);
    expect(consoleOf(machine.drainOutputs())).toBe("16914836 0\r\n");
    const state = decodePlain(machine.encodeState()) as MachineState;
    expect([...state.kernel.files.mounts.values()].every(({ namespace }) => namespace === 0)).toBe(true);
  });

  it("end with their name spaces, whatever of them is left", () => {
    const files = [fileOf("/bin/spaceends", guest("spaceends"))];
    const init = { paths: ["/bin/spaceends"], arguments: ["/tmp"] };
    const machine = testMachine({ memoryBytes: 32 * 2 ** 20, files, init });
    expect(runOn(machine, 1e9)).toEqual({ kind: "idle" });
    expect(brokenInvariants(machine)).toEqual([]);
    const said = consoleOf(machine.drainOutputs()).split("\r\n");
    expect(said).toEqual(["init 3", "mounts 0 0", "space x umount 0 0 rmdir 0", "child 4", ""]);
  });
});
