/** A worker that never comes back from a step is ended like one that died, and who does that twice is frozen. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Look, Watchdog, type Watched } from "../../api/hosting/watchdog.ts";
import { Heart } from "../../api/hosting/worker/heart.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { eventually, resume, startHosting, startOf, type TestHosting } from "../support/hosting.ts";

class FakeWorker implements Watched {
  readonly heart = new Heart();
  silentMs = 0;
  burntMs = 0;
  pings = 0;
  #hangs = false;

  constructor() {
    this.heart.beat();
  }

  hang(): void {
    this.#hangs = true;
  }

  ping(): void {
    this.pings += 1;
    if (!this.#hangs) this.heart.beat();
  }
}

describe("whether a worker hangs", () => {
  const LIMIT_MS = 10_000;
  let dog: Watchdog<FakeWorker>;
  let worker: FakeWorker;
  let clock: Look;
  beforeEach(() => {
    dog = new Watchdog(LIMIT_MS);
    worker = new FakeWorker();
    clock = { nowMs: 0, cpuMs: 0 };
    dog.look([worker], { ...clock });
  });

  /** How many looks it takes until it is taken for hanging, each after so much time; at most `most`. */
  const looksUntilHung = (most: number, passedMs: number, cpuMs: number): number => {
    for (let count = 1; count <= most; count++) {
      clock = { nowMs: clock.nowMs + passedMs, cpuMs: clock.cpuMs + cpuMs };
      if (dog.look([worker], { ...clock }).length > 0) return count;
    }
    return Number.POSITIVE_INFINITY;
  };

  test("it does after the limit of the time in which it was busy, and is asked once only", () => {
    worker.hang();
    expect(looksUntilHung(100, 1_000, 1_000)).toBe(10);
    expect(worker.pings).toBe(1);
  });

  test("it does not while it answers or makes progress, however long it is idle or busy", () => {
    expect(looksUntilHung(100, 1_000, 2_000)).toBe(Number.POSITIVE_INFINITY);
    worker.hang();
    for (let round = 0; round < 20; round++) {
      expect(looksUntilHung(9, 1_000, 1_000)).toBe(Number.POSITIVE_INFINITY);
      worker.heart.beat();
    }
  });

  test("it does not for a process that was stopped, or on a host that gives it no time", () => {
    worker.hang();
    expect(looksUntilHung(1, 3_600_000, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(looksUntilHung(1, 3_600_000, 3_600_000)).toBe(Number.POSITIVE_INFINITY);
    worker.heart.beat();
    expect(looksUntilHung(50, 1_000, 100)).toBe(Number.POSITIVE_INFINITY);
    expect(looksUntilHung(60, 1_000, 100)).toBe(51);
  });

  test("it does not while it waits for the main thread, or is still being made", () => {
    worker.hang();
    worker.heart.whileWaiting(() => expect(looksUntilHung(1_000, 1_000, 1_000)).toBe(Number.POSITIVE_INFINITY));
    expect(looksUntilHung(100, 1_000, 1_000)).toBe(11);
    const unborn = { heart: new Heart(), silentMs: 0, burntMs: 0, ping: () => expect.unreachable() };
    const patient = new Watchdog<Watched>(LIMIT_MS);
    for (let nowMs = 0; nowMs < 100_000; nowMs += 1_000)
      expect(patient.look([unborn], { nowMs, cpuMs: nowMs })).toEqual([]);
  });
});

describe.skipIf(!hasCompiler)("a machine that never comes back from a step (needs riscv64-linux-gnu-gcc)", () => {
  let directory: string;
  let planted: string;
  let bench: TestHosting;
  let clock: Look;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "ostler-watchdog-"));
    planted = join(directory, "planted");
    const workerCode = new URL("../support/hanging-worker.ts", import.meta.url);
    process.env.OSTLER_TEST_HANG_WHILE = planted;
    bench = await startHosting({ workers: 1, workerCode });
    clock = { nowMs: 0, cpuMs: 0 };
  });
  afterEach(async () => {
    await bench.close();
    delete process.env.OSTLER_TEST_HANG_WHILE;
    rmSync(directory, { recursive: true });
  });

  const plant = () => writeFileSync(planted, "");
  const hangs = () => (existsSync(`${planted}.hung`) ? readFileSync(`${planted}.hung`).length / "hung\n".length : 0);
  const endedBy = async (id: string) => (await bench.store.machines.get(id))!.workersEnded;
  const instructions = async (id: string) => (await bench.store.machines.get(id))!.reached.instructions;

  const running = async (files: Record<string, Uint8Array<ArrayBuffer>>): Promise<string> => {
    const { id } = await bench.machine({ "/spin": compileC(sources.spin), ...files });
    const machine = await bench.hosting.use(id);
    await machine.apply(startOf("/spin"));
    await machine.apply(resume);
    // When it comes back it has something to execute on the way.
    await eventually(async () => (await instructions(id)) > 0);
    return id;
  };
  const victim = () => running({ "/hang": new Uint8Array(1) });

  const look = (): void => {
    clock = { nowMs: clock.nowMs + 1_000, cpuMs: clock.cpuMs + 1_000 };
    bench.hosting.endHung(clock);
  };
  /** The only worker is one that hangs by now: time passes until that is noticed. */
  const noticed = (): void => {
    const lost = () => bench.hosting.figures().workersLost.hung;
    for (const before = lost(); lost() === before; ) look();
  };

  test("is brought back once; twice, it is frozen and says why; who lives beside it goes on", async () => {
    const [id, neighbour] = [await victim(), await running({})];
    plant();
    await eventually(() => hangs() === 1);
    noticed();
    await eventually(() => hangs() === 2);
    noticed();
    await eventually(async () => (await endedBy(id)) === 2);
    const { status } = (await bench.store.machines.get(id))!;
    expect(status).toMatchObject({ run: "frozen", reason: expect.stringMatching(/did not come back from one step/) });
    await expect(bench.hosting.use(id)).rejects.toMatchObject({ reason: "MACHINE_FROZEN" });
    const told = bench.errors.filter(({ machineId }) => machineId === id).map(({ error }) => String(error));
    expect(told).toContain(`WorkerBrokeError: a worker hung while it was executing machine ${id}`);
    expect(bench.hosting.figures().workersLost).toEqual({ broke: 0, hung: 2, ended: 0 });
    const before = await instructions(neighbour);
    await eventually(async () => (await instructions(neighbour)) > before);
    expect(await endedBy(neighbour)).toBe(0);
    rmSync(planted);
    expect((await bench.hosting.thaw(id)).status.run).toBe("paused");
    expect((await bench.hosting.use(id)).visible.summary.run).toBe("paused");
  });

  test("has it counted when the server ends before the time is over, and keeps nobody from coming back", async () => {
    const [id, neighbour] = [await victim(), await running({})];
    plant();
    await eventually(() => hangs() === 1);
    for (let count = 0; count < 15; count++) look();
    expect(bench.hosting.figures().workersLost.hung).toBe(0);
    // What hangs cannot be put away.
    await bench.restart(1);
    expect(await endedBy(id)).toBe(1);
    const resumed = bench.hosting.resumeRunning();
    await eventually(() => hangs() === 2);
    expect(bench.hosting.peek(neighbour)).toBeDefined();
    noticed();
    await resumed;
    await eventually(async () => (await endedBy(id)) === 2);
    await bench.restart();
    await bench.hosting.resumeRunning();
    expect(bench.hosting.peek(id)).toBeUndefined();
    expect(bench.hosting.peek(neighbour)).toBeDefined();
  });
});
