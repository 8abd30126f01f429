/**
 * What entering the kernel costs the host: nanoseconds of processor time for each of the usual ways in, beside the
 * same executable under qemu-riscv64 (which passes them on to the host's kernel, its output to /dev/null) in the same
 * run. Rounds are interleaved; what the program takes to do nothing at all is measured in every round, too, and
 * taken off. Behind it: what it takes to come to a shell's prompt (prompt.ts).
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { guest, hasCompiler } from "../guest/compile.ts";
import { fileOf, mustApply, startInput, testMachine } from "../support/machine.ts";
import { promptRows } from "./prompt.ts";
import { QEMU, underQemu } from "./qemu.ts";
import { type Cost, costRow, median, printTable } from "./table.ts";

const ROUNDS = 7;

/** What is done, how it is called in the program, how often. */
const ways: [what: string, name: string, count: number][] = [
  ["getppid: into the kernel and back", "getppid", 500_000],
  ["write of 1 byte", "byte", 200_000],
  ["write of 4 KiB", "block", 100_000],
  ["page fault, and giving the page back", "fault", 163_840],
  ["switch between two threads by futex", "switch", 100_000],
  ["pipe: a byte to another thread and back", "pipe", 40_000],
  ["pipe: write and read of 1 byte", "byte through", 100_000],
  ["pipe: write and read of 64 KiB", "block through", 10_000],
  ["sockets: write and read of 1 byte", "sockets", 100_000],
  ["open and close of /proc/self/status", "open", 50_000],
  ["mmap and munmap of a page", "map", 100_000],
  ["pipe: a byte to another process and back", "processes", 20_000],
  ["signal to itself, handled", "signal", 50_000],
  ["fork, exit, wait", "fork", 2_000],
  ["fork, exec of a static program, wait", "exec", 500],
];

/** Processor time in milliseconds, so that others' work does not count. */
function here(program: ReturnType<typeof fileOf>, args: string[]): number {
  const machine = testMachine({ memoryBytes: 32 * 2 ** 20, files: [program] });
  mustApply(machine, startInput(program.path, { arguments: [program.path, ...args] }));
  const start = process.cpuUsage();
  while (machine.run({ instructions: Number.MAX_SAFE_INTEGER, timeNs: Number.MAX_SAFE_INTEGER }).kind === "limit")
    machine.drainOutputs();
  const { user, system } = process.cpuUsage(start);
  if (machine.tasks()[0]?.status?.kind !== "exited") throw new Error(`${args}: ${JSON.stringify(machine.tasks()[0])}`);
  return (user + system) / 1000;
}

/** Nanoseconds of one: the time of all of them, without what the program takes for none. */
const each = (run: (args: string[]) => number, name: string, count: number): number =>
  ((run([name, String(count)]) - run([name, "0"])) * 1e6) / count;

interface WayCost {
  what: string;
  ours: number;
  /** NaN: not there. */
  qemu: number;
}

function measure(chosen: readonly (typeof ways)[number][]): WayCost[] {
  const directory = mkdtempSync(join(tmpdir(), "kernel-bench-"));
  const binary = guest("../bench/guest/kernel.c");
  const path = join(directory, "kernel");
  writeFileSync(path, binary, { mode: 0o755 });
  const program = fileOf("/bin/kernel", binary);
  const ours = chosen.map((): number[] => []);
  const theirs = chosen.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, [, name, count]] of chosen.entries()) {
      const mine = each((args) => here(program, args), name, count);
      const other = existsSync(QEMU) ? each((args) => underQemu([path, ...args]), name, count) : Number.NaN;
      if (round === 0) continue; // the engine has to compile first
      ours[i]!.push(mine);
      theirs[i]!.push(other);
    }
  }
  rmSync(directory, { recursive: true });
  return chosen.map(([what], i) => ({ what, ours: median(ours[i]!), qemu: median(theirs[i]!) }));
}

/** Some of the ways, for a table of costs. */
export function wayCosts(names: readonly string[]): Cost[] {
  if (!hasCompiler) return [];
  return measure(ways.filter(([what]) => names.includes(what))).map(({ what, ours, qemu }) =>
    costRow(what, { ours, user: qemu }),
  );
}

export async function bench(): Promise<void> {
  if (!hasCompiler) {
    console.log("kernel: skipped, no riscv64-linux-gnu-gcc");
    return;
  }
  printTable(
    measure(ways).map(({ what, ours, qemu }) => ({
      what,
      "ns here": Math.round(ours),
      "ns under qemu": Math.round(qemu),
      "here : qemu": (ours / qemu).toFixed(2),
    })),
  );
  console.log("");
  try {
    printTable(promptRows());
  } catch (error) {
    console.log(`boots to a shell's prompt: skipped (${error instanceof Error ? error.message : String(error)})`);
  }
}
