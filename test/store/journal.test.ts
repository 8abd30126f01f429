import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CONSOLE_HISTORY_BYTES, JOURNAL_BYTES_PER_SCAN } from "../../api/store/limits.ts";
import type { CommitBatch, MachineRow, Naming } from "../../api/store/types.ts";
import { onPostgresql } from "../support/store.ts";
import { batch, bytes, freshStore, heldMachine, idle, outcome, sha256, text } from "./fixtures.ts";

const store = await freshStore();
const read = (machine: MachineRow) => store.journal.read(machine.id, 0, Number.POSITIVE_INFINITY, 100_000);
const readConsole = async (machine: MachineRow, offset = 0, limit = 10_000_000) => {
  const part = await store.journal.readConsole(machine.id, offset, limit);
  return { offset: part.offset, text: text(part.bytes) };
};
const answer = (key: string) => ({
  ownerId: "u",
  method: "Apply",
  key,
  requestHash: sha256(bytes(key)),
  response: bytes(`answer to ${key}`),
});

describe("commit", () => {
  it("keeps entries, position and status", async () => {
    const machine = await heldMachine(store);
    const sent = batch(machine, 1, 3, {
      status: { run: "frozen", reason: "why", consoleLength: 0, taskCount: 4, traceSequence: 7 },
    });
    await store.journal.commit(sent);
    expect(await read(machine)).toEqual(sent.entries.map((entry) => ({ ...entry, machineId: machine.id })));
    const row = (await store.machines.get(machine.id))!;
    expect(row).toMatchObject({ lastSequence: 3, reached: sent.reached, status: sent.status });
    expect(row.updatedAt.getTime()).toBeGreaterThanOrEqual(machine.updatedAt.getTime());
    expect((await store.journal.read(machine.id, 1, 2, 10)).map(({ sequence }) => sequence)).toEqual([2]);
    expect((await store.journal.read(machine.id, 0, 3, 2)).map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  it("never takes the position back", async () => {
    const machine = await heldMachine(store);
    await store.journal.commit(batch(machine, 1, 0, { reached: { instructions: 70, timeNs: 7 } }));
    await store.journal.commit(batch(machine, 1, 0, { reached: { instructions: 60, timeNs: 8 } }));
    expect((await store.machines.get(machine.id))!.reached).toEqual({ instructions: 70, timeNs: 8 });
  });

  it("refuses a stale epoch, a deleted machine, a hole and a duplicate, each alone", async () => {
    const [good, stale, holed, gone] = await Promise.all([0, 1, 2, 3].map(() => heldMachine(store)));
    await store.machines.acquire(stale!.id);
    await store.machines.delete(gone!.id);
    const results = await Promise.allSettled([
      store.journal.commit(batch(good!, 1, 2)),
      store.journal.commit(batch(stale!, 1, 1)),
      store.journal.commit(batch(holed!, 2, 2)),
      store.journal.commit(batch(gone!, 1, 1)),
      store.journal.commit(batch(good!, 2, 3)),
      store.journal.commit(batch(holed!, 1, 1, { console: [{ offset: 1, bytes: bytes("x") }] })),
      store.journal.commit(batch(good!, 3, 3)),
    ]);
    expect(outcome(results)).toEqual([
      "ok",
      "StaleEpochError",
      "JournalGapError",
      "StaleEpochError",
      "JournalGapError",
      "JournalGapError",
      "ok",
    ]);
    expect((await read(good!)).length).toBe(3);
    expect(await read(stale!)).toEqual([]);
    expect((await store.machines.get(holed!.id))!).toMatchObject({ lastSequence: 0, status: { run: "idle" } });
  });

  it("writes a batch that the database refuses with nothing, and its neighbours whole", async () => {
    const [good, bad] = await Promise.all([heldMachine(store), heldMachine(store)]);
    const poisoned = batch(bad!, 1, 2, {
      console: [{ offset: 0, bytes: bytes("never") }],
      idempotency: [{ ...answer("bad"), requestHash: "no hash" }],
    });
    const results = await Promise.allSettled([
      store.journal.commit(batch(good!, 1, 1, { idempotency: [answer("good")] })),
      store.journal.commit(poisoned),
      store.journal.commit(batch(good!, 2, 2)),
    ]);
    expect(outcome(results)).toEqual(["ok", "TypeError", "ok"]);
    expect((await read(good!)).length).toBe(2);
    expect(await read(bad!)).toEqual([]);
    expect((await readConsole(bad!)).text).toBe("");
    expect(await store.idempotency.find("u", "Apply", "good")).toEqual(answer("good"));
    expect(await store.idempotency.find("u", "Apply", "bad")).toBeNull();
  });

  it("resolves concurrent calls in call order and keeps each machine's entries in it", async () => {
    const machines = await Promise.all(Array.from({ length: 20 }, () => heldMachine(store)));
    const order: number[] = [];
    const calls: Promise<unknown>[] = [];
    for (let sequence = 1; sequence <= 30; sequence++) {
      for (const machine of machines) {
        const index = calls.length;
        calls.push(store.journal.commit(batch(machine, sequence, sequence)).then(() => order.push(index)));
      }
    }
    await Promise.all(calls);
    expect(order).toEqual(calls.map((_, index) => index));
    for (const machine of machines) {
      expect((await read(machine)).map(({ sequence }) => sequence)).toEqual(
        Array.from({ length: 30 }, (_, i) => i + 1),
      );
    }
  });

  it("takes one batch that is larger than a statement and than a group", async () => {
    const machine = await heldMachine(store);
    const payload = new Uint8Array(3 * 1024 * 1024).fill(5);
    const entries = [1, 2].map((sequence) => ({ sequence, at: { instructions: 1, timeNs: 1 }, payload }));
    await store.journal.commit(batch(machine, 1, 0, { entries }));
    await store.journal.commit(batch(machine, 3, 1500));
    const stored = await read(machine);
    expect(stored.length).toBe(1500);
    expect(Buffer.compare(stored[1]!.payload, payload)).toBe(0);
  });
});

describe("console", () => {
  it("is bounded, and a read of dropped output says where it begins", async () => {
    const machine = await heldMachine(store);
    const chunk = new Uint8Array(100_003).map((_, index) => index % 251);
    let length = 0;
    for (let i = 0; i < 25; i++) {
      await store.journal.commit(batch(machine, 1, 0, { console: [{ offset: length, bytes: chunk }] }));
      length += chunk.length;
      const kept = await store.journal.readConsole(machine.id, 0, Number.MAX_SAFE_INTEGER);
      expect(kept.offset + kept.bytes.length).toBe(length);
      expect(kept.bytes.length).toBeLessThanOrEqual(CONSOLE_HISTORY_BYTES);
      expect(kept.bytes.length).toBeGreaterThanOrEqual(Math.min(length, CONSOLE_HISTORY_BYTES / 2));
      expect(kept.bytes[kept.bytes.length - 1]).toBe(chunk.at(-1));
      expect(kept.bytes[0]).toBe((kept.offset % chunk.length) % 251);
    }
    expect(await readConsole(machine, length + 5)).toEqual({ offset: length + 5, text: "" });
    expect((await store.machines.get(machine.id))!.status.consoleLength).toBe(length);
  });

  /** Any cut of the machine's one output, repeated and overlapping as crash-replay does it, from any start. */
  it("equals the machine's output however it is cut and repeated", async () => {
    const output = Buffer.from(Array.from({ length: 20_000 }, (_, i) => 33 + ((i * 7919) % 90)));
    const step = fc.record({
      back: fc.integer({ min: 0, max: 6000 }),
      size: fc.integer({ min: 0, max: 5000 }),
      cuts: fc.integer({ min: 1, max: 4 }),
      entries: fc.integer({ min: 0, max: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.integer({ min: 0, max: 5000 }), async (steps, start) => {
        const machine = await heldMachine(store, { status: { ...idle, consoleLength: start } });
        let length = start;
        let sequence = 0;
        const calls = steps.map(({ back, size, cuts, entries }) => {
          const from = Math.max(start, length - back);
          const to = Math.min(output.length, from + size);
          const sent: CommitBatch["console"] = [];
          for (let cut = 0; cut < cuts; cut++) {
            const [a, b] = [cut, cut + 1].map((n) => from + Math.floor(((to - from) * n) / cuts)) as [number, number];
            sent.push({ offset: a, bytes: new Uint8Array(output.subarray(a, b)) });
          }
          length = Math.max(length, to);
          const first = sequence + 1;
          sequence += entries;
          return store.journal.commit(batch(machine, first, sequence, { console: sent }));
        });
        await Promise.all(calls);
        expect((await read(machine)).map((entry) => entry.sequence)).toEqual(
          Array.from({ length: sequence }, (_, i) => i + 1),
        );
        expect((await readConsole(machine, start)).text).toBe(output.subarray(start, length).toString());
        const middle = Math.floor((start + length) / 2);
        expect((await readConsole(machine, middle, 100)).text).toBe(
          output.subarray(middle, Math.min(length, middle + 100)).toString(),
        );
        const row = (await store.machines.get(machine.id))!;
        expect(row).toMatchObject({ lastSequence: sequence, status: { consoleLength: length } });
      }),
      { numRuns: onPostgresql ? 8 : 40 },
    );
  });
});

describe("going through all entries", () => {
  /** What each step has in memory of one machine. */
  const steps = async ({ id }: MachineRow, mark: Uint8Array<ArrayBuffer>) => {
    const found: Extract<Naming, { kind: "entry" }>[][] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: { items: Naming[]; cursor: string | null } = await store.contents.namings(
        "entry",
        cursor ?? null,
        mark,
      );
      found.push(page.items.filter((each) => each.kind === "entry" && each.id === id) as (typeof found)[number]);
      ({ cursor } = page);
    }
    return found;
  };

  it("reads each once, in order, and only so many bytes at a time", async () => {
    const machine = await heldMachine(store);
    const sent = batch(machine, 1, 12);
    for (const index of [2, 3, 4, 5, 6]) sent.entries[index]!.payload = new Uint8Array(1024 * 1024).fill(index);
    await store.journal.commit(sent);
    const found = await steps(machine, new Uint8Array(0));
    const named = (entries: readonly { sequence: number; payload: Uint8Array<ArrayBuffer> }[]) =>
      entries.map(({ sequence, payload }) => [sequence, sha256(payload)]);
    expect(named(found.flat())).toEqual(named(sent.entries));
    for (const step of found) {
      const size = step.reduce((sum, { payload }) => sum + payload.length, 0);
      expect(step.length === 1 || size <= JOURNAL_BYTES_PER_SCAN).toBe(true);
    }
    const marked = await steps(machine, bytes("entry 1"));
    expect(marked.flat().map(({ sequence }) => sequence)).toEqual([1, 10, 11, 12]);
  });
});
