/**
 * The map of memory as an SVG document: RAM and its zones as two bars of the same scale, and below them boxes with the
 * figures of each range, zone, owner and pool, which are filled as far as their share goes.
 */
import type { FrameOwnerName, MemoryMapInfo, MemoryRangeInfo } from "../../kernel/index.ts";
import { drawnHolders, hex, mapTitle, ownerText, poolText, shareText, sizeText, spanText } from "./memory-text.ts";
import { type Box, boxHeight, drawBox, drawHead, headerHeight, margin, svgDocument, xmlText } from "./svg.ts";

const grid = { columns: 4, width: 250, gap: 10 } as const;
const barWidth = grid.columns * grid.width + (grid.columns - 1) * grid.gap;
const barHeight = 34;

const rangeColours: Record<MemoryRangeInfo["kind"], string> = {
  available: "#d1e7dd",
  reserved: "#adb5bd",
  firmware: "#ffe5d0",
  kernel: "#cfe2ff",
  device: "#f7d6e6",
  persistent: "#e2d9f3",
};
const zoneColours: Record<MemoryMapInfo["zones"][number]["kind"], string> = {
  normal: "#d1e7dd",
  dma: "#fff3cd",
  persistent: "#e2d9f3",
};
const ownerColours: Record<FrameOwnerName, string> = {
  free: "#f1f3f5",
  kernel: "#cfe2ff",
  table: "#c5b3e6",
  anonymous: "#d1e7dd",
  image: "#fff3cd",
  untyped: "#dee2e6",
  firmware: "#ffe5d0",
  reserved: "#adb5bd",
  file: "#d2f4ea",
};

/** A box that has no place yet. */
interface Entry {
  kind: string;
  fill: string;
  lines: readonly [string, string];
  title: readonly string[];
  /** From 0 to 1: how far it is filled. */
  share: number;
}

interface Section {
  elements: string[];
  height: number;
}

/** Rounded to what a renderer can show, so that no figure has a long tail. */
const rounded = (value: number): number => Math.round(value * 100) / 100;

/** Boxes row by row below a heading; white where they are not filled. */
function drawGrid(heading: string, entries: readonly Entry[], top: number): Section {
  const boxes = entries.map((entry, index) => {
    const x = margin + (index % grid.columns) * (grid.width + grid.gap);
    const y = top + headerHeight + Math.floor(index / grid.columns) * (boxHeight + grid.gap);
    const box: Box = { ...entry, x, y, width: grid.width, fill: "#ffffff" };
    const filled = rounded(entry.share * grid.width);
    return drawBox(
      box,
      `<rect x="${x}" y="${y}" width="${filled}" height="${boxHeight}" rx="4" fill="${entry.fill}"/>`,
    );
  });
  const rows = Math.ceil(entries.length / grid.columns);
  return { elements: [drawHead(heading, top), ...boxes], height: headerHeight + rows * (boxHeight + grid.gap) + 10 };
}

interface Segment {
  start: number;
  bytes: number;
  fill: string;
  text: string;
}

/** What is small is still seen, and says its name only when the pointer rests on it. */
function drawBar(
  kind: string,
  segments: readonly Segment[],
  ram: { start: number; bytes: number },
  y: number,
): string[] {
  return segments.map(({ start, bytes, fill, text }) => {
    const x = rounded(margin + ((start - ram.start) / ram.bytes) * barWidth);
    const width = Math.max(2, rounded((bytes / ram.bytes) * barWidth));
    const shown = width < text.length * 7.3 + 12 ? "" : `<text x="${x + 6}" y="${y + 21}">${xmlText(text)}</text>`;
    return [
      `<g class="${kind}"><title>${xmlText(`${text}, ${spanText(start, bytes)}`)}</title>`,
      `<rect x="${x}" y="${y}" width="${width}" height="${barHeight}" fill="${fill}"/>${shown}</g>`,
    ].join("");
  });
}

