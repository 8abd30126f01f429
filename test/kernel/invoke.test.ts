/** A client as root task: seL4's calls made from outside. */
import { beforeEach, describe, expect, it } from "vitest";
import type { CallId, Input, Machine } from "../../kernel/index.ts";
import { catalogue, categories, decodeRecords } from "../../kernel/trace/index.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { mustApply, noLimits, restoreMachine, runOn, testMachine, testPorts } from "../support/machine.ts";
import { callCode, first, objectType, RootTask } from "../support/root-task.ts";

let machine: Machine;
let root: RootTask;
beforeEach(() => {
  machine = testMachine();
  root = new RootTask(machine);
});

const refused = (input: Input): unknown => {
  const before = machine.encodeState();
  const result = machine.apply(input);
  expect(machine.encodeState()).toEqual(before);
  return result.ok ? "accepted" : result.error;
};

/** A method of an object, called by a thread. The tag's label does not fit into a small number: lui, and the length on top. */
function methodCode(capability: bigint, label: number, words: number[]): number[] {
  const call = callCode(-1, capability, words);
  const tag = [(0x5b7 | (label << 12)) >>> 0, ((words.length << 20) | 0x58593) >>> 0];
  return [...call.slice(0, 2), ...tag, ...call.slice(3)];
}

const code = 0x10_0000_0000n;
const cancel = (call: CallId): void => void mustApply(machine, { kind: "cancelCall", call });

