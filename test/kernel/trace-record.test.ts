/** The emitter and the packed record: what is written comes back, nothing is lost silently, damage is an error. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { categories, type EventType, event, type FieldKind } from "../../kernel/trace/define.ts";
import {
  catalogue,
  decodeRecords,
  forEachRecord,
  maskOf,
  recordOffsets,
  TraceRecordError,
} from "../../kernel/trace/index.ts";
import { createTraceRing } from "../../kernel/trace/record/ring.ts";

const sample = event(0x7001, "cpu", "test.sample", "For this test.", {
  small: "u32",
  big: "u64",
  signed: "i64",
  yes: "flag",
  text: "text",
  data: "bytes",
});
const empty = event(0x7002, "file", "test.empty", "For this test.", {});
const rows = [sample, empty] as unknown as EventType[];
const all = -1;

function newRing(limitBytes?: number) {
  const state = { sequence: 0 };
  const now = { timeNs: 2 ** 45 + 1, instructions: 2 ** 33 + 7, task: 2, thread: 3, hart: 1 };
  return { state, now, ring: createTraceRing(state, () => now, limitBytes) };
}

const values = fc.record(
  {
    small: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    big: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    signed: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    yes: fc.boolean(),
    text: fc.string({ unit: "binary" }),
    data: fc.uint8Array(),
  },
  { noNullPrototype: true },
);

describe("what is written comes back", () => {
  test("for any values, with the place where it happened", () => {
    fc.assert(
      fc.property(fc.array(values, { maxLength: 30 }), (list) => {
        const { ring, now } = newRing();
        ring.setMask(all);
        for (const each of list) if (ring.on(sample)) ring.write(sample, each);
        const decoded = decodeRecords(ring.drain(), rows);
        expect(decoded.map((one) => one.values)).toStrictEqual(list);
        decoded.forEach((one, index) => {
          expect(one).toMatchObject({ ...now, sequence: index + 1, name: "test.sample", category: "cpu" });
        });
      }),
    );
  });

  test("for records from many drains joined, and for an event without fields", () => {
    const { ring } = newRing();
    ring.setMask(all);
    const parts: Uint8Array[] = [];
    for (let i = 0; i < 5; i++) {
      if (ring.on(empty)) ring.write(empty, {});
      parts.push(ring.drain());
    }
    expect(decodeRecords(Buffer.concat(parts), rows).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(ring.drain()).toHaveLength(0);
  });

  test("with a lone surrogate as U+FFFD, since protobuf takes nothing else", () => {
    const { ring } = newRing();
    ring.setMask(all);
    if (ring.on(sample))
      ring.write(sample, { small: 0, big: 0n, signed: 0n, yes: false, text: "a\ud800b", data: new Uint8Array() });
    expect(decodeRecords(ring.drain(), rows)[0]!.values["text"]).toBe("a\ufffdb");
  });

  test("with the bytes of each record, so that a filter can pass them on", () => {
    const { ring } = newRing();
    ring.setMask(all);
    for (let i = 0; i < 3; i++) if (ring.on(empty)) ring.write(empty, {});
    const bytes = ring.drain();
    const seen: number[] = [];
    forEachRecord(bytes, rows, ({ sequence }, start, end) => {
      seen.push(start, end);
      return sequence < 2;
    });
    expect(seen).toEqual([0, 40, 40, 80]);
    expect(recordOffsets(bytes)).toEqual([0, 40, 80, 120]);
  });

  test("in the layout that the catalogue describes", () => {
    const { ring } = newRing();
    ring.setMask(all);
    if (ring.on(sample))
      ring.write(sample, { small: 1, big: 2n, signed: -1n, yes: true, text: "hé", data: new Uint8Array([9]) });
    expect(Buffer.from(ring.drain()).toString("hex")).toBe(
      "49000000" +
        "0170" +
        "01" +
        "00" +
        "02000000" +
        "03000000" +
        "0100000000000000" +
        "0100000000200000" +
        "0700000002000000" +
        "01000000" +
        "0200000000000000" +
        "ffffffffffffffff" +
        "01" +
        "0300000068c3a9" +
        "0100000009",
    );
  });
});

describe("watching", () => {
  test("counts every event, watched or not, so that numbers are the same in every re-run", () => {
    const { ring, state } = newRing();
    ring.setMask(maskOf(["file"]));
    for (let i = 0; i < 10; i++) {
      expect(ring.on(sample)).toBe(false);
      if (ring.on(empty)) ring.write(empty, {});
    }
    expect(state.sequence).toBe(20);
    expect(decodeRecords(ring.drain(), rows).map(({ sequence }) => sequence)).toEqual([
      2, 4, 6, 8, 10, 12, 14, 16, 18, 20,
    ]);
  });

  test("nothing costs nothing", () => {
    const { ring, state } = newRing();
    for (let i = 0; i < 100; i++) expect(ring.on(sample)).toBe(false);
    expect(state.sequence).toBe(100);
    expect(ring.drain()).toHaveLength(0);
  });
});

describe("what finds no room", () => {
  test("is counted, and the drain ends with a gap that names it", () => {
    const { ring, state } = newRing(1000);
    ring.setMask(maskOf(["file"]));
    for (let i = 0; i < 100; i++) {
      ring.on(sample);
      if (ring.on(empty)) ring.write(empty, {});
    }
    const bytes = ring.drain();
    expect(bytes.length).toBeLessThanOrEqual(1000);
    const events = decodeRecords(bytes, rows);
    const gap = events.pop()!;
    expect(gap.name).toBe("trace.gap");
    expect(events).toHaveLength(23);
    expect(gap.values).toEqual({ first: BigInt(events.at(-1)!.sequence + 2), last: 200n, count: 77n });
    expect(gap.sequence).toBe(200);
    expect(state.sequence).toBe(200);
    if (ring.on(empty)) ring.write(empty, {});
    expect(decodeRecords(ring.drain(), rows).map(({ name }) => name)).toEqual(["test.empty"]);
  });

  test("includes a single record larger than the buffer", () => {
    const { ring } = newRing(1000);
    ring.setMask(all);
    if (ring.on(sample))
      ring.write(sample, { small: 0, big: 0n, signed: 0n, yes: false, text: "", data: new Uint8Array(2000) });
    expect(decodeRecords(ring.drain(), rows)[0]!.values).toEqual({ first: 1n, last: 1n, count: 1n });
  });
});

describe("hostile bytes", () => {
  test("give a typed error or events, never anything else", () => {
    const { ring } = newRing();
    ring.setMask(all);
    for (let i = 0; i < 4; i++) {
      if (ring.on(sample))
        ring.write(sample, { small: 7, big: 8n, signed: -9n, yes: true, text: "text é", data: new Uint8Array(5) });
      if (ring.on(empty)) ring.write(empty, {});
    }
    const good = ring.drain();
    const edit = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.nat(good.length), (edits, length) => {
        const bytes = good.slice(0, length);
        for (const [at, byte] of edits) if (at < length) bytes[at] = byte;
        try {
          decodeRecords(bytes, rows);
        } catch (error) {
          expect(error).toBeInstanceOf(TraceRecordError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("with an unknown id say so", () => {
    const { ring } = newRing();
    ring.setMask(all);
    if (ring.on(empty)) ring.write(empty, {});
    const bytes = ring.drain();
    expect(() => decodeRecords(bytes, [])).toThrow(expect.objectContaining({ code: "unknownEvent" }));
    expect(() => decodeRecords(bytes.subarray(1), rows)).toThrow(TraceRecordError);
  });
});

test("the catalogue has each id and name once, known kinds, and the gap", () => {
  expect(new Set(catalogue.map(({ id }) => id)).size).toBe(catalogue.length);
  expect(new Set(catalogue.map(({ name }) => name)).size).toBe(catalogue.length);
  expect(catalogue.map(({ name }) => name)).toContain("trace.gap");
  const kinds: FieldKind[] = ["u32", "u64", "i64", "flag", "text", "bytes"];
  for (const row of catalogue) {
    expect(row.id).toBeLessThan(0x10000);
    expect(categories).toContain(row.category);
    for (const kind of Object.values(row.fields)) expect(kinds).toContain(kind);
  }
  expect(maskOf([])).toBe(2 ** categories.length - 1);
});
