/**
 * Everything at once: whatever meets whatever, machines come back, and no client hears of a fault of ours. What is
 * asked for is drawn from a seed (OSTLER_SEED=<seed> draws another); when what meets what is up to the threads.
 */
import { expect, test } from "vitest";
import { newId } from "../../api/hosting/ids.ts";
import type { SnapshotRow } from "../../api/store/types.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import {
  outcome,
  pause,
  reasonOf,
  resume,
  startHosting,
  startOf,
  type TestHosting,
  typed,
} from "../support/hosting.ts";

const MACHINES = 6;
const CLIENTS = 8;
const STEPS = 25;
const SEED = Number(process.env["OSTLER_SEED"] ?? 1);
/** How a request may end. */
const EXPECTED =
  /^(ok|MACHINE_MOVED|TOO_MANY_ACTIVE_MACHINES|SNAPSHOT_NOT_FOUND|StaleEpochError.*|.*disk is full|INPUT_\w+)$/;

/** In the log. */
const FORESEEN = /disk is full|snapshot could not be stored|could not be moved|worker died/;

/** Numbers below `limit`, the same for the same seed. */
function drawer(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const userSnapshot = () => ({ id: newId("s"), displayName: "", labels: {}, kind: "user" as const });

function actionsOf({ hosting, faults }: TestHosting, snapshots: Map<string, SnapshotRow>) {
  const apply = async (id: string, input: Parameters<typeof typed>[0] | typeof resume) =>
    (await hosting.use(id)).apply(typeof input === "string" ? typed(input) : input);
  return {
    type: (id: string) => apply(id, "x"),
    run: (id: string) => apply(id, resume),
    pause: (id: string) => apply(id, pause),
    move: async (id: string) => {
      const machine = await hosting.use(id);
      await hosting.move(machine, hosting.workers.find((worker) => worker !== machine.worker)!);
    },
    hibernate: (id: string) => hosting.hibernate(id),
    snapshot: async (id: string) => snapshots.set(id, await hosting.snapshot(id, userSnapshot())),
    restore: async (id: string) => snapshots.has(id) && hosting.restore(id, snapshots.get(id)!),
    kill: async (id: string) => hosting.peek(id)?.worker.kill(),
    failCommit: async () => {
      faults.commit = () => {
        faults.commit = null;
        throw new Error("the disk is full");
      };
    },
    failPut: async () => {
      faults.putBlobs = () => {
        faults.putBlobs = null;
        throw new Error("the disk is full");
      };
    },
  };
}

/** More often than anything that breaks. */
const DRAWN = [
  ...["type", "type", "type", "type", "run", "pause", "move", "move", "hibernate", "snapshot", "snapshot", "restore"],
  ...["kill", "failCommit", "failPut"],
] as (keyof ReturnType<typeof actionsOf>)[];

async function client(bench: TestHosting, ids: string[], snapshots: Map<string, SnapshotRow>, seed: number) {
  const draw = drawer(seed);
  const actions = actionsOf(bench, snapshots);
  const reasons: string[] = [];
  for (let step = 0; step < STEPS; step++) {
    const action = DRAWN[draw(DRAWN.length)]!;
    const reason = reasonOf(await outcome<unknown>(actions[action](ids[draw(ids.length)]!)));
    if (!EXPECTED.test(reason)) reasons.push(`${action}: ${reason}`);
  }
  return reasons;
}

/** Its state after a hibernation is its state before. */
async function comesBack({ hosting }: TestHosting, id: string): Promise<void> {
  await (await hosting.use(id)).apply(pause);
  const { root } = await hosting.snapshot(id, userSnapshot());
  await hosting.hibernate(id);
  expect((await (await hosting.use(id)).capture()).root).toBe(root);
  await hosting.hibernate(id);
}

test.skipIf(!hasCompiler)(`machines come back from storm ${SEED}`, async () => {
  const bench = await startHosting({ maxResident: 4 });
  const ids: string[] = [];
  for (let i = 0; i < MACHINES; i++) {
    const { id } = await bench.machine({ "/bin/count": compileC(sources.count) });
    await (await bench.hosting.use(id)).apply(startOf("/bin/count"));
    ids.push(id);
  }
  const snapshots = new Map<string, SnapshotRow>();
  const clients = Array.from({ length: CLIENTS }, (_, index) => client(bench, ids, snapshots, SEED * 100 + index));
  expect((await Promise.all(clients)).flat()).toEqual([]);
  bench.faults.commit = null;
  bench.faults.putBlobs = null;
  expect(bench.errors.map(({ error }) => String(error)).filter((text) => !FORESEEN.test(text))).toEqual([]);
  for (const id of ids) await bench.hosting.hibernate(id);
  for (const id of ids) await comesBack(bench, id);
  await bench.close();
});
