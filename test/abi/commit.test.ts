/** Strict reservation and overcommit: where programs meet the end of memory, and who goes when there is none. */
import { describe, expect, it } from "vitest";
import type { CommitPolicy, Machine, Output } from "../../kernel/index.ts";
import type { TaskId } from "../../kernel/lib/ids.ts";
import { plainMemory } from "../../kernel/mm/physical.ts";
import { catalogue, decodeRecords, maskOf } from "../../kernel/trace/index.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import {
  call,
  consoleOf,
  type Exit,
  fileOf,
  int,
  mustApply,
  noLimits,
  runOn,
  startInput,
  testMachine,
} from "../support/machine.ts";

const MiB = 2 ** 20;

function machineWith(commit: CommitPolicy, memoryBytes = 16 * MiB): Machine {
  const files = [fileOf("/bin/commit", guest("commit"))];
  return testMachine({ memoryBytes, files, physicalMemory: { ...plainMemory, commit } });
}

function start(machine: Machine, what: string, mebibytes: number, limits = {}): number {
  const given = startInput("/bin/commit", { arguments: ["commit", what, String(mebibytes)], limits });
  return mustApply(machine, given)!;
}

interface Ended {
  console: string;
  exits: Map<number, Exit>;
}

function ended(machine: Machine, outputs: Output[] = []): Ended {
  expect(runOn(machine)).toEqual({ kind: "idle" });
  outputs.push(...machine.drainOutputs());
  const exits = outputs.filter((output) => output.kind === "taskExited");
  expect(brokenInvariants(machine)).toEqual([]);
  return { console: consoleOf(outputs), exits: new Map(exits.map((exit) => [exit.task, exit])) };
}

const oomsOf = (machine: Machine) =>
  decodeRecords(machine.drainTrace(), catalogue)
    .filter(({ name }) => name === "memory.oom")
    .map(({ values }) => values);

const killed = { kind: "signaled", signal: 9 };
const finished = { kind: "exited", code: 0 };

/** A machine whose memory is nearly all a client's task's. */
function fullOfClient(): { machine: Machine; client: TaskId } {
  const machine = machineWith("overcommit");
  const client = mustApply(machine, { kind: "createRemoteTask", name: "client", limits: noLimits })!;
  const mmap = call(machine, client, 222, int(0), int(64 * MiB), int(3), int(0x22), int(-1), int(0))!;
  const bytes = new Uint8Array(2 ** 16);
  for (let at = 0; at < 15 * MiB; at += bytes.length)
    mustApply(machine, { kind: "writeVirtual", task: client, address: Number(mmap.value) + at, bytes });
  return { machine, client };
}

describe.skipIf(!hasCompiler)("strict reservation", () => {
  it("refuses a mapping of more than there is, where it is asked for", () => {
    const machine = machineWith("strict");
    const task = start(machine, "sparse", 160);
    const { console, exits } = ended(machine);
    expect(exits.get(task)?.status).toEqual({ kind: "exited", code: 1 });
    expect(console).toBe("sparse: Cannot allocate memory\n");
  });

  it("counts what all programs were promised together", () => {
    const machine = machineWith("strict");
    const first = start(machine, "modest", 9);
    machine.run({ instructions: Number.MAX_SAFE_INTEGER, timeNs: 2_000_000 });
    const { policy, promisedBytes, usedBytes, limitBytes } = machine.memoryMap().accounting;
    expect([policy, limitBytes]).toEqual(["strict", 16 * MiB]);
    expect(promisedBytes).toBeGreaterThan(9 * MiB);
    expect(usedBytes).toBeLessThan(4 * MiB);
    const second = start(machine, "hog", 9);
    const third = start(machine, "sparse", 3);
    const { exits } = ended(machine);
    expect([first, second, third].map((task) => exits.get(task)?.status)).toEqual([
      finished,
      { kind: "exited", code: 1 },
      finished,
    ]);
    expect(machine.memoryMap().accounting.promisedBytes).toBe(0);
  });
});

