/**
 * Which pages machines asked for that went on from a snapshot, so that the next one which does is given them at once
 * instead of one by one: its own next run, or another fork.
 *
 * In memory only, and never more than a hint: a machine runs the same whichever pages it is given, and when.
 */
import type { Hash } from "../store/types.ts";

/** The snapshots of which this was known last. Of each there are 16 KiB at most. */
const KNOWN_SNAPSHOTS = 2048;

export class WorkingSets {
  readonly #pages = new Map<Hash, Uint32Array>();

  of(root: Hash): Uint32Array | undefined {
    const pages = this.#pages.get(root);
    if (pages !== undefined) this.#keep(root, pages);
    return pages;
  }

  /** A machine that was brought these pages since it began at `from` is at `root` now. */
  note(from: Hash | null, root: Hash, pages: Uint32Array): void {
    if (pages.length === 0) return;
    for (const name of [from, root]) if (name !== null) this.#keep(name, pages);
  }

  #keep(root: Hash, pages: Uint32Array): void {
    this.#pages.delete(root);
    this.#pages.set(root, pages);
    if (this.#pages.size > KNOWN_SNAPSHOTS) this.#pages.delete(this.#pages.keys().next().value!);
  }
}
