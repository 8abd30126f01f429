/** Drivers that poke anything anywhere: nothing throws, nothing grows without bound, the state stays plain. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { addressMap } from "../../../kernel/hardware/bus/map.ts";
import type { AccessSize } from "../../../kernel/hardware/cpu/core.ts";
import { encodePlain } from "../../../kernel/lib/codec.ts";
import { assertPlain } from "../../../kernel/lib/plain.ts";
import { ramBase, rig } from "./rig.ts";

const { ram, virtio, ...single } = addressMap;
const blocks: { base: number; bytes: number; irq?: number }[] = [
  ...Object.values(single),
  ...Array.from({ length: virtio.count }, (_, slot) => ({
    base: virtio.base + slot * virtio.bytes,
    bytes: virtio.bytes,
    irq: virtio.irq + slot,
  })),
];
const widths: AccessSize[] = [1, 2, 4, 8];

/** Where registers are near one another, each of them; and anything. */
const address = fc.oneof(
  fc
    .record({ block: fc.constantFrom(...blocks), offset: fc.nat(0x1ff) })
    .map(({ block, offset }) => block.base + offset),
  fc.record({ slot: fc.nat(7), offset: fc.nat(0x1ff) }).map(({ slot, offset }) => virtio.base + slot * 0x1000 + offset),
  fc.constantFrom(...blocks).chain(({ base, bytes }) => fc.integer({ min: base - 8, max: base + bytes + 8 })),
  fc.maxSafeNat(),
);
const value = fc.oneof(
  fc.bigInt(0n, 0xffff_ffff_ffff_ffffn),
  fc.bigInt(0n, 255n),
  fc.nat(255 * 4096).map((n) => BigInt(ramBase + n)),
);
const poke = fc.record({ address, size: fc.constantFrom(...widths), value, write: fc.boolean(), pass: fc.nat(20_000) });

const disks = [{ image: null, bytes: 64 * 4096, readOnly: false }];

test("every block has its own addresses, below RAM, and its own interrupt", () => {
  const sorted = [...blocks, { base: ram.base, bytes: 1 }].sort((a, b) => a.base - b.base);
  for (const [index, { base, bytes }] of sorted.slice(0, -1).entries())
    expect(base + bytes).toBeLessThanOrEqual(sorted[index + 1]!.base);
  expect(sorted.at(-1)!.base).toBe(ram.base);
  const irqs = blocks.flatMap(({ irq }) => irq ?? []);
  expect(new Set(irqs).size).toBe(irqs.length);
});

test("any access at any address", () => {
  fc.assert(
    fc.property(fc.array(poke, { minLength: 1, maxLength: 200 }), fc.string(), (pokes, typed) => {
      const r = rig({ disks });
      r.type(typed);
      for (const one of pokes) {
        if (one.write) expect(r.bus.write(one.address, one.size, one.value)).toBeTypeOf("boolean");
        else {
          const read = r.bus.read(one.address, one.size);
          if (read !== null) expect(read >= 0n && read < 1n << BigInt(8 * one.size)).toBe(true);
        }
        for (const line of r.board.interruptLines()) expect(line & ~0xa88).toBe(0);
        r.pass(one.pass);
        expect(r.clock.events.length).toBeLessThan(40);
      }
      assertPlain(r.state);
      expect(encodePlain(r.state).length).toBeLessThan(100_000);
      r.board.reset();
    }),
    { numRuns: 200 },
  );
});

/** A driver that sets queues up as it should, over rings of anything. */
const ring = fc.record({
  slot: fc.nat(3),
  queue: fc.nat(1),
  noise: fc.uint8Array({ minLength: 0x1000, maxLength: 0x1000 }),
  notify: fc.nat(5),
});

test("queues whose rings are anything", () => {
  fc.assert(
    fc.property(fc.array(ring, { minLength: 1, maxLength: 6 }), (rings) => {
      const r = rig({ disks });
      for (const { slot, queue, noise, notify } of rings) {
        const base = virtio.base + slot * virtio.bytes;
        const write = (offset: number, word: number): boolean => r.write(base + offset, word);
        write(0x70, 0);
        write(0x24, 1);
        write(0x20, 1);
        write(0x70, 11);
        // Descriptors that mostly lead into RAM, in rings that overlap.
        for (let at = 0; at < noise.length; at += 16) {
          noise.set([0, noise[at + 1]!, noise[at + 2]! & 15, 0x80, 0, 0, 0, 0], at);
          noise.set([0, 0], at + 10);
        }
        r.ram.bytes.set(noise, 0x3000);
        write(0x30, queue);
        write(0x38, 16);
        write(0x80, ramBase + 0x3000);
        write(0x90, ramBase + 0x3000 + noise[3]!);
        write(0xa0, ramBase + 0x3000 + noise[5]! * 4);
        write(0x44, 1);
        write(0x70, 15);
        for (let i = 0; i < notify; i++) {
          write(0x50, queue);
          r.pass(1_000_000);
        }
      }
      assertPlain(r.state);
    }),
    { numRuns: 200 },
  );
});
