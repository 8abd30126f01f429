/** Debian's own tracers for riscv64 on our kernel: strace, and gdbserver, which a debugger talks to. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { consoleOf, mustApply, runOn, startInput, testMachine } from "../support/machine.ts";
import { filesOrReason, packageFolder, type Wanted } from "./packages.ts";

const libraries = "usr/lib/riscv64-linux-gnu";
const library = (name: string, of: string) => [`/lib/${name}`, of, `${libraries}/${name}`] as const;
const wanted: Wanted = [
  ["/bin/busybox", "busybox-static", "usr/bin/busybox"],
  ["/bin/sh", "busybox-static", "usr/bin/busybox"],
  ["/bin/strace", "strace", "usr/bin/strace"],
  ["/bin/gdbserver", "gdbserver", "usr/bin/gdbserver"],
  library("ld-linux-riscv64-lp64d.so.1", "libc6"),
  library("libc.so.6", "libc6"),
  library("libm.so.6", "libc6"),
  library("libgcc_s.so.1", "libgcc-s1"),
  library("libstdc++.so.6", "libstdc++6"),
];

const files = filesOrReason(wanted);
const reason = typeof files === "string" ? ` (Debian's packages cannot be had: ${files})` : "";

/** What a program prints that the host starts, with its input known beforehand. */
function printed(argv: readonly string[], stdin = ""): string {
  const known = files as Exclude<typeof files, string>;
  const machine = testMachine({ memoryBytes: 128 * 2 ** 20, files: known, environment: ["LC_ALL=C", "PATH=/bin"] });
  mustApply(machine, startInput(argv[0]!, { arguments: [...argv], stdin }));
  expect(runOn(machine, 1e9)).toEqual({ kind: "idle" });
  return consoleOf(machine.drainOutputs());
}

/** As gdb sends it. */
function packet(text: string): string {
  const sum = [...text].reduce((all, letter) => all + letter.charCodeAt(0), 0) & 255;
  return `$${text}#${sum.toString(16).padStart(2, "0")}+`;
}

/** In packets, a character is followed by "*" and by how often it comes again, as a character of 29 more. */
const expanded = (text: string): string =>
  text.replaceAll(/(.)\*(.)/g, (_all, letter: string, count: string) => letter.repeat(count.charCodeAt(0) - 28));

/** From a register as it lies in memory, the last byte first. */
const programCounter = (register: string): string =>
  Number.parseInt(expanded(register).match(/../g)!.reverse().join(""), 16).toString(16);

/** Addresses of an executable's first instruction, which is one of four bytes, and of the next, and what is there. */
function entryOf(path: string): { first: string; behind: string; was: string } {
  const elf = readFileSync(path);
  const entry = Number(elf.readBigUInt64LE(24));
  const segment = Number(elf.readBigUInt64LE(32));
  // The first segment that is loaded begins at the file's first byte.
  const start = Array.from({ length: elf.readUInt16LE(56) }, (_, n) => segment + n * elf.readUInt16LE(54)).find(
    (at) => elf.readUInt32LE(at) === 1,
  )!;
  const at = entry + 4 - Number(elf.readBigUInt64LE(start + 16));
  return {
    first: entry.toString(16),
    behind: (entry + 4).toString(16),
    was: elf.subarray(at, at + 2).toString("hex"),
  };
}

describe.skipIf(typeof files === "string")(`Debian's tracers${reason}`, () => {
  test("strace sees a shell's processes, their calls, signals and ends", () => {
    const script = "busybox echo hello | busybox cat; kill -USR1 $$";
    const calls = "-e trace=execve,dup3,kill,exit_group,write";
    const told = printed(["/bin/strace", "-f", "-qq", ...calls.split(" "), "/bin/sh", "-c", script]);
    expect(told).toMatch(
      /^execve\("\/bin\/sh", \["\/bin\/sh", "-c", "busybox echo hello \| busybox cat"\.{3}\], .* = 0\n/,
    );
    expect(told).toMatch(/^\[pid +\d+\] execve\("\/proc\/self\/exe", \["busybox", "cat"\], .* = 0$/m);
    expect(told).toMatch(/^\[pid +\d+\] write\(1, "hello\\n", 6\) += 6$/m);
    expect(told).toMatch(/write\(1, "hello\\n", 6hello\n\) += 6$/m);
    expect(told).toMatch(/^(\[pid +\d+\] )?exit_group\(0\) += \?$/m);
    expect(told).toMatch(
      /^(\[pid +\d+\] )?--- SIGCHLD \{si_signo=SIGCHLD, si_code=CLD_EXITED, .*si_status=0,.*\} ---$/m,
    );
    expect(told).toMatch(
      /^kill\(\d+, SIGUSR1\) += 0\n--- SIGUSR1 .*SI_USER.* ---\n\+\+\+ killed by SIGUSR1 \+\+\+\n$/m,
    );
  });

  test("strace writes to a file what it sees of all processes, each line with whose it is", () => {
    const traced = "busybox true; exit 3";
    const told = printed(["/bin/sh", "-c", `strace -f -o /tmp/out sh -c '${traced}'; echo $?; cat /tmp/out`]);
    expect(told).toMatch(/^3\n(\d+ +)execve\("\/bin\/sh", \["sh", "-c", .* = 0\n/);
    const ends = [...told.matchAll(/^(\d+) +\+{3} exited with (\d) \+{3}$/gm)].map(([_line, id, code]) => [id, code]);
    expect(ends.map(([, code]) => code)).toEqual(["0", "3"]);
    expect(told).toMatch(new RegExp(`^${ends[1]![0]} .*wait4.* = ${ends[0]![0]}$`, "m"));
  });

  test("gdbserver stops a program at a breakpoint, steps it, reads its registers and memory, and lets it go on", () => {
    // A breakpoint is an instruction in the place of another one, where the call that is the program's first goes on.
    const { first, behind, was } = entryOf(join(packageFolder("busybox-static"), "usr/bin/busybox"));
    const requests = ["qSupported:multiprocess+;swbreak+", "?", "m10000,10", "vCont;s", `M${behind},2:0290`];
    const rest = ["vCont;c", `m${behind},2`, `M${behind},2:${was}`, "vCont;c"];
    const talk = printed(
      ["/bin/gdbserver", "--once", "-", "/bin/busybox", "echo", "hello"],
      `+${[...requests, ...rest].map(packet).join("")}`,
    );
    const stops = [...talk.matchAll(/\$T05[^#]*?20:([^;]*);[^#]*thread:p\w+\.\w+;core:0;#/g)].map(([, pc]) => pc!);
    // It stands at its first instruction, where an executable's first bytes can be read, then at another one.
    expect(stops.map(programCounter)).toEqual([first, expect.not.stringMatching(`^(${first}|${behind})$`), behind]);
    expect(talk).toContain("+$7f454c46020101030*");
    expect(talk).toMatch(/\+\$0290#\w\w\+\$OK#9a\+hello\n\$W0;process:\w+#/);
  });
});
