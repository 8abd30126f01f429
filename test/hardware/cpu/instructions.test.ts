import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { iType, rType, sType } from "./encode.ts";
import { addi, CODE, CoreStop, csrr, DATA, EBREAK, ECALL, Fixture, load, NOP } from "./fixture.ts";
import { PAGE, Program } from "./machine.ts";

const hasCompiler = !spawnSync("riscv64-linux-gnu-gcc", ["--version"]).error;

describe("stops", () => {
  test("an ecall counts as executed and leaves pc on itself", () => {
    const { core } = new Fixture([NOP, NOP, ECALL]);
    expect(core.run(100)).toBe(CoreStop.ecall);
    expect(core.executed()).toBe(3);
    expect(core.getPc()).toBe(CODE + 8n);
  });

  test("ebreak, full and compressed, stops the same way", () => {
    for (const word of [EBREAK, 0x9002]) {
      const { core } = new Fixture([NOP, word]);
      expect(core.run(100)).toBe(CoreStop.breakpoint);
      expect([core.executed(), core.getPc()]).toEqual([2, CODE + 4n]);
    }
  });

  test("an illegal instruction does not count and shows its bits", () => {
    const illegal = [
      0x0000,
      0xffffffff,
      0x6001,
      0x2001,
      0x9c41,
      0x9c61,
      0x8002,
      0x4002,
      0x8000,
      // reserved compressed
      0x10500073,
      0x30200073,
      0x10200073,
      0x12000073, // wfi, mret, sret, sfence.vma
      csrr(5, 0x300),
      csrr(5, 0xc03),
      iType(0x73, 1, 0, 5, 0xc00), // machine CSR, hpm counter, write to a counter
      rType(0x53, 5, 0, 1, 2, 3),
      rType(0x53, 0, 2, 1, 2, 3),
      rType(0x2f, 2, 2 << 2, 5, 6, 7),
      iType(0x0f, 2, 0, 0, 0),
    ];
    const fixture = new Fixture();
    for (const word of illegal) {
      expect(fixture.execute([NOP, word]), word.toString(16)).toBe(CoreStop.illegalInstruction);
      expect(fixture.core.executed()).toBe(1);
      expect(fixture.core.getPc()).toBe(CODE + 4n);
      expect(fixture.core.faultValue()).toBe(BigInt(word >>> 0));
    }
  });

  test("a dynamic rounding mode that is reserved makes the instruction illegal", () => {
    const fixture = new Fixture();
    const fadd = rType(0x53, 7, 1, 1, 2, 3);
    for (const frm of [5, 6, 7]) {
      expect(fixture.execute([iType(0x73, 5, 0, frm, 2), fadd, ECALL])).toBe(CoreStop.illegalInstruction);
      expect(fixture.core.executed()).toBe(1);
    }
    expect(fixture.execute([iType(0x73, 5, 0, 4, 2), fadd, ECALL])).toBe(CoreStop.ecall);
  });

  test("hints do nothing", () => {
    const fixture = new Fixture();
    // c.nop with an immediate, c.li and c.lui and c.slli and c.mv and c.add to zero, c.srli by 0, addi/slti/lui to x0, pause.
    const hints = [
      0x0005, 0x4001, 0x6005, 0x1002, 0x8016, 0x9016, 0x8001, 0x00100013, 0x00002013, 0x00000037, 0x0100000f,
    ];
    for (const word of hints) {
      expect(fixture.execute([word, ECALL]), word.toString(16)).toBe(CoreStop.ecall);
      expect(fixture.core.x[0]).toBe(0n);
    }
  });
});

