/** Frame allocators on 256 MiB: ns of taking and dropping a frame, in memory that is empty, and half full at random. */

import * as frames from "../../kernel/mm/frames.ts";
import { FrameOwner, type FramesState, initFrames } from "../../kernel/mm/frames.ts";
import { freeFigures, plainMemory } from "../../kernel/mm/physical.ts";
import { median, printTable } from "./table.ts";

const FRAMES = 65_536;
const RUNS = 9;

interface Subject {
  name: string;
  make(): FramesState;
  take(state: FramesState): number | null;
  drop(state: FramesState, frame: number): void;
}

const subjects: Subject[] = (["bitmap", "free_list", "buddy"] as const).map((allocator) => ({
  name: allocator,
  make: () => initFrames(FRAMES, { ...plainMemory, allocator }),
  take: (state) => frames.takeFrame(state, FrameOwner.anonymous),
  drop: (state, frame) => frames.dropFrame(state, frame as never),
}));

/** The baseline: nothing but the table of owners, searched from where the last search ended. */
let next = 0;
subjects.push({
  name: "scan of the owners (baseline)",
  make: () => initFrames(FRAMES, plainMemory),
  take(state) {
    if (state.free <= 16) return null;
    let found = state.owner.indexOf(FrameOwner.free, next);
    if (found < 0) found = state.owner.indexOf(FrameOwner.free);
    state.owner[found] = FrameOwner.anonymous;
    state.references[found] = 1;
    state.free -= 1;
    next = found + 1 === FRAMES ? 0 : found + 1;
    return found;
  },
  drop(state, frame) {
    state.references[frame]! -= 1;
    if (state.references[frame] !== 0) return;
    state.owner[frame] = FrameOwner.free;
    state.free += 1;
  },
});

/** Numbers that are the same in every run. */
function* chance(seed = 1): Generator<number, never> {
  for (let x = seed; ; ) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    yield x;
  }
}

/** Takes all, drops every other one at random. */
function halfFull({ make, take, drop }: Subject): { state: FramesState; held: number[] } {
  const state = make();
  const held: number[] = [];
  for (let frame = take(state); frame !== null; frame = take(state)) held.push(frame);
  const random = chance();
  for (let i = held.length / 2; i > 0; i--) {
    const which = random.next().value % held.length;
    drop(state, held[which]!);
    held[which] = held.at(-1)!;
    held.pop();
  }
  return { state, held };
}

/** Fills all memory and empties it again; ns a pair. */
function fillAndEmpty({ take, drop }: Subject, state: FramesState): number {
  const held: number[] = [];
  const start = performance.now();
  for (let frame = take(state); frame !== null; frame = take(state)) held.push(frame);
  for (const frame of held) drop(state, frame);
  return ((performance.now() - start) * 1e6) / held.length;
}

/** Drops one at random and takes another, again and again; ns a pair. */
function churn({ take, drop }: Subject, state: FramesState, held: number[]): number {
  const random = chance(7);
  const whiches = Array.from({ length: 100_000 }, () => random.next().value % held.length);
  const start = performance.now();
  for (const which of whiches) {
    drop(state, held[which]!);
    held[which] = take(state)!;
  }
  return ((performance.now() - start) * 1e6) / whiches.length;
}

export async function bench(): Promise<void> {
  const rows = subjects.map((subject) => {
    const filled = Array.from({ length: RUNS }, () => fillAndEmpty(subject, subject.make()));
    const { state, held } = halfFull(subject);
    const churned = Array.from({ length: RUNS }, () => churn(subject, state, held));
    const figures = freeFigures(state.zones);
    const baseline = subject.name.includes("baseline");
    return {
      allocator: subject.name,
      "fill, empty (ns a pair)": median(filled).toFixed(0),
      "half full, at random": median(churned).toFixed(0),
      "largest free piece then": baseline ? "" : figures.largest,
    };
  });
  printTable(rows);
}
