/**
 * Speed of the RV64GC interpreter on four C programs, beside qemu-riscv64 in the same run: rounds are interleaved, each
 * figure is a median, instructions are those that our core counted (both execute the same binary). "with caches" is the
 * core that models timing.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultTiming, initTiming } from "../../kernel/hardware/cache/model.ts";
import { Program } from "../hardware/cpu/machine.ts";

const PROGRAMS = ["integer", "memory", "sha256", "float"] as const;
const ROUNDS = 5;
const RAM_PAGES = 16384;
const COMPILER = "riscv64-linux-gnu-gcc";
const QEMU = "/usr/bin/qemu-riscv64";

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

function milliseconds(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

export async function bench(): Promise<void> {
  if (spawnSync(COMPILER, ["--version"]).error) {
    console.log(`cpu: skipped, no ${COMPILER}`);
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), "cpu-bench-"));
  try {
    const rows = PROGRAMS.map((name) => measure(name, directory));
    console.table(Object.fromEntries(rows));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function measure(name: string, directory: string): [string, Record<string, number | string>] {
  const binary = join(directory, name);
  const source = new URL(`guest/${name}.c`, import.meta.url).pathname;
  const built = spawnSync(COMPILER, ["-static", "-O2", "-o", binary, source, "-lm"], { encoding: "utf8" });
  if (built.status !== 0) throw new Error(`${name}: ${built.stderr}`);
  const ours: number[] = [];
  const timed: number[] = [];
  const theirs: number[] = [];
  let executed = 0;
  let text = "";
  for (let round = 0; round < ROUNDS; round++) {
    const program = new Program(binary);
    ours.push(milliseconds(() => program.run()));
    executed = program.executed;
    text = program.text;
    const modelled = new Program(binary, RAM_PAGES, initTiming(defaultTiming(), 1, RAM_PAGES));
    timed.push(milliseconds(() => modelled.run()));
    if (!existsSync(QEMU)) continue;
    let output = "";
    theirs.push(milliseconds(() => (output = spawnSync(QEMU, [binary], { encoding: "utf8" }).stdout)));
    if (output !== text) throw new Error(`${name}: ${text.trim()} here, ${output.trim()} under qemu`);
  }
  const speed = executed / median(ours) / 1000;
  const row: Record<string, number | string> = { Minstr: Math.round(executed / 1e6), "our MIPS": Math.round(speed) };
  row["with caches"] = Math.round(executed / median(timed) / 1000);
  if (theirs.length) {
    row["qemu MIPS"] = Math.round(executed / median(theirs) / 1000);
    row["ours : qemu"] = (median(theirs) / median(ours)).toFixed(2);
  }
  return [name, row];
}

if (import.meta.main) await bench();
