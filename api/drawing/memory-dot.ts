/** The map of memory, and an address space, as text for Graphviz. */
import type { AddressSpaceInfo, MappedRangeInfo, MemoryMapInfo } from "../../kernel/index.ts";
import { dotDocument, label, quoted } from "./dot.ts";
import {
  bytesOf,
  drawnHolders,
  endText,
  hex,
  indexOf,
  mapTitle,
  ownerText,
  pagesText,
  poolText,
  restText,
  shareText,
  sizeText,
  spaceTitle,
  spanText,
  tableOf,
} from "./memory-text.ts";

const node = (id: string, shape: "box" | "ellipse" | "plaintext", ...lines: string[]): string =>
  `${quoted(id)} [shape=${shape}, label="${label(...lines)}"];`;
const edge = (from: string, to: string, text = ""): string =>
  `${quoted(from)} -> ${quoted(to)}${text === "" ? "" : ` [label="${label(text)}"]`};`;
const cluster = (id: string, title: string, nodes: readonly string[]): string[] => [
  `subgraph cluster_${id} {`,
  `  label=${quoted(title)};`,
  ...nodes.map((line) => `  ${line}`),
  "}",
];

interface Extent {
  start: number;
  bytes: number;
}
/** Arrows from each that has addresses in common with one of the others to that one. */
const overlaps = <From extends Extent, To extends Extent>(from: readonly From[], to: readonly To[]): [From, To][] =>
  from.flatMap((one) =>
    to
      .filter(({ start, bytes }) => start < one.start + one.bytes && one.start < start + bytes)
      .map((other): [From, To] => [one, other]),
  );

function poolStatements({ pools, frameBytes }: MemoryMapInfo): string[] {
  const { drawn, left } = drawnHolders(pools);
  return [
    ...drawn.flatMap(({ pool, holders }) => {
      const id = `pool ${hex(pool.start)}`;
      return [
        node(id, "box", poolText(pool), `${pool.frames} frames`),
        ...holders.flatMap(({ who, frames, shared }) => [
          node(
            `${id} ${who}`,
            "ellipse",
            who,
            `${sizeText(frames * frameBytes)}, ${shareText(frames, pool.frames)}`,
            shared === 0 ? "" : `sees ${shared} shared pages`,
          ),
          edge(id, `${id} ${who}`, `${frames} frames`),
        ]),
      ];
    }),
    ...(left === 0 ? [] : [node("rest", "plaintext", `${left} more`)]),
  ];
}

/** Ranges lead to the zones in them, zones to the pools that their frames are of, pools to who has something of them. */
export function mapDot(map: MemoryMapInfo): string {
  const rangeId = ({ start }: Extent) => `range ${hex(start)}`;
  const zoneId = ({ start }: Extent) => `zone ${hex(start)}`;
  return dotDocument("memory_map", [
    `label=${quoted(mapTitle(map))};`,
    ...cluster(
      "ranges",
      "physical addresses",
      map.ranges.map((range) =>
        node(
          rangeId(range),
          "box",
          `${range.kind} ${range.name}`,
          spanText(range.start, range.bytes),
          sizeText(range.bytes),
        ),
      ),
    ),
    ...cluster(
      "owners",
      "owners of frames",
      map.owners.map(({ owner, frames }) =>
        node(
          `owner ${owner}`,
          "ellipse",
          ownerText[owner],
          `${frames} frames, ${sizeText(frames * map.frameBytes)}`,
          shareText(frames, map.frames),
        ),
      ),
    ),
    ...map.zones.map((zone) =>
      node(
        zoneId(zone),
        "box",
        `zone ${zone.kind}`,
        spanText(zone.start, zone.bytes),
        `${zone.free.frames} frames free, the largest piece ${zone.free.largest}`,
      ),
    ),
    ...poolStatements(map),
    ...overlaps(map.ranges, map.zones).map(([range, zone]) => edge(rangeId(range), zoneId(zone))),
    ...overlaps(map.zones, map.pools).map(([zone, pool]) => edge(zoneId(zone), `pool ${hex(pool.start)}`)),
  ]);
}

function walkStatements(space: AddressSpaceInfo, address: bigint): string[] {
  const steps = space.walk?.steps ?? [];
  const ids = [...steps.map((step) => `table ${hex(tableOf(step))}`), "end"];
  return [
    ...cluster("walk", `walk for ${hex(address)}`, [
      ...steps.map((step, depth) => node(ids[depth]!, "box", `level ${step.level}`, `table at ${hex(tableOf(step))}`)),
      node("end", "ellipse", ...endText(space)),
    ]),
    ...steps.map((step, depth) =>
      edge(ids[depth]!, ids[depth + 1]!, `[${indexOf(step)}] at ${hex(step.entryAddress)} = ${hex(step.entry)}`),
    ),
  ];
}

/** Ranges lead to their frames; what is mapped twice as the same run of frames is one node. */
function rangeStatements(ranges: readonly MappedRangeInfo[]): string[] {
  const framesId = (range: MappedRangeInfo) => `frames ${spanText(range.physical, bytesOf(range))}`;
  const frames = new Map(ranges.map((range) => [framesId(range), range]));
  return [
    ...ranges.map((range) =>
      node(`range ${hex(range.start)}`, "box", spanText(range.start, bytesOf(range)), pagesText(range)),
    ),
    ...[...frames].map(([id, range]) =>
      node(id, "ellipse", spanText(range.physical, bytesOf(range)), sizeText(bytesOf(range))),
    ),
    ...ranges.map((range) => edge(`range ${hex(range.start)}`, framesId(range), range.permissions)),
  ];
}

/** `address`: what the walk is for; null when there is none. */
export function spaceDot(space: AddressSpaceInfo, address: bigint | null): string {
  return dotDocument("address_space", [
    `label=${quoted(spaceTitle(space))};`,
    ...(address === null ? [] : walkStatements(space, address)),
    ...rangeStatements(space.ranges),
    ...(space.next === null ? [] : [node("rest", "plaintext", restText(space))]),
  ]);
}
