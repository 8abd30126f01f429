/**
 * Bare programs (test/guest/privileged) on the privileged core: what they find out about traps, privileges, paging,
 * protection, interrupts and several harts. What they should find is known twice: from the digests here, which were
 * taken when every line had been compared with QEMU's `virt` board, and from QEMU itself where it is installed.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { Translations } from "../../../kernel/hardware/cpu/rv64/translate/modules.ts";
import { bareGuest, hasCompiler } from "../../guest/compile.ts";
import { BareMachine } from "./bare.ts";
import { stateOf } from "./fixture.ts";

const qemu = "qemu-system-riscv64";
const hasQemu = spawnSync(qemu, ["--version"]).status === 0;

interface Program {
  name: string;
  harts?: number;
  digest: string;
  /** Lines in which QEMU 7.2 does not do what the specification says, or leaves it open; null: it cannot run this. */
  exempt?: RegExp | null;
}

const programs: Program[] = [
  // An AMO's fault is a store's, never a load's.
  { name: "traps", digest: "a457d35a2adafbe4", exempt: /swap in a hole/ },
  // The same; and a page table where no memory is gives access faults.
  { name: "paging", digest: "dbcd4bba2fd1dc6a", exempt: /swap|table outside RAM/ },
  // Without entries mret to S mode is illegal there; writable but not readable is kept; fetches are not checked one by one.
  { name: "protection", digest: "89266ec242d1ff43", exempt: /^nothing set|cfg=(0|606262)|^fetch/ },
  // Bit 0 of epc, registers of the hypervisor extension, counters of host time.
  {
    name: "registers",
    digest: "a8da45507cbd31b8",
    exempt: /^(.epc|mideleg|mie|.counteren|pmpaddr3|mcountinhibit|minstret) /,
  },
  // The order of rank among several is that of the numbers there, and its time that of the host.
  { name: "interrupts", digest: "da109cf44a3f1cfb", exempt: /^ranks|^timer|enabled=222/ },
  { name: "supervisor-timer", digest: "85aa2f60ab8c4380", exempt: null },
  { name: "time", digest: "fc41ea3e9aa7d00c" },
  { name: "harts", harts: 2, digest: "9bfbf7a72d651fc9" },
  { name: "harts", harts: 8, digest: "aa088d6fe1f1244e" },
];

const elfOf = ({ name, harts = 1 }: Program): string => bareGuest(name, `-DHARTS=${harts}`);
const limit = 20_000_000;

function ran(program: Program, slice?: number, translations?: Translations): BareMachine {
  const machine = new BareMachine(readFileSync(elfOf(program)), { harts: program.harts ?? 1, translations });
  machine.run(limit, slice);
  return machine;
}

const titleOf = ({ name, harts = 1 }: Program): string => (harts > 1 ? `${name} with ${harts} harts` : name);

describe.skipIf(!hasCompiler)("a bare program", () => {
  for (const program of programs) {
    test(`${titleOf(program)} finds what it should`, () => {
      const { text, finished } = ran(program);
      expect([finished, text.split("\n").at(-2)]).toEqual([true, "done"]);
      expect(createHash("sha256").update(text).digest("hex").slice(0, 16)).toBe(program.digest);
    });

    test.skipIf(!hasQemu || program.exempt === null)(`${titleOf(program)} finds the same as on QEMU`, () => {
      const output = join(mkdtempSync(join(tmpdir(), "qemu-")), "serial");
      const board = [
        "-M",
        "virt",
        "-m",
        "128M",
        "-smp",
        `${program.harts ?? 1}`,
        "-display",
        "none",
        "-monitor",
        "none",
      ];
      // A pipe would lose what has not been read when the machine goes off.
      spawnSync(qemu, [...board, "-serial", `file:${output}`, "-bios", elfOf(program)], { timeout: 240_000 });
      const theirs = readFileSync(output, "utf8");
      rmSync(dirname(output), { recursive: true });
      const compared = (text: string): string[] =>
        text.split(/\r?\n/).filter((line) => program.exempt === undefined || !program.exempt!.test(line));
      expect(compared(ran(program).text)).toEqual(compared(theirs));
    });

    test(`${titleOf(program)} finds the same however its run is cut, interpreted or translated`, () => {
      const whole = ran(program);
      for (const [slice, jumps] of [[1], [7], [1001], [100_000, 1], [100_000, 5], [37, 2]] as const) {
        const cut = ran(program, slice, jumps && new Translations({ jumps, credit: 1e9 }));
        expect([slice, cut.text, cut.executed, cut.timeNs]).toEqual([slice, whole.text, whole.executed, whole.timeNs]);
        expect(stateOf(cut.core)).toEqual(stateOf(whole.core));
      }
    });
  }
});