describe("integer results at the edges", () => {
  const edge = (f3: number, a: bigint, b: bigint, opcode = 0x33, f7 = 1): bigint => {
    const fixture = new Fixture();
    fixture.execute([rType(opcode, f3, f7, 7, 5, 6), ECALL], { 5: a, 6: b });
    return fixture.core.x[7] as bigint;
  };
  const MIN = -(2n ** 63n);
  const ONES = 2n ** 64n - 1n;

  test("division by zero and overflow", () => {
    expect([edge(4, 7n, 0n), edge(5, 7n, 0n), edge(6, 7n, 0n), edge(7, 7n, 0n)]).toEqual([ONES, ONES, 7n, 7n]);
    expect([edge(4, MIN, -1n), edge(6, MIN, -1n)]).toEqual([2n ** 63n, 0n]);
    expect([edge(4, -(2n ** 31n), -1n, 0x3b), edge(6, -(2n ** 31n), -1n, 0x3b)]).toEqual([0xffffffff80000000n, 0n]);
    expect([edge(5, -1n, 0n, 0x3b), edge(7, 0x80000000n, 0n, 0x3b)]).toEqual([ONES, 0xffffffff80000000n]);
  });

  test("high halves of products", () => {
    expect([edge(1, MIN, MIN), edge(3, -1n, -1n), edge(2, -1n, -1n)]).toEqual([2n ** 62n, ONES - 1n, ONES]);
  });

  test("ctzw and clzw of a zero word are 32", () => {
    const fixture = new Fixture();
    fixture.execute([iType(0x1b, 1, 7, 5, 0x601), iType(0x1b, 1, 8, 5, 0x600), ECALL], { 5: 0xff00000000n });
    expect([fixture.core.x[7], fixture.core.x[8]]).toEqual([32n, 32n]);
  });

  test("jalr through its own link register uses the old value", () => {
    const fixture = new Fixture();
    fixture.execute([iType(0x67, 0, 5, 5, 1), EBREAK, ECALL], { 5: CODE + 8n });
    expect(fixture.core.getPc()).toBe(CODE + 8n);
    expect(fixture.core.x[5]).toBe(CODE + 4n);
  });
});

describe("memory", () => {
  test("misaligned accesses work inside a page and across two", () => {
    const fixture = new Fixture();
    for (const at of [1, 3, 5, PAGE - 1, PAGE - 2, PAGE - 3, PAGE - 4, PAGE - 5, PAGE - 7]) {
      fixture.execute([sType(0x23, 3, 5, 6, 0), load(3, 7, 5), load(2, 8, 5), load(5, 9, 5), ECALL], {
        5: DATA + BigInt(at),
        6: 0x8182838485868788n,
      });
      expect([fixture.core.x[7], fixture.core.x[8], fixture.core.x[9]]).toEqual([
        0x8182838485868788n,
        0xffffffff85868788n,
        0x8788n,
      ]);
      expect(fixture.data[at]).toBe(0x88);
    }
  });

  test("a store that crosses into a page it may not write changes nothing and names the first bad byte", () => {
    const fixture = new Fixture();
    const at = DATA + BigInt(3 * PAGE) - 3n;
    expect(fixture.execute([sType(0x23, 3, 5, 6, 0)], { 5: at, 6: -1n })).toBe(CoreStop.storePageFault);
    expect(fixture.core.faultValue()).toBe(DATA + BigInt(3 * PAGE));
    expect(fixture.data.at(-1)).toBe(0);
    expect(fixture.execute([load(3, 6, 5)], { 5: at, 6: 9n })).toBe(CoreStop.loadPageFault);
    expect(fixture.core.faultValue()).toBe(DATA + BigInt(3 * PAGE));
    expect([fixture.core.x[6], fixture.core.executed()]).toEqual([9n, 0]);
  });

  test("a load to x0 still faults", () => {
    expect(new Fixture().execute([load(3, 0, 5)], { 5: 0x999000n })).toBe(CoreStop.loadPageFault);
  });

  test("lr and sc pair up by address, once, until the reservation is cleared", () => {
    const lr = rType(0x2f, 3, 2 << 2, 7, 5, 0);
    const sc = (rd: number) => rType(0x2f, 3, 3 << 2, rd, 5, 6);
    const fixture = new Fixture();
    fixture.execute([lr, sc(8), sc(9), ECALL], { 5: DATA, 6: 77n });
    expect([fixture.core.x[8], fixture.core.x[9], fixture.data[0]]).toEqual([0n, 1n, 77]);
    fixture.execute([lr, ECALL], { 5: DATA });
    expect(fixture.core.saveHart().reservation).toBe(DATA);
    fixture.core.clearReservation();
    fixture.execute([sc(8), ECALL], { 5: DATA });
    expect(fixture.core.x[8]).toBe(1n);
  });

  test("misaligned atomics stop", () => {
    for (const f5 of [0, 2, 3]) {
      const fixture = new Fixture();
      expect(fixture.execute([rType(0x2f, 3, f5 << 2, 7, 5, 0)], { 5: DATA + 4n })).toBe(CoreStop.misalignedAtomic);
      expect(fixture.core.faultValue()).toBe(DATA + 4n);
    }
  });
});