describe.skipIf(!hasCompiler)("overcommit", () => {
  it("promises ten times what there is to a program that uses little of it", () => {
    const machine = machineWith("overcommit");
    const task = start(machine, "sparse", 160);
    const { console, exits } = ended(machine);
    expect(exits.get(task)?.status).toEqual(finished);
    expect(console).toBe("sparse done\n");
  });

  it("ends the hog, and not who happens to touch a page when none is left", () => {
    const machine = machineWith("overcommit");
    machine.setTraceMask(maskOf(["memory"]));
    const modest = start(machine, "modest", 64);
    const hog = start(machine, "hog", 160);
    const { exits } = ended(machine);
    expect(exits.get(modest)?.status).toEqual(finished);
    expect(exits.get(hog)).toMatchObject({ status: killed, fault: { signal: 9 } });
    expect(exits.get(hog)?.fault?.description).toMatch(/^out of memory: .*this one had the most \(\d+ frames\)/);
    expect(oomsOf(machine)).toMatchObject([{ victim: hog, faulted: hog }]);
  });

  it("ends the hog when another one needs the frames that it sits on, and says for whom", () => {
    const machine = machineWith("overcommit");
    machine.setTraceMask(maskOf(["memory"]));
    const hog = start(machine, "hog", 15);
    machine.run({ instructions: Number.MAX_SAFE_INTEGER, timeNs: 2_000_000 });
    const modest = start(machine, "modest", 64);
    const { exits } = ended(machine);
    expect(exits.get(modest)?.status).toEqual(finished);
    expect(exits.get(hog)).toMatchObject({ status: killed, fault: { signal: 9, address: 0n } });
    expect(exits.get(hog)?.fault?.description).toMatch(`out of memory: task ${modest} needed a frame`);
    expect(oomsOf(machine)).toMatchObject([{ victim: hog, faulted: modest }]);
  });

  it("ends the hog for what a system call copies, too, and the caller if that is the hog", () => {
    const machine = machineWith("overcommit");
    const hog = start(machine, "hog", 15);
    machine.run({ instructions: Number.MAX_SAFE_INTEGER, timeNs: 2_000_000 });
    const caller = start(machine, "call", 1);
    const { exits } = ended(machine);
    expect([hog, caller].map((task) => exits.get(task)?.status)).toEqual([killed, finished]);
    const glutton = start(machine, "call", 64);
    const exit = ended(machine).exits.get(glutton);
    expect(exit).toMatchObject({ status: killed, fault: { address: 0n } });
    expect(exit?.fault?.description).toMatch("no frame for what a system call copies, and of all programs");
  });

  it("fails a client's call when there is no program to end for it", () => {
    const { machine, client } = fullOfClient();
    const mmap = call(machine, client, 222, int(0), int(MiB), int(3), int(0x22), int(-1), int(0))!;
    const results = Array.from({ length: 8 }, (_, i) =>
      call(machine, client, 278, int(mmap.value + BigInt(i * 2 ** 17)), int(2 ** 17), int(0)),
    );
    expect(results.map((result) => result?.value)).toContain(-12n);
    expect(brokenInvariants(machine)).toEqual([]);
    expect(machine.tasks()).toMatchObject([{ task: client, state: "running" }]);
  });

  it("leaves a task's own limit to the task itself", () => {
    const machine = machineWith("overcommit");
    const modest = start(machine, "modest", 8);
    const hog = start(machine, "hog", 8, { memoryBytes: 2 * MiB });
    const { exits } = ended(machine);
    expect(exits.get(modest)?.status).toEqual(finished);
    expect(exits.get(hog)).toMatchObject({ status: killed });
    expect(exits.get(hog)?.fault?.description).toMatch(/no frame for 0x/);
  });

  it("spares tasks that clients drive, whatever they have", () => {
    const { machine, client } = fullOfClient();
    const modest = start(machine, "modest", 64);
    const { exits } = ended(machine);
    expect([...exits].map(([task, { status }]) => [task, status])).toEqual([[modest, killed]]);
    expect(machine.tasks().find(({ task }) => task === client)?.state).toBe("running");
  });

  it("finds the same victims however the run is cut", () => {
    const run = (step: number) => {
      const machine = machineWith("overcommit");
      start(machine, "modest", 64);
      for (let i = 0; i < 3; i++) start(machine, "hog", 160);
      const outputs: Output[] = [];
      for (let stop = machine.run({ instructions: 0, timeNs: 0 }); stop.kind !== "idle"; ) {
        const at = machine.position();
        stop = machine.run({ instructions: at.instructions + step, timeNs: Number.MAX_SAFE_INTEGER });
        outputs.push(...machine.drainOutputs());
      }
      return { ...ended(machine, outputs), position: machine.position() };
    };
    const whole = run(Number.MAX_SAFE_INTEGER);
    expect(whole.exits.size).toBe(4);
    expect(run(7919)).toEqual(whole);
    expect([...whole.exits.values()].filter(({ status }) => status.kind === "signaled").length).toBeGreaterThan(0);
  });
});
