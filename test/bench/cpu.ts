/**
 * Speed of the RV64GC core beside QEMU's in the same run: C programs (guest/), and large programs of Debian's
 * (large.ts); what is not installed is said and left out. Ours is measured interpreted, translated in a process that sees the
 * program for the first time, translated with the modules at hand, and (once) with modelled caches. Rounds are interleaved; a
 * speed is the median of all rounds, a ratio the median of each round's. Instructions are those that our core counted.
 * Behind the table: geometric means of the ratios, the start of a large program, and what a trap, a switch and a miss cost.
 * CPU_BINARIES may name other static programs, by paths with commas between them; CPU_ROUNDS says how many rounds at most
 * (what takes long gets three). Each row is shown on standard error as soon as it is measured.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { defaultTiming, initTiming } from "../../kernel/hardware/cache/model.ts";
import { Translations } from "../../kernel/index.ts";
import { Program } from "../hardware/cpu/machine.ts";
import { COMPILER, compile, type Emulator, emulators, isInstalled, milliseconds } from "./emulators.ts";
import { wayCosts } from "./kernel.ts";
import { coldStart, largePrograms } from "./large.ts";
import { privilegedCosts } from "./privileged.ts";
import { type Measured, median, printTable, progress, rounds } from "./table.ts";

const PROGRAMS = ["integer", "memory", "sha256", "float", "calls", "bytecode", "bodies"] as const;
const ROUNDS = Number(process.env["CPU_ROUNDS"] ?? 5);
const RAM_PAGES = 16384;

export async function bench(): Promise<void> {
  const measured = [...cPrograms(), ...(await largePrograms(ROUNDS))];
  if (measured.length === 0) return;
  const others = ["qemu-user", "qemu-system"];
  printTable(measured.map((each) => rowOf(each, others)));
  for (const other of others) {
    const ratios = measured.flatMap((each) => ratioTo(each, other) ?? []);
    if (ratios.length === 0) continue;
    const mean = ratios.reduce((product, ratio) => product * ratio, 1) ** (1 / ratios.length);
    console.log(`translated : ${other}, geometric mean of ${ratios.length} programs ${mean.toFixed(2)}`);
  }
  console.log("");
  const ways = ["getppid: into the kernel and back", "switch between two threads by futex"];
  printTable([
    ...coldStart(),
    ...wayCosts(ways),
    ...privilegedCosts(["trap and return", "change of satp", "TLB miss"]),
  ]);
}

function cPrograms(): Measured[] {
  if (!isInstalled(COMPILER)) {
    console.log(`C programs: left out, no ${COMPILER}`);
    return [];
  }
  const folder = mkdtempSync(join(tmpdir(), "cpu-bench-"));
  try {
    const against = emulators(folder);
    const others = (process.env["CPU_BINARIES"] ?? "").split(",").filter(Boolean);
    return [
      ...PROGRAMS.map((name) => measure(name, compile(name, folder), against)),
      ...others.map((path) => measure(basename(path), path, against)),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function measure(name: string, binary: string, against: readonly Emulator[]): Measured {
  const times: Record<string, number[]> = {};
  const note = (who: string, ms: number): void => void (times[who] ??= []).push(ms);
  let executed = 0;
  let text = "";
  let translations = new Translations();
  const run = (who: string, use: Translations | undefined, timing: Uint8Array | null = null): void => {
    const program = new Program(binary, RAM_PAGES, timing, use);
    note(
      who,
      milliseconds(() => program.run()),
    );
    executed = program.executed;
    text = program.text;
  };
  for (const round of rounds(name, ROUNDS)) {
    translations = new Translations();
    run("interpreted", undefined);
    run("first", translations);
    run("translated", translations);
    if (round === 0) run("with caches", undefined, initTiming(defaultTiming(), 1, RAM_PAGES));
    for (const other of against) {
      const theirs = other.run(binary);
      if (theirs.text !== text) throw new Error(`${name}: ${text} here, ${theirs.text} under ${other.name}`);
      note(other.name, theirs.ms);
    }
  }
  return progress({ name, instructions: executed, moduleBytes: translations.bytes, times });
}

function ratioTo({ times }: Measured, other: string): number | null {
  const ours = times["translated"]!;
  return times[other] === undefined ? null : median(times[other].map((ms, round) => ms / ours[round]!));
}

function rowOf(measured: Measured, others: readonly string[]): Record<string, string | number> {
  const { name, instructions, moduleBytes, times } = measured;
  const speed = (who: string): string =>
    times[who] === undefined ? "-" : String(Math.round(instructions / median(times[who]) / 1000));
  return {
    MIPS: name,
    Minstr: Math.round(instructions / 1e6),
    ...Object.fromEntries(
      ["interpreted", "first", "translated", "with caches", ...others].map((who) => [who, speed(who)]),
    ),
    ...Object.fromEntries(others.map((other) => [`: ${other}`, ratioTo(measured, other)?.toFixed(2) ?? "-"])),
    "module KiB": Math.round(moduleBytes / 1024),
  };
}

if (import.meta.main) await bench();
