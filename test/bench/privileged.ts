/**
 * What privileged code costs: nanoseconds for one of each thing that kernels do all the time, beside QEMU's whole-system
 * emulation. Each figure is the difference between a long and a short run of the same program, each the least of some rounds.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { bareGuest, hasCompiler } from "../guest/compile.ts";
import { BareMachine } from "../hardware/cpu/bare.ts";
import { milliseconds } from "./emulators.ts";
import { type Cost, costRow, printTable } from "./table.ts";

const COSTS = ["trap and return", "change of satp", "TLB miss", "SUM on and off", "page mapped, used, unmapped"];
const SHORT = 50_000;
const LONG = 250_000;
const ROUNDS = 3;
const QEMU = "qemu-system-riscv64";
const RAM_PAGES = 16384;

function ours(path: string): void {
  const machine = new BareMachine(readFileSync(path), { ramPages: RAM_PAGES, quantum: 1e9 });
  machine.run(1e10, 1e6);
  if (machine.text !== "done\n") throw new Error(`the program said ${JSON.stringify(machine.text)}`);
}

function theirs(path: string): void {
  const board = ["-M", "virt", "-m", "128M", "-display", "none", "-monitor", "none", "-serial", "null"];
  spawnSync(QEMU, [...board, "-bios", path]);
}

function measure(names: readonly string[]): Cost[] {
  const systems = [ours, ...(spawnSync(QEMU, ["--version"]).error === undefined ? [theirs] : [])];
  return names.map((name) => {
    const cost = COSTS.indexOf(name);
    const [short, long] = [SHORT, LONG].map((rounds) => bareGuest("costs", `-DCOST=${cost}`, `-DROUNDS=${rounds}`));
    const least = systems.map(() => ({ long: Number.POSITIVE_INFINITY, short: Number.POSITIVE_INFINITY }));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, run] of systems.entries()) {
        const times = least[i]!;
        const timeOf = (path: string): number => milliseconds(() => run(path));
        times.long = Math.min(times.long, timeOf(long!));
        times.short = Math.min(times.short, timeOf(short!));
      }
    }
    const [mine, system] = least.map((times) => ((times.long - times.short) * 1e6) / (LONG - SHORT));
    return costRow(name, { ours: mine!, ...(system !== undefined && { system }) });
  });
}

/** Some of the costs; none without a compiler. */
export const privilegedCosts = (names: readonly string[]): Cost[] => (hasCompiler ? measure(names) : []);

export async function bench(): Promise<void> {
  if (hasCompiler) printTable(measure(COSTS));
  else console.log("privileged: skipped, no compiler for riscv64");
}

if (import.meta.main) await bench();
