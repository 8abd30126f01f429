/**
 * Speed of the RV64GC core on C programs, beside qemu-riscv64 in the same run: interpreted, translated in a process that
 * sees the program for the first time, and translated with the modules at hand. Rounds are interleaved, each figure is a
 * median, instructions are those that our core counted (all execute the same binary). "with caches" is the core that
 * models timing. CPU_BINARIES may name other static programs, by paths with commas between them.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { defaultTiming, initTiming } from "../../kernel/hardware/cache/model.ts";
import { Translations } from "../../kernel/index.ts";
import { Program } from "../hardware/cpu/machine.ts";

const PROGRAMS = ["integer", "memory", "sha256", "float", "calls", "bytecode", "bodies"] as const;
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
    const others = (process.env["CPU_BINARIES"] ?? "").split(",").filter(Boolean);
    const rows = [
      ...PROGRAMS.map((name) => measure(name, compiled(name, directory))),
      ...others.map((path) => measure(basename(path), path)),
    ];
    console.table(Object.fromEntries(rows.map(({ name, row }) => [name, row])));
    const ratios = rows.flatMap(({ ratio }) => (ratio === null ? [] : [ratio]));
    const mean = ratios.reduce((product, ratio) => product * ratio, 1) ** (1 / ratios.length);
    if (ratios.length > 0) console.log(`translated : qemu, geometric mean ${mean.toFixed(2)}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function compiled(name: string, directory: string): string {
  const binary = join(directory, name);
  const source = new URL(`guest/${name}.c`, import.meta.url).pathname;
  const built = spawnSync(COMPILER, ["-static", "-O2", "-o", binary, source, "-lm"], { encoding: "utf8" });
  if (built.status !== 0) throw new Error(`${name}: ${built.stderr}`);
  return binary;
}

interface Measured {
  name: string;
  row: Record<string, number | string>;
  /** Time of qemu to ours, translated. */
  ratio: number | null;
}

function measure(name: string, binary: string): Measured {
  const times = {
    interpreted: [] as number[],
    first: [] as number[],
    translated: [] as number[],
    qemu: [] as number[],
  };
  const timed: number[] = [];
  let executed = 0;
  let text = "";
  let translations = new Translations();
  const run = (into: number[], use: Translations | undefined): void => {
    const program = new Program(binary, undefined, undefined, use);
    into.push(milliseconds(() => program.run()));
    executed = program.executed;
    text = program.text;
  };
  for (let round = 0; round < ROUNDS; round++) {
    translations = new Translations();
    run(times.interpreted, undefined);
    run(times.first, translations);
    run(times.translated, translations);
    const modelled = new Program(binary, RAM_PAGES, initTiming(defaultTiming(), 1, RAM_PAGES));
    timed.push(milliseconds(() => modelled.run()));
    if (!existsSync(QEMU)) continue;
    let output = "";
    times.qemu.push(milliseconds(() => (output = spawnSync(QEMU, [binary], { encoding: "utf8" }).stdout)));
    if (output !== text) throw new Error(`${name}: ${text.trim()} here, ${output.trim()} under qemu`);
  }
  const speed = (values: number[]): number => Math.round(executed / median(values) / 1000);
  const ratio = times.qemu.length > 0 ? median(times.qemu) / median(times.translated) : null;
  const row = {
    Minstr: Math.round(executed / 1e6),
    "interpreted MIPS": speed(times.interpreted),
    "first MIPS": speed(times.first),
    "translated MIPS": speed(times.translated),
    "with caches": speed(timed),
    "module KiB": Math.round(translations.bytes / 1024),
    ...(ratio !== null && { "qemu MIPS": speed(times.qemu), "translated : qemu": ratio.toFixed(2) }),
  };
  return { name, row, ratio };
}

if (import.meta.main) await bench();