describe("a remote-driven root task", () => {
  it("makes objects, derives capabilities, and gets errors as values", () => {
    const endpoint = root.make(objectType.endpoint);
    const badged = root.mint(endpoint, 7n);
    expect(root.method("cnodeMint", first.cnode, [badged, 64n, endpoint, 64n, 15n, 9n], [first.cnode])).toMatchObject({
      label: 8n,
    });
    expect(root.method("cnodeDelete", first.cnode, [1n, 65n])).toMatchObject({ label: 4n, words: [1n, 64n] });
    expect(root.revoke(endpoint)).toMatchObject({ label: 0n });
    expect(root.method("cnodeMove", first.cnode, [900n, 64n, badged, 64n], [first.cnode])).toMatchObject({
      label: 6n,
      words: [1n, 2n, 64n],
    });
  });

  it("does much in steps", () => {
    const untyped = root.make(objectType.untyped, 16n);
    for (let i = 0; i < 4; i++)
      root.must(
        "untypedRetype",
        untyped,
        [objectType.endpoint, 0n, 0n, 0n, 1000n + 200n * BigInt(i), 200n],
        [first.cnode],
      );
    expect(root.revoke(untyped)).toMatchObject({ kind: "message", label: 0n });
    expect(machine.capabilities(null, 10_000, { task: null, types: ["endpoint"], object: null }).total).toBe(0);
  });

  it("does very much in steps, between which others run, whatever becomes of them", () => {
    const untyped = root.make(objectType.untyped, 16n);
    const node = root.make(objectType.cnode, 11n);
    for (let i = 0; i < 8; i++)
      root.must("untypedRetype", untyped, [objectType.endpoint, 0n, node, 64n, BigInt(i) * 200n, 200n], [first.cnode]);
    const left = () => machine.capabilities(null, 1, { task: null, types: ["endpoint"], object: null }).total;
    const other = root.thread(code, [0x0013_0313, 0xffdf_f06f]); // addi t1, t1, 1; j -4
    root.must("tcbSetPriority", other, [255n], [first.tcb]);
    const instructions = () => machine.tasks()[0]!.threads.at(-1)!.instructions;
    const begin = () => root.start("call", first.cnode, { label: 16n, words: [untyped, 64n] });
    const call = begin();
    expect(left()).toBeGreaterThan(1500);
    const before = { left: left(), instructions: instructions() };
    runOn(machine, 40_000);
    // The other one's whole turns lie between those of the client, in each of which some steps are made.
    expect(before.left - left()).toBeGreaterThan(100);
    expect(left()).toBeGreaterThan(0);
    expect(instructions()).toBeGreaterThan(before.instructions + 20_000);
    expect(machine.tasks()[0]?.threads[0]).toMatchObject({ call });
    expect(brokenInvariants(machine)).toEqual([]);
    const copy = restoreMachine(machine.encodeState(), testPorts(), () => false);
    for (let page = 0; page < machine.memory.pages; page++) copy.providePage(page, machine.memory.page(page).slice());
    for (const each of [machine, copy]) for (let i = 0; i < 50; i++) runOn(each, 1013);
    expect(copy.encodeState()).toEqual(machine.encodeState());
    // Called off, it has done what it has done; begun again and with the machine at rest, it is done at once.
    cancel(call);
    expect(root.answer(call)).toEqual({ kind: "cancelled" });
    const rest = left();
    runOn(machine, 100_000);
    expect(left()).toBe(rest);
    expect(rest).toBeGreaterThan(0);
    const again = begin();
    mustApply(machine, { kind: "pause" });
    expect(root.answer(again)).toMatchObject({ kind: "message", label: 0n });
    expect(left()).toBe(0);
    expect(brokenInvariants(machine)).toEqual([]);
    const killed = new RootTask(testMachine());
    killed.must("untypedRetype", killed.make(objectType.untyped, 13n), [2n, 0n, 0n, 0n, 1000n, 200n], [first.cnode]);
    killed.start("call", first.cnode, { label: 16n, words: [200n, 64n] });
    mustApply(killed.machine, { kind: "killTask", task: killed.task, signal: 9 });
    expect(brokenInvariants(killed.machine)).toEqual([]);
  });

  it("is told that its long call was cancelled, whatever somebody did to its thread meanwhile", () => {
    const untyped = root.make(objectType.untyped, 14n);
    root.must("untypedRetype", untyped, [objectType.endpoint, 0n, 0n, 0n, 1000n, 200n], [first.cnode]);
    const writeRegisters = 3;
    const other = root.thread(code, methodCode(root.copy(first.tcb), writeRegisters, [0, 1, 64]));
    root.must("tcbSetPriority", other, [255n], [first.tcb]);
    const call = root.start("call", first.cnode, { label: 16n, words: [untyped, 64n] });
    runOn(machine, 3);
    expect(root.answer(call)).toBeNull();
    runOn(machine, 8);
    cancel(call);
    expect(machine.summary().run).not.toBe("frozen");
    expect(root.answer(call)).toEqual({ kind: "cancelled" });
    expect(root.do("yieldHart", 0n)).toMatchObject({ kind: "message" });
    expect(brokenInvariants(machine)).toEqual([]);
  });

  it("takes and gives signals, and waits for them until it is cancelled", () => {
    const notification = root.make(objectType.notification);
    const badged = root.mint(notification, 0x10n);
    expect(root.do("nbRecv", notification)).toMatchObject({ kind: "message", badge: 0n });
    expect(root.do("send", badged)).toMatchObject({ kind: "message", badge: 0n, words: [] });
    expect(root.do("recv", notification)).toMatchObject({ kind: "message", badge: 0x10n });
    const call = root.start("recv", notification);
    expect(root.answer(call)).toBeNull();
    expect(machine.tasks()[0]?.threads[0]).toMatchObject({ state: "blocked", call });
    expect(refused(root.input("send", badged))).toMatchObject({ code: "failedPrecondition", field: "task" });
    cancel(call);
    expect(root.answer(call)).toEqual({ kind: "cancelled" });
    expect(root.do("nbRecv", notification)).toMatchObject({ badge: 0n });
  });

  it("exchanges messages with threads that it made", () => {
    const endpoint = root.make(objectType.endpoint);
    root.thread(code, callCode(-1, root.mint(endpoint, 5n), [42, 43]));
    const call = root.start("recv", endpoint);
    expect(root.answer(call)).toBeNull();
    runOn(machine, 1000);
    expect(root.answer(call)).toMatchObject({ badge: 5n, words: [42n, 43n], ofKernel: false });
    const waiting = root.start("replyRecv", endpoint, { label: 3n, words: [1n] });
    expect(root.answer(waiting)).toBeNull();
    cancel(waiting);
    expect(root.answer(waiting)).toEqual({ kind: "cancelled" });
  });

  it("calls a thread, and is answered once: a cancelled call's answer reaches nobody", () => {
    const endpoint = root.make(objectType.endpoint);
    const loop = callCode(-5, endpoint).slice(0, -1);
    const answer = callCode(-2, endpoint, [77]);
    root.thread(code, [...loop, ...answer]);
    runOn(machine, 1000);
    const call = root.start("call", endpoint, { label: 9n, words: [1n, 2n, 3n, 4n, 5n] });
    cancel(call);
    expect(root.answer(call)).toEqual({ kind: "cancelled" });
    runOn(machine, 1000);
    expect(machine.drainOutputs()).toEqual([]);
    const again = root.start("call", endpoint, { words: [8n] });
    expect(root.answer(again)).toBeNull();
    expect(machine.summary().run).not.toBe("frozen");
  });

  it("is told of a fault that nobody handles", () => {
    expect(root.do("recv", 5000n)).toMatchObject({ kind: "fault", label: 1 });
    expect(root.do("send", 1n << 40n)).toMatchObject({
      kind: "fault",
      label: 1,
      words: [expect.anything(), 1n << 40n, 0n, 4n, 64n, 0n, 52n],
    });
    expect(root.do("nbSend", 1n << 40n)).toMatchObject({ kind: "message" });
  });

  it("can stop itself, and be started by another thread", () => {
    const before = root.copy(first.tcb);
    const call = root.start("call", first.tcb, { label: 11n });
    expect(root.answer(call)).toBeNull();
    cancel(call);
    expect(root.answer(call)).toEqual({ kind: "cancelled" });
    root.thread(
      code,
      callCode(-1, before, []).map((word, i) => (i === 2 ? 0x0000_c5b7 : word)),
    );
    const stopped = root.start("call", first.tcb, { label: 11n });
    runOn(machine, 1000);
    expect(root.answer(stopped)).toMatchObject({ kind: "message", label: 0n });
    // While it makes no call it is its client's alone: a resume does nothing.
    root.machine.apply({ kind: "pause" });
    expect(root.do("yieldHart", 0n)).toMatchObject({ kind: "message" });
  });

  it("keeps its thread to itself: others can neither start it nor send it elsewhere", () => {
    const own = root.copy(first.tcb);
    const [writeRegisters, resume] = [3, 12];
    const invoke = (label: number, words: number[]): number[] => methodCode(own, label, words);
    const attempts: [number, number[]][] = [
      [writeRegisters, [1, 1, 64]],
      [writeRegisters, [0, 1, 64]],
      [resume, []],
    ];
    for (const [i, [label, words]] of attempts.entries()) {
      root.thread(code + 0x1000n * BigInt(i), invoke(label, words));
      runOn(machine, 1000);
      expect(brokenInvariants(machine)).toEqual([]);
      expect(machine.tasks()[0]?.threads[0]).toMatchObject({ state: "blocked", wait: "a client's call" });
      expect(root.do("yieldHart", 0n)).toMatchObject({ kind: "message" });
    }
  });

  it("may delete its own thread, and is then no use any more", () => {
    const call = root.start("call", first.cnode, { label: 17n, words: [first.tcb, 64n] });
    expect(root.answer(call)).toMatchObject({ kind: "cancelled" });
    expect(refused(root.input("yieldHart", 0n))).toMatchObject({ code: "failedPrecondition", field: "task" });
    // That was its last one.
    expect(machine.tasks().find(({ task }) => task === root.task)?.status).toEqual({ kind: "exited", code: 0 });
    expect(machine.memoryMap().owners.map(({ owner }) => owner)).not.toContain("untyped");
  });

  it("refuses what cannot be, and changes nothing", () => {
    const plain = mustApply(machine, { kind: "createRemoteTask", name: "plain", limits: noLimits })!;
    expect(refused({ ...root.input("yieldHart", 0n), task: plain })).toMatchObject({ code: "failedPrecondition" });
    const bad = (message: object) => refused({ ...root.input("call", 1n), ...message });
    expect(bad({ words: Array(121).fill(0n) })).toMatchObject({ field: "words" });
    expect(bad({ words: [-1n] })).toMatchObject({ field: "words" });
    expect(bad({ capabilities: [1n, 1n, 1n, 1n] })).toMatchObject({ field: "capabilities" });
    expect(bad({ label: 1n << 52n })).toMatchObject({ field: "label" });
    expect(bad({ operation: "toString" })).toMatchObject({ field: "operation" });
    expect(bad({ words: null })).toMatchObject({ code: "invalid" });
    root.must("tcbSetIPCBuffer", first.tcb, [0n], [first.buffer]);
    expect(bad({ words: [1n, 1n, 1n, 1n, 1n] })).toMatchObject({ code: "failedPrecondition" });
    const tiny = testMachine({ memoryBytes: 2 ** 20 });
    const created = tiny.apply({ kind: "createRemoteTask", name: "r", limits: noLimits, capabilities: true });
    expect(created).toMatchObject({ ok: false, error: { code: "exhausted" } });
  });

  it("lets one root task take its share of the numbers of address spaces, and others begin all the same", () => {
    const greedy = new RootTask(testMachine());
    const control = 5n;
    const makePool = (): bigint => {
      const memory = greedy.make(objectType.untyped, 12n);
      const words = [greedy.slot(), 64n];
      return greedy.method("asidControlMakePool", control, words, [memory, first.cnode]).label;
    };
    // One it has from the beginning.
    const made = Array.from({ length: 16 }, makePool);
    expect(made).toEqual([...Array(15).fill(0n), 8n]);
    expect(brokenInvariants(greedy.machine)).toEqual([]);
    const next = new RootTask(greedy.machine);
    next.must("asidControlMakePool", control, [next.slot(), 64n], [next.make(objectType.untyped, 12n), first.cnode]);
  });

  it("waits on through a snapshot, and a replay is the same", () => {
    const build = (target: Machine): { root: RootTask; call: CallId } => {
      const remote = new RootTask(target);
      const endpoint = remote.make(objectType.endpoint);
      remote.thread(code, callCode(-3, endpoint, [6]));
      return { root: remote, call: remote.start("recv", endpoint) };
    };
    const one = testMachine();
    const { call } = build(one);
    const two = testMachine();
    build(two);
    expect(two.encodeState()).toEqual(one.encodeState());
    const copy = restoreMachine(one.encodeState(), testPorts(), () => false);
    for (let page = 0; page < one.memory.pages; page++) copy.providePage(page, one.memory.page(page).slice());
    for (const each of [one, copy]) runOn(each, 1000);
    const done = { kind: "callDone", call, answer: { kind: "message", words: [6n] } };
    expect(one.drainOutputs()).toMatchObject([done]);
    expect(copy.drainOutputs()).toMatchObject([done]);
    expect(copy.encodeState()).toEqual(one.encodeState());
  });
});

