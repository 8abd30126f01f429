/**
 * What a machine costs its worker in memory: the pages of RAM and disks that the host had to find room for. A page that
 * nobody has touched since it was zero takes none, nor does one that is still in the store. What was found room for is
 * only given back when the machine leaves, so the cost never falls.
 *
 * Looking goes through all pages, so it is done now and then only (`LOOK_EVERY_MS`) and before a capture, after which no
 * page is dirty any more.
 */
import type { Machine } from "../../../kernel/index.ts";

/** A core's own tables and code, and the kernel's objects: 1.3 MiB of a machine whose program waits for a line, rounded up. */
export const LEAST_BYTES = 2 * 1024 * 1024;
const LOOK_EVERY_MS = 100;

const Held = { untouched: 0, absent: 1, here: 2 } as const;

type Pages = Pick<Machine["memory"], "pages" | "pageBytes" | "isPresent" | "isDirty">;

export class Footprint {
  readonly #memory: Pages;
  readonly #now: () => number;
  /** Of each page, as of the last look. */
  readonly #held: Uint8Array;
  #here = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** Of a machine that has just been made: what is absent now comes from the store. */
  constructor(memory: Pages, now: () => number = () => performance.now()) {
    this.#memory = memory;
    this.#now = now;
    this.#held = new Uint8Array(memory.pages);
    for (let page = 0; page < memory.pages; page++) if (!memory.isPresent(page)) this.#held[page] = Held.absent;
  }

  get bytes(): number {
    if (this.#now() - this.#lookedAt >= LOOK_EVERY_MS) this.look();
    return LEAST_BYTES + this.#here * this.#memory.pageBytes;
  }

  look(): void {
    const held = this.#held;
    for (let page = 0; page < held.length; page++) {
      const before = held[page]!;
      if (before === Held.here) continue;
      if (before === Held.absent ? !this.#memory.isPresent(page) : !this.#memory.isDirty(page)) continue;
      held[page] = Held.here;
      this.#here += 1;
    }
    this.#lookedAt = this.#now();
  }
}
