import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { disassemble } from "../../../kernel/hardware/cpu/rv64/disassemble.ts";
import { Program } from "./machine.ts";
import { CASE_WORDS, type Mix, randomProgram } from "./random_program.ts";

const QEMU = "/usr/bin/qemu-riscv64";

/** The words of both outputs that differ, at most a few, with the case they are from. */
function differences(seed: number, mix: Mix, cases: number, directory: string): string[] {
  const program = randomProgram(seed, cases, mix);
  const path = join(directory, `${mix}-${seed}`);
  writeFileSync(path, program.elf, { mode: 0o755 });
  const qemu = spawnSync(QEMU, [path], { maxBuffer: 1 << 28 });
  expect(qemu.status, `seed ${seed}: qemu ${qemu.signal}`).toBe(0);
  const ours = new Program(path, 8192);
  ours.run();
  const expected = new BigUint64Array(new Uint8Array(qemu.stdout).buffer);
  const actual = new BigUint64Array(new Uint8Array(Buffer.concat(ours.output)).buffer);
  expect(actual.length).toBe(expected.length);
  const out: string[] = [];
  for (let i = 0; i < expected.length && out.length < 5; i++) {
    if (expected[i] === actual[i]) continue;
    const index = Math.floor(i / CASE_WORDS);
    const body = (program.bodies[index] ?? []).map((word) => disassemble(word, 0n)).join("; ");
    out.push(
      `seed ${seed} case ${index} word ${i % CASE_WORDS}: qemu ${expected[i]?.toString(16)}, here ${actual[i]?.toString(16)}: ${body}`,
    );
  }
  return out;
}

describe.skipIf(!existsSync(QEMU))("random programs give the same bits as under qemu-riscv64", () => {
  const base = Number(process.env["CPU_SEED"] ?? 1);
  for (const [mix, seeds, cases] of [
    ["integer", 4, 1000],
    ["float", 8, 1200],
    ["all", 6, 1000],
  ] as const) {
    test(`${mix} instructions, seeds ${base} to ${base + seeds - 1}`, () => {
      const directory = mkdtempSync(join(tmpdir(), "cpu-differential-"));
      for (let seed = base; seed < base + seeds; seed++) expect(differences(seed, mix, cases, directory)).toEqual([]);
      rmSync(directory, { recursive: true });
    });
  }
});
