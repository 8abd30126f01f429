/** Memory management against simple models of itself. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PageTables } from "../../kernel/hal/rv64/page-table.ts";
import type { PhysicalMemory } from "../../kernel/hal/types.ts";
import type { FrameNumber } from "../../kernel/lib/ids.ts";
import { limits } from "../../kernel/lib/limits.ts";
import { dropFrame, shareFrame, takeFrame } from "../../kernel/mm/frames.ts";
import {
  covers,
  findGap,
  findRegion,
  insertRegion,
  isFree,
  protectRange,
  removeRange,
} from "../../kernel/mm/regions.ts";
import { FrameOwner, initMm, type Region, type Space } from "../../kernel/mm/state.ts";
import { changeRegions, tallyRegion } from "../../kernel/mm/tally.ts";

describe("the frame allocator", () => {
  it("gives every frame once, keeps a reserve for tables, and gets all back", () => {
    const { frames } = initMm(64);
    const taken: FrameNumber[] = [];
    for (
      let frame = takeFrame(frames, FrameOwner.anonymous);
      frame !== null;
      frame = takeFrame(frames, FrameOwner.anonymous)
    )
      taken.push(frame);
    expect(taken).toHaveLength(64 - limits.reservedFrames);
    for (let frame = takeFrame(frames, FrameOwner.table); frame !== null; frame = takeFrame(frames, FrameOwner.table))
      taken.push(frame);
    expect(new Set(taken).size).toBe(64);
    for (const frame of taken) dropFrame(frames, frame);
    expect(frames.free).toBe(64);
    expect(frames.owner.every((owner) => owner === FrameOwner.free)).toBe(true);
  });

  it("frees a frame with its last reference; a wrong drop is a bug", () => {
    const { frames } = initMm(32);
    const frame = takeFrame(frames, FrameOwner.image)!;
    shareFrame(frames, frame);
    dropFrame(frames, frame);
    expect(frames.owner[frame]).toBe(FrameOwner.image);
    dropFrame(frames, frame);
    expect(frames.owner[frame]).toBe(FrameOwner.free);
    expect(() => dropFrame(frames, frame)).toThrow("a used frame is dropped");
  });

  it("looks for the next frame behind the last one", () => {
    const { frames } = initMm(64);
    const first = takeFrame(frames, FrameOwner.anonymous)!;
    dropFrame(frames, first);
    expect(takeFrame(frames, FrameOwner.anonymous)).not.toBe(first);
  });
});

const page = 4096;
const pagesInModel = 40;

/** What a page of the model is: free, or the permissions of its region. */
type Model = (number | null)[];

function check(regions: readonly Region[], model: Model): void {
  let last = 0;
  for (const region of regions) {
    expect(region.start).toBeGreaterThanOrEqual(last);
    expect(region.end).toBeGreaterThan(region.start);
    last = region.end;
  }
  model.forEach((permissions, i) => {
    expect(findRegion(regions, i * page + 7)?.permissions ?? null).toBe(permissions);
  });
}

describe("regions", () => {
  const operation = fc.tuple(
    fc.constantFrom("map", "unmap", "protect"),
    fc.nat(pagesInModel - 1),
    fc.integer({ min: 1, max: 12 }),
    fc.nat(7),
  );

  it("behave like an array of pages", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const regions: Region[] = [];
        const model: Model = Array(pagesInModel).fill(null);
        for (const [what, from, length, permissions] of operations) {
          const to = Math.min(pagesInModel, from + length);
          const range = model.slice(from, to);
          if (what === "map") {
            expect(isFree(regions, from * page, to * page)).toBe(range.every((p) => p === null));
            removeRange(regions, from * page, to * page);
            insertRegion(regions, {
              start: from * page,
              end: to * page,
              permissions,
              backing: { kind: "anonymous" },
              name: "",
            });
            model.fill(permissions, from, to);
          } else if (what === "unmap") {
            removeRange(regions, from * page, to * page);
            model.fill(null, from, to);
          } else {
            expect(covers(regions, from * page, to * page)).toBe(range.every((p) => p !== null));
            protectRange(regions, from * page, to * page, permissions);
            for (let i = from; i < to; i++) if (model[i] !== null) model[i] = permissions;
          }
          check(regions, model);
        }
      }),
    );
  });

  it("finds the highest gap that is large enough", () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }),
        fc.integer({ min: 1, max: 6 }),
        (used, size) => {
          const regions: Region[] = [];
          used.forEach((is, i) => {
            if (is)
              insertRegion(regions, {
                start: i * page,
                end: (i + 1) * page,
                permissions: i % 8,
                backing: { kind: "anonymous" },
                name: "",
              });
          });
          let expected: number | null = null;
          for (let i = 2; i + size <= 28; i++) if (used.slice(i, i + size).every((is) => !is)) expected = i * page;
          expect(findGap(regions, size * page, 2 * page, 28 * page)).toBe(expected);
        },
      ),
    );
  });

  it("keep the right part of a file when they are split", () => {
    const regions: Region[] = [];
    const backing = {
      kind: "file",
      file: 1 as never,
      offset: 8192,
      fileBytes: 10_000,
      beyond: "zero",
      shared: false,
      writable: false,
    } as const;
    insertRegion(regions, { start: 0x10000, end: 0x14000, permissions: 5, backing, name: "f" });
    removeRange(regions, 0x11000, 0x12000);
    expect(regions.map(({ start, end, backing: part }) => [start, end, part])).toEqual([
      [0x10000, 0x11000, backing],
      [0x12000, 0x14000, { ...backing, offset: 16384, fileBytes: 1808 }],
    ]);
  });

  it("have no long names when they are very many, however they came to be", () => {
    const name = `/${"x".repeat(4000)}`;
    const region = (): Region => ({ start: 0, end: 8 * page, permissions: 1, backing: { kind: "vdso" }, name });
    const space = { regions: [region()], promised: 0 } as unknown as Space;
    const k = { mm: initMm(64) };
    k.mm.regions = limits.namedRegions - 2;
    const names = (): string[] => space.regions.map((each) => each.name);
    const protect = (at: number): void =>
      changeRegions(k, space, at, at + page, () => protectRange(space.regions, at, at + page, 3));
    protect(page);
    expect([k.mm.regions, names()]).toEqual([limits.namedRegions, [name, name, name]]);
    protect(3 * page);
    expect([k.mm.regions, names()]).toEqual([limits.namedRegions + 2, [name, name, ...Array(3).fill("//toolong")]]);
    const copied = region();
    tallyRegion(k, space, copied, 1);
    expect(copied.name).toBe("//toolong");
  });
});

