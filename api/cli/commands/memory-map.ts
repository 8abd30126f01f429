/** `ostler memory map` and `ostler memory frames`: how a machine's RAM is divided, and who has it. */
import { create } from "@bufbuild/protobuf";
import { Option } from "commander";
import { CommitPolicy, FrameAllocator, MemoryRangeKind } from "../../../proto/gen/ostler/v1/machines_pb.js";
import {
  FrameOwner,
  type FrameRun,
  type FreeMemory,
  type GetMemoryMapResponse,
  GetMemoryMapResponseSchema,
  ListFramesResponseSchema,
  type MemoryAccounting,
  type MemoryPool,
  type MemoryRange,
  MemoryService,
  type MemoryZone,
  type OwnedFrames,
  RenderMemoryMapResponseSchema,
  ZoneKind,
} from "../../../proto/gen/ostler/v1/memory_pb.js";
import { type Column, list, table } from "../output.ts";
import { type PictureOptions, pictureFormat, pictureOptions } from "../pictures.ts";
import { action } from "../session.ts";
import { enumName, leaf, type PageOptions, pageOptions, pages } from "../shared.ts";
import { formatHex, formatSize } from "../units.ts";

const FRAME_BYTES = 4096n;
const sizeOfFrames = (frames: bigint): string => formatSize(frames * FRAME_BYTES);

const rangeColumns: readonly Column<MemoryRange>[] = [
  { title: "RANGE", value: ({ kind }) => enumName(MemoryRangeKind, kind) },
  { title: "START", value: ({ start }) => formatHex(start), align: "right" },
  { title: "SIZE", value: ({ bytes }) => formatSize(bytes), align: "right" },
  { title: "NAME", value: ({ name }) => name },
];

/** "3x4 KiB 1x64 KiB": free pieces by the size that they have at least. */
const piecesText = (free: FreeMemory | undefined): string =>
  (free?.piecesByOrder ?? [])
    .map((count, order) => (count === 0n ? "" : `${count}x${sizeOfFrames(2n ** BigInt(order))}`))
    .filter((text) => text !== "")
    .join(", ");

const zoneColumns: readonly Column<MemoryZone>[] = [
  { title: "ZONE", value: ({ kind }) => enumName(ZoneKind, kind) },
  { title: "START", value: ({ start }) => formatHex(start), align: "right" },
  { title: "SIZE", value: ({ bytes }) => formatSize(bytes), align: "right" },
  { title: "FREE", value: ({ free }) => sizeOfFrames(free?.frames ?? 0n), align: "right" },
  { title: "LARGEST", value: ({ free }) => sizeOfFrames(free?.largest ?? 0n), align: "right" },
  { title: "FRAGMENTED", value: ({ free }) => (free?.fragmentation ?? 0).toFixed(3), align: "right" },
  { title: "FREE PIECES OF AT LEAST", value: ({ free }) => piecesText(free) },
];

/** A line for each who has something of a pool. */
interface PoolLine {
  pool: MemoryPool;
  who: string;
  frames: bigint;
  shared: bigint;
}

function poolLines(pool: MemoryPool): PoolLine[] {
  const line = (who: string, frames: bigint, shared = 0n): PoolLine => ({ pool, who, frames, shared });
  return [
    line("free", pool.freeFrames),
    line("page cache", pool.cachedFrames),
    line("root tasks", pool.untypedFrames),
    line("several tasks", pool.sharedFrames),
    ...pool.banks.map(({ task, pages, tables, shared }) => line(`task ${task}`, pages + tables, shared)),
  ].filter(({ frames, shared }) => frames + shared > 0n);
}

const poolColumns: readonly Column<PoolLine>[] = [
  { title: "POOL", value: ({ pool }) => formatHex(pool.start), align: "right" },
  { title: "OF", value: ({ pool }) => `${formatSize(pool.bytes)}${pool.general ? "" : ", by name"}`, align: "right" },
  { title: "HAS", value: ({ who }) => who },
  { title: "FRAMES", value: ({ frames }) => String(frames), align: "right" },
  { title: "SIZE", value: ({ frames }) => sizeOfFrames(frames), align: "right" },
  { title: "SHARES", value: ({ shared }) => (shared === 0n ? "-" : String(shared)), align: "right" },
];

const ownerName = (owner: FrameOwner): string => enumName(FrameOwner, owner).replaceAll("_", "-");

