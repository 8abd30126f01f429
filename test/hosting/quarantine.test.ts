/** A machine that breaks its worker twice is frozen until somebody thaws it; the others in there come back as ever. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { HostedMachine } from "../../api/hosting/hosted.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { eventually, resume, startHosting, startOf, type TestHosting } from "../support/hosting.ts";

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
    expect(again.visible.summary.run).toBe("paused");
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
});
