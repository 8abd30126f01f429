/** The memory of machines that have left comes back, without anybody having to come and allocate some. */
import { afterEach, describe, expect, test } from "vitest";
import { type Engine, Reclaimer } from "../../api/hosting/worker/reclaimer.ts";
import { compileC, hasCompiler } from "../support/guest.ts";
import { eventually, resume, startHosting, startOf, type TestHosting } from "../support/hosting.ts";

const MIB = 1024 * 1024;

/** Each collection takes so long. */
const COLLECTION_MS = 40;

/** Time passes when it is told to. */
class TestEngine implements Engine {
  ms = 0;
  collections: number[] = [];
  #planned: { at: number; work: () => void }[] = [];
  now = () => this.ms;
  collect() {
    this.collections.push(this.ms);
    this.ms += COLLECTION_MS;
  }
  after(ms: number, work: () => void) {
    const planned = { at: this.ms + ms, work };
    this.#planned.push(planned);
    return () => void (this.#planned = this.#planned.filter((other) => other !== planned));
  }
  pass(ms: number): void {
    for (const end = this.ms + ms; ; ) {
      const next = this.#planned.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) {
        this.ms = Math.max(this.ms, end);
        return;
      }
      this.#planned = this.#planned.filter((other) => other !== next);
      this.ms = Math.max(this.ms, next.at);
      next.work();
    }
  }
}

describe("when a worker has its garbage collected", () => {
  const start = () => {
    const engine = new TestEngine();
    const told: number[] = [];
    return { engine, told, reclaimer: new Reclaimer((bytes) => told.push(bytes), engine) };
  };

  test("for little never, for more soon, for much at once", () => {
    const held: object[] = [];
    const leave = (bytes: number) => {
      const { engine, reclaimer } = start();
      const memory = {};
      held.push(memory);
      void reclaimer.left(memory, bytes);
      expect(reclaimer.bytes).toBe(bytes);
      engine.pass(5_000);
      return engine.collections;
    };
    expect(leave(15 * MIB)).toEqual([]);
    expect(leave(16 * MIB)).toEqual([2_000]);
    expect(leave(64 * MIB)[0]).toBe(0);
  });

  test("who leaves much waits for a collection, and what is still held goes on to count", async () => {
    const { engine, told, reclaimer } = start();
    const memory = {};
    let resolved = false;
    const left = reclaimer.left(memory, 100 * MIB).then(() => (resolved = true));
    await Promise.resolve();
    expect(resolved).toBe(false);
    engine.pass(0);
    await left;
    // The test has it, so no engine could have let it go.
    expect(memory).toEqual({});
    expect(told.at(-1)).toBe(100 * MIB);
    const before = engine.collections.length;
    engine.pass(3_600_000);
    expect(engine.collections.length - before).toBeGreaterThan(20);
    expect(engine.collections.length - before).toBeLessThan(40);
  });

  test("machines that come and go all the time leave most of the time to others", () => {
    const { engine, reclaimer } = start();
    for (let i = 0; i < 1_000; i++) {
      void reclaimer.left({}, 100 * MIB);
      engine.pass(10);
    }
    expect(engine.collections.length * COLLECTION_MS).toBeLessThan(engine.ms / 5);
    expect(engine.collections.length).toBeGreaterThan(10);
  });
});

/** Two of them are enough for a collection, one is not. */
const BLOCK_BYTES = 9 * MIB;
const toucher = `#include <stdio.h>
#include <string.h>
static char block[${BLOCK_BYTES}];
int main(void) { memset(block, 1, sizeof block); puts("ready"); fflush(stdout); getchar(); return 0; }`;

describe.skipIf(!hasCompiler)("machines that touched much and leave", () => {
  let bench: TestHosting;
  afterEach(() => bench.close());

  test("nothing of them is left in their worker, hibernated or deleted", async () => {
    bench = await startHosting({ workers: 1 });
    const { hosting } = bench;
    const files = { "/bin/guest": compileC(toucher) };
    for (const leave of ["hibernate", "delete"] as const) {
      const { id } = await bench.machine(files);
      const machine = await hosting.use(id);
      await machine.apply(startOf("/bin/guest"));
      await machine.apply(resume);
      await eventually(async () => Buffer.from((await machine.readConsole(0, 64)).bytes).includes("ready"));
      await eventually(() => machine.memoryBytes > BLOCK_BYTES);
      await hosting[leave](id);
    }
    expect(hosting.figures().memoryBytes).toBe(0);
    // Nobody comes, and nothing is allocated.
    await eventually(() => hosting.figures().departedBytes === 0);
  });
});
