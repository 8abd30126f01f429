/** Debian's own tracers for riscv64 on our kernel: strace, and gdbserver, which a debugger talks to. */
import { describe, expect, test } from "vitest";
import { consoleOf, mustApply, runOn, startInput, testMachine } from "../support/machine.ts";
import { filesOrReason, type Wanted } from "./packages.ts";

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

  test("gdbserver stops a program, reads its registers and memory, and lets it go on", () => {
    const requests = ["qSupported:multiprocess+;swbreak+", "?", "m10000,10", "vCont;c"];
    const talk = printed(
      ["/bin/gdbserver", "--once", "-", "/bin/busybox", "echo", "hello"],
      `+${requests.map(packet).join("")}`,
    );
    // It stands at its first instruction, where an executable's first bytes can be read, and then prints and ends.
    expect(talk).toMatch(/\+\$T0502:[^#]*20:[^#]*thread:p\w+\.\w+;core:0;#/);
    expect(talk).toContain("+$7f454c46020101030*");
    expect(talk).toMatch(/\+hello\n\$W0;process:\w+#/);
  });
});
