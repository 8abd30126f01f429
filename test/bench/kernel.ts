/**
 * What entering the kernel costs the host: nanoseconds for each of the usual ways in, beside the same executable under
 * qemu-riscv64 (which passes them on to the host's kernel) in the same run. Rounds are interleaved; what the
 * program takes to do nothing at all is measured in every round, too, and taken off.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { guest, hasCompiler } from "../guest/compile.ts";
import { fileOf, mustApply, startInput, testMachine } from "../support/machine.ts";
import { median, printTable } from "./table.ts";

const QEMU = "/usr/bin/qemu-riscv64";
const ROUNDS = 7;

/** What is done, how it is called in the program, how often. */
const ways: [what: string, name: string, count: number][] = [
  ["getppid: into the kernel and back", "getppid", 200_000],
  ["write of 1 byte", "byte", 100_000],
  ["write of 4 KiB", "block", 40_000],
  ["page fault, and giving the page back", "fault", 40_960],
  ["switch between two threads by futex", "switch", 40_000],
  ["mmap and munmap of a page", "map", 60_000],
];

function milliseconds(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function here(program: ReturnType<typeof fileOf>, args: string[]): void {
  const machine = testMachine({ memoryBytes: 32 * 2 ** 20, files: [program] });
  mustApply(machine, startInput(program.path, { arguments: [program.path, ...args] }));
  while (machine.run({ instructions: Number.MAX_SAFE_INTEGER, timeNs: Number.MAX_SAFE_INTEGER }).kind === "limit")
    machine.drainOutputs();
  if (machine.tasks()[0]?.status?.kind !== "exited") throw new Error(`${args}: ${JSON.stringify(machine.tasks()[0])}`);
}

function underQemu(path: string, args: string[]): void {
  const { status } = spawnSync(QEMU, [path, ...args], { stdio: "ignore" });
  if (status !== 0) throw new Error(`${args}: qemu ended with ${status}`);
}

/** Nanoseconds of one: a round's time for all of them, without what the program takes for none. */
function each(run: (args: string[]) => void, name: string, count: number): number {
  const none = milliseconds(() => run([name, "0"]));
  return ((milliseconds(() => run([name, String(count)])) - none) * 1e6) / count;
}

export async function bench(): Promise<void> {
  if (!hasCompiler) {
    console.log("kernel: skipped, no riscv64-linux-gnu-gcc");
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), "kernel-bench-"));
  const binary = guest("../bench/guest/kernel.c");
  const path = join(directory, "kernel");
  writeFileSync(path, binary, { mode: 0o755 });
  const program = fileOf("/bin/kernel", binary);
  const ours = ways.map((): number[] => []);
  const theirs = ways.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, [, name, count]] of ways.entries()) {
      const mine = each((args) => here(program, args), name, count);
      const other = existsSync(QEMU) ? each((args) => underQemu(path, args), name, count) : Number.NaN;
      if (round === 0) continue; // the engine has to compile first
      ours[i]!.push(mine);
      theirs[i]!.push(other);
    }
  }
  rmSync(directory, { recursive: true });
  const row = (what: string, i: number) => {
    const [a, b] = [median(ours[i]!), median(theirs[i]!)];
    return { what, "ns here": Math.round(a), "ns under qemu": Math.round(b), "here : qemu": (a / b).toFixed(2) };
  };
  printTable(ways.map(([what], i) => row(what, i)));
}
