/**
 * What a machine costs its worker in memory: the pages of RAM and disks that the host had to find room for. A page that
 * nobody has touched since it was zero takes none, nor does one that is still in the store. What RAM was found room for is
 * only given back when the machine leaves; of pages of disks the machine says how many it holds.
 *
 * Looking compares the flags of all pages of RAM with what they were, and goes through those alone where they changed. It is done
 * now and then (`LOOK_EVERY_MS`), when a machine comes to rest, and before a capture, after which no page is dirty any more.
 */
import type { Machine } from "../../../kernel/index.ts";

/** A core's own tables and code, and the kernel's objects: 1.3 MiB of a machine whose program waits for a line, rounded up. */
export const LEAST_BYTES = 2 * 1024 * 1024;
const LOOK_EVERY_MS = 100;
/** Pages of RAM whose flags are compared at once. */
const PAGES_COMPARED = 4096;

const Held = { untouched: 0, absent: 1, here: 2 } as const;

type Pages = Pick<Machine["memory"], "pageBytes" | "isPresent" | "isDirty" | "flags" | "diskPagesHeld">;

export class Footprint {
  readonly #memory: Pages;
  readonly #now: () => number;
  /** Of each page of RAM, as of the last look. */
  readonly #held: Uint8Array;
  /** RAM's flags as of the last look. */
  readonly #flags: Uint8Array;
  #here = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** Of a machine that has just been made: what is absent now comes from the store. */
  constructor(memory: Pages, now: () => number = () => performance.now()) {
    this.#memory = memory;
    this.#now = now;
    this.#held = new Uint8Array(memory.flags.length);
    this.#flags = new Uint8Array(memory.flags.length);
    for (let page = 0; page < memory.flags.length; page++) if (!memory.isPresent(page)) this.#held[page] = Held.absent;
  }

  get bytes(): number {
    if (this.#now() - this.#lookedAt >= LOOK_EVERY_MS) this.look();
    return LEAST_BYTES + (this.#here + this.#memory.diskPagesHeld) * this.#memory.pageBytes;
  }

  look(): void {
    const { flags } = this.#memory;
    for (let from = 0; from < flags.length; from += PAGES_COMPARED) {
      const now = flags.subarray(from, from + PAGES_COMPARED);
      if (Buffer.compare(now, this.#flags.subarray(from, from + PAGES_COMPARED)) === 0) continue;
      this.#flags.set(now, from);
      this.#lookAt(from, from + now.length);
    }
    this.#lookedAt = this.#now();
  }

  #lookAt(from: number, to: number): void {
    const held = this.#held;
    for (let page = from; page < to; page++) {
      const before = held[page]!;
      if (before === Held.here) continue;
      if (before === Held.absent ? !this.#memory.isPresent(page) : !this.#memory.isDirty(page)) continue;
      held[page] = Held.here;
      this.#here += 1;
    }
  }
}
