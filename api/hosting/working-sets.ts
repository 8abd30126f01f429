/**
 * Which pages machines asked for that went on from a snapshot, so that the next one which does is given them at once
 * instead of one by one: its own next run, or another fork.
 *
 * The last ones are in memory; all are stored with their snapshots, for as long as those are there (Snapshots.create). Never
 * more than a hint: a machine runs the same whichever pages it is given, and when.
 */
import type { Hash, WorkingSet } from "../store/types.ts";
import type { Captured } from "./protocol.ts";

type Noted = Pick<Captured, "origin" | "root" | "workingSet">;

/** The snapshots of which this was known last. Of each there are 16 KiB at most. */
const KNOWN_SNAPSHOTS = 2048;

export class WorkingSets {
  readonly #pages = new Map<Hash, Uint32Array>();

  of(root: Hash): Uint32Array | undefined {
    const pages = this.#pages.get(root);
    if (pages !== undefined) this.#keep(root, pages);
    return pages;
  }

  /**
   * A machine that began at `origin` (null: at no snapshot), the first of its snapshots, and was brought these pages since, is
   * at `root` now. Returns what is to be stored of it.
   */
  note({ origin, root, workingSet }: Noted, [first]: readonly string[]): WorkingSet {
    if (workingSet.length > 0) for (const name of [origin, root]) if (name !== null) this.#keep(name, workingSet);
    return { from: origin === null ? null : (first ?? null), pages: workingSet };
  }

  /** Of a snapshot that is not in memory: what is stored of it. */
  learn(root: Hash, pages: Uint32Array | null): Uint32Array | undefined {
    if (pages === null || pages.length === 0) return undefined;
    this.#keep(root, pages);
    return pages;
  }

  #keep(root: Hash, pages: Uint32Array): void {
    this.#pages.delete(root);
    this.#pages.set(root, pages);
    if (this.#pages.size > KNOWN_SNAPSHOTS) this.#pages.delete(this.#pages.keys().next().value!);
  }
}
