/** A machine that goes to another worker while it runs: nobody notices, and nothing is lost when it does not get there. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { LOOK_EVERY_MS, STEADY_MS } from "../../api/hosting/balance.ts";
import { Balancer } from "../../api/hosting/balancer.ts";
import type { HostedMachine } from "../../api/hosting/hosted.ts";
import type { CallArgument } from "../../kernel/index.ts";
import { catalogue, decodeRecords, maskOf } from "../../kernel/trace/index.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import {
  barrier,
  eventually,
  outcome,
  pause,
  reasonOf,
  resume,
  startHosting,
  startOf,
  type TestHosting,
  typed,
} from "../support/hosting.ts";

const NO_LIMITS = { instructions: 0, memoryBytes: 0, outputBytes: 0 };
/** Of Linux on RISC-V. */
const READ = 63;

let bench: TestHosting;
beforeEach(async () => {
  bench = await startHosting({ workers: 2 });
});
afterEach(() => bench.close());

async function running(source: string): Promise<HostedMachine> {
  const { id } = await bench.machine({ "/bin/program": compileC(source) });
  const machine = await bench.hosting.use(id);
  await machine.apply(startOf("/bin/program"));
  return machine;
}

const moveAway = (machine: HostedMachine) =>
  bench.hosting.move(machine, bench.hosting.workers.find((worker) => worker !== machine.worker)!);

test.skipIf(!hasCompiler)("who follows its console and its trace, and who types, notices nothing", async () => {
  const machine = await running(sources.count);
  await machine.apply(resume);
  const { subscription, from } = await machine.subscribe(maskOf(["syscall"]));
  for (let move = 0; move < 3; move++) {
    const { consoleLength } = machine.visible.summary;
    await eventually(() => machine.visible.summary.consoleLength > consoleLength);
    const before = machine.worker;
    const moved = moveAway(machine);
    const typing = Promise.all(["a", "b", "c"].map((key) => outcome(machine.apply(typed(key)))));
    await moved;
    expect((await typing).map(reasonOf)).toEqual(["ok", "ok", "ok"]);
    expect(machine.worker).not.toBe(before);
    expect(before.machines.size).toBe(0);
    expect(await bench.hosting.use(machine.id)).toBe(machine);
  }
  await machine.apply(pause);
  const { bytes } = await machine.readConsole(0, 65_536);
  const lines = Buffer.from(bytes).toString().trimEnd().split("\n");
  expect(lines.map((line) => Number(line.split(" ")[0]))).toEqual(lines.map((_, index) => index));
  const records = subscription
    .poll()
    .flatMap((item) =>
      item.kind === "records" ? decodeRecords(item.bytes as Uint8Array<ArrayBuffer>, catalogue) : [],
    );
  const sequences = records.map(({ sequence }) => Number(sequence));
  const { traceSequence } = machine.visible.summary;
  expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
  expect(sequences[0]).toBeGreaterThan(from.summary.traceSequence);
  expect(sequences.at(-1)).toBeLessThanOrEqual(traceSequence);
  expect(bench.hosting.figures().moves).toBe(3);
  expect(bench.errors).toEqual([]);
});

