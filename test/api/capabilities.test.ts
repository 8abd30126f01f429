/** Capabilities through gRPC and REST: a client as root task, the graph of what it made, and its address spaces. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  CapabilityEdgeKind,
  CapabilityService,
  CapabilityType,
  GraphFormat,
  InvokeOperation,
  ObjectType,
} from "../../proto/gen/ostler/v1/capabilities_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { MemoryService, PageTableEntryKind } from "../../proto/gen/ostler/v1/memory_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { ApiError, type Client } from "../support/client.ts";
import { checkDot, checkXml } from "../support/pictures.ts";
import { startServer, type TestServer } from "../support/server.ts";

const whole = 64n;
const cnode = 2n;
const vspace = 3n;
const firstUntyped = 16n;
const objectType = { untyped: 0n, tcb: 1n, endpoint: 2n, notification: 3n, page: 6n, table: 8n };

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  let machineId: string;
  let task: number;
  beforeAll(async () => {
    client = server.client(transport);
    machineId = (await client.call(MachineService, "createMachine", { spec: {} })).machine!.machineId;
    const made = await client.call(TaskService, "createRemoteTask", { machineId, name: "root", capabilities: true });
    task = made.task!.task;
  });

  const invoke = (
    capability: bigint,
    method: string,
    words: bigint[],
    capabilities: bigint[] = [],
    more: object = {},
  ) =>
    client.call(CapabilityService, "invoke", {
      machineId,
      task,
      capability,
      what: { case: "method", value: method },
      words,
      capabilities,
      ...more,
    });
  const operate = (operation: InvokeOperation, capability: bigint, words: bigint[] = []) =>
    client.call(CapabilityService, "invoke", { machineId, task, operation, capability, words });
  const graph = (filter: object = {}, more: object = {}) =>
    client.call(CapabilityService, "getCapabilityGraph", { machineId, filter, pageSize: 1000, ...more });
  const make = async (type: bigint, slot: bigint): Promise<void> => {
    for (let untyped = firstUntyped; untyped < firstUntyped + 20n; untyped++)
      if ((await invoke(untyped, "UntypedRetype", [type, 0n, 0n, 0n, slot, 1n], [cnode])).label === 0n) return;
    throw new Error("no memory");
  };
  const refusal = async (call: Promise<unknown>): Promise<ApiError> => {
    const error = await call.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ApiError);
    return error as ApiError;
  };

  test("objects are made, capabilities derived, and the graph shows both", async () => {
    await make(objectType.endpoint, 100n);
    const minted = await invoke(cnode, "CNodeMint", [101n, whole, 100n, whole, 3n, 7n], [cnode]);
    expect(minted).toMatchObject({ label: 0n, errorName: "", taskAlive: true });
    const { slots, objects, edges, total } = await graph({ types: [CapabilityType.ENDPOINT] });
    expect(total).toBe(2n);
    const [original, badged] = slots;
    expect(original).toMatchObject({ place: { case: "cnode", value: { index: 100 } }, rights: "rwgp", badge: 0n });
    expect(badged).toMatchObject({ parent: original!.id, rights: "rw--", badge: 7n, object: original!.object });
    expect(badged!.holders).toMatchObject([{ task, thread: task }]);
    expect(edges).toMatchObject([
      { kind: CapabilityEdgeKind.DERIVATION, to: original!.id },
      { kind: CapabilityEdgeKind.CONTAINMENT, to: original!.id },
      { kind: CapabilityEdgeKind.REFERENCE, from: original!.id, to: original!.object },
      { kind: CapabilityEdgeKind.DERIVATION, from: original!.id, to: badged!.id },
      { kind: CapabilityEdgeKind.CONTAINMENT, to: badged!.id },
      { kind: CapabilityEdgeKind.REFERENCE, from: badged!.id, to: original!.object },
    ]);
    const endpoint = objects.find(({ id }) => id === original!.object);
    expect(endpoint).toMatchObject({ kind: CapabilityType.ENDPOINT, bytes: 16n, capabilities: 2 });
    expect(objects.find(({ kind }) => kind === CapabilityType.CNODE)?.detail).toMatchObject({ value: { radix: 12 } });
  });

  test("the graph has everything once, page by page, and hangs together", async () => {
    const all = await graph();
    const slots: string[] = [];
    for (let pageToken = ""; ; ) {
      const page = await graph({}, { pageSize: 7, pageToken });
      slots.push(...page.slots.map(({ id }) => id));
      if ((pageToken = page.nextPageToken) === "") break;
    }
    expect(slots).toEqual(all.slots.map(({ id }) => id));
    expect(BigInt(slots.length)).toBe(all.total);
    const ids = new Set([...slots, ...all.objects.map(({ id }) => id)]);
    for (const { from, to } of all.edges) expect([ids.has(from), ids.has(to)]).toEqual([true, true]);
    const tcb = all.objects.find(({ kind }) => kind === CapabilityType.TCB)!;
    expect(tcb.detail.value).toMatchObject({ task, thread: task, name: "rootserver", priority: 255, state: "blocked" });
    const cspace = all.slots.find(({ place }) => place.case === "tcb" && place.value.name === "cspace");
    expect(cspace).toMatchObject({ type: CapabilityType.CNODE, guard: 0n, guardBits: 52 });
    const untyped = all.objects.filter(({ kind }) => kind === CapabilityType.UNTYPED);
    for (const { bytes, detail } of untyped) {
      const { bytesUsed, bytesLeft } = detail.value as { bytesUsed: bigint; bytesLeft: bigint };
      expect(bytesUsed + bytesLeft).toBe(bytes);
    }
    expect((await graph({ task: 999 })).total).toBe(0n);
    // The pool and the page cache are no task's.
    expect((await graph({ task })).total).toBe(all.total - 2n);
    const bank = all.slots.find(({ type }) => type === CapabilityType.BANK)!;
    expect(bank).toMatchObject({
      place: { case: "kernel", value: `bank of task ${task} in pool 0` },
      parent: "pool 0",
    });
    expect((await graph({ objectAddress: tcb.address, types: [CapabilityType.TCB] })).total).toBe(1n);
  });

  test("it is drawn as DOT and as SVG", async () => {
    const render = (format: GraphFormat) =>
      client.call(CapabilityService, "renderCapabilityGraph", { machineId, format });
    const dot = await render(GraphFormat.DOT);
    expect(dot.mediaType).toBe("text/vnd.graphviz");
    expect(dot.text).toMatch(/^digraph capabilities \{\n[\s\S]*\n\}\n$/);
    checkDot(dot.text);
    expect(dot.text).toContain("badge 0x7");
    const svg = await render(GraphFormat.SVG);
    expect(svg.mediaType).toBe("image/svg+xml");
    expect(svg.text).toMatch(
      /<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="\d+" height="\d+" viewBox="0 0 \d+ \d+">/,
    );
    checkXml(svg.text);
    expect(svg.text.match(/<g class="slot">/g)).toHaveLength(Number((await graph()).total));
    expect(await refusal(client.call(CapabilityService, "renderCapabilityGraph", { machineId }))).toMatchObject({
      fields: ["format"],
    });
  });

  test("an address space is drawn as DOT and as SVG", async () => {
    const which = { machineId, space: { case: "task" as const, value: task } };
    const address = 0x30_0000_0000n;
    const render = (format: GraphFormat, more: object = { address }) =>
      client.call(MemoryService, "renderAddressSpace", { ...which, format, ...more });
    const space = await client.call(MemoryService, "getAddressSpace", { ...which, address, pageSize: 1000 });
    const dot = await render(GraphFormat.DOT);
    expect(dot.mediaType).toBe("text/vnd.graphviz");
    checkDot(dot.text);
    for (const { entry } of space.walk) expect(dot.text).toContain(` = 0x${entry.toString(16)}"`);
    const svg = await render(GraphFormat.SVG);
    expect(svg.mediaType).toBe("image/svg+xml");
    checkXml(svg.text);
    const count = (kind: string, { text } = svg) => text.split(`<g class="${kind}">`).length - 1;
    expect([count("table"), count("pages")]).toEqual([space.walk.length, space.ranges.length]);
    expect(svg.text).toContain(`the address is 0x${space.physicalAddress!.toString(16)}`);
    const last = space.ranges.at(-1)!;
    expect(count("pages", await render(GraphFormat.SVG, { start: last.start }))).toBe(1);
    expect(await refusal(render(GraphFormat.UNSPECIFIED))).toMatchObject({ fields: ["format"] });
    expect(await refusal(render(GraphFormat.DOT, { space: { case: "asid", value: 9999 } }))).toMatchObject({
      code: "NOT_FOUND",
    });
    expect(await refusal(render(GraphFormat.DOT, { start: 2n ** 63n }))).toMatchObject({ fields: ["start"] });
  });

  test("errors of objects and faults are answers that say what is wrong", async () => {
    const taken = await invoke(cnode, "cnodecopy", [101n, whole, 100n, whole, 15n], [cnode]);
    expect(taken).toMatchObject({ label: 8n, errorName: "DeleteFirst" });
    const range = await invoke(cnode, "CNodeDelete", [100n, 65n]);
    expect(range).toMatchObject({ errorName: "RangeError", words: [1n, 64n] });
    expect(range.errorDescription).toBe("an argument must be from 1 to 64");
    const fault = await operate(InvokeOperation.RECV, 3000n);
    expect(fault.fault).toMatchObject({ label: 1n });
    expect(fault.fault?.description).toContain("capability address 0xbb8");
    expect(await refusal(invoke(cnode, "CNodeEat", []))).toMatchObject({
      code: "INVALID_ARGUMENT",
      fields: ["method"],
    });
    expect(await refusal(operate(InvokeOperation.WAIT, 100n, [1n]))).toMatchObject({ fields: ["words"] });
    const plain = await client.call(TaskService, "createRemoteTask", { machineId, name: "plain" });
    const other = client.call(CapabilityService, "invoke", { machineId, task: plain.task!.task, capability: 1n });
    expect(await refusal(other)).toMatchObject({ code: "FAILED_PRECONDITION" });
  });

  test("the same key makes it happen once", async () => {
    const once = () =>
      invoke(cnode, "CNodeCopy", [102n, whole, 100n, whole, 15n], [cnode], { idempotencyKey: `copy-${transport}` });
    const first = await once();
    expect(first.label).toBe(0n);
    expect(await once()).toEqual(first);
  });

  test("signals are kept and taken, also over hibernation", async () => {
    await make(objectType.notification, 110n);
    await invoke(cnode, "CNodeMint", [111n, whole, 110n, whole, 15n, 0x40n], [cnode]);
    await operate(InvokeOperation.SIGNAL, 111n);
    const before = await graph();
    await client.call(MachineService, "hibernateMachine", { machineId });
    expect((await graph()).slots).toEqual(before.slots);
    expect((await graph({ types: [CapabilityType.NOTIFICATION] })).objects.at(-1)?.detail.value).toMatchObject({
      active: true,
      word: 0x40n,
    });
    expect(await operate(InvokeOperation.WAIT, 110n)).toMatchObject({ badge: 0x40n, cancelled: false });
    expect(await operate(InvokeOperation.POLL, 110n)).toMatchObject({ badge: 0n });
  });

  test("the most used methods have operations of their own", async () => {
    const here = { machineId, task };
    // The first untyped capability may be used up by what other tests made.
    const untyped = (await graph({ task, types: [CapabilityType.UNTYPED] })).objects
      .filter(({ kind }) => kind === CapabilityType.UNTYPED)
      .sort((a, b) => Number(b.bytes - a.bytes))[0]!;
    const holder = (await graph({ task, types: [CapabilityType.UNTYPED] })).slots.find(
      ({ object }) => object === untyped.id,
    )!;
    const address = BigInt((holder.place.value as { index: number }).index);
    const retype = { ...here, untyped: address, type: ObjectType.ENDPOINT, index: 300, count: 3 };
    const made = await client.call(CapabilityService, "retypeUntyped", retype);
    expect(made.answer).toMatchObject({ label: 0n, errorName: "" });
    const copy = { ...here, source: 300n, destination: 310n, rights: "r", data: 9n };
    expect((await client.call(CapabilityService, "copyCapability", copy)).answer).toMatchObject({ errorName: "" });
    expect((await client.call(CapabilityService, "copyCapability", copy)).answer?.errorName).toBe("DeleteFirst");
    const at = async (index: number) =>
      (await graph({ types: [CapabilityType.ENDPOINT] })).slots.find(
        ({ place }) => place.case === "cnode" && place.value.index === index,
      );
    expect(await at(310)).toMatchObject({ rights: "r---", badge: 9n, parent: (await at(300))!.id });
    await client.call(CapabilityService, "revokeCapability", { ...here, slot: 300n });
    expect(await at(310)).toBeUndefined();
    const gone = await client.call(CapabilityService, "deleteCapability", { ...here, slot: 302n });
    expect(gone.answer).toMatchObject({ label: 0n, taskAlive: true });
    expect(await at(302)).toBeUndefined();
    const nothing = client.call(CapabilityService, "retypeUntyped", { ...retype, type: 0 });
    expect(await refusal(nothing)).toMatchObject({ fields: ["type"] });
    expect(await refusal(client.call(CapabilityService, "copyCapability", { ...copy, rights: "x" }))).toMatchObject({
      fields: ["rights"],
    });
  });

  test("copies, moves and deletes between CNodes, by as many bits of the addresses as they have", async () => {
    const here = { machineId, task };
    await make(objectType.endpoint, 420n);
    const biggest = 16n;
    const node = { ...here, untyped: biggest, type: ObjectType.CNODE, sizeBits: 4, index: 421 };
    const made = await client.call(CapabilityService, "retypeUntyped", node);
    expect(made.answer).toMatchObject({ label: 0n, errorName: "" });
    const into = { ...here, source: 420n, destination: 5n, destinationCnode: 421n, destinationDepth: 4 };
    const copied = await client.call(CapabilityService, "copyCapability", { ...into, data: 3n });
    expect(copied.answer).toMatchObject({ label: 0n, errorName: "" });
    const within = { ...here, cnode: 421n, depth: 4, source: 5n, destination: 6n };
    const moved = await client.call(CapabilityService, "moveCapability", within);
    expect(moved.answer).toMatchObject({ label: 0n, errorName: "" });
    const inNode = async () =>
      (await graph({ task, types: [CapabilityType.ENDPOINT] })).slots.find(
        ({ badge, place }) => badge === 3n && place.case === "cnode" && place.value.index === 6,
      );
    expect(await inNode()).toBeDefined();
    // All 64 bits lead nowhere there.
    const wrong = await client.call(CapabilityService, "deleteCapability", { ...here, cnode: 421n, slot: 6n });
    expect(wrong.answer?.errorName).toBe("FailedLookup");
    await client.call(CapabilityService, "deleteCapability", { ...here, cnode: 421n, depth: 4, slot: 6n });
    expect(await inNode()).toBeUndefined();
  });

  test("a page is mapped and a thread configured by operations with names", async () => {
    const here = { machineId, task };
    const at = 0x28_0000_0000n;
    await make(objectType.page, 400n);
    await make(objectType.tcb, 401n);
    const map = (more: object = {}) =>
      client.call(CapabilityService, "mapFrame", { ...here, frame: 400n, address: at, ...more });
    expect((await map()).answer?.errorName).toBe("FailedLookup");
    for (let table = 402n; table < 404n; table++) {
      await make(objectType.table, table);
      const put = client.call(CapabilityService, "mapPageTable", { ...here, table, address: at });
      expect((await put).answer).toMatchObject({ label: 0n, errorName: "" });
    }
    expect((await map({ permissions: "rx" })).answer).toMatchObject({ label: 0n });
    expect(await refusal(map({ permissions: "rwq" }))).toMatchObject({ fields: ["permissions"] });
    const space = await client.call(MemoryService, "getAddressSpace", {
      machineId,
      space: { case: "task", value: task },
      address: at,
    });
    expect(space.walk.at(-1)).toMatchObject({ permissions: "r-x" });
    const configure = { ...here, tcb: 401n, faultHandler: 77n };
    const wrong = client.call(CapabilityService, "configureThread", { ...configure, cspace: 400n });
    expect((await wrong).answer?.errorName).toBe("IllegalOperation");
    const right = await client.call(CapabilityService, "configureThread", configure);
    expect(right.answer).toMatchObject({ label: 0n });
    const { objects } = await graph({ task, types: [CapabilityType.TCB] });
    expect(objects.map(({ detail }) => (detail.value as { faultHandler: bigint }).faultHandler)).toContain(77n);
    const moved = await client.call(CapabilityService, "moveCapability", { ...here, source: 401n, destination: 410n });
    expect(moved.answer).toMatchObject({ label: 0n });
    const again = client.call(CapabilityService, "moveCapability", {
      ...here,
      source: 401n,
      destination: 411n,
      data: 0n,
    });
    expect((await again).answer?.errorName).toBe("FailedLookup");
    for (const slot of [400n, 402n, 403n, 410n])
      await client.call(CapabilityService, "deleteCapability", { ...here, slot });
  });

  test("descriptors and whole tasks are revoked by the names that the graph has", async () => {
    const other = await client.call(TaskService, "createRemoteTask", { machineId, name: "other" });
    const number = other.task!.task;
    const revoke = (slot: string, itself = false) =>
      client.call(CapabilityService, "revokeSlot", { machineId, slot, itself });
    const descriptors = async () =>
      (await graph({ task: number, types: [CapabilityType.FILE] })).slots.map(({ id }) => id);
    expect(await descriptors()).toHaveLength(3);
    const answer = await revoke(`descriptor 0 of task ${number}`);
    expect(answer.position!.instructions).toBeTypeOf("bigint");
    expect(await descriptors()).toEqual([`descriptor 0 of task ${number}`]);
    expect(await refusal(revoke("pool 0"))).toMatchObject({ fields: ["slot"] });
    expect((await refusal(revoke(`descriptor 2 of task ${number}`))).message).toContain("or it was revoked");
    await revoke(`bank of task ${number} in pool 0`, true);
    const { tasks } = await client.call(TaskService, "listTasks", { machineId });
    const ended = tasks.find((each) => each.task === number);
    expect(ended?.exitStatus?.status).toMatchObject({ case: "signal", value: 9 });
  });

  test("a call that waits ends with its request, and the task makes the next one", async () => {
    await make(objectType.endpoint, 115n);
    const tasks = async () => (await client.call(TaskService, "listTasks", { machineId })).tasks;
    const waits = async () => (await tasks())[0]?.threads[0]?.wait ?? "";
    const leave = new AbortController();
    const request = { machineId, task, operation: InvokeOperation.RECV, capability: 115n };
    const gone = client.call(CapabilityService, "invoke", request, leave.signal).catch(() => "gone");
    while (!(await waits()).startsWith("receive from endpoint")) await new Promise((later) => setTimeout(later, 5));
    const { objects } = await graph({ types: [CapabilityType.ENDPOINT] });
    const waited = objects.find(({ detail }) => detail.case === "endpoint" && detail.value.waiters.length > 0);
    expect(waited?.detail.value).toMatchObject({ waitingTo: "receive", waiters: [task] });
    expect(await refusal(operate(InvokeOperation.POLL, 115n))).toMatchObject({ code: "FAILED_PRECONDITION" });
    leave.abort();
    expect(await gone).toBe("gone");
    while ((await waits()) !== "a client's call") await new Promise((later) => setTimeout(later, 5));
    expect(await operate(InvokeOperation.POLL, 115n)).toMatchObject({ badge: 0n, label: 0n });
  });

  test("an address space is walked level by level, and what is mapped is listed", async () => {
    const at = 0x20_0000_0000n;
    await make(objectType.page, 120n);
    await make(objectType.table, 121n);
    await make(objectType.table, 122n);
    for (const table of [121n, 122n])
      expect(await invoke(table, "RISCVPageTableMap", [at, 0n], [vspace])).toMatchObject({ label: 0n });
    expect(await invoke(120n, "RISCVPageMap", [at, 2n, 1n], [vspace])).toMatchObject({ label: 0n });
    const { words } = await invoke(120n, "RISCVPageGetAddress", []);
    const space = (which: object, more: object = {}) =>
      client.call(MemoryService, "getAddressSpace", { machineId, space: which as never, ...more });
    const own = await space({ case: "task", value: task }, { address: at + 8n });
    expect(own.walk).toMatchObject([
      { level: 2, coversBits: 30, kind: PageTableEntryKind.TABLE },
      { level: 1, coversBits: 21, kind: PageTableEntryKind.TABLE },
      { level: 0, coversBits: 12, kind: PageTableEntryKind.PAGE, address: words[0], permissions: "r--" },
    ]);
    expect(own.walk[0]!.entryAddress).toBe(own.rootAddress + ((at >> 30n) & 511n) * 8n);
    expect(own.walk[1]!.entryAddress).toBe(own.walk[0]!.address + ((at >> 21n) & 511n) * 8n);
    expect(own.physicalAddress).toBe(words[0]! + 8n);
    const entry = await client.call(MemoryService, "readPhysicalMemory", {
      machineId,
      address: own.walk[2]!.entryAddress,
      length: 8,
    });
    expect(Buffer.from(entry.data).readBigUInt64LE(0)).toBe(own.walk[2]!.entry);
    expect(own.ranges).toContainEqual(
      expect.objectContaining({ start: at, pages: 1n, pageBytes: 4096, physicalAddress: words[0], permissions: "r--" }),
    );
    expect((await space({ case: "thread", value: task })).ranges).toEqual(own.ranges);
    expect((await space({ case: "asid", value: own.asid })).rootAddress).toBe(own.rootAddress);
    const page = await space({ case: "task", value: task }, { pageSize: 1 });
    expect(page.ranges).toEqual(own.ranges.slice(0, 1));
    expect((await space({ case: "task", value: task }, { pageToken: page.nextPageToken })).ranges).toEqual(
      own.ranges.slice(1),
    );
    await make(objectType.tcb, 130n);
    const thread = (await graph({ types: [CapabilityType.TCB] })).objects
      .map(({ detail }) => (detail.case === "tcb" && detail.value.state === "inactive" ? detail.value.thread : 0))
      .find((number) => number !== 0)!;
    expect(await refusal(space({ case: "thread", value: thread }))).toMatchObject({ reason: "NO_ADDRESS_SPACE" });
    expect(await refusal(space({ case: "asid", value: 60_000 }))).toMatchObject({ code: "NOT_FOUND" });
  });
});
