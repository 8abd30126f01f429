/** Which machines move between workers, by simulated loads: no clock, no worker, no machine takes part. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Balance, LEAST_GAIN, LOOK_EVERY_MS, Load, PAUSE_MS, REST_MS, STEADY_MS } from "../../api/hosting/balance.ts";

/** Of a machine: how much of the time it could run; of each, in which worker it is. */
interface Machine {
  wants: number;
  worker: number;
  total: number;
  load: Load;
}

class Model {
  readonly machines: Machine[];
  readonly #workers: { total: number; load: Load }[];
  readonly #balance = new Balance<number, Machine>();
  readonly moves: { atMs: number; machine: Machine }[] = [];
  nowMs = 0;

  constructor(workers: number, wants: readonly number[]) {
    this.#workers = Array.from({ length: workers }, () => ({ total: 0, load: new Load() }));
    // All in one worker, as when all others were started anew.
    this.machines = wants.map((each) => ({ wants: each, worker: 0, total: 0, load: new Load() }));
    this.#look();
  }

  step(): void {
    this.nowMs += LOOK_EVERY_MS;
    for (const machine of this.machines) {
      machine.total += machine.wants * LOOK_EVERY_MS;
      this.#workers[machine.worker]!.total += machine.wants * LOOK_EVERY_MS;
    }
    this.#look();
    const loaded = this.#workers.map(({ load }, worker) => ({
      worker,
      load: load.value,
      machines: this.machines
        .filter((machine) => machine.worker === worker)
        .map((machine) => ({ machine, load: machine.load.value })),
    }));
    const move = this.#balance.look(loaded, this.nowMs);
    if (move === null) return;
    expect(move.machine.worker).toBe(move.from);
    expect(move.to).not.toBe(move.from);
    move.machine.worker = move.to;
    this.moves.push({ atMs: this.nowMs, machine: move.machine });
  }

  run(forMs: number): void {
    for (const until = this.nowMs + forMs; this.nowMs < until; ) this.step();
  }

  wanted(): number[] {
    return this.#workers.map((_, worker) =>
      this.machines.filter((each) => each.worker === worker).reduce((sum, { wants }) => sum + wants, 0),
    );
  }

  #look(): void {
    for (const { total, load } of [...this.machines, ...this.#workers]) load.look(total, this.nowMs);
  }
}

const wants = fc.array(
  fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10),
  { minLength: 1, maxLength: 12 },
);

describe("machines move", () => {
  test("until no move would bring the busiest and the idlest worker nearer, and then stay", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 4 }), wants, (workers, machines) => {
        const model = new Model(workers, machines);
        model.run(20 * REST_MS);
        const settled = model.wanted();
        const gap = Math.max(...settled) - Math.min(...settled);
        const busiest = settled.indexOf(Math.max(...settled));
        for (const machine of model.machines)
          if (machine.worker === busiest)
            expect(gap - Math.abs(gap - 2 * machine.wants)).toBeLessThanOrEqual(LEAST_GAIN + 1e-6);
        const { length } = model.moves;
        model.run(5 * REST_MS);
        expect(model.moves.length).toBe(length);
      }),
      { numRuns: 60 },
    );
  });

  test("seldom, and the same one more seldom, however loads change", () => {
    const phases = fc.array(wants, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 4 }), phases, (workers, changes) => {
        const model = new Model(workers, new Array(12).fill(0));
        for (const change of changes) {
          for (const [index, machine] of model.machines.entries()) machine.wants = change[index % change.length]!;
          model.run(7_000);
        }
        for (const [index, { atMs, machine }] of model.moves.entries()) {
          const before = model.moves.slice(0, index);
          for (const other of before) expect(atMs - other.atMs).toBeGreaterThanOrEqual(PAUSE_MS);
          for (const other of before)
            if (other.machine === machine) expect(atMs - other.atMs).toBeGreaterThanOrEqual(REST_MS);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("not for what lasts a moment", () => {
    const model = new Model(2, [0, 0]);
    model.run(10_000);
    for (let round = 0; round < 20; round++) {
      for (const machine of model.machines) machine.wants = 1;
      model.run(LOOK_EVERY_MS);
      for (const machine of model.machines) machine.wants = 0;
      model.run(20 * STEADY_MS);
    }
    expect(model.moves).toEqual([]);
  });

  test("one of two endless loops in a worker goes to one that has nothing to do, soon", () => {
    const model = new Model(2, [1, 1]);
    model.run(15_000);
    expect(model.wanted()).toEqual([1, 1]);
    expect(model.moves.length).toBe(1);
  });
});