describe("the address space of the thread on the hart", () => {
  /** What the thread does now, in this machine and in one that was restored from it. */
  function expectSame(): void {
    const copy = restoreMachine(machine.encodeState(), testPorts(), () => false);
    for (let page = 0; page < machine.memory.pages; page++) copy.providePage(page, machine.memory.page(page).slice());
    for (const each of [machine, copy]) runOn(each, 10);
    expect(copy.encodeState()).toEqual(machine.encodeState());
    expect(brokenInvariants(machine)).toEqual([]);
  }
  const stay = 0x6f;

  it("is another one as soon as a client says so", () => {
    const tcb = root.thread(code, [stay]);
    runOn(machine, 1000);
    const table = root.make(objectType.table);
    root.must("asidPoolAssign", first.asidPool, [], [table]);
    root.must("tcbSetSpace", tcb, [0n, 0n, 0n], [first.cnode, table]);
    expectSame();
    expect(machine.tasks()[0]?.threads[1]).toMatchObject({ state: "blocked", wait: "inactive" });
  });

  it("is none as soon as a client takes it away, whatever its table is used for then", () => {
    const untyped = root.make(objectType.untyped, 12n);
    const table = root.slot();
    root.must("untypedRetype", untyped, [objectType.table, 0n, 0n, 0n, table, 1n], [first.cnode]);
    root.must("asidPoolAssign", first.asidPool, [], [table]);
    const frame = root.make(objectType.page);
    const [physical] = root.must("pageGetAddress", frame);
    mustApply(machine, { kind: "writePhysical", address: Number(physical), bytes: new Uint8Array([stay, 0, 0, 0]) });
    // Where a page of 1 GiB that begins with RAM would show it, too.
    const at = code + physical! - 0x8000_0000n;
    for (let level = 0; level < 2; level++) root.must("pageTableMap", root.make(objectType.table), [at, 0n], [table]);
    root.must("pageMap", frame, [at, 3n, 0n], [table]);
    const tcb = root.make(objectType.tcb);
    root.must("tcbConfigure", tcb, [0n, 0n, 0n, 0n], [first.cnode, table, first.buffer]);
    root.must("tcbSetPriority", tcb, [100n], [first.tcb]);
    root.must("tcbWriteRegisters", tcb, [1n, 1n, at]);
    runOn(machine, 1000);
    const { thread } = machine.tasks()[0]!.threads[1]!;
    const { root: top } = machine.addressSpace({ thread }, { address: null, from: 0, limit: 1 })!;
    expect(machine.tasks()[0]?.threads[1]).toMatchObject({ state: "running" });
    root.revoke(untyped);
    root.must("untypedRetype", untyped, [objectType.page, 0n, 0n, 0n, table, 1n], [first.cnode]);
    const entry = new Uint8Array(BigUint64Array.from([(0x80000n << 10n) | 0xdbn]).buffer);
    mustApply(machine, { kind: "writePhysical", address: Number(top) + 8 * Number(code >> 30n), bytes: entry });
    expectSame();
    expect(machine.tasks()[0]?.threads[1]).toMatchObject({ state: "blocked", wait: "inactive" });
  });
});

describe("the trace of capabilities", () => {
  it("has an event for what each method does", () => {
    machine.setTraceMask(1 << categories.indexOf("capability"));
    const at = 0x20_0000_0000n;
    const frame = root.map(at);
    root.must("pageUnmap", frame);
    const tcb = root.make(objectType.tcb);
    const notification = root.make(objectType.notification);
    root.must("tcbBindNotification", tcb, [], [notification]);
    root.must("tcbSuspend", tcb);
    const handler = root.slot();
    root.must("irqIssueIRQHandler", 4n, [10n, handler, 64n], [first.cnode]);
    root.must("irqSetIRQHandler", handler, [], [notification]);
    root.must("irqAckIRQ", handler);
    root.must("asidPoolAssign", first.asidPool, [], [root.make(objectType.table)]);
    root.method("tcbResume", frame);
    root.revoke(notification);
    const names = decodeRecords(machine.drainTrace(), catalogue).map(({ type }) => type.name);
    const all = ["cap.retype", "cap.map", "cap.unmap", "cap.tcb", "cap.irq", "cap.space", "cap.refuse", "cap.revoke"];
    expect(names).toEqual(expect.arrayContaining(all));
    expect(names.filter((name) => name === "cap.irq")).toHaveLength(3);
  });
});
