/** What regular files hold, against an array of bytes and the set of its pages that are there. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { FrameNumber } from "../../kernel/lib/ids.ts";
import { addImage } from "../../kernel/mm/images.ts";
import type { MmKernel } from "../../kernel/mm/kernel.ts";
import { initMm } from "../../kernel/mm/state.ts";
import {
  createStored,
  fillStored,
  newBytes,
  peekStored,
  punchStored,
  readStored,
  releaseStored,
  resizeStored,
  seekStored,
  storedBytes,
  writeStored,
} from "../../kernel/mm/stored.ts";

const page = 4096;
const most = 8 * page;
const content = Uint8Array.from({ length: 3 * page }, (_, i) => 1 + (i % 251));
/** Where the pieces lie that the model knows: at the beginning, over an image, or far behind it. */
const bases = [0, 2 ** 45] as const;

function kernelOf(frames: number): MmKernel {
  const pages = Array.from({ length: frames }, () => new Uint8Array(page));
  const at = (frame: FrameNumber): Uint8Array => pages[frame]!;
  const memory = { read: at, write: at, clear: (frame: FrameNumber) => void at(frame).fill(0) };
  return {
    mm: initMm(frames),
    hal: { memory },
    trace: { on: () => false },
    effort: { spent: 0 },
    content: (_hash: string, offset: number, length: number) => content.subarray(offset, offset + length),
    endStored: () => undefined,
  } as unknown as MmKernel;
}

const place = fc.nat(most);
const operation = fc.oneof(
  fc.record({ kind: fc.constant("write"), at: place, length: fc.nat(9000) }),
  fc.record({ kind: fc.constant("punch"), at: place, length: fc.nat(most) }),
  fc.record({ kind: fc.constant("fill"), at: place, length: fc.integer({ min: 1, max: 9000 }) }),
  fc.record({ kind: fc.constant("resize"), at: place, length: fc.constant(0) }),
);

it.each([
  ["an image", 2.5 * page, 0],
  ["nothing", 0, bases[1]],
] as const)("a file over %s holds what was written, and holes elsewhere", (_name, imageBytes, base) => {
  const run = (operations: readonly { kind: string; at: number; length: number }[]): void => {
    const k = kernelOf(64);
    const file = createStored(k, imageBytes === 0 ? null : addImage(k, "0".repeat(64), imageBytes));
    const bytes = new Uint8Array(most + 4 * page);
    bytes.set(content.subarray(0, imageBytes));
    const there = new Set(Array.from({ length: Math.ceil(imageBytes / page) }, (_, i) => i));
    let size = imageBytes;
    const pagesOf = (start: number, end: number): number[] =>
      Array.from(
        { length: Math.max(0, Math.ceil(end / page) - Math.floor(start / page)) },
        (_, i) => i + Math.floor(start / page),
      );
    for (const [step, { kind, at, length }] of operations.entries()) {
      const end = at + length;
      if (kind === "write") {
        const data = new Uint8Array(length).fill(100 + step);
        expect(writeStored(k, file, base + at, data)).toBe(length);
        bytes.set(data, at);
        for (const index of pagesOf(at, end)) if (length > 0) there.add(index);
        if (length > 0) size = Math.max(size, end);
      } else if (kind === "punch") {
        expect(punchStored(k, file, base + at, base + end)).toBe(true);
        const stop = Math.min(end, size);
        if (stop > at) bytes.fill(0, at, stop);
        for (const index of pagesOf(at, stop))
          if (index * page >= at && ((index + 1) * page <= stop || stop === size)) there.delete(index);
      } else if (kind === "fill") {
        expect(fillStored(k, file, base + at, base + end)).toBe(true);
        for (const index of pagesOf(at, end)) there.add(index);
        file.size = Math.max(file.size, base + end);
        size = Math.max(size, end);
      } else {
        expect(resizeStored(k, file, base + at)).toBe(true);
        if (at < size) bytes.fill(0, at);
        for (const index of [...there]) if (index * page >= at) there.delete(index);
        size = at;
      }
      check(k, file, { bytes, there, size, base });
    }
    releaseStored(k, file.id);
    expect(k.mm.storedFrames).toBe(0);
  };
  fc.assert(fc.property(fc.array(operation, { maxLength: 12 }), run), { numRuns: 100 });
});

interface Model {
  bytes: Uint8Array;
  there: ReadonlySet<number>;
  size: number;
  base: number;
}

function check(k: MmKernel, file: ReturnType<typeof createStored>, { bytes, there, size, base }: Model): void {
  // What is far behind the beginning begins with nothing.
  if (file.size !== 0) expect(file.size).toBe(base + size);
  expect(Buffer.compare(readStored(k, file, base, size)!, bytes.subarray(0, size))).toBe(0);
  for (const index of there)
    expect(
      Buffer.compare(peekStored(k, file, base / page + index), bytes.subarray(index * page, (index + 1) * page)),
    ).toBe(0);
  const pages = Math.ceil(size / page);
  const counted = [...there].filter((index) => index < pages).length;
  const behind = [...there].length - counted;
  expect(storedBytes(k, file)).toBe((counted + behind) * page);
  const isThere = (index: number): boolean => there.has(index);
  for (let index = 0; index < pages; index++) {
    const from = index * page + 5;
    if (from >= size) continue;
    const next = Array.from({ length: pages - index }, (_, i) => index + i);
    const data = next.find(isThere);
    const hole = next.find((i) => !isThere(i));
    const found = (i: number | undefined, none: number | null): number | null =>
      i === undefined ? none : base + Math.max(from, i * page);
    expect(seekStored(k, file, base + from, "data")).toBe(found(data, null));
    expect(seekStored(k, file, base + from, "hole")).toBe(found(hole, base + size));
    const own = [...file.pages].filter(([at, frame]) => frame >= 0 && at >= base / page + index).length;
    const whole = pages - index + 20;
    expect(newBytes(k, file, base + index * page, whole * page)).toBe((whole - own) * page);
  }
}
