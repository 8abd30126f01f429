/** Pictures of memory: hostile names, bounds, and that the figures in them are those of the data. */
import { describe, expect, test } from "vitest";
import { mapDot, spaceDot } from "../../api/drawing/memory-dot.ts";
import { mapSvg } from "../../api/drawing/memory-svg.ts";
import { MAX_DRAWN, shareText, sizeText } from "../../api/drawing/memory-text.ts";
import { spaceSvg } from "../../api/drawing/space-svg.ts";
import type { AddressSpaceInfo, MappedRangeInfo, MemoryMapInfo, TaskId } from "../../kernel/index.ts";
import { checkDot, checkXml } from "../support/pictures.ts";

const MiB = 2 ** 20;
const RAM = 0x8000_0000;
const hostile = '</title><script>"\\\n\u0000]; a -> b';

function memoryMap(tasks: number): MemoryMapInfo {
  const free = { frames: 4096 - tasks, largest: 1024, piecesByOrder: [0, 0, 1] };
  const banks = Array.from({ length: tasks }, (_, task) => ({ task: task as TaskId, pages: 1, tables: 0, shared: 0 }));
  const pool = { start: RAM, bytes: 16 * MiB, general: true, frames: 4096, cached: 0, untyped: 0, shared: 0, banks };
  return {
    ranges: [
      { kind: "device", start: 0x1000_0000, bytes: 4096, name: hostile },
      { kind: "available", start: RAM, bytes: 16 * MiB, name: "ram" },
    ],
    zones: [
      { kind: "normal", start: RAM + 4 * MiB, bytes: 12 * MiB, free },
      { kind: "dma", start: RAM, bytes: 4 * MiB, free: { frames: 768, largest: 512, piecesByOrder: [] } },
    ],
    allocator: "buddy",
    frameBytes: 4096,
    frames: 4096,
    free,
    owners: [
      { owner: "free", frames: 3072 },
      { owner: "anonymous", frames: 1024 },
    ],
    accounting: { policy: "strict", promisedBytes: 0, usedBytes: 0, limitBytes: 16 * MiB },
    pools: [{ ...pool, free: 4096 - tasks }],
  };
}

const range = (start: bigint, physical: bigint, more: Partial<MappedRangeInfo> = {}): MappedRangeInfo => ({
  start,
  pages: 2,
  pageBits: 12,
  physical,
  permissions: "rw-",
  ...more,
});

const space: AddressSpaceInfo = {
  asid: 3,
  root: 0x8000_1000n,
  task: null,
  walk: {
    steps: [
      {
        level: 2,
        coversBits: 30,
        entryAddress: 0x8000_1018n,
        entry: 0x2000_0801n,
        kind: "table",
        address: 0x8000_2000n,
        permissions: "",
      },
      {
        level: 1,
        coversBits: 21,
        entryAddress: 0x8000_2ff8n,
        entry: 0x2010_00cbn,
        kind: "page",
        address: 0x8040_0000n,
        permissions: "r-x",
      },
    ],
    physical: 0x8040_0123n,
  },
  ranges: [range(0x1000n, 0x8000_8000n), range(0x3000n, 0x8001_0000n), range(0x9000n, 0x8000_8000n)],
  next: 0xb000,
};

const elements = (svg: string, kind: string): string[] =>
  svg.match(new RegExp(`<g class="${kind}">.*?</g>`, "g")) ?? [];

describe("the map of memory", () => {
  test("is well-formed whatever a device is called", () => {
    const [svg, dot] = [mapSvg(memoryMap(2)), mapDot(memoryMap(2))];
    checkXml(svg);
    checkDot(dot);
    expect(svg).not.toContain("<script");
    expect(dot).toContain('</title><script>\\"\\\\??]; a -> b');
  });

  test("has zones at their place in the bar, and boxes filled by share", () => {
    const svg = mapSvg(memoryMap(2));
    const [normal, dma] = elements(svg, "zone").map((zone) => /x="([\d.]+)".*? width="([\d.]+)"/.exec(zone)!);
    expect(Number(dma![1])).toBe(20);
    expect(Number(dma![2])).toBeCloseTo(Number(normal![2]) / 3, 1);
    expect(Number(normal![1])).toBeCloseTo(20 + Number(dma![2]), 1);
    const owners = elements(svg, "owner");
    expect(owners).toHaveLength(2);
    expect(owners[1]).toContain("memory of tasks, 25.0 %");
    expect(owners[1]).toContain('width="62.5"');
  });

  test("leads from ranges to zones, to pools, to tasks", () => {
    const dot = mapDot(memoryMap(2));
    expect(dot).toContain('"range 0x80000000" -> "zone 0x80400000";');
    expect(dot).toContain('"zone 0x80000000" -> "pool 0x80000000";');
    expect(dot).toContain('"pool 0x80000000" -> "pool 0x80000000 task 1" [label="1 frames"];');
    expect(dot).not.toContain('"range 0x10000000" ->');
  });

  test("is bounded, and says what is left out", () => {
    const map = memoryMap(MAX_DRAWN + 5);
    expect(elements(mapSvg(map), "holder")).toHaveLength(MAX_DRAWN);
    expect(mapSvg(map)).toContain("6 more that have something of a pool");
    expect(mapDot(map)).toContain('label="6 more"');
  });
});

describe("an address space", () => {
  test("is a chain of tables, and ranges with their frames", () => {
    const svg = spaceSvg(space, 0xffe0_0123n);
    checkXml(svg);
    expect(elements(svg, "table")).toHaveLength(2);
    expect(elements(svg, "table")[1]).toContain("[511] = 0x201000cb");
    expect(elements(svg, "end")[0]).toContain("2 MiB page at 0x80400000");
    expect(elements(svg, "pages")).toHaveLength(3);
    // What touches in the address space touches in the picture.
    const tops = elements(svg, "pages").map((pages) => Number(/ y="(\d+)"/.exec(pages)![1]));
    expect([tops[1]! - tops[0]!, tops[2]! - tops[1]!]).toEqual([44, 54]);
    expect(svg).toContain("more from 0xb000 on");
    expect(elements(spaceSvg(space, null), "table")).toEqual([]);
  });

  test("is a graph in which what is mapped twice is there once", () => {
    const dot = spaceDot(space, 0xffe0_0123n);
    checkDot(dot);
    expect(dot).toContain('"table 0x80001000" -> "table 0x80002000" [label="[3] at 0x80001018 = 0x20000801"];');
    expect(dot).toContain('"table 0x80002000" -> "end"');
    expect(dot.match(/^ +"frames 0x80008000 to 0x8000a000" \[/gm)).toHaveLength(1);
    expect(dot.match(/-> "frames 0x80008000 to 0x8000a000"/g)).toHaveLength(2);
    expect(dot).toContain("more from 0xb000 on");
  });

  test("says when an address leads nowhere", () => {
    const nowhere = { ...space, walk: null, ranges: [], next: null };
    checkXml(spaceSvg(nowhere, 2n ** 40n));
    expect(elements(spaceSvg(nowhere, 2n ** 40n), "end")[0]).toContain("nothing is mapped");
    checkDot(spaceDot(nowhere, 2n ** 40n));
  });
});

test("sizes are exact, and shares of nothing are none", () => {
  expect([0, 1000, 4096, 1536 * 1024, 2 ** 31].map(sizeText)).toEqual([
    "0 bytes",
    "1000 bytes",
    "4 KiB",
    "1536 KiB",
    "2 GiB",
  ]);
  expect(shareText(0, 0)).toBe("0.0 %");
});
