/** Physical memory through gRPC and REST: how it is divided, and who has it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GraphFormat } from "../../proto/gen/ostler/v1/capabilities_pb.js";
import {
  CommitPolicy,
  FrameAllocator,
  MachineService,
  MemoryRangeKind,
} from "../../proto/gen/ostler/v1/machines_pb.js";
import { FrameOwner, type GetMemoryMapResponse, MemoryService, ZoneKind } from "../../proto/gen/ostler/v1/memory_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { ApiError, type Client } from "../support/client.ts";
import { compileC, sources } from "../support/guest.ts";
import { checkDot, checkXml } from "../support/pictures.ts";
import { startServer, type TestServer } from "../support/server.ts";

const MiB = 1n << 20n;
const RAM = 0x8000_0000n;

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let client: Client;
  beforeAll(() => {
    client = server.client(transport);
  });

  const make = async (spec: object): Promise<string> =>
    (await client.call(MachineService, "createMachine", { spec })).machine!.machineId;
  const map = (machineId: string) => client.call(MemoryService, "getMemoryMap", { machineId });
  const ramOf = ({ ranges }: GetMemoryMapResponse) => ranges.filter(({ kind }) => kind !== MemoryRangeKind.DEVICE);
  const refusal = async (spec: object): Promise<ApiError> => {
    const error = await make(spec).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ApiError);
    return error as ApiError;
  };

  test("a machine that asks for nothing has one zone of all its RAM, and a bitmap", async () => {
    const answer = await map(await make({}));
    expect(answer.ranges).toContainEqual(
      expect.objectContaining({ kind: MemoryRangeKind.DEVICE, start: 0x1000_0000n, name: "uart" }),
    );
    expect(ramOf(answer)).toMatchObject([
      { kind: MemoryRangeKind.AVAILABLE, start: RAM, bytes: 64n * MiB, name: "ram" },
    ]);
    expect(answer.zones).toMatchObject([{ kind: ZoneKind.NORMAL, start: RAM, bytes: 64n * MiB }]);
    expect(answer).toMatchObject({ allocator: FrameAllocator.BITMAP, frameBytes: 4096, frames: 16384n });
    expect(answer.free).toMatchObject({ frames: 16384n, largest: 16384n, fragmentation: 0 });
    expect(answer.owners).toMatchObject([{ owner: FrameOwner.FREE, frames: 16384n }]);
  });

  test("what a spec sets aside is nobody's to allocate, and zones keep what is for them", async () => {
    const machineId = await make({
      memoryBytes: 32n * MiB,
      physicalMemory: {
        allocator: FrameAllocator.BUDDY,
        setAside: [
          { kind: MemoryRangeKind.FIRMWARE, bytes: MiB },
          { kind: MemoryRangeKind.PERSISTENT, bytes: 2n * MiB, atEnd: true },
        ],
        dmaBytes: 16n * MiB,
      },
    });
    const answer = await map(machineId);
    expect(ramOf(answer)).toMatchObject([
      { kind: MemoryRangeKind.FIRMWARE, start: RAM, bytes: MiB },
      { kind: MemoryRangeKind.AVAILABLE, start: RAM + MiB, bytes: 29n * MiB },
      { kind: MemoryRangeKind.PERSISTENT, start: RAM + 30n * MiB, bytes: 2n * MiB },
    ]);
    expect(answer.zones).toMatchObject([
      { kind: ZoneKind.NORMAL, start: RAM + 16n * MiB, bytes: 14n * MiB },
      { kind: ZoneKind.DMA, start: RAM + MiB, bytes: 15n * MiB },
      { kind: ZoneKind.PERSISTENT, start: RAM + 30n * MiB, bytes: 2n * MiB },
    ]);
    expect(answer.allocator).toBe(FrameAllocator.BUDDY);
    // 15 MiB from 1 MiB on are blocks of 1, 2, 4 and 8 MiB.
    expect(answer.zones[1]?.free).toMatchObject({ frames: 3840n, largest: 2048n, fragmentation: 1 - 2048 / 3840 });
    expect(answer.zones[1]?.free?.piecesByOrder.slice(8)).toEqual([1n, 1n, 1n, 1n]);
    expect(answer.free?.frames).toBe(29n * 256n);
    expect(answer.owners).toMatchObject([
      { owner: FrameOwner.FREE, frames: 31n * 256n },
      { owner: FrameOwner.FIRMWARE, frames: 256n },
    ]);
  });

  test("the map is drawn as DOT and as SVG, the same each time", async () => {
    const machineId = await make({ memoryBytes: 16n * MiB, physicalMemory: { dmaBytes: 4n * MiB } });
    const render = (format: GraphFormat) => client.call(MemoryService, "renderMemoryMap", { machineId, format });
    const dot = await render(GraphFormat.DOT);
    expect(dot.mediaType).toBe("text/vnd.graphviz");
    expect(dot.position).toMatchObject({ instructions: 0n });
    checkDot(dot.text);
    expect(dot.text).toMatch(/^digraph memory_map \{\n/);
    const svg = await render(GraphFormat.SVG);
    expect(svg.mediaType).toBe("image/svg+xml");
    checkXml(svg.text);
    const { ranges, zones, owners } = await map(machineId);
    const count = (kind: string) => svg.text.split(`<g class="${kind}">`).length - 1;
    expect([count("range"), count("zone"), count("owner")]).toEqual([ranges.length, zones.length, owners.length]);
    for (const { name } of ranges) expect(dot.text).toContain(` ${name}\\n`);
    expect(await render(GraphFormat.SVG)).toEqual(svg);
    const unsaid = client.call(MemoryService, "renderMemoryMap", { machineId });
    expect(await unsaid.catch((reason: unknown) => reason)).toMatchObject({ fields: ["format"] });
  });

  test("every frame is in the list once, page by page, with who has it", async () => {
    const machineId = await make({ physicalMemory: { allocator: FrameAllocator.FREE_LIST } });
    await client.call(TaskService, "createRemoteTask", { machineId, name: "robot" });
    const runs: { start: bigint; frames: bigint; owner: FrameOwner; references: number }[] = [];
    for (let pageToken = ""; ; ) {
      const page = await client.call(MemoryService, "listFrames", { machineId, pageSize: 1, pageToken });
      runs.push(...page.runs);
      if ((pageToken = page.nextPageToken) === "") break;
    }
    let end = RAM;
    for (const { start, frames, owner, references } of runs) {
      expect(start).toBe(end);
      expect(references === 0).toBe(owner === FrameOwner.FREE);
      end = start + frames * 4096n;
    }
    expect(end).toBe(RAM + 64n * MiB);
    const { owners } = await map(machineId);
    const sums = new Map<FrameOwner, bigint>();
    for (const { owner, frames } of runs) sums.set(owner, (sums.get(owner) ?? 0n) + frames);
    expect(sums).toEqual(new Map(owners.map(({ owner, frames }) => [owner, frames])));
    const tables = await client.call(MemoryService, "listFrames", { machineId, owner: FrameOwner.PAGE_TABLE });
    expect(tables.runs).toEqual(runs.filter(({ owner }) => owner === FrameOwner.PAGE_TABLE));
    expect(tables.runs.length).toBeGreaterThan(0);
  });

  test("promises are shown beside what is used, and a spec says which of them is bounded", async () => {
    const strict = await make({});
    expect((await map(strict)).accounting).toMatchObject({ policy: CommitPolicy.STRICT, promisedBytes: 0n });
    const machineId = await make({ memoryBytes: 8n * MiB, physicalMemory: { commit: CommitPolicy.OVERCOMMIT } });
    const { task } = await client.call(TaskService, "createRemoteTask", { machineId, name: "robot" });
    const mmap = [0n, 80n * MiB, 3n, 0x22n, -1n, 0n].map((value) => ({
      argument: { case: "integer" as const, value },
    }));
    const named = { case: "name" as const, value: "mmap" };
    const request = { machineId, task: task!.task, call: named, arguments: mmap };
    const answer = await client.call(TaskService, "call", request);
    expect(answer.value).toBeGreaterThan(0n);
    const { accounting, free } = await map(machineId);
    expect(accounting).toMatchObject({ policy: CommitPolicy.OVERCOMMIT, limitBytes: 8n * MiB });
    expect(accounting?.promisedBytes).toBeGreaterThanOrEqual(80n * MiB);
    expect(accounting?.usedBytes).toBe(8n * MiB - free!.frames * 4096n);
  });

  test("it survives hibernation", async () => {
    const machineId = await make({ physicalMemory: { allocator: FrameAllocator.FREE_LIST, dmaBytes: MiB } });
    await client.call(TaskService, "createRemoteTask", { machineId, name: "robot" });
    const before = await map(machineId);
    await client.call(MachineService, "hibernateMachine", { machineId });
    expect(await map(machineId)).toEqual(before);
  });

  test("what cannot be is refused, naming the field", async () => {
    const physical = (physicalMemory: object, memoryBytes = 8n * MiB) => refusal({ memoryBytes, physicalMemory });
    const setAside = (kind: MemoryRangeKind, bytes: bigint) => physical({ setAside: [{ kind, bytes }] });
    expect(await physical({ allocator: 17 })).toMatchObject({ fields: ["spec.physical_memory.allocator"] });
    expect(await physical({ commit: 9 })).toMatchObject({ fields: ["spec.physical_memory.commit"] });
    expect(await physical({ dmaBytes: 1000n })).toMatchObject({ fields: ["spec.physical_memory.dma_bytes"] });
    const at = "spec.physical_memory.set_aside[0]";
    expect(await setAside(MemoryRangeKind.AVAILABLE, MiB)).toMatchObject({ fields: [`${at}.kind`] });
    expect(await setAside(MemoryRangeKind.KERNEL, 100n)).toMatchObject({ fields: [`${at}.bytes`] });
    const error = await setAside(MemoryRangeKind.RESERVED, 5n * MiB);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", fields: [`${at}.bytes`] });
    expect(error.message).toContain("leaves less than 4194304 of the machine's 8388608 bytes");
    const wrongPage = client.call(MemoryService, "listFrames", { machineId: await make({}), pageToken: "x" });
    expect(await wrongPage.catch((reason: unknown) => reason)).toMatchObject({ fields: ["page_token"] });
  });

  test("a machine with modelled timing tells of its caches; another says that there is nothing to tell", async () => {
    const nodes = [{ distances: [10, 20] }, { distances: [20, 10] }];
    const machineId = await make({ timing: { data: { ways: 4, bytes: 16384n }, nodes } });
    const timing = () => client.call(MemoryService, "getTiming", { machineId });
    expect(await timing()).toMatchObject({ instructions: 0n, cycles: 0n, harts: [{ data: { hits: 0n, misses: 0n } }] });
    const { program } = await client.call(ProgramService, "uploadProgram", {
      name: "hello",
      data: compileC(sources.hello),
    });
    const chosen = { case: "programHash", value: program!.programHash } as const;
    const { task } = await client.call(MachineService, "startProgram", { machineId, program: chosen, run: true });
    for await (const _ of client.stream(MachineService, "waitMachine", {
      machineId,
      taskExited: task,
      timeoutMs: 240_000,
    }));
    const answer = await timing();
    expect(answer.instructions).toBeGreaterThan(1000n);
    expect(answer.cycles).toBe(answer.instructions + answer.stallCycles);
    expect(answer.localAccesses + answer.remoteAccesses).toBe(answer.second!.misses);
    expect(answer.harts[0]!.data!.hits).toBeGreaterThan(answer.harts[0]!.data!.misses);
    await client.call(MachineService, "hibernateMachine", { machineId });
    expect(await timing()).toEqual(answer);
    const plain = client.call(MemoryService, "getTiming", { machineId: await make({}) });
    expect(await plain.catch((reason: unknown) => reason)).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "TIMING_NOT_MODELLED",
    });
  });

  test("caches that cannot be are refused, naming the field", async () => {
    const fieldsOf = async (timing: object) => (await refusal({ timing })).fields;
    expect(await fieldsOf({ data: { bytes: 1000n } })).toEqual(["spec.timing.data.bytes"]);
    expect(await fieldsOf({ second: { lineBytes: 24 } })).toContain("spec.timing.second.line_bytes");
    expect(await fieldsOf({ dataTlb: { entries: 48, ways: 32 } })).toEqual(["spec.timing.data_tlb.entries"]);
    expect(await fieldsOf({ nodes: [{ distances: [10, 20] }] })).toEqual(["spec.timing.nodes"]);
  });
});
