/**
 * Collection of content that nothing leads to: marks what can be reached from the rows that name content and from what
 * is held, then deletes the rest, and compresses of what stays what nobody has tried to compress yet.
 *
 * Everything goes on meanwhile. Must hold: nothing is deleted that a row leads to, or will when somebody has written the
 * row that he holds content for. It does, because
 * - a row that is there during all of the marking is read by it;
 * - a row that comes meanwhile is written by somebody who holds what it names, and the collector hears of a hold in the
 *   same turn, before the holder looks whether the content is there (Blobs.put) or the row that he had it from;
 * - what is taken over from another row without a hold (a fork's spec) is named by that row for as long as it counts;
 * - machines are read before the snapshots that repeat their specs, and these before journals;
 * - deleting and storing are transactions, one after the other.
 *
 * A collection that ends half-way (kill -9 included) has deleted only garbage. One that meets content which it cannot
 * follow deletes nothing, because it cannot know what is behind it.
 */
import { contentMark } from "../../../kernel/content.ts";
import type { Hash, Naming, Store } from "../../store/types.ts";
import { type Pace, Pacer } from "./pace.ts";
import { isHash, referencesOf } from "./references.ts";
import { Walk } from "./walk.ts";

export interface CollectionReport {
  startedAt: Date;
  durationMs: number;
  /** Blobs that were there, and what was deleted of them. */
  examinedBlobs: number;
  deletedBlobs: number;
  deletedBytes: number;
  /** Of what stayed: blobs that are compressed since, and what that saved. */
  compressedBlobs: number;
  savedBytes: number;
  /** Roots, states and nodes that are named and not stored: damage, to be looked into. */
  missingBlobs: number;
  /** Rows of content whose name is no SHA-256, which nothing can lead to and nothing reads: damage, and left where it is. */
  misnamedBlobs: number;
  /** The longest that others had to wait for a step of it. */
  longestStepMs: number;
}

const ORDER: readonly Naming["kind"][] = ["machine", "snapshot", "program", "submission", "assignment", "entry"];
const HASHES_PER_STEP = 500;

type Parts = Pick<Store, "blobs" | "holds" | "contents">;

export class Collector {
  readonly #store: Parts;
  #running: Promise<CollectionReport> | null = null;
  last: CollectionReport | null = null;

  constructor(store: Parts) {
    this.#store = store;
  }

  /** One that is under way is joined, at its own pace. */
  collect(pace: Pace): Promise<CollectionReport> {
    this.#running ??= this.#collect(pace).finally(() => (this.#running = null));
    return this.#running;
  }

  async #collect(pace: Pace): Promise<CollectionReport> {
    const startedAt = new Date();
    const pacer = new Pacer(pace);
    const inPieces = new Set<Hash>();
    const walk = new Walk(this.#store.blobs, inPieces);
    const watch = this.#store.holds.watch((reference) => walk.add(reference));
    try {
      // Asked when holds are watched already: what comes to be in pieces from then on is heard of piece by piece.
      for (const hash of await this.#store.contents.inPieces()) inPieces.add(hash);
      // What somebody took hold of meanwhile is among them, too, and now it is known what of it is in pieces.
      for (const reference of watch.held()) walk.add(reference);
      for (const kind of ORDER) await this.#mark(kind, walk, pacer);
      const swept = await this.#sweep(walk, pacer);
      const durationMs = Date.now() - startedAt.getTime();
      const { longestStepMs } = pacer;
      this.last = { startedAt, durationMs, ...swept, missingBlobs: walk.missing.length, longestStepMs };
      return this.last;
    } finally {
      watch.end();
    }
  }

  async #mark(kind: Naming["kind"], walk: Walk, pacer: Pacer): Promise<void> {
    let cursor: string | null = null;
    do {
      const page: { items: Naming[]; cursor: string | null } = await this.#store.contents.namings(
        kind,
        cursor,
        contentMark,
      );
      for (const naming of page.items) for (const reference of referencesOf(naming)) walk.add(reference);
      ({ cursor } = page);
      await pacer.rest();
      await this.#follow(walk, pacer);
    } while (cursor !== null);
  }

  async #follow(walk: Walk, pacer: Pacer): Promise<void> {
    while (!walk.isDone) {
      await walk.step();
      await pacer.rest();
    }
  }

  async #sweep(walk: Walk, pacer: Pacer) {
    const swept = {
      examinedBlobs: 0,
      misnamedBlobs: 0,
      deletedBlobs: 0,
      deletedBytes: 0,
      compressedBlobs: 0,
      savedBytes: 0,
    };
    const isGarbage = (hash: string) => !walk.marks.has(hash);
    for (let after: string | null = null; ; ) {
      // What is held since then may lead further.
      await this.#follow(walk, pacer);
      const names = await this.#store.contents.hashes(after, HASHES_PER_STEP);
      const hashes = names.filter(isHash);
      swept.examinedBlobs += names.length;
      swept.misnamedBlobs += names.length - hashes.length;
      const deleted = await this.#store.contents.delete(hashes.filter(isGarbage), isGarbage);
      swept.deletedBlobs += deleted.blobs;
      swept.deletedBytes += deleted.bytes;
      // What was deleted just now is not there to be compressed.
      for await (const { blobs, savedBytes } of this.#store.contents.compress(hashes)) {
        swept.compressedBlobs += blobs;
        swept.savedBytes += savedBytes;
        await pacer.rest();
      }
      if (names.length < HASHES_PER_STEP) return swept;
      after = names.at(-1)!;
      await pacer.rest();
    }
  }
}
