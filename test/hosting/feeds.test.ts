/** Bells, queues and caches: what they hold is bounded by what they are for, not by how often they are asked. */
import { expect, test } from "vitest";
import { Bell, ConsoleTail, TraceSubscription } from "../../api/hosting/feeds.ts";
import { ContentCache } from "../../api/hosting/worker/content.ts";

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

test("the console's tail keeps the newest bytes, also of very many small parts", () => {
  const tail = new ConsoleTail();
  for (let offset = 0; offset < 5_000; offset++) tail.add(offset, new Uint8Array([offset % 251]));
  expect(tail.from(0, 10)).toBeNull();
  expect(tail.from(4_990, 100)).toEqual(Buffer.from(Array.from({ length: 10 }, (_, i) => (4_990 + i) % 251)));
  expect(tail.parts).toBeLessThanOrEqual(1024);
});

test("content that leaves the cache while other content is fetched is still delivered", async () => {
  const blobs = new Map(["a", "b", "c"].map((name) => [name, new Uint8Array(60).fill(name.charCodeAt(0))]));
  const get = (hashes: readonly string[]) => hashes.map((hash) => blobs.get(hash) ?? null);
  const cache = new ContentCache({ now: get, later: async (hashes) => get(hashes) }, 100);
  await cache.later(["a"]);
  expect((await cache.later(["b", "a"])).map((bytes) => bytes[0])).toEqual([98, 97]);
  expect(cache.now(["c", "a", "b"]).map((bytes) => bytes[0])).toEqual([99, 97, 98]);
});
