/** What a program takes under qemu-riscv64, which passes its system calls on to the host's kernel. */
import { spawnSync } from "node:child_process";

export const QEMU = "/usr/bin/qemu-riscv64";

/** Processor time in milliseconds: the last line of the shell's `times` is that of its children, user and system. */
export function underQemu(args: string[], redirections = ""): number {
  const script = `"$@" > /dev/null ${redirections} && times`;
  const { status, stdout } = spawnSync("sh", ["-c", script, "sh", QEMU, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${args}: qemu ended with ${status}`);
  const parts = [
    ...stdout
      .trim()
      .split("\n")
      .at(-1)!
      .matchAll(/(\d+)m([\d.]+)s/g),
  ];
  return parts.reduce((sum, [, minutes, seconds]) => sum + (Number(minutes) * 60 + Number(seconds)) * 1000, 0);
}