test.skipIf(!hasCompiler)(
  "the balancer takes one of two from a busy worker to an idle one, and its readers read on",
  async () => {
    await bench.close();
    bench = await startHosting({ workers: 2, balances: false });
    const { hosting } = bench;
    const [busy, idle] = hosting.workers;
    const machines = [await running(sources.count), await running(sources.count)];
    for (const machine of machines) {
      await hosting.move(machine, busy!);
      await machine.apply(resume);
      // As after some seconds in which both could run all the time.
      for (const { recentLoad } of [machine, busy!]) recentLoad.expect(1);
    }
    const subscriptions = await Promise.all(machines.map((machine) => machine.subscribe(maskOf(["syscall"]))));
    const before = machines.map(({ visible }) => visible.summary.consoleLength);
    const balancer = new Balancer({
      workers: () => hosting.workers,
      machines: () => hosting.resident,
      move: (machine, to) => hosting.move(machine, to),
      onError: (error, machineId) => void bench.errors.push({ error, machineId }),
    });
    const moves = hosting.figures().moves;
    for (let nowMs = 0; nowMs <= STEADY_MS; nowMs += LOOK_EVERY_MS) await balancer.look(nowMs);
    expect(hosting.figures().moves).toBe(moves + 1);
    expect(new Set(machines.map(({ worker }) => worker))).toEqual(new Set([busy, idle]));
    const there = machines.map(({ visible }) => visible.summary.traceSequence);
    await eventually(() => machines.every(({ visible }, at) => visible.summary.traceSequence > there[at]! + 100));
    await eventually(() => machines.every(({ visible }, at) => visible.summary.consoleLength > before[at]!));
    for (const [at, machine] of machines.entries()) {
      await machine.apply(pause);
      expect((await machine.readConsole(before[at]!, 10)).bytes.length).toBeGreaterThan(0);
      const { subscription } = subscriptions[at]!;
      expect(subscription.ended).toBeNull();
      expect(subscription.poll().at(-1)!.lastSequence).toBeGreaterThan(there[at]!);
      expect(machine.broken).toBeNull();
    }
    expect(bench.errors).toEqual([]);
  },
);

test.skipIf(!hasCompiler)("it computes what one does that stays", async () => {
  const until = { ...resume, untilInstructions: 40_000_000 } as const;
  const machines = [await running(sources.count), await running(sources.count)];
  for (const machine of machines) await machine.apply(until);
  const [mover] = machines as [HostedMachine];
  while (mover.visible.summary.run === "running") await moveAway(mover);
  const roots = [];
  for (const machine of machines) {
    await eventually(() => machine.visible.summary.run === "paused");
    roots.push((await machine.capture()).root);
  }
  expect(roots[0]).toBe(roots[1]);
});

test("a call that waits goes on waiting, and is answered", async () => {
  const { id } = await bench.machine();
  const machine = await bench.hosting.use(id);
  const { task } = await machine.apply({ kind: "createRemoteTask", name: "t", limits: NO_LIMITS });
  const parameters: CallArgument[] = [
    { kind: "integer", value: 0n },
    { kind: "buffer", size: 8 },
    { kind: "integer", value: 8n },
  ];
  const read = { kind: "call", task: task!, number: READ, arguments: parameters } as const;
  const answered = machine.call(read, new AbortController().signal, null);
  await eventually(() => machine.visible.sequence === 2);
  await moveAway(machine);
  await machine.apply(typed("x\n"));
  expect((await answered).value).toBe(2n);
});

test("one that cannot be stored on its way is brought back with all that was acknowledged", async () => {
  const { id } = await bench.machine();
  const machine = await bench.hosting.use(id);
  await machine.apply(typed("x"));
  await moveAway(machine);
  await machine.apply(typed("y"));
  let puts = 0;
  bench.faults.putBlobs = () => {
    if (++puts > 1) throw new Error("the disk is full");
  };
  expect(reasonOf(await outcome(moveAway(machine)))).toContain("disk is full");
  bench.faults.putBlobs = null;
  const again = await bench.hosting.use(id);
  expect(again).not.toBe(machine);
  expect(again.visible.sequence).toBe(2);
  await again.apply(typed("z"));
});

test("what is asked meanwhile, and its hibernation, wait until it is there", async () => {
  const { id } = await bench.machine();
  const machine = await bench.hosting.use(id);
  await machine.apply(typed("x"));
  const door = barrier();
  bench.faults.createSnapshot = door.stop;
  const moved = moveAway(machine);
  await door.reached;
  const [hibernated, used] = [bench.hosting.hibernate(id), bench.hosting.use(id)];
  bench.faults.createSnapshot = null;
  door.open();
  await Promise.all([moved, hibernated]);
  expect((await used).visible.sequence).toBe(1);
  expect(await used).not.toBe(machine);
});