describe("counters and state", () => {
  test("instret and cycle count what came before; time runs at 10 MHz", () => {
    const { core } = new Fixture([NOP, csrr(5, 0xc02), csrr(6, 0xc00), csrr(7, 0xc01), csrr(8, 0xc02), ECALL]);
    core.setCounters(1000, 123_456_700);
    core.run(3);
    core.run(100);
    expect([core.x[5], core.x[6], core.x[7], core.x[8]]).toEqual([1001n, 1002n, 1234567n, 1004n]);
  });

  test("the floating-point registers of csr instructions", () => {
    const fixture = new Fixture();
    fixture.execute([iType(0x73, 1, 5, 6, 3), csrr(7, 1), csrr(8, 2), iType(0x73, 7, 9, 0b11, 1), csrr(10, 3), ECALL], {
      6: 0xfffn,
    });
    const { x } = fixture.core;
    expect([x[7], x[8], x[9], x[10]]).toEqual([31n, 7n, 31n, 0xfcn]);
    expect(fixture.core.saveHart().fcsr).toBe(0xfc);
  });

  test("a saved hart loads into another core", () => {
    const one = new Fixture([addi(5, 5, 1), addi(5, 5, 1), ECALL], { 5: 40n });
    one.core.run(1);
    const two = new Fixture([addi(5, 5, 1), addi(5, 5, 1), ECALL]);
    two.core.loadHart(structuredClone(one.core.saveHart()));
    two.core.run(10);
    expect(two.core.x[5]).toBe(42n);
  });

  test("an instruction that straddles two pages executes, jumps and faults as any other", () => {
    const fixture = new Fixture([addi(5, 5, 1), addi(5, 5, 2), ECALL], {}, PAGE - 2 - 4);
    expect(fixture.core.run(100)).toBe(CoreStop.ecall);
    expect([fixture.core.x[5], fixture.core.executed(), fixture.core.getPc()]).toEqual([
      3n,
      3,
      CODE + BigInt(PAGE) + 2n,
    ]);
    const jump = new Fixture([0x004000ef, EBREAK], {}, PAGE - 2);
    expect(jump.core.run(100)).toBe(CoreStop.breakpoint);
    expect([jump.core.x[1], jump.core.getPc()]).toEqual([CODE + BigInt(PAGE) + 2n, CODE + BigInt(PAGE) + 2n]);
    const last = new Fixture();
    last.core.ramView.setUint16((last.codePage + 2) * PAGE - 2, NOP, true);
    last.core.wrote(last.codePage + 1);
    last.core.setPc(CODE + BigInt(2 * PAGE) - 2n);
    expect(last.core.run(1)).toBe(CoreStop.instructionPageFault);
    expect([last.core.faultValue(), last.core.getPc(), last.core.executed()]).toEqual([
      CODE + 0x2000n,
      CODE + 0x1ffen,
      0,
    ]);
  });
});

describe.skipIf(!hasCompiler)("compiled C (needs riscv64-linux-gnu-gcc)", () => {
  test("a static glibc program prints what it should", () => {
    const directory = mkdtempSync(join(tmpdir(), "cpu-"));
    const source = join(directory, "a.c");
    writeFileSync(
      source,
      `#include <stdio.h>\n#include <math.h>\n#include <stdlib.h>
      static int order(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
      int main(void) { int v[100]; unsigned s = 1; for (int i = 0; i < 100; i++) v[i] = (s = s * 69069 + 1) >> 8;
        qsort(v, 100, sizeof *v, order); double t = 0; for (int i = 0; i < 100; i++) t += sqrt(v[i]);
        printf("%d %d %.15g %La %.9g\\n", v[0], v[99], t, (long double)t / 3, sin(1) * exp(2)); return 7; }`,
    );
    spawnSync("riscv64-linux-gnu-gcc", ["-static", "-O2", "-o", join(directory, "a"), source, "-lm"]);
    const program = new Program(join(directory, "a"));
    program.run();
    rmSync(directory, { recursive: true });
    expect(program.text).toBe("269 16747119 264664.129675594 0x1.589d606623d0cp+16 6.21767631\n");
    expect(program.exitCode).toBe(7);
  });
});
