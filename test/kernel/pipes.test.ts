/** A pipe, which keeps the whole pages of a write in one piece, against a model that has each page by itself. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { assertPlain } from "../../kernel/lib/plain.ts";
import {
  createPipe,
  getPipe,
  isFull,
  oneReading,
  openPipe,
  peekPipe,
  pipeLength,
  takeFromPipe,
  writePipe,
} from "../../kernel/vfs/pipe.ts";
import { initFiles } from "../../kernel/vfs/state.ts";

const pageBytes = 4096;
const mostPages = 16;

interface Page {
  bytes: number[];
  taken: number;
  packet: boolean;
}

/**
 * As Linux has it: what is over of whole pages goes into the last page if it fits there, all else into new pages. Each of
 * these is a packet, if it is to be: nothing more comes into it, and it is read by itself and at once.
 */
class Model {
  readonly pages: Page[] = [];

  write(bytes: number[], packet: boolean): number {
    let at = 0;
    const over = bytes.length % pageBytes;
    const last = this.pages.at(-1);
    if (over > 0 && last !== undefined && !last.packet && last.bytes.length + last.taken + over <= pageBytes) {
      last.bytes.push(...bytes.slice(0, over));
      at = over;
    }
    while (at < bytes.length && this.pages.length < mostPages) {
      this.pages.push({ bytes: bytes.slice(at, at + pageBytes), taken: 0, packet });
      at += Math.min(pageBytes, bytes.length - at);
    }
    return at;
  }
  read(count: number): number[] {
    const taken: number[] = [];
    for (let page = this.pages[0]; page !== undefined && taken.length < count; page = this.pages[0]) {
      const part = page.bytes.splice(0, count - taken.length);
      page.taken += part.length;
      taken.push(...part);
      if (page.packet || page.bytes.length === 0) this.pages.shift();
      if (page.packet) break;
    }
    return taken;
  }
}

const sizes = fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.constantFrom(1, 4095, 4096, 4097, 8192, 40_000, 70_000));
const steps = fc.array(fc.record({ writes: fc.boolean(), size: sizes, mine: fc.boolean(), packets: fc.boolean() }), {
  maxLength: 40,
});

it("a pipe takes and gives what its pages would", () => {
  fc.assert(
    fc.property(steps, (chosen) => {
      const k = { files: initFiles(), threads: { queues: new Map() }, effort: { spent: 0 } } as unknown as Parameters<
        typeof openPipe
      >[0];
      const id = createPipe(k, 1);
      openPipe(k, id, true, true);
      const model = new Model();
      let next = 0;
      for (const { writes, size, mine, packets } of chosen) {
        const pipe = getPipe(k, id);
        if (writes) {
          const bytes = Array.from({ length: size }, () => next++ & 0xff);
          const written = writePipe(k, id, Uint8Array.from(bytes), { packets, mine });
          expect(written).toBe(model.write(bytes, packets));
        } else {
          const bytes = peekPipe(pipe, oneReading(pipe, size))?.slice() ?? new Uint8Array(0);
          takeFromPipe(k, id, bytes.length);
          expect(Buffer.from(bytes).equals(Buffer.from(model.read(size)))).toBe(true);
        }
        expect(isFull(pipe)).toBe(model.pages.length >= mostPages);
        expect(pipeLength(pipe)).toBe(model.pages.reduce((sum, page) => sum + page.bytes.length, 0));
        assertPlain(pipe);
      }
    }),
    { numRuns: 40 },
  );
});
