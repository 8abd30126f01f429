/** Walks stored content from what rows name to the last page, each blob once. */
import { visitReferences } from "../../../kernel/content.ts";
import type { Blobs, Bytes, Hash, Reference } from "../../store/types.ts";
import { Marks } from "./marks.ts";

const BLOBS_PER_STEP = 64;

export class Walk {
  readonly marks = new Marks();
  readonly #blobs: Blobs;
  /** Taken from its end: what is still to be done of a tree is a few nodes on each level. */
  #pending: Reference[] = [];
  /** Named, walked to, and not stored. */
  readonly missing: Reference[] = [];

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  get isDone(): boolean {
    return this.#pending.length === 0;
  }

  add(reference: Reference): void {
    if (this.marks.add(reference) && reference.kind !== "leaf") this.#pending.push(reference);
  }

  /** Throws CorruptBlobError or SnapshotFormatError for content that cannot be followed. */
  async step(): Promise<void> {
    const step = this.#pending.splice(-BLOBS_PER_STEP);
    const found = await this.#blobs.get(step.map(({ hash }) => hash));
    for (const reference of step) {
      const data = found.get(reference.hash);
      if (data === undefined) this.missing.push(reference);
      else this.#follow(reference, data);
    }
  }

  #follow({ kind, hash }: Reference, data: Bytes): void {
    visitReferences(kind, hash, data, (below, name) => {
      if (below === "leaf") this.marks.addLeaf(name);
      else this.add({ kind: below, hash: hexOf(name) });
    });
  }
}

const hexOf = (bytes: Uint8Array): Hash => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
