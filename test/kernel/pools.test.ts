/** Who has what of the machine's memory, as pools and banks: it adds up, and to take a bank away is to end its task. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Input, Machine, PhysicalMemoryConfig, TaskId } from "../../kernel/index.ts";
import { plainMemory } from "../../kernel/mm/physical.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { call, exitOf, fileOf, int, mustApply, noLimits, runOn, startInput, testMachine } from "../support/machine.ts";
import { objectType, RootTask } from "../support/root-task.ts";

const KiB = 1024;
const graph = (machine: Machine) => machine.capabilities(null, 100_000, { task: null, types: [], object: null });
const remote = (machine: Machine, name = "client"): TaskId =>
  mustApply(machine, { kind: "createRemoteTask", name, limits: noLimits })!;
/** Private memory for a client's task, and a store to each page. */
function use(machine: Machine, task: TaskId, pages: number): void {
  const at = call(machine, task, 222, int(0), int(pages * 4096), int(3), int(0x22), int(-1), int(0))!.value;
  for (let page = 0; page < pages; page++)
    mustApply(machine, {
      kind: "writeVirtual",
      task,
      address: Number(at) + page * 4096,
      bytes: new Uint8Array([1]),
    });
}
/** The serial port's registers are no memory. */
const isDevice = (object: string): boolean => object.startsWith("untyped@0x10000000/");
const refusal = (machine: Machine, input: Input) => {
  const before = machine.encodeState();
  const result = machine.apply(input);
  expect(machine.encodeState()).toEqual(before);
  return result.ok ? null : result.error;
};

