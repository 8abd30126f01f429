/** What is under way when a machine goes is answered, one way or the other, and nothing fails behind everybody's back. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { HostedMachine } from "../../api/hosting/hosted.ts";
import { newId } from "../../api/hosting/ids.ts";
import type { SnapshotRow } from "../../api/store/types.ts";
import type { TaskId } from "../../kernel/index.ts";
import { outcome, startHosting, type TestHosting, typed } from "../support/hosting.ts";

const READ = 63;

let bench: TestHosting;
let unhandled: unknown[];
const note = (error: unknown) => unhandled.push(error);
beforeEach(async () => {
  unhandled = [];
  process.on("unhandledRejection", note);
  bench = await startHosting();
});
afterEach(async () => {
  await bench.close();
  process.off("unhandledRejection", note);
});

/** Rejections are called unhandled when the turn that they were made in is over. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

const snapshotOf = (id: string) =>
  bench.hosting.snapshot(id, { id: newId("s"), displayName: "", labels: {}, kind: "user" });

/** Something of every kind under way; how each ends. */
async function keepBusy(machine: HostedMachine, task: TaskId): Promise<Promise<object>[]> {
  const { subscription } = await machine.subscribe(1);
  const call = { kind: "call", task, number: READ } as const;
  const parameters = [
    { kind: "integer", value: 0n },
    { kind: "buffer", size: 8 },
    { kind: "integer", value: 8n },
  ] as const;
  const { signal } = new AbortController();
  const work: Promise<unknown>[] = [
    machine.call({ ...call, arguments: [...parameters] }, signal, null),
    subscription.take(signal),
    snapshotOf(machine.id),
    snapshotOf(machine.id),
  ];
  for (let i = 0; i < 20; i++) work.push(machine.apply(typed(`${i}`)), machine.query({ kind: "tasks" }));
  return work.map(outcome);
}

const endings: Record<string, (machine: HostedMachine, snapshot: SnapshotRow) => Promise<unknown>> = {
  "it is put away": ({ id }) => bench.hosting.hibernate(id),
  "it is restored": ({ id }, snapshot) => bench.hosting.restore(id, snapshot),
  "it is deleted": ({ id }) => bench.hosting.delete(id),
  "its worker dies": ({ worker }) => worker.kill(),
  "a commit fails": (machine) => {
    bench.faults.commit = () => {
      throw new Error("the disk is full");
    };
    return outcome(machine.apply(typed("!")));
  },
  "the server shuts down": () => bench.hosting.close(),
};

for (const [ending, end] of Object.entries(endings)) {
  test(`when ${ending}, everything under way ends`, async () => {
    const { id } = await bench.machine();
    const machine = await bench.hosting.use(id);
    const { task } = await machine.apply({
      kind: "createRemoteTask",
      name: "remote",
      limits: { instructions: 0, memoryBytes: 0, outputBytes: 0 },
    });
    const snapshot = await snapshotOf(id);
    const underWay = await keepBusy(machine, task!);
    await end(machine, snapshot);
    await Promise.all(underWay);
    await turn();
    await turn();
    expect(unhandled).toEqual([]);
    expect(machine.broken).not.toBeNull();
  });
}
