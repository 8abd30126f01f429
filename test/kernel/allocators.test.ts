/** Frame allocators against the simplest model there is: the set of free frames. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePlain, encodePlain } from "../../kernel/lib/codec.ts";
import { limits } from "../../kernel/lib/limits.ts";
import type { AllocatorKind, AllocatorState } from "../../kernel/mm/allocators/allocator.ts";
import { allocatorFor, allocators } from "../../kernel/mm/allocators/table.ts";
import { dropFrame, dropRun, FrameOwner, initFrames, takeFrame, takeRun } from "../../kernel/mm/frames.ts";
import { freeFigures, type PhysicalMemoryConfig, plainMemory, ramRanges } from "../../kernel/mm/physical.ts";

const kinds = Object.keys(allocators) as AllocatorKind[];

type Step = { kind: "take"; order: number } | { kind: "give"; which: number; frames: "whole" | "single" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("take" as const), order: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const), order: fc.nat(8) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("give" as const),
      which: fc.nat(),
      frames: fc.constantFrom("whole" as const, "single" as const),
    }),
  },
);
const stepsTo = (maxLength: number) => fc.array(step, { maxLength, size: "max" });
const zone = fc.record({ first: fc.nat(150), size: fc.integer({ min: 1, max: 400 }) });

const framesOf = (first: number, order: number): number[] => Array.from({ length: 2 ** order }, (_, i) => first + i);

/** Where runs could begin, if only the set decided. */
function runsIn(free: ReadonlySet<number>, order: number): number[] {
  return [...free].filter(
    (frame) => frame % 2 ** order === 0 && framesOf(frame, order).every((each) => free.has(each)),
  );
}

function piecesOf(state: AllocatorState): [number, number][] {
  const pieces: [number, number][] = [];
  allocatorFor(state.kind).eachFree(state, (first, frames) => pieces.push([first, frames]));
  return pieces.sort((a, b) => a[0] - b[0]);
}

function maximalRuns(free: ReadonlySet<number>): [number, number][] {
  const runs: [number, number][] = [];
  for (const frame of [...free].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === frame) last[1] += 1;
    else runs.push([frame, 1]);
  }
  return runs;
}

/** An allocator, its model, and what was taken from it. */
class Run {
  readonly free = new Set<number>();
  readonly taken: { first: number; order: number }[] = [];
  state: AllocatorState;

  constructor(kind: AllocatorKind, first: number, end: number) {
    this.state = allocatorFor(kind).init(first, end);
    for (let frame = first; frame < end; frame++) this.free.add(frame);
  }

  take(order: number): void {
    const first = allocatorFor(this.state.kind).take(this.state, order);
    if (first === null) {
      expect(runsIn(this.free, order)).toEqual([]);
      return;
    }
    expect(first % 2 ** order).toBe(0);
    for (const frame of framesOf(first, order)) expect(this.free.delete(frame)).toBe(true);
    this.taken.push({ first, order });
  }

  give(which: number, frames: "whole" | "single"): void {
    const [run] = this.taken.splice(which % Math.max(1, this.taken.length), 1);
    if (run === undefined) return;
    const { give } = allocatorFor(this.state.kind);
    if (frames === "whole") give(this.state, run.first, run.order);
    // The odd ones first: neighbours come together only afterwards.
    else
      for (const odd of [1, 0])
        for (const frame of framesOf(run.first, run.order)) if (frame % 2 === odd) give(this.state, frame, 0);
    for (const frame of framesOf(run.first, run.order)) this.free.add(frame);
  }

  do(step: Step): void {
    if (step.kind === "take") this.take(step.order);
    else this.give(step.which, step.frames);
  }
}

