/** Bells, queues and tails: what they hold is bounded by what they are for, not by how often they are asked. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Bell, ConsoleTail, News, TraceSubscription } from "../../api/hosting/feeds.ts";
import { FrameTail } from "../../api/hosting/frames.ts";

test("a bell forgets those whose wait ended without a ring", async () => {
  const bell = new Bell();
  for (let i = 0; i < 1000; i++) await bell.next(new AbortController().signal, 0.01);
  const stop = new AbortController();
  const waits = Array.from({ length: 100 }, () => bell.next(stop.signal));
  stop.abort();
  await Promise.all(waits);
  expect(bell.waiting).toBe(0);
});

test("a bell wakes everyone who waits, once", async () => {
  const bell = new Bell();
  const { signal } = new AbortController();
  const woken = Promise.all([bell.next(signal), bell.next(signal)]);
  bell.ring();
  await woken;
  expect(bell.waiting).toBe(0);
});

test("news are news to everybody who has not seen them, of however many things there were some", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(600), { maxLength: 2_000 }), fc.nat(600), (noted, name) => {
      const news = new News<number>();
      let before = news.of(name);
      for (const each of noted) {
        news.note(each);
        if (each === name) expect(news.of(name)).not.toBe(before);
        before = news.of(name);
      }
    }),
    { numRuns: 30 },
  );
});

test("a trace reader that does not read while nothing it watches happens gathers nothing", async () => {
  const subscription = new TraceSubscription(1, 0);
  for (let sequence = 1; sequence <= 10_000; sequence++) subscription.offer(new Uint8Array(0), sequence);
  expect(subscription.poll()).toEqual([{ kind: "records", bytes: new Uint8Array(0), lastSequence: 10_000 }]);
});

test("a trace reader that is too slow is told the gap, then gets what comes after it", () => {
  const subscription = new TraceSubscription(1, 10, 2_000);
  subscription.offer(new Uint8Array(1_000), 12);
  for (let sequence = 13; sequence < 20; sequence++) subscription.offer(new Uint8Array(1_500), sequence);
  subscription.offer(new Uint8Array(0), 20);
  expect(subscription.poll()).toMatchObject([
    { kind: "records", lastSequence: 12 },
    { kind: "gap", firstSequence: 13, lastSequence: 19 },
    { kind: "records", lastSequence: 20 },
  ]);
  subscription.offer(new Uint8Array(10), 25);
  expect(subscription.poll()).toMatchObject([{ kind: "records", lastSequence: 25 }]);
});

test("many small batches count for more than their bytes", () => {
  const subscription = new TraceSubscription(1, 0, 100_000);
  for (let sequence = 1; sequence <= 10_000; sequence++) subscription.offer(new Uint8Array(1), sequence);
  expect(subscription.poll().length).toBeLessThan(1_000);
});

test("the console's tail is bounded, also when output comes in very many small parts", () => {
  const tail = new ConsoleTail();
  const byteAt = (offset: number) => (offset * 7 + (offset >> 8)) % 251;
  for (let offset = 0; offset < 300_000; offset++) tail.add(offset, new Uint8Array([byteAt(offset)]));
  expect(tail.capacity).toBe(64 * 1024);
  expect(tail.from(300_000 - 64 * 1024 - 1, 10)).toBeNull();
  expect(tail.from(300_000, 10)).toBeNull();
  const oldest = 300_000 - 64 * 1024;
  expect(tail.from(oldest, 1e9)).toEqual(Buffer.from(Array.from({ length: 64 * 1024 }, (_, i) => byteAt(oldest + i))));
});

test("the console's tail gives what was put in, however it was cut, and from wherever it begins", () => {
  const stream = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 13 + (i >> 9)) % 253));
  const sizes = [1, 700, 3, 5_000, 1_024, 64 * 1024, 2, 70_000, 30_000, 5];
  for (const begin of [0, 1_023, 12_345]) {
    const tail = new ConsoleTail();
    let end = begin;
    for (const size of sizes) {
      tail.add(end, stream.subarray(end, end + size));
      end += size;
      const oldest = Math.max(begin, end - 64 * 1024);
      expect(tail.from(oldest, 100_000)).toEqual(stream.subarray(oldest, end));
      expect(tail.from(end - 1, 100_000)).toEqual(stream.subarray(end - 1, end));
      if (oldest > begin) expect(tail.from(oldest - 1, 1)).toBeNull();
    }
  }
});

test("what frames are kept for readers that are slow is bounded, and they are told exactly how many they missed", () => {
  const sizes = fc.array(fc.integer({ min: 14, max: 1514 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: 1, max: 3_000 }),
      fc.integer({ min: 1, max: 3_000 }),
      (lengths, sent, from) => {
        const tail = new FrameTail();
        for (let sequence = 1; sequence <= sent; sequence++) {
          const bytes = new Uint8Array(lengths[sequence % lengths.length]!);
          tail.add({ kind: "frame", sequence, at: { instructions: sequence, timeNs: sequence }, bytes });
        }
        const all = tail.from(1, sent);
        const keptBytes = all.frames.reduce((sum, { bytes }) => sum + bytes.length, 0);
        expect(keptBytes).toBeLessThanOrEqual(256 * 1024);
        expect(all.frames.map(({ sequence }) => sequence)).toEqual(
          Array.from({ length: sent - all.missed }, (_, index) => all.missed + 1 + index),
        );
        expect(all.frames.length).toBeGreaterThan(0);
        const later = tail.from(from, sent);
        expect(later.missed).toBe(Math.max(0, all.missed + 1 - from));
        expect(later.frames).toHaveLength(Math.min(all.frames.length, Math.max(0, sent + 1 - from)));
        expect(later.frames.at(-1)).toBe(from <= sent ? all.frames.at(-1) : undefined);
      },
    ),
    { numRuns: 30 },
  );
});
