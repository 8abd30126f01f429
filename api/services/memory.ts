/** MemoryService: physical and virtual memory, as data and as pictures. Reads are queries; writes are inputs. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  AddressSpaceInfo,
  AllocatorKind,
  CommitPolicy as CommitName,
  FrameOwnerName,
  FreeFigures,
  MemoryMapInfo,
  MemoryRangeInfo,
  Position,
  SpaceSelector,
  TaskId,
  ThreadId,
  ZoneKind as ZoneName,
} from "../../kernel/index.ts";
import { CommitPolicy, FrameAllocator, MemoryRangeKind } from "../../proto/gen/ostler/v1/machines_pb.js";
import {
  FrameOwner,
  type FreeMemorySchema,
  type GetAddressSpaceRequest,
  type GetAddressSpaceResponseSchema,
  type GetMemoryMapResponseSchema,
  type ListFramesRequest,
  type MemoryService,
  PageTableEntryKind,
  type RenderAddressSpaceRequest,
  ZoneKind,
} from "../../proto/gen/ostler/v1/memory_pb.js";
import { mapDot, spaceDot } from "../drawing/memory-dot.ts";
import { mapSvg } from "../drawing/memory-svg.ts";
import { MAX_DRAWN } from "../drawing/memory-text.ts";
import { spaceSvg } from "../drawing/space-svg.ts";
import { failedPrecondition, invalid, notFound, outOfRange } from "../errors.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import type { ServiceImplementation } from "../operation.ts";
import { type Deps, toNumber, toPosition } from "./common.ts";
import { toPicture } from "./pictures.ts";
import { toTiming } from "./timing.ts";

/** End of the 64-bit addresses that the kernel can name; anything beyond is not mapped anywhere. */
const addressOf = (value: bigint): number => toNumber(value, "address");

const positionOf = (machine: HostedMachine) => toPosition(machine.visible.summary.position);

const DEFAULT_FRAMES_PAGE = 100;
const ALLOCATORS: Record<AllocatorKind, FrameAllocator> = {
  bitmap: FrameAllocator.BITMAP,
  free_list: FrameAllocator.FREE_LIST,
  buddy: FrameAllocator.BUDDY,
};
const COMMIT_POLICIES: Record<CommitName, CommitPolicy> = {
  strict: CommitPolicy.STRICT,
  overcommit: CommitPolicy.OVERCOMMIT,
};
const RANGE_KINDS: Record<MemoryRangeInfo["kind"], MemoryRangeKind> = {
  available: MemoryRangeKind.AVAILABLE,
  reserved: MemoryRangeKind.RESERVED,
  firmware: MemoryRangeKind.FIRMWARE,
  kernel: MemoryRangeKind.KERNEL,
  device: MemoryRangeKind.DEVICE,
  persistent: MemoryRangeKind.PERSISTENT,
};
const ZONE_KINDS: Record<ZoneName, ZoneKind> = {
  normal: ZoneKind.NORMAL,
  dma: ZoneKind.DMA,
  persistent: ZoneKind.PERSISTENT,
};
const OWNERS: Record<FrameOwnerName, FrameOwner> = {
  free: FrameOwner.FREE,
  kernel: FrameOwner.KERNEL,
  table: FrameOwner.PAGE_TABLE,
  anonymous: FrameOwner.ANONYMOUS,
  image: FrameOwner.PAGE_CACHE,
  untyped: FrameOwner.UNTYPED,
  firmware: FrameOwner.FIRMWARE,
  reserved: FrameOwner.RESERVED,
  file: FrameOwner.FILE,
};
const OWNER_NAMES = new Map(Object.entries(OWNERS).map(([name, owner]) => [owner, name as FrameOwnerName]));

const toFreeMemory = ({ frames, largest, piecesByOrder }: FreeFigures): MessageInitShape<typeof FreeMemorySchema> => ({
  frames: BigInt(frames),
  largest: BigInt(largest),
  fragmentation: frames === 0 ? 0 : 1 - largest / frames,
  piecesByOrder: piecesByOrder.map(BigInt),
});