describe.each(kinds)("the allocator %s", (kind) => {
  it("gives out exactly what is free, aligned, once, and finds a run whenever there is one", () => {
    fc.assert(
      fc.property(zone, stepsTo(120), ({ first, size }, steps) => {
        const run = new Run(kind, first, first + size);
        for (const each of steps) run.do(each);
        const pieces = piecesOf(run.state);
        expect(pieces.flatMap(([start, frames]) => Array.from({ length: frames }, (_, i) => start + i))).toEqual(
          [...run.free].sort((a, b) => a - b),
        );
        if (kind !== "buddy") expect(pieces).toEqual(maximalRuns(run.free));
      }),
    );
  });

  it("comes to an end after as many frames as there are, and is as new when all have come back", () => {
    fc.assert(
      fc.property(zone, stepsTo(60), fc.nat(), ({ first, size }, steps, seed) => {
        const run = new Run(kind, first, first + size);
        for (const each of steps) run.do(each);
        while (run.free.size > 0) run.take(0);
        expect(allocatorFor(kind).take(run.state, 0)).toBeNull();
        for (let i = 1; run.taken.length > 0; i++) run.give(seed + i * 7919, i % 3 === 0 ? "single" : "whole");
        const fresh = allocatorFor(kind).init(first, first + size);
        if (run.state.kind === "bitmap" && fresh.kind === "bitmap") fresh.next = run.state.next;
        expect(run.state).toEqual(fresh);
      }),
    );
  });

  it("goes on alike after it was stored and loaded", () => {
    fc.assert(
      fc.property(zone, stepsTo(100), stepsTo(100), ({ first, size }, before, after) => {
        const [one, other] = [new Run(kind, first, first + size), new Run(kind, first, first + size)];
        for (const each of before) for (const run of [one, other]) run.do(each);
        other.state = decodePlain(encodePlain(other.state)) as AllocatorState;
        for (const each of after) for (const run of [one, other]) run.do(each);
        expect(other.taken).toEqual(one.taken);
        expect(encodePlain(other.state)).toEqual(encodePlain(one.state));
      }),
    );
  });
});

describe("what allocators differ in", () => {
  it("buddies are never free both: they are one block", () => {
    fc.assert(
      fc.property(zone, stepsTo(120), ({ first, size }, steps) => {
        const run = new Run("buddy", first, first + size);
        for (const each of steps) run.do(each);
        const blocks = new Set(piecesOf(run.state).map(([start, frames]) => `${start}+${frames}`));
        for (const [start, frames] of piecesOf(run.state)) {
          expect(start % frames).toBe(0);
          const buddy = (start / frames) % 2 === 0 ? start + frames : start - frames;
          expect(blocks.has(`${buddy}+${frames}`)).toBe(false);
        }
      }),
    );
  });

  it("the bitmap gives out single frames as a scan of their owners does that goes on where it ended", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.option(fc.nat(), { freq: 1 }), { maxLength: 400, size: "max" }),
        (size, steps) => {
          const { take, give } = allocators.bitmap;
          const state = allocators.bitmap.init(0, size);
          const owner = new Uint8Array(size);
          let next = 0;
          for (const frame of steps) {
            if (frame !== null) {
              if (owner[frame % size] === 1) give(state, frame % size, 0);
              owner[frame % size] = 0;
              continue;
            }
            let found = owner.indexOf(0, next);
            if (found < 0) found = owner.indexOf(0);
            expect(take(state, 0)).toBe(found < 0 ? null : found);
            if (found < 0) continue;
            owner[found] = 1;
            next = found + 1 === size ? 0 : found + 1;
          }
        },
      ),
    );
  });

  it("the bitmap lets a frame rest that came back, the free list uses it at once, the buddy takes the lowest", () => {
    const next = (kind: AllocatorKind): [number, number, number] => {
      const { take, give } = allocatorFor(kind);
      const state = allocatorFor(kind).init(0, 64);
      const first = take(state, 0)!;
      const second = take(state, 0)!;
      give(state, first, 0);
      return [first, second, take(state, 0)!];
    };
    expect(next("bitmap")).toEqual([0, 1, 2]);
    expect(next("free_list")).toEqual([63, 62, 63]);
    expect(next("buddy")).toEqual([0, 1, 0]);
  });
});

