/** CLINT, PLIC, RTC and finisher against their register specifications. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { addressMap } from "../../../kernel/hardware/bus/map.ts";
import { readRegisters, writeRegisters } from "../../../kernel/hardware/bus/registers.ts";
import { plicLines, plicOver, setSource } from "../../../kernel/hardware/plic/plic.ts";
import { initPlic, sourceCount } from "../../../kernel/hardware/plic/state.ts";
import { rig } from "./rig.ts";

const { clint, rtc, finisher, plic } = addressMap;
const msi = 1 << 3;
const mti = 1 << 7;

test("CLINT: software interrupts go to their hart, and ask for attention", () => {
  const r = rig();
  expect(r.write(clint.base + 4, 0xffff_ffff)).toBe(true);
  expect(r.counts.attentions).toBe(1);
  expect([r.lines(0), r.lines(1)]).toEqual([0, msi]);
  expect(r.read(clint.base + 4)).toBe(1);
  r.write(clint.base + 4, 0);
  expect(r.lines(1)).toBe(0);
});

test("CLINT: the timer is due at exactly its tick", () => {
  const r = rig();
  r.pass(1234);
  expect(r.read(clint.base + 0xbff8, 8)).toBe(12);
  r.write(clint.base + 0x4008, 20n, 8);
  expect(r.clock.events.map(({ dueNs }) => dueNs)).toEqual([2000]);
  r.pass(765);
  expect(r.lines(1)).toBe(0);
  r.pass(1);
  expect([r.lines(0), r.lines(1)]).toEqual([0, mti]);
  r.write(clint.base + 0x4008, -1n & 0xffff_ffff_ffff_ffffn, 8);
  expect([r.lines(1), r.clock.events.length]).toEqual([0, 0]);
  r.write(clint.base + 0x4008, 3n, 8);
  expect(r.lines(1)).toBe(mti);
});

test("CLINT: mtime can be written, by words too, and what compares with it follows", () => {
  const r = rig();
  const [mtime, mtimecmp] = [clint.base + 0xbff8, clint.base + 0x4000];
  r.pass(1234);
  r.write(mtimecmp, 1n << 60n, 8);
  r.write(mtime, (1n << 60n) - 10n, 8);
  expect(r.bus.read(mtime, 8)).toBe((1n << 60n) - 10n);
  expect([r.offsets.at(-1), r.lines(0)]).toEqual([(1n << 60n) - 10n - 12n, 0]);
  r.pass(965);
  expect(r.lines(0)).toBe(0);
  r.pass(1);
  expect([r.bus.read(mtime, 8), r.lines(0)]).toEqual([1n << 60n, mti]);
  r.write(mtime + 4, 5);
  expect([r.bus.read(mtime, 8), r.lines(0)]).toEqual([5n << 32n, 0]);
  r.write(mtime, 0xffff_ffff);
  r.pass(100);
  expect(r.bus.read(mtime, 8)).toBe(6n << 32n);
  r.board.reset();
  expect([r.read(mtime, 8), r.offsets.at(-1)]).toEqual([23, 0n]);
});

test("CLINT: mtime never wraps around", () => {
  const r = rig();
  r.write(clint.base + 0xbff8, -1n & 0xffff_ffff_ffff_ffffn, 8);
  expect(r.bus.read(clint.base + 0xbff8, 8)).toBe(2n ** 63n - 1n);
  r.pass(100);
  expect(r.bus.read(clint.base + 0xbff8, 8)).toBe(2n ** 63n);
});

test("finisher: passes, fails with a code, resets", () => {
  const r = rig();
  r.write(finisher.base, 0x7777);
  expect(r.state.power).toEqual({ state: "resetting", code: 0 });
  r.board.reset();
  r.write(finisher.base, 0x002a_3333);
  expect(r.state.power).toEqual({ state: "ending", code: 42 });
  r.write(finisher.base, 0x7777);
  expect(r.state.power.state).toBe("ending");
  const other = rig();
  other.write(finisher.base, 0x5555, 2);
  expect(other.state.power).toEqual({ state: "ending", code: 0 });
  expect(other.counts.attentions).toBe(1);
});

test("RTC: shows virtual time, and its alarm interrupts", () => {
  const r = rig();
  const time = (): bigint => BigInt(r.read(rtc.base)) | (BigInt(r.read(rtc.base + 4)) << 32n);
  const epoch = 1_700_000_000_123_456_789n;
  r.pass(5000);
  expect(time()).toBe(epoch + 5000n);
  const alarm = epoch + 9000n;
  r.write(plic.base + 4 * rtc.irq, 1);
  r.write(plic.base + 0x2000, 1 << rtc.irq);
  r.write(rtc.base + 0x10, 1);
  r.write(rtc.base + 0xc, Number(alarm >> 32n));
  r.write(rtc.base + 8, Number(alarm & 0xffff_ffffn));
  expect(r.read(rtc.base + 0x18)).toBe(1);
  r.pass(3999);
  expect(r.lines()).toBe(0);
  r.pass(1);
  expect([r.lines(), r.read(rtc.base + 0x18)]).toEqual([1 << 11, 0]);
  r.write(rtc.base + 0x1c, 1);
  expect(r.read(plic.base + 0x20_0004)).toBe(rtc.irq);
  expect(r.lines()).toBe(0);
});

test("RTC: the time can be set", () => {
  const r = rig();
  r.write(rtc.base + 4, 1);
  r.write(rtc.base, 2);
  r.pass(10);
  expect([r.read(rtc.base), r.read(rtc.base + 4)]).toEqual([12, 1]);
});

/** The PLIC's specification, said with sets. */
class Model {
  readonly priority = new Array<number>(sourceCount).fill(0);
  readonly raised = new Set<number>();
  readonly pending = new Set<number>();
  readonly claimed = new Set<number>();
  readonly enabled = [new Set<number>(), new Set<number>()];
  readonly threshold = [0, 0];