const toMemoryMap = (map: MemoryMapInfo, at: Position): MessageInitShape<typeof GetMemoryMapResponseSchema> => ({
  ranges: map.ranges.map(({ kind, start, bytes, name }) => ({
    kind: RANGE_KINDS[kind],
    start: BigInt(start),
    bytes: BigInt(bytes),
    name,
  })),
  zones: map.zones.map(({ kind, start, bytes, free }) => ({
    kind: ZONE_KINDS[kind],
    start: BigInt(start),
    bytes: BigInt(bytes),
    free: toFreeMemory(free),
  })),
  allocator: ALLOCATORS[map.allocator],
  frameBytes: map.frameBytes,
  frames: BigInt(map.frames),
  free: toFreeMemory(map.free),
  owners: map.owners.map(({ owner, frames }) => ({ owner: OWNERS[owner], frames: BigInt(frames) })),
  pools: map.pools.map((pool) => ({
    start: BigInt(pool.start),
    bytes: BigInt(pool.bytes),
    general: pool.general,
    frames: BigInt(pool.frames),
    freeFrames: BigInt(pool.free),
    cachedFrames: BigInt(pool.cached),
    untypedFrames: BigInt(pool.untyped),
    sharedFrames: BigInt(pool.shared),
    banks: pool.banks.map(({ task, pages, tables, shared }) => ({
      task,
      pages: BigInt(pages),
      tables: BigInt(tables),
      shared: BigInt(shared),
    })),
  })),
  position: toPosition(at),
  accounting: {
    policy: COMMIT_POLICIES[map.accounting.policy],
    promisedBytes: BigInt(map.accounting.promisedBytes),
    usedBytes: BigInt(map.accounting.usedBytes),
    limitBytes: BigInt(map.accounting.limitBytes),
  },
});

const ENTRY_KINDS = {
  empty: PageTableEntryKind.EMPTY,
  table: PageTableEntryKind.TABLE,
  page: PageTableEntryKind.PAGE,
} as const;

const toAddressSpace = (
  info: AddressSpaceInfo,
  at: Position,
): MessageInitShape<typeof GetAddressSpaceResponseSchema> => ({
  asid: info.asid,
  rootAddress: info.root,
  task: info.task ?? 0,
  walk: (info.walk?.steps ?? []).map((step) => ({ ...step, kind: ENTRY_KINDS[step.kind] })),
  ...(info.walk !== null && info.walk.physical !== null && { physicalAddress: info.walk.physical }),
  ranges: info.ranges.map(({ start, pages, pageBits, physical, permissions }) => ({
    start,
    pages: BigInt(pages),
    pageBytes: 2 ** pageBits,
    physicalAddress: physical,
    permissions,
  })),
  nextPageToken: info.next === null ? "" : String(info.next),
  position: toPosition(at),
});

const selectorOf = ({ space }: Pick<GetAddressSpaceRequest, "space">): SpaceSelector =>
  ({ [space.case!]: space.value }) as { task: TaskId } | { thread: ThreadId } | { asid: number };

/** The token is the address of the first range of the page. */
function spaceQuery(request: GetAddressSpaceRequest) {
  const { address, pageSize, pageToken } = request;
  if (!/^[0-9]{0,15}$/.test(pageToken)) throw invalid("page_token", "must be a next_page_token of the page before");
  return {
    kind: "addressSpace",
    which: selectorOf(request),
    address: address === undefined ? null : addressOf(address),
    from: Number(pageToken),
    limit: pageSize || DEFAULT_FRAMES_PAGE,
  } as const;
}

function pictureQuery(request: RenderAddressSpaceRequest) {
  return {
    kind: "addressSpace",
    which: selectorOf(request),
    address: request.address === undefined ? null : addressOf(request.address),
    from: toNumber(request.start, "start"),
    limit: MAX_DRAWN,
  } as const;
}

async function noSpace(machine: HostedMachine, { space }: Pick<GetAddressSpaceRequest, "space">): Promise<Error> {
  const { tasks } = await machine.query({ kind: "tasks" });
  const threads = (tasks ?? []).flatMap((task) => task.threads.map(({ thread }) => thread as number));
  if (space.case === "thread" && threads.includes(space.value))
    return failedPrecondition("NO_ADDRESS_SPACE", `thread ${space.value} has not been given an address space`);
  return notFound(space.case === "asid" ? "space" : space.case!, String(space.value));
}