const ownerColumns: readonly Column<OwnedFrames>[] = [
  { title: "OWNER", value: ({ owner }) => ownerName(owner) },
  { title: "FRAMES", value: ({ frames }) => String(frames), align: "right" },
  { title: "SIZE", value: ({ frames }) => sizeOfFrames(frames), align: "right" },
];

/** What is bounded comes first. */
function accountingText({ policy, promisedBytes, usedBytes, limitBytes }: MemoryAccounting): string {
  const [promised, used] = [`${formatSize(promisedBytes)} promised`, `${formatSize(usedBytes)} used`];
  const overcommit = policy === CommitPolicy.OVERCOMMIT;
  const [bounded, other] = overcommit ? [used, promised] : [promised, used];
  return `${enumName(CommitPolicy, policy)}: ${bounded} of ${formatSize(limitBytes)}; ${other}`;
}

function mapText(map: GetMemoryMapResponse): string {
  const { free } = map;
  const summary = list([
    ["allocator", enumName(FrameAllocator, map.allocator).replaceAll("_", " ")],
    ["frames", `${map.frames} of ${formatSize(map.frameBytes)}, ${free?.frames ?? 0n} free for general use`],
    ["largest free piece", sizeOfFrames(free?.largest ?? 0n)],
    ["fragmentation", (free?.fragmentation ?? 0).toFixed(3)],
    ["accounting", map.accounting === undefined ? "" : accountingText(map.accounting)],
  ]);
  const tables = [
    table(rangeColumns, map.ranges),
    table(zoneColumns, map.zones),
    table(ownerColumns, map.owners),
    table(poolColumns, map.pools.flatMap(poolLines)),
  ];
  return [summary, ...tables].join("\n\n");
}

export const mapCommand = pictureOptions(
  leaf("map <machine>", "show how RAM is divided, what is free, and how well it hangs together", [
    "ostler memory map m-1234",
    "ostler memory map m-1234 --svg > map.svg",
  ]),
  "ranges, zones, owners and pools",
).action(
  action<PictureOptions>(async (session, [machineId], options) => {
    const memory = await session.service(MemoryService);
    const format = pictureFormat(options);
    if (format !== null) {
      const picture = await memory.renderMemoryMap({ machineId: machineId!, format });
      session.out.message(RenderMemoryMapResponseSchema, picture, () => picture.text.trimEnd());
      return;
    }
    const answer = await memory.getMemoryMap({ machineId: machineId! });
    session.out.message(GetMemoryMapResponseSchema, answer, () => mapText(answer));
  }),
);

const runColumns: readonly Column<FrameRun>[] = [
  { title: "START", value: ({ start }) => formatHex(start), align: "right" },
  { title: "END", value: ({ start, frames }) => formatHex(start + frames * FRAME_BYTES), align: "right" },
  { title: "FRAMES", value: ({ frames }) => String(frames), align: "right" },
  { title: "OWNER", value: ({ owner }) => ownerName(owner) },
  { title: "REFERENCES", value: ({ references }) => String(references), align: "right" },
];

const OWNERS = new Map(
  Object.values(FrameOwner)
    .filter((value): value is FrameOwner => typeof value === "number" && value !== FrameOwner.UNSPECIFIED)
    .map((owner) => [ownerName(owner), owner]),
);

export const framesCommand = pageOptions(
  leaf("frames <machine>", "list the frames of RAM with who has them, as runs", [
    "ostler memory frames m-1234 --all",
    "ostler memory frames m-1234 --owner page-table",
  ]),
)
  .addOption(new Option("--owner <owner>", "only frames of this owner").choices([...OWNERS.keys()]))
  .action(
    action<PageOptions & { owner?: string }>(async (session, [machineId], options) => {
      const memory = await session.service(MemoryService);
      const owner = OWNERS.get(options.owner ?? "") ?? FrameOwner.UNSPECIFIED;
      const { items, nextPageToken } = await pages(session, options, async (page) => {
        const answer = await memory.listFrames({ machineId: machineId!, owner, ...page });
        return { items: answer.runs, nextPageToken: answer.nextPageToken };
      });
      const answer = create(ListFramesResponseSchema, { runs: items, nextPageToken });
      session.out.message(ListFramesResponseSchema, answer, () =>
        items.length === 0 ? "no frames" : table(runColumns, items),
      );
    }),
  );
