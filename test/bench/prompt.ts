/**
 * From nothing to the prompt of a shell of Debian's: a machine is made, its root file system unpacked, and its first
 * program runs until it waits for a line. Beside it the same shell under qemu-riscv64, which comes to its prompt and
 * reads the end of its input: that begins one program, and no machine.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { packageFolder } from "../real/packages.ts";
import { rootArchive } from "../real/root.ts";
import { consoleOf, fileOf, runOn, testMachine } from "../support/machine.ts";
import { QEMU, underQemu } from "./qemu.ts";
import { median } from "./table.ts";

const ROUNDS = 5;
const prompt = "ready> ";

interface Shell {
  name: string;
  path: string;
  arguments: string[];
}

const shells: readonly Shell[] = [
  { name: "busybox-static", path: "/opt/busybox", arguments: ["sh", "-i"] },
  { name: "bash-static", path: "/opt/bash", arguments: ["--norc", "-i"] },
  { name: "dash, linked to Debian's C library", path: "/usr/bin/dash", arguments: ["-i"] },
];

interface Boot {
  ms: number;
  instructions: number;
}

function boot({ path, arguments: args }: Shell, root: string, files: ReturnType<typeof fileOf>[]): Boot {
  const start = process.cpuUsage();
  const environment = ["PATH=/usr/bin", "HOME=/tmp", `PS1=${prompt}`];
  const init = { paths: [path], arguments: args };
  const machine = testMachine({ memoryBytes: 64 * 2 ** 20, environment, root, files, init });
  const stop = runOn(machine, 1e9);
  const { user, system } = process.cpuUsage(start);
  const printed = consoleOf(machine.drainOutputs());
  if (stop.kind !== "idle" || !printed.includes(prompt)) throw new Error(`${path} came to no prompt: ${printed}`);
  return { ms: (user + system) / 1000, instructions: machine.position().instructions };
}

/** A row for each shell; throws where Debian's packages cannot be had. */
export function promptRows(): Record<string, string | number>[] {
  const archive = rootArchive();
  const root = fileOf("", archive).content;
  const statics = [
    ["/opt/busybox", new Uint8Array(readFileSync(join(packageFolder("busybox-static"), "usr/bin/busybox")))],
    ["/opt/bash", new Uint8Array(readFileSync(join(packageFolder("bash-static"), "usr/bin/bash-static")))],
  ] as const;
  const files = statics.map(([path, bytes]) => fileOf(path, bytes));
  const folder = mkdtempSync(join(tmpdir(), "prompt-bench-"));
  try {
    execFileSync("tar", ["-C", folder, "-xf", "-"], { input: archive });
    execFileSync("mkdir", [join(folder, "opt")]);
    for (const [path, bytes] of statics) writeFileSync(join(folder, path), bytes, { mode: 0o755 });
    return shells.map((shell) => rowOf(shell, root, files, folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function rowOf(shell: Shell, root: string, files: ReturnType<typeof fileOf>[], folder: string) {
  const boots: Boot[] = [];
  const theirs: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const booted = boot(shell, root, files);
    const args = ["-L", folder, join(folder, shell.path), ...shell.arguments];
    const other = existsSync(QEMU) ? underQemu(args, "2>&1 < /dev/null") : Number.NaN;
    if (round === 0) continue; // the engine has to compile first
    boots.push(booted);
    theirs.push(other);
  }
  const instructions = boots[0]!.instructions;
  return {
    "to the prompt of": shell.name,
    "ms here": median(boots.map(({ ms }) => ms)).toFixed(0),
    "M instructions": (instructions / 1e6).toFixed(2),
    "ms under qemu (one program)": median(theirs).toFixed(0),
  };
}