describe("Sv39 page tables", () => {
  function tables(): { tables: PageTables; root: FrameNumber; allocate: () => FrameNumber | null; freed: number[] } {
    const bytes = new Uint8Array(256 * page);
    const view = (frame: number): Uint8Array => bytes.subarray(frame * page, (frame + 1) * page);
    const words = new DataView(bytes.buffer);
    const memory: PhysicalMemory = {
      frames: 256,
      read: view,
      write: view,
      clear: (frame) => void view(frame).fill(0),
      getWord: (frame, index) => Number(words.getBigUint64(frame * page + index * 8, true)),
      nextWord(frame, from, to) {
        let index = from;
        while (index < to && words.getBigUint64(frame * page + index * 8, true) === 0n) index++;
        return index;
      },
      setWord: (frame, index, value) => words.setBigUint64(frame * page + index * 8, BigInt(value), true),
      copyOut: (frame, from, to, target, at) => target.set(view(frame).subarray(from, to), at),
      copyIn: (frame, to, source, at, count) => view(frame).set(source.subarray(at, at + count), to),
    };
    let next = 1;
    const made = new PageTables(memory, 0x8000_0000);
    made.initRoot(0 as FrameNumber);
    return {
      tables: made,
      root: 0 as FrameNumber,
      allocate: () => (next < 256 ? (next++ as FrameNumber) : null),
      freed: [],
    };
  }

  it("give back what was put in, for any address and permission", () => {
    const address = fc
      .oneof(fc.nat(2 ** 26 - 1), fc.constantFrom(0, 511, 512, 2 ** 18 - 1, 2 ** 18, 2 ** 26 - 1))
      .map((number) => number * page);
    fc.assert(
      fc.property(fc.array(fc.tuple(address, fc.nat(200_000), fc.nat(7)), { maxLength: 30 }), (entries) => {
        const { tables: made, root, allocate, freed } = tables();
        const model = new Map<number, { frame: number; permissions: number }>();
        for (const [at, frame, wanted] of entries) {
          // The hardware has no write without read.
          const permissions = wanted & 2 ? wanted | 1 : wanted;
          expect(made.map(root, at, { frame: frame as FrameNumber, permissions }, allocate)).toBe(true);
          model.set(at, { frame, permissions });
        }
        for (const [at, mapping] of model) expect(made.lookup(root, at)).toEqual(mapping);
        const seen: [number, unknown][] = [];
        made.forEach(root, 0, 2 ** 38, (at, mapping) => seen.push([at, mapping]));
        expect(seen).toEqual([...model].sort((a, b) => a[0] - b[0]));
        for (const at of model.keys()) made.unmap(root, at);
        made.forEach(root, 0, 2 ** 38, () => expect.unreachable());
        made.eachTable(root, (frame) => freed.push(frame));
        expect(freed.at(-1)).toBe(0);
        expect(new Set(freed).size).toBe(freed.length);
      }),
    );
  });

  it("say when a table cannot be had, and change nothing", () => {
    const { tables: made, root } = tables();
    expect(made.map(root, 0x10000, { frame: 5 as FrameNumber, permissions: 3 }, () => null)).toBe(false);
    expect(made.lookup(root, 0x10000)).toBeNull();
  });
});