  #gate(): void {
    for (const source of this.raised) if (!this.claimed.has(source)) this.pending.add(source);
  }
  set(source: number, raised: boolean): void {
    if (raised) this.raised.add(source);
    else this.raised.delete(source);
    if (raised) this.#gate();
  }
  best(context: number): number {
    const able = [...this.pending].filter((source) => this.enabled[context]!.has(source) && this.priority[source]! > 0);
    return able.sort((a, b) => this.priority[b]! - this.priority[a]! || a - b)[0] ?? 0;
  }
  claim(context: number): number {
    const source = this.best(context);
    this.pending.delete(source);
    if (source !== 0) this.claimed.add(source);
    return source;
  }
  complete(context: number, source: number): void {
    if (!this.enabled[context]!.has(source)) return;
    this.claimed.delete(source);
    this.#gate();
  }
  lines(): number {
    const interrupts = (context: number): boolean =>
      (this.priority[this.best(context)] ?? 0) > this.threshold[context]!;
    return (interrupts(0) ? 1 << 11 : 0) | (interrupts(1) ? 1 << 9 : 0);
  }
}

const source = fc.integer({ min: 0, max: sourceCount - 1 });
const context = fc.constantFrom(0, 1);
const step = fc.oneof(
  fc.record({ kind: fc.constant("line" as const), source: fc.integer({ min: 1, max: 95 }), value: fc.boolean() }),
  fc.record({ kind: fc.constant("priority" as const), source, value: fc.integer({ min: 0, max: 15 }) }),
  fc.record({ kind: fc.constant("enable" as const), context, word: fc.nat(2), value: fc.nat(0xffff_ffff) }),
  fc.record({ kind: fc.constant("threshold" as const), context, value: fc.nat(7) }),
  fc.record({ kind: fc.constant("claim" as const), context }),
  fc.record({ kind: fc.constant("complete" as const), context, source: fc.nat(200) }),
);

test("PLIC: does what the specification says, whatever happens in whatever order", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const state = initPlic(1);
      const { registers } = plicOver(state);
      const model = new Model();
      const write = (offset: number, value: number): boolean => writeRegisters(registers, offset, 4, BigInt(value));
      for (const one of steps) {
        if (one.kind === "line") {
          setSource(state, one.source, one.value);
          model.set(one.source, one.value);
        } else if (one.kind === "priority") {
          write(4 * one.source, one.value);
          if (one.source !== 0) model.priority[one.source] = one.value & 7;
        } else if (one.kind === "enable") {
          write(0x2000 + 0x80 * one.context + 4 * one.word, one.value);
          for (let bit = 0; bit < 32; bit++) {
            const id = one.word * 32 + bit;
            if (id !== 0 && ((one.value >>> bit) & 1) !== 0) model.enabled[one.context]!.add(id);
            else model.enabled[one.context]!.delete(id);
          }
        } else if (one.kind === "threshold") {
          write(0x20_0000 + 0x1000 * one.context, one.value);
          model.threshold[one.context] = one.value;
        } else if (one.kind === "claim") {
          const claimed = Number(readRegisters(registers, 0x20_0004 + 0x1000 * one.context, 4));
          expect(claimed).toBe(model.claim(one.context));
        } else {
          write(0x20_0004 + 0x1000 * one.context, one.source);
          model.complete(one.context, one.source);
        }
        expect(plicLines(state, 0)).toBe(model.lines());
      }
    }),
  );
});