function drawBars({ ranges, zones }: MemoryMapInfo, top: number): Section {
  const memory = ranges.filter(({ kind }) => kind !== "device");
  const start = Math.min(...memory.map((range) => range.start));
  const ram = { start, bytes: Math.max(...memory.map((range) => range.start + range.bytes)) - start };
  const y = top + headerHeight;
  const named = memory.map((range) => ({ ...range, fill: rangeColours[range.kind], text: range.kind }));
  const zoned = zones.map((zone) => ({ ...zone, fill: zoneColours[zone.kind], text: `zone ${zone.kind}` }));
  return {
    elements: [
      drawHead(`RAM, ${spanText(ram.start, ram.bytes)}, and its zones`, top),
      ...drawBar("ram", named, ram, y),
      ...drawBar("zone", zoned, ram, y + barHeight + 4),
    ],
    height: headerHeight + 2 * barHeight + 24,
  };
}

const rangeEntries = ({ ranges }: MemoryMapInfo): Entry[] =>
  ranges.map(({ kind, name, start, bytes }) => {
    const lines = [`${kind} ${name}, ${sizeText(bytes)}`, spanText(start, bytes)] as const;
    return { kind: "range", fill: rangeColours[kind], lines, title: lines, share: 1 };
  });

/** Filled as far as somebody has something of it. */
const zoneEntries = ({ zones, frameBytes }: MemoryMapInfo): Entry[] =>
  zones.map(({ kind, start, bytes, free }) => {
    const used = bytes - free.frames * frameBytes;
    const lines = [
      `${kind}, ${sizeText(bytes)}, ${shareText(used, bytes)} used`,
      `largest free piece ${sizeText(free.largest * frameBytes)}`,
    ] as const;
    const title = [...lines, spanText(start, bytes), `${free.frames} frames free`];
    return { kind: "zone-figures", fill: zoneColours[kind], lines, title, share: used / bytes };
  });

const ownerEntries = ({ owners, frames: all, frameBytes }: MemoryMapInfo): Entry[] =>
  owners.map(({ owner, frames }) => {
    const lines = [
      `${ownerText[owner]}, ${shareText(frames, all)}`,
      `${frames} frames, ${sizeText(frames * frameBytes)}`,
    ] as const;
    return { kind: "owner", fill: ownerColours[owner], lines, title: lines, share: frames / all };
  });

/** The pools in one grid, since most of them belong to one alone. */
function poolSection({ pools, frameBytes }: MemoryMapInfo): { heading: string; entries: Entry[] } {
  const { drawn, left } = drawnHolders(pools);
  const entries = drawn.flatMap(({ pool, holders }) =>
    holders.map(({ who, frames, shared }): Entry => {
      const lines = [
        `${who}, ${sizeText(frames * frameBytes)}, ${shareText(frames, pool.frames)}`,
        `of ${sizeText(pool.bytes)} at ${hex(pool.start)}${pool.general ? "" : ", by name"}`,
      ] as const;
      const title = [
        ...lines,
        poolText(pool),
        `${frames} frames${shared === 0 ? "" : `, sees ${shared} shared pages`}`,
      ];
      const fill = who === "free" ? ownerColours.free : "#cfe2ff";
      return { kind: "holder", fill, lines, title, share: pool.frames === 0 ? 0 : frames / pool.frames };
    }),
  );
  const rest = left === 0 ? "" : `; ${left} more that have something of a pool`;
  return { heading: `Pools, and who has what of them${rest}`, entries };
}

export function mapSvg(map: MemoryMapInfo): string {
  let top = margin + headerHeight;
  const elements = [drawHead(mapTitle(map), margin)];
  const bars = drawBars(map, top);
  elements.push(...bars.elements);
  top += bars.height;
  const sections = [
    { heading: "Physical addresses", entries: rangeEntries(map) },
    { heading: "Zones, filled as far as they are used", entries: zoneEntries(map) },
    { heading: "Owners of frames", entries: ownerEntries(map) },
    poolSection(map),
  ];
  for (const { heading, entries } of sections) {
    const drawn = drawGrid(heading, entries, top);
    elements.push(...drawn.elements);
    top += drawn.height;
  }
  return svgDocument({ title: "Map of memory", width: barWidth + 2 * margin, height: top + margin, elements });
}
