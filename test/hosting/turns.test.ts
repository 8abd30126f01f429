/**
 * A well-behaved machine beside floods, in the worker's own accounting: a simulated clock that only work moves on. Whatever
 * the others do, in turns or by commands, in long pieces or short ones, it has its share.
 */
import { setImmediate as loop } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { EXECUTING_BYTES } from "../../api/hosting/protocol.ts";
import { Executing } from "../../api/hosting/worker/executing.ts";
import { Heart } from "../../api/hosting/worker/heart.ts";
import { METER_BYTES, Meter } from "../../api/hosting/worker/meter.ts";
import { noUse, type Share } from "../../api/hosting/worker/shares.ts";
import { Turns } from "../../api/hosting/worker/turns.ts";

const SLICE_MS = 4;
const UNTIL_MS = 20_000;
/** Of its fair share at least. */
const KEPT = 0.8;

class Worker {
  now = 0;
  readonly had = new Map<string, number>();
  readonly meter = new Meter(new SharedArrayBuffer(METER_BYTES));
  readonly turns = new Turns(
    { executing: new Executing(new SharedArrayBuffer(EXECUTING_BYTES)), meter: this.meter, heart: new Heart() },
    () => 1,
    () => this.now,
  );

  work(user: string, ms: number): void {
    this.now += ms;
    this.had.set(user, (this.had.get(user) ?? 0) + ms);
  }

  spin(user: string, machine = user, sliceMs = SLICE_MS): void {
    this.turns.add(machine, shareOf(user), { canRun: () => this.now < UNTIL_MS, run: () => this.work(user, sliceMs) });
  }

  command(user: string, machine: string, ms: number): void | Promise<void> {
    return this.turns.command(machine, shareOf(user), () => this.work(user, ms));
  }

  part(user: string): number {
    return (this.had.get(user) ?? 0) / [...this.had.values()].reduce((sum, each) => sum + each, 0);
  }
}

const shareOf = (user: string): Share => ["course", user];

const floods: Record<string, (worker: Worker) => Promise<void>> = {
  "an endless loop": async (worker) => worker.spin("flood"),
  "a hundred machines": async (worker) => {
    for (let machine = 0; machine < 100; machine++) worker.spin("flood", `m${machine}`);
  },
  "slices that are twenty times as long": async (worker) => worker.spin("flood", "flood", 20 * SLICE_MS),
  "snapshots of one machine, one behind the other": async (worker) => {
    worker.spin("flood");
    while (worker.now < UNTIL_MS) {
      await worker.command("flood", "flood", 150);
      await loop();
    }
  },
  "snapshots of twenty machines that execute nothing": async (worker) => {
    const storm = async (machine: string) => {
      worker.turns.add(machine, shareOf("flood"), { canRun: () => false, run: () => {} });
      while (worker.now < UNTIL_MS) {
        await worker.command("flood", machine, 40);
        await loop();
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, index) => storm(`m${index}`)));
  },
  "forks, each of which is loaded": async (worker) => {
    for (let fork = 0; worker.now < UNTIL_MS; fork++)
      await worker.turns.job(`load m${fork}`, shareOf("flood"), async (turn) => {
        worker.turns.favour(`load m${fork}`);
        for (let piece = 0; piece < 4; piece++) await turn(() => worker.work("flood", 30));
      });
  },
  "small commands without end": async (worker) => {
    worker.spin("flood");
    while (worker.now < UNTIL_MS) {
      for (let each = 0; each < 50; each++) await worker.command("flood", "flood", 1);
      await loop();
    }
  },
};

describe("a machine keeps its share beside", () => {
  test.each(Object.entries(floods))("%s", async (_, flood) => {
    const worker = new Worker();
    worker.spin("modest");
    await flood(worker);
    while (worker.now < UNTIL_MS) await loop();
    expect(worker.part("modest")).toBeGreaterThan(KEPT / 2);
    // What is left over is the other's, not nobody's.
    expect(worker.part("flood")).toBeGreaterThan(KEPT / 2);
  });
});

test("what is done for one elsewhere is part of what he has: he gets so much less here", async () => {
  const worker = new Worker();
  worker.spin("modest");
  // For each of its slices the server does as much again, for its output, say.
  worker.turns.add("flood", shareOf("flood"), {
    canRun: () => worker.now < UNTIL_MS,
    run: () => {
      worker.work("flood", SLICE_MS);
      worker.turns.owe("flood", SLICE_MS);
    },
  });
  while (worker.now < UNTIL_MS) await loop();
  expect(worker.part("flood")).toBeCloseTo(1 / 3, 2);
  // It was no work of this worker's.
  expect(worker.meter.read().chargedMs).toBe(worker.now);
  worker.turns.owe("nobody", SLICE_MS);
});

test("who made a storm while nobody else was there owes nothing to who comes later", async () => {
  const worker = new Worker();
  worker.turns.add("flood", shareOf("flood"), { canRun: () => false, run: () => {} });
  worker.turns.wake();
  for (let each = 0; each < 20; each++) {
    await worker.command("flood", "flood", 400);
    worker.turns.wake();
    await loop();
  }
  worker.turns.delete("flood");
  worker.had.clear();
  worker.spin("flood");
  worker.spin("modest");
  while (worker.now < UNTIL_MS) await loop();
  expect(worker.part("flood")).toBeGreaterThan(KEPT / 2);
  expect(worker.part("modest")).toBeGreaterThan(KEPT / 2);
});

test("what each has had, and might have had, is told by whoever measures it", async () => {
  const worker = new Worker();
  worker.spin("flood");
  worker.spin("modest");
  while (worker.now < UNTIL_MS) await loop();
  const { chargedMs, wantedMs } = worker.turns.takeUse("modest");
  expect(chargedMs).toBe(worker.had.get("modest"));
  expect(Math.abs(wantedMs - UNTIL_MS)).toBeLessThanOrEqual(2 * SLICE_MS);
  expect(worker.turns.takeUse("modest")).toEqual(noUse());
  expect(worker.meter.read().chargedMs).toBe(worker.now);
  expect(Math.abs(worker.meter.read().wantedMs - 2 * UNTIL_MS)).toBeLessThanOrEqual(2 * SLICE_MS);
});

test("a command of one that is not ahead is carried out in the same breath", () => {
  const worker = new Worker();
  worker.spin("flood");
  worker.spin("modest");
  expect(worker.command("modest", "modest", 1)).toBeUndefined();
  expect(worker.had.get("modest")).toBe(1);
});

test("a command that throws is charged, and throws", () => {
  const worker = new Worker();
  worker.spin("modest");
  const fails = () => {
    worker.now += 5;
    throw new Error("refused");
  };
  expect(() => worker.turns.command("modest", shareOf("modest"), fails)).toThrow("refused");
});
