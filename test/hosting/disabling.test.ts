/** The machines of who is disabled are paused wherever they are. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { pauseMachinesOf } from "../../api/services/disabling.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { eventually, NEIGHBOUR, OWNER, resume, startHosting, startOf, type TestHosting } from "../support/hosting.ts";

let bench: TestHosting;
afterEach(() => bench.close());

const spinning = async (ownerId: string): Promise<string> => {
  const { id } = await bench.machine({ "/spin": compileC(sources.spin) }, ownerId);
  const machine = await bench.hosting.use(id);
  await machine.apply(startOf("/spin"));
  await machine.apply(resume);
  await eventually(() => machine.visible.summary.run === "running");
  return id;
};
const statusOf = async (id: string) => (await bench.store.machines.get(id))!.status;
const USER_DISABLED = { run: "paused", reason: "user disabled" };

test.skipIf(!hasCompiler)(
  "although there is no room for them in memory, and others are on their way there",
  async () => {
    bench = await startHosting({ workers: 1, maxResident: 2 });
    const absent = await spinning(OWNER);
    await bench.restart();
    expect(await statusOf(absent)).toMatchObject({ run: "running" });
    const others = await spinning(NEIGHBOUR);
    const arriving = bench.hosting.use((await bench.machine({}, NEIGHBOUR)).id);
    while ([...bench.hosting.resident].length < 2) await nextTurn();
    expect(await pauseMachinesOf(bench, OWNER)).toBe(1);
    expect(await statusOf(absent)).toMatchObject(USER_DISABLED);
    expect((await arriving).broken).toBeNull();
    await (await bench.hosting.use(others)).apply({ kind: "pause" });
    expect((await bench.hosting.use(absent)).visible.summary).toMatchObject(USER_DISABLED);
    expect(await pauseMachinesOf(bench, OWNER)).toBe(0);
  },
);

test.skipIf(!hasCompiler)("although their worker breaks before it has paused them", async () => {
  bench = await startHosting({ workers: 1 });
  const id = await spinning(OWNER);
  const pausing = pauseMachinesOf(bench, OWNER);
  await (await bench.hosting.use(id)).worker.kill();
  await pausing;
  await eventually(async () => (await bench.hosting.use(id)).visible.summary.run === "paused");
  expect((await bench.hosting.use(id)).visible.summary).toMatchObject(USER_DISABLED);
});