const config = (overrides: Partial<PhysicalMemoryConfig>): PhysicalMemoryConfig => ({ ...plainMemory, ...overrides });
const page = 4096;

describe.each(kinds)("frames under %s", (allocator) => {
  it("are the frames of RAM that nothing was set aside of", () => {
    const setAside = [
      { kind: "firmware", bytes: 16 * page, at: "start" },
      { kind: "kernel", bytes: 8 * page, at: "start" },
      { kind: "persistent", bytes: 32 * page, at: "end" },
      { kind: "reserved", bytes: 4 * page, at: "end" },
    ] as const;
    const physical = config({ allocator, setAside: [...setAside], dmaBytes: 256 * page });
    expect(ramRanges(2048, physical)).toEqual([
      { kind: "firmware", first: 0, end: 16 },
      { kind: "kernel", first: 16, end: 24 },
      { kind: "available", first: 24, end: 2012 },
      { kind: "reserved", first: 2012, end: 2016 },
      { kind: "persistent", first: 2016, end: 2048 },
    ]);
    const frames = initFrames(2048, physical);
    expect(frames.zones.map(({ kind, first, end }) => [kind, first, end])).toEqual([
      ["normal", 256, 2012],
      ["dma", 24, 256],
      ["persistent", 2016, 2048],
    ]);
    expect([frames.total, frames.free]).toEqual([1988, 1988]);
    expect(frames.owner[3]).toBe(FrameOwner.firmware);
    expect(frames.owner[2014]).toBe(FrameOwner.reserved);
    const taken: number[] = [];
    for (let frame = takeFrame(frames, FrameOwner.table); frame !== null; frame = takeFrame(frames, FrameOwner.table))
      taken.push(frame);
    expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1988 }, (_, i) => 24 + i));
    // Memory below the border is kept for those who need it for as long as there is other memory.
    expect(taken.findIndex((frame) => frame < 256)).toBe(1756);
    expect(takeRun(frames, 5, FrameOwner.untyped, "persistent")).toBe(2016);
    expect(takeRun(frames, 0, FrameOwner.untyped, "persistent")).toBeNull();
  });

  it("come in runs, from the zone that was asked for, and leave the reserve alone", () => {
    const frames = initFrames(2048, config({ allocator, dmaBytes: 256 * page }));
    const run = takeRun(frames, 7, FrameOwner.untyped, "dma")!;
    expect(run % 128).toBe(0);
    expect(run).toBeLessThan(256);
    expect(frames.owner.subarray(run, run + 128).every((owner) => owner === FrameOwner.untyped)).toBe(true);
    expect(takeRun(frames, 8, FrameOwner.untyped, "dma")).toBeNull();
    const large = takeRun(frames, 10, FrameOwner.untyped)!;
    expect(large).toBe(1024);
    while (takeFrame(frames, FrameOwner.anonymous) !== null);
    expect(frames.free).toBe(limits.reservedFrames);
    expect(takeRun(frames, 2, FrameOwner.untyped)).toBeNull();
    dropRun(frames, large as never, 10);
    for (let frame = run; frame < run + 128; frame++) dropFrame(frames, frame as never);
    expect(frames.free).toBe(limits.reservedFrames + 1024 + 128);
    expect(takeRun(frames, 10, FrameOwner.untyped)).toBe(1024);
  });

  it("say how well what is free hangs together", () => {
    const frames = initFrames(1024, config({ allocator }));
    expect(freeFigures(frames.zones)).toEqual({
      frames: 1024,
      largest: 1024,
      piecesByOrder: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    });
    const taken: number[] = [];
    for (let i = 0; i < 1008; i++) taken.push(takeFrame(frames, FrameOwner.anonymous)!);
    for (const frame of taken) if (frame % 2 === 1) dropFrame(frames, frame as never);
    const figures = freeFigures(frames.zones);
    expect(figures.frames).toBe(frames.free);
    expect(figures.piecesByOrder[0]).toBeGreaterThan(490);
    expect(figures.largest).toBeLessThan(20);
  });
});
