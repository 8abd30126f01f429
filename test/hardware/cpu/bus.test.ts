/** Devices in the physical address space: what a program that has one mapped can do to it, and what it cannot. */
import { describe, expect, test } from "vitest";
import type { AccessSize, Bus } from "../../../kernel/hardware/cpu/core.ts";
import { iType, sType } from "./encode.ts";
import { addi, CODE, CoreStop, DATA, ECALL, Fixture, load, NOP } from "./fixture.ts";
import { PAGE, RW, RWX } from "./machine.ts";

const DEVICE = 0x40000n;
const PPN = 0x10000;
const BASE = PPN * PAGE;
const store = (f3: number, base: number, source: number, imm = 0): number => sType(0x23, f3, base, source, imm);
const LR_D = (0x02 << 27) | (3 << 12) | (5 << 15) | (7 << 7) | 0x2f;
const AMOADD_W = (2 << 12) | (5 << 15) | (6 << 20) | (7 << 7) | 0x2f;

/** Answers below 0x100 with bytes that all have their top bit set; keeps what it was asked. */
class Probe implements Bus {
  readonly seen: (string | number | bigint)[][] = [];
  during: () => void = () => {};

  read(address: number, size: AccessSize): bigint | null {
    this.seen.push(["read", address, size]);
    this.during();
    return address < BASE + 0x100 ? 0x8887868584838281n : null;
  }

  write(address: number, size: AccessSize, value: bigint): boolean {
    this.seen.push(["write", address, size, value]);
    this.during();
    return address < BASE + 0x100;
  }
}

function setUp(): { fixture: Fixture; probe: Probe } {
  const probe = new Probe();
  const fixture = new Fixture([], {}, 0, probe);
  fixture.machine.mapPhysical(DEVICE, PPN, RWX);
  return { fixture, probe };
}

describe("a load from a device", () => {
  const cases: [string, number, AccessSize, bigint][] = [
    ["lb", 0, 1, 0xffffffffffffff81n],
    ["lh", 1, 2, 0xffffffffffff8281n],
    ["lw", 2, 4, 0xffffffff84838281n],
    ["ld", 3, 8, 0x8887868584838281n],
    ["lbu", 4, 1, 0x81n],
    ["lhu", 5, 2, 0x8281n],
    ["lwu", 6, 4, 0x84838281n],
  ];
  for (const [name, f3, size, value] of cases) {
    test(`${name} asks once, for ${size} bytes`, () => {
      const { fixture, probe } = setUp();
      expect(fixture.execute([load(f3, 7, 5)], { 5: DEVICE + 8n }, 1)).toBe(CoreStop.budget);
      expect(fixture.core.x[7]).toBe(value);
      expect(probe.seen).toEqual([["read", BASE + 8, size]]);
    });
  }
});

test("a store gives the device the bytes that it stores", () => {
  for (const [f3, size] of [
    [0, 1],
    [1, 2],
    [2, 4],
    [3, 8],
  ] as const) {
    const { fixture, probe } = setUp();
    fixture.execute([store(f3, 5, 6)], { 5: DEVICE, 6: 0xf7f6f5f4f3f2f1f0n }, 1);
    expect(probe.seen).toEqual([["write", BASE, size, BigInt.asUintN(8 * size, 0xf7f6f5f4f3f2f1f0n)]]);
  }
});

test("nobody there, misaligned, across pages, atomic: access faults that change nothing", () => {
  const { fixture, probe } = setUp();
  const far = DEVICE + 0x200n;
  const cases: [number[], bigint, bigint][] = [
    [[load(3, 7, 5)], far, far],
    [[store(3, 5, 6)], far, far],
    [[load(3, 7, 5)], DEVICE + 4n, DEVICE + 4n],
    [[store(1, 5, 6)], DEVICE + 1n, DEVICE + 1n],
    [[load(3, 7, 5)], DEVICE + 4092n, DEVICE + 4092n],
    [[store(3, 5, 6)], DEVICE - 4n, DEVICE],
    [[LR_D], DEVICE, DEVICE],
    [[AMOADD_W], DEVICE, DEVICE],
  ];
  fixture.machine.mapFresh(DEVICE - 4096n, 1, RW);
  for (const [words, va, value] of cases) {
    const stop = fixture.execute([...words, NOP], { 5: va, 6: 1n, 7: 42n }, 2);
    expect([stop, fixture.core.faultValue(), fixture.core.executed()]).toEqual([CoreStop.accessFault, value, 0]);
    expect(fixture.core.x[7]).toBe(42n);
  }
  expect(probe.seen.map(([, address]) => address)).toEqual([BASE + 0x200, BASE + 0x200]);
});

test("instructions are never fetched from a device", () => {
  const { fixture, probe } = setUp();
  fixture.core.setPc(DEVICE);
  expect(fixture.core.run(1)).toBe(CoreStop.accessFault);
  expect(probe.seen).toEqual([]);
});

test("attention ends the run right behind the access, wherever it is", () => {
  for (let before = 0; before < 40; before++) {
    const { fixture, probe } = setUp();
    let now = -1;
    probe.during = () => {
      now = fixture.core.executedNow();
      fixture.core.attention();
    };
    const words = [...Array(before).fill(addi(8, 8, 1)), load(2, 7, 5), addi(9, 9, 1)];
    const stop = fixture.execute(words, { 5: DEVICE }, 1000);
    expect([stop, now, fixture.core.executed()]).toEqual([CoreStop.attention, before, before + 1]);
    expect([fixture.core.getPc(), fixture.core.x[9]]).toEqual([CODE + BigInt(4 * (before + 1)), 0n]);
    // And it is said once.
    expect(fixture.core.run(1)).toBe(CoreStop.budget);
    expect(fixture.core.x[9]).toBe(1n);
  }
});

test("without a bus there is nothing outside RAM", () => {
  const fixture = new Fixture();
  fixture.machine.mapPhysical(DEVICE, PPN, RW);
  expect(fixture.execute([load(3, 7, 5)], { 5: DEVICE }, 1)).toBe(CoreStop.accessFault);
  expect(fixture.execute([load(3, 7, 5)], { 5: DATA }, 1)).toBe(CoreStop.budget);
  expect(fixture.execute([iType(0x13, 0, 5, 0, 1)], {}, 1)).toBe(CoreStop.budget);
});

test("what a device writes over the code that is being executed is executed", () => {
  for (const budget of [1, 2, 3, 4, 1000]) {
    const { fixture, probe } = setUp();
    const { core, machine, codePage } = fixture;
    probe.during = () => machine.code(codePage, [addi(9, 9, 64)], 8);
    machine.code(codePage, [store(2, 5, 6), addi(8, 8, 1), addi(9, 9, 1), addi(8, 8, 2), ECALL]);
    core.x[5] = DEVICE;
    core.setPc(CODE);
    let executed = 0;
    for (let stop: CoreStop = CoreStop.budget; stop === CoreStop.budget; executed += core.executed())
      stop = core.run(budget);
    expect([budget, core.x[8], core.x[9], executed, core.getPc()]).toEqual([budget, 3n, 64n, 5, CODE + 16n]);
  }
});
