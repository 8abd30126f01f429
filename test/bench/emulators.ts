/**
 * QEMU, as what our core is measured against: user-mode emulation, and whole-system emulation of the `virt` board with
 * guest/proxy.c under the program. What each takes to start and to do nothing is measured, too, and taken off.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { median } from "./table.ts";

export const COMPILER = "riscv64-linux-gnu-gcc";
const OBJCOPY = "riscv64-linux-gnu-objcopy";
export const USER = "qemu-riscv64";
export const SYSTEM = "qemu-system-riscv64";
const START_ROUNDS = 5;

export const isInstalled = (command: string): boolean => spawnSync(command, ["--version"]).error === undefined;

export function milliseconds(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function mustRun(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr || `ended with ${status}`}`);
  return stdout;
}

export interface Emulator {
  name: string;
  /** Milliseconds for the program, and what it printed. */
  run(binary: string): { ms: number; text: string };
}

/** Compiles a C program of guest/ as a static Linux executable; `nothing` is one that does nothing. */
export function compile(name: string, folder: string): string {
  const binary = join(folder, name);
  const source = new URL(`guest/${name}.c`, import.meta.url).pathname;
  mustRun(COMPILER, ["-static", "-O2", "-o", binary, source, "-lm"]);
  return binary;
}

function proxyIn(folder: string): string {
  const binary = join(folder, "proxy");
  const machine = ["-march=rv64imac_zicsr", "-mabi=lp64", "-mcmodel=medany", "-fno-pic"];
  const alone = ["-static", "-nostdlib", "-ffreestanding", "-Wl,-N,-Ttext=0x80000000,--no-warn-rwx-segments"];
  const source = new URL("guest/proxy.c", import.meta.url).pathname;
  mustRun(COMPILER, ["-O2", ...machine, ...alone, "-o", binary, source]);
  return binary;
}

/** Those of the two that are installed; the others are said to be left out. */
export function emulators(folder: string): Emulator[] {
  const raw: { name: string; command: string; text(binary: string): string }[] = [
    { name: "qemu-user", command: USER, text: (binary) => mustRun(USER, [binary]) },
    { name: "qemu-system", command: SYSTEM, text: systemRunner(folder) },
  ];
  const nothing = compile("nothing", folder);
  return raw.flatMap(({ name, command, text }) => {
    if (!isInstalled(command)) {
      console.log(`left out: ${command} is not installed`);
      return [];
    }
    const starts = Array.from({ length: START_ROUNDS }, () => milliseconds(() => void text(nothing)));
    return [{ name, run: (binary: string) => timedRun(text, binary, median(starts)) }];
  });
}

function timedRun(text: (binary: string) => string, binary: string, startMs: number): { ms: number; text: string } {
  let printed = "";
  const ms = milliseconds(() => (printed = text(binary)));
  return { ms: ms - startMs, text: printed };
}

/** A static program stands in RAM at its addresses, from RAM's base on. */
function systemRunner(folder: string): (binary: string) => string {
  const placed = new Map<string, string>();
  const board = ["-M", "virt", "-m", "128M", "-display", "none", "-monitor", "none", "-serial", "stdio"];
  let proxy = "";
  return (binary) => {
    proxy ||= proxyIn(folder);
    let at = placed.get(binary);
    if (at === undefined) {
      at = `${binary}.placed`;
      mustRun(OBJCOPY, ["--change-section-lma", "*+0x80000000", binary, at]);
      placed.set(binary, at);
    }
    return mustRun(SYSTEM, [...board, "-bios", proxy, "-device", `loader,file=${at}`]);
  };
}
