/** A machine that breaks its worker twice is frozen until somebody thaws it; the others in there come back as ever. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { HostedMachine } from "../../api/hosting/hosted.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { eventually, resume, startHosting, startOf, type TestHosting } from "../support/hosting.ts";

async function drained(walk: AsyncGenerator<unknown>): Promise<void> {
  for await (const _ of walk);
}

describe.skipIf(!hasCompiler)("a machine in whose turn the worker breaks (needs riscv64-linux-gnu-gcc)", () => {
  let bench: TestHosting;
  beforeEach(async () => {
    bench = await startHosting();
  });
  afterEach(() => bench.close());

  const spinning = async (): Promise<HostedMachine> => {
    const { id } = await bench.machine({ "/spin": compileC(sources.spin) });
    const machine = await bench.hosting.use(id);
    await machine.apply(startOf("/spin"));
    await machine.apply(resume);
    return machine;
  };

  /** An exception that nobody catches, in the worker, while nothing runs there but this machine. */
  const breakWorker = async (id: string): Promise<void> => {
    const machine = await bench.hosting.use(id);
    const { instructions } = machine.visible.summary.position;
    await eventually(() => machine.visible.summary.position.instructions > instructions);
    machine.worker.thread.postMessage(null);
    await eventually(() => machine.broken !== null);
  };
  const endedBy = async (id: string) => (await bench.store.machines.get(id))!.workersEnded;

  test("comes back once; twice, it is frozen and says so; thawed, it goes on from where it was", async () => {
    const machine = await spinning();
    const { id } = machine;
    await breakWorker(id);
    await eventually(async () => (await endedBy(id)) === 1);
    await breakWorker(id);
    await eventually(async () => (await endedBy(id)) === 2);
    const frozen = (await bench.store.machines.get(id))!;
    expect(frozen.status).toMatchObject({ run: "frozen", reason: expect.stringMatching(/ended its worker 2 times/) });
    await expect(bench.hosting.use(id)).rejects.toMatchObject({ reason: "MACHINE_FROZEN" });
    const thawed = await bench.hosting.thaw(id);
    expect(thawed).toMatchObject({ workersEnded: 0, status: { run: "paused" } });
    const again = await bench.hosting.use(id);
    expect(again.visible.summary.position.instructions).toBeGreaterThanOrEqual(frozen.reached.instructions);
    expect(again.visible.summary).toMatchObject({ run: "paused", reason: "thawed" });
  });

  test("is not blamed for a worker that was ended from outside, nor is who only lived there", async () => {
    const machine = await spinning();
    await machine.worker.kill();
    const { id } = await bench.machine({});
    const others = [await bench.hosting.use(id), await bench.hosting.use((await bench.machine({})).id)];
    for (const { worker } of new Set(others)) worker.thread.postMessage(null);
    await eventually(() => others.every(({ broken }) => broken !== null));
    for (const each of others) expect((await bench.hosting.use(each.id)).broken).toBeNull();
    expect(await endedBy(id)).toBe(0);
  });

  /** Breaks the only worker while it compares these two; false if it was quicker, and was doing nothing by then. */
  const brokeComparing = async (left: string, right: string): Promise<boolean> => {
    const { worker } = await bench.hosting.use(left);
    const moment = async (machineId: string) => {
      const row = (await bench.store.machines.get(machineId))!;
      const { instructions } = row.reached;
      const end = { kind: "instructions", instructions } as const;
      return { machineId, instructions, throughEntry: row.lastSequence, end, payer: row };
    };
    const walk = bench.hosting.compare(await moment(left), await moment(right), 1, new AbortController().signal);
    const outcome = drained(walk).then(
      () => false,
      (error) => error.reason === "MACHINE_MOVED",
    );
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    outcome.then(over, over);
    // What is sent when there is a job comes to the worker behind it.
    while (worker.jobs === 0) {
      if (isOver) return false;
      await nextTurn();
    }
    worker.thread.postMessage(null);
    const isBroken = await outcome;
    await eventually(() => !worker.alive);
    return isBroken;
  };
  const paused = async (): Promise<string> => {
    const machine = await spinning();
    await machine.apply({ kind: "pause" });
    return machine.id;
  };

  test("is blamed when it was compared with itself; of two that were compared, neither", async () => {
    await bench.close();
    bench = await startHosting({ workers: 1 });
    const [left, right] = [await paused(), await paused()];
    while (!(await brokeComparing(left, right)));
    expect(bench.errors.some(({ error }) => String(error).includes("a worker broke"))).toBe(true);
    expect(await endedBy(left)).toBe(0);
    while (!(await brokeComparing(left, left)));
    await eventually(async () => (await endedBy(left)) === 1);
    expect(await endedBy(right)).toBe(0);
  });
});