describe("pools and banks", () => {
  it("say who has what from whom", () => {
    const machine = testMachine({ memoryBytes: 8 * KiB * KiB });
    const task = remote(machine);
    const before = machine.memoryMap().pools[0]!;
    use(machine, task, 10);
    const [pool] = machine.memoryMap().pools;
    const [was, is] = [before.banks[0]!, pool!.banks[0]!];
    expect(is).toMatchObject({ task, pages: was.pages + 10, shared: 0 });
    expect(pool!.free).toBe(before.free - 10 - (is.tables - was.tables));
    const { slots, objects } = graph(machine);
    const bank = slots.find(({ id }) => id === `bank of task ${task} in pool 0`)!;
    expect(bank).toMatchObject({ type: "bank", parent: "pool 0", holders: [{ task }] });
    expect(objects.find(({ id }) => id === bank.object)).toMatchObject({
      bytes: BigInt(is.pages + is.tables) * 4096n,
      detail: { kind: "bank", task, pages: BigInt(is.pages), tables: BigInt(is.tables), shared: 0n },
    });
    expect(objects.find(({ id }) => id === "untyped@0x80000000/23")).toMatchObject({
      detail: { kind: "untyped", pool: true, bytesLeft: BigInt(pool!.free) * 4096n },
    });
    mustApply(machine, { kind: "killTask", task, signal: 9 });
    expect(graph(machine).slots.map(({ id }) => id)).toEqual(["page cache in pool 0", "pool 0"]);
  });

  it("are what a root task's memory derives from", () => {
    const root = new RootTask(testMachine());
    const endpoint = root.make(objectType.endpoint);
    const { slots } = graph(root.machine);
    const parents = new Map(slots.map(({ id, parent }) => [id, parent]));
    const place = (index: bigint) =>
      slots.find(({ place: at }) => at.kind === "cnode" && at.index === Number(index))!.id;
    for (const untyped of slots.filter(
      ({ type, id, object }) => type === "untyped" && id !== "pool 0" && !isDevice(object),
    ))
      expect(untyped.parent).toBe("pool 0");
    expect(parents.get(parents.get(place(endpoint))!)).toBe("pool 0");
    const [pool] = root.machine.memoryMap().pools;
    expect(pool!.untyped).toBeGreaterThan(pool!.frames / 3);
    expect(brokenInvariants(root.machine)).toEqual([]);
  });

  it("add up in machines of any size and division", () => {
    const parts = fc.array(
      fc.record({
        kind: fc.constantFrom("reserved", "firmware", "kernel", "persistent"),
        bytes: fc.integer({ min: 1, max: 130 }).map((pages) => pages * 4096),
        at: fc.constantFrom("start", "end"),
      }),
      { maxLength: 6 },
    );
    const dma = fc.integer({ min: 0, max: 1500 }).map((pages) => pages * 4096);
    const allocator = fc.constantFrom("bitmap", "free_list", "buddy");
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 17 }), parts, dma, allocator, (size, setAside, dmaBytes, kind) => {
        const physicalMemory = { ...plainMemory, setAside, dmaBytes, allocator: kind } as PhysicalMemoryConfig;
        const machine = testMachine({ memoryBytes: size * KiB * KiB, physicalMemory });
        const task = remote(machine);
        use(machine, task, 5);
        expect(brokenInvariants(machine)).toEqual([]);
        mustApply(machine, { kind: "createRemoteTask", name: "root", limits: noLimits, capabilities: true });
        expect(brokenInvariants(machine)).toEqual([]);
        for (const each of machine.tasks()) mustApply(machine, { kind: "killTask", task: each.task, signal: 9 });
        expect(brokenInvariants(machine)).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});

describe("revoking from outside", () => {
  it("ends a task with its memory", () => {
    const machine = testMachine();
    const [one, other] = [remote(machine, "one"), remote(machine, "other")];
    mustApply(machine, { kind: "revokeSlot", slot: `bank of task ${one} in pool 0`, itself: true });
    expect(machine.tasks()).toMatchObject([
      { task: one, status: { kind: "signaled", signal: 9 } },
      { task: other, state: "running" },
    ]);
    expect(machine.drainOutputs()).toContainEqual(
      expect.objectContaining({
        kind: "taskExited",
        task: one,
        fault: expect.objectContaining({ description: "its memory was revoked" }),
      }),
    );
    expect(brokenInvariants(machine)).toEqual([]);
  });

  it("closes the copies of a file, and with itself the file", () => {
    const machine = testMachine();
    const task = remote(machine);
    const write = (fd: number) => call(machine, task, 64, int(fd), { kind: "string", value: "x" }, int(1))!.value;
    expect([write(0), write(1), write(2)]).toEqual([1n, 1n, 1n]);
    mustApply(machine, { kind: "revokeSlot", slot: `descriptor 0 of task ${task}`, itself: false });
    expect([write(0), write(1), write(2)]).toEqual([1n, -9n, -9n]);
    mustApply(machine, { kind: "revokeSlot", slot: `descriptor 0 of task ${task}`, itself: true });
    expect(write(0)).toBe(-9n);
    expect(brokenInvariants(machine)).toEqual([]);
  });

  it("refuses what is not the kernel's to take", () => {
    const { machine, task } = new RootTask(testMachine());
    const slots = [
      "pool 0",
      "page cache in pool 0",
      "bank of task 0 in pool 0",
      "bank of task 1 in pool 9",
      "descriptor 99999 of task 1",
      graph(machine).slots.find(({ type }) => type === "tcb")!.id,
      "",
    ];
    for (const slot of slots)
      expect(refusal(machine, { kind: "revokeSlot", slot, itself: true })).toMatchObject({ code: "invalid" });
    for (const slot of [`descriptor 9 of task ${task}`, "bank of task 77 in pool 0"])
      expect(refusal(machine, { kind: "revokeSlot", slot, itself: true })).toMatchObject({ code: "notFound" });
  });
});

it.skipIf(!hasCompiler)("of a process and its child, pages that both have are counted once", () => {
  const machine = testMachine({ files: [fileOf("/bin/share", guest("share"))] });
  mustApply(machine, startInput("/bin/share"));
  runOn(machine, 2_000_000);
  const tasks = machine.tasks().map(({ task }) => task);
  expect(tasks).toHaveLength(2);
  const [pool] = machine.memoryMap().pools;
  const [parent, child] = tasks.map((task) => pool!.banks.find((bank) => bank.task === task)!);
  // 100 pages that were written before the fork, of which the child has written 30 anew.
  expect(child!.pages).toBeGreaterThanOrEqual(30);
  expect(child!.shared).toBeGreaterThanOrEqual(70);
  expect(parent!.shared).toBe(child!.shared);
  expect(pool!.shared).toBe(child!.shared);
  expect(brokenInvariants(machine)).toEqual([]);
  for (const task of tasks.reverse())
    mustApply(machine, { kind: "revokeSlot", slot: `bank of task ${task} in pool 0`, itself: true });
  expect(machine.memoryMap().pools[0]).toMatchObject({ banks: [], shared: 0 });
  expect(exitOf(machine.drainOutputs())?.status).toMatchObject({ kind: "signaled" });
  expect(brokenInvariants(machine)).toEqual([]);
});
