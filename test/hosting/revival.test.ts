/** A machine that runs while nobody looks, and whose worker or database fails, runs on by itself. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { HostedMachine } from "../../api/hosting/hosted.ts";
import { Revival } from "../../api/hosting/revival.ts";
import { StoreUnavailableError } from "../../api/store/types.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { eventually, pause, resume, startHosting, startOf, type TestHosting } from "../support/hosting.ts";

describe.skipIf(!hasCompiler)("a running machine (needs riscv64-linux-gnu-gcc)", () => {
  let bench: TestHosting;
  beforeEach(async () => {
    bench = await startHosting();
  });
  afterEach(() => bench.close());

  const running = async (): Promise<HostedMachine> => {
    const { id } = await bench.machine({ "/spin": compileC(sources.spin) });
    const machine = await bench.hosting.use(id);
    await machine.apply(startOf("/spin"));
    await machine.apply(resume);
    return machine;
  };
  /** Without asking for it: `peek` wakes nobody. */
  const runsAgain = async (broken: HostedMachine): Promise<void> => {
    await eventually(() => (bench.hosting.peek(broken.id) ?? broken) !== broken);
    const machine = bench.hosting.peek(broken.id)!;
    const { instructions } = machine.visible.summary.position;
    await eventually(() => machine.visible.summary.position.instructions > instructions);
  };

  test("comes back when its worker has died, unless it was paused", async () => {
    const paused = await running();
    await paused.apply(pause);
    const machine = await running();
    await paused.worker.kill();
    await machine.worker.kill();
    await runsAgain(machine);
    expect(bench.hosting.peek(paused.id)).toBeUndefined();
  });

  test("comes back when a commit failed for want of the database, as soon as that is there again", async () => {
    const machine = await running();
    let refused = 0;
    const refuse = () => {
      refused += 1;
      throw new StoreUnavailableError("full", "the disk of the database is full");
    };
    bench.faults.commit = refuse;
    bench.faults.acquire = refuse;
    await eventually(() => refused > 2);
    expect(bench.hosting.peek(machine.id)).toBeUndefined();
    bench.faults.commit = null;
    bench.faults.acquire = null;
    await runsAgain(machine);
  });
});

test("attempts go on until one succeeds, one at a time, and end with the server", async () => {
  let attempts = 0;
  let inside = 0;
  const wake = async () => {
    expect(++inside).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
    if (++attempts < 3) throw new StoreUnavailableError("away", "the database cannot be reached");
  };
  const revival = new Revival({ isRunning: async () => true, wake, onError: expect.unreachable });
  revival.ask("m");
  revival.ask("m");
  await eventually(() => attempts === 3);
  revival.close();
  revival.ask("m");
  await new Promise((resolve) => setImmediate(resolve));
  expect(attempts).toBe(3);
});