/** The token is the number of the first frame of the page. */
function frameQuery({ pageSize, pageToken, owner }: ListFramesRequest) {
  if (!/^[0-9]{0,9}$/.test(pageToken)) throw invalid("page_token", "must be a next_page_token of the page before");
  const limit = pageSize || DEFAULT_FRAMES_PAGE;
  return { kind: "frameRuns", from: Number(pageToken), limit, owner: OWNER_NAMES.get(owner) ?? null } as const;
}

export function memoryService(deps: Deps): ServiceImplementation<typeof MemoryService> {
  return {
    async readPhysicalMemory({ machineId, address, length }) {
      const machine = await deps.hosting.use(machineId);
      const { bytes } = await machine.query({ kind: "readPhysical", address: addressOf(address), length });
      if (!bytes) throw outOfRange("address", "the range must lie in RAM, which begins at 2147483648 (0x80000000)");
      return { data: bytes, position: positionOf(machine) };
    },

    async writePhysicalMemory({ machineId, address, data }) {
      const machine = await deps.hosting.use(machineId);
      await machine.apply({ kind: "writePhysical", address: addressOf(address), bytes: data });
      return { position: positionOf(machine) };
    },

    async readVirtualMemory({ machineId, task, address, length }) {
      const machine = await deps.hosting.use(machineId);
      if (!(await machine.learnExit(task as TaskId))) throw notFound("task", String(task));
      const { bytes } = await machine.query({
        kind: "readVirtual",
        task: task as TaskId,
        address: addressOf(address),
        length,
      });
      if (!bytes) throw outOfRange("address", `task ${task} cannot read all of this range; GetTask shows its regions`);
      return { data: bytes, position: positionOf(machine) };
    },

    async writeVirtualMemory({ machineId, task, address, data }) {
      const machine = await deps.hosting.use(machineId);
      await machine.apply({ kind: "writeVirtual", task: task as TaskId, address: addressOf(address), bytes: data });
      return { position: positionOf(machine) };
    },

    async getMemoryMap({ machineId }) {
      const machine = await deps.hosting.use(machineId);
      const { memoryMap } = await machine.query({ kind: "memoryMap" });
      return toMemoryMap(memoryMap!, machine.visible.summary.position);
    },

    async renderMemoryMap({ machineId, format }) {
      const machine = await deps.hosting.use(machineId);
      const { memoryMap, summary } = await machine.query({ kind: "memoryMap" });
      const drawings = { dot: () => mapDot(memoryMap!), svg: () => mapSvg(memoryMap!) };
      return toPicture(format, drawings, summary.position);
    },

    async getTiming({ machineId }) {
      const machine = await deps.hosting.use(machineId);
      const { timing, summary } = await machine.query({ kind: "timing" });
      if (!timing) {
        const message = "nothing is modelled of this machine's timing; a machine is created with spec.timing for that";
        throw failedPrecondition("TIMING_NOT_MODELLED", message);
      }
      return toTiming(timing, summary.position);
    },

    async listFrames(request) {
      const machine = await deps.hosting.use(request.machineId);
      const { runs, next } = (await machine.query(frameQuery(request))).frameRuns!;
      return {
        runs: runs.map(({ start, frames, owner, references }) => ({
          start: BigInt(start),
          frames: BigInt(frames),
          owner: OWNERS[owner],
          references,
        })),
        nextPageToken: next === null ? "" : String(next),
        position: positionOf(machine),
      };
    },

    async getAddressSpace(request) {
      const machine = await deps.hosting.use(request.machineId);
      const { addressSpace } = await machine.query(spaceQuery(request));
      if (!addressSpace) throw await noSpace(machine, request);
      return toAddressSpace(addressSpace, machine.visible.summary.position);
    },

    async renderAddressSpace(request) {
      const machine = await deps.hosting.use(request.machineId);
      const { addressSpace, summary } = await machine.query(pictureQuery(request));
      if (!addressSpace) throw await noSpace(machine, request);
      const address = request.address ?? null;
      const drawings = { dot: () => spaceDot(addressSpace, address), svg: () => spaceSvg(addressSpace, address) };
      return toPicture(request.format, drawings, summary.position);
    },
  };
}
