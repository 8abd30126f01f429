import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { disassemble } from "../../../kernel/hardware/cpu/rv64/disassemble.ts";
import { randomProgram } from "./random_program.ts";

const OBJDUMP = "riscv64-linux-gnu-objdump";
const hasObjdump = !spawnSync(OBJDUMP, ["--version"]).error;

describe("disassembly", () => {
  test("reads well", () => {
    const text = (bits: number) => disassemble(bits, 0x1_0000n);
    expect(text(0x00a58513)).toBe("addi a0, a1, 10");
    expect(text(0xfe0798e3)).toBe("bne a5, zero, 0xfff0");
    expect(text(0x008000ef)).toBe("jal ra, 0x10008");
    expect(text(0x8082)).toBe("c.jr ra");
    expect(text(0x1141)).toBe("c.addi sp, -16");
    expect(text(0x02a5f553)).toBe("fadd.d fa0, fa1, fa0");
    expect(text(0x100526af)).toBe("lr.w a3, (a0)");
    expect(text(0xc0102573)).toBe("csrrs a0, time, zero");
    expect([text(0x30200073), text(0x10500073), text(0x12c58073)]).toEqual(["mret", "wfi", "sfence.vma a1, a2"]);
    expect([text(0x7159), text(0x6505), text(0x1101)]).toEqual([
      "c.addi16sp sp, -112",
      "c.lui a0, 0x1",
      "c.addi sp, -32",
    ]);
    expect([text(0xd2058553), text(0xd2059553)]).toEqual(["fcvt.d.w fa0, a1", "fcvt.d.w fa0, a1, rtz"]);
    expect(text(0x02a5d553), "a reserved rounding mode").toBe(".insn 0x02a5d553");
    expect(text(0)).toBe(".insn 0x0000");
    expect(text(0xffffffff)).toBe(".insn 0xffffffff");
  });

  test.skipIf(!hasObjdump)(`agrees with objdump on random instructions (needs ${OBJDUMP})`, () => {
    const words = [1, 2, 3].flatMap((seed) => randomProgram(seed, 300, "all").bodies.flat());
    const bytes = new Uint8Array(words.length * 4);
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const word of words) {
      view.setUint32(at, word, true);
      at += (word & 3) === 3 ? 4 : 2;
    }
    const directory = mkdtempSync(join(tmpdir(), "cpu-disassemble-"));
    const path = join(directory, "code");
    writeFileSync(path, bytes.subarray(0, at));
    const arguments_ = ["-D", "-b", "binary", "-m", "riscv:rv64", "-M", "no-aliases", path];
    const listing = spawnSync(OBJDUMP, arguments_, { encoding: "utf8", maxBuffer: 1 << 26 }).stdout;
    rmSync(directory, { recursive: true });
    const theirs = [...listing.matchAll(/^\s*([0-9a-f]+):\t([0-9a-f]+)\s+\t(.*)$/gm)];
    expect(theirs.length).toBe(words.length);
    // Numbers as decimals, no "dyn" for the usual rounding mode; objdump of this age knows no Zba, Zbb, Zbs.
    const plain = (text: string) =>
      text
        .replace(/\s*#.*$/, "")
        .replaceAll(/0x[0-9a-f]+/g, (hex) => BigInt(hex).toString())
        .replaceAll(/[\s,]+/g, " ")
        .replace(/ dyn$/, "")
        .replace("c.addi zero 0", "c.nop")
        .replace(/^c.slli64 (\w+)$/, "c.slli $1 0")
        .trim();
    const wrong = theirs
      .map(([, address, bits, text]) => [
        plain(text as string),
        plain(disassemble(Number.parseInt(bits as string, 16), BigInt(`0x${address}`))),
      ])
      .filter(([a, b]) => a !== b && !a?.startsWith(".4byte"));
    expect(wrong).toEqual([]);
  });
});
