/** Walks stored content from what rows name to the last page, each blob once. */
import { visitReferences } from "../../../kernel/content.ts";
import type { Blobs, Bytes, ContentKind, Hash, Pieces, Reference } from "../../store/types.ts";
import { Marks } from "./marks.ts";

const BLOBS_PER_STEP = 64;

/** `pieces`: is not stored in one, and leads to its pieces beside whatever else it leads to. */
interface Step {
  kind: ContentKind | "pieces";
  hash: Hash;
}

export class Walk {
  readonly marks = new Marks();
  readonly #blobs: Pick<Blobs, "get" | "look">;
  readonly #inPieces: ReadonlySet<Hash>;
  /** Taken from its end: what is still to be done of a tree is a few nodes on each level. */
  #pending: Step[] = [];
  /** Named, walked to, and not stored. */
  readonly missing: Reference[] = [];

  /** `inPieces`: content that is stored in pieces, which may become known as late as before anything is followed. */
  constructor(blobs: Pick<Blobs, "get" | "look">, inPieces: ReadonlySet<Hash>) {
    this.#blobs = blobs;
    this.#inPieces = inPieces;
  }

  get isDone(): boolean {
    return this.#pending.length === 0;
  }

  add(reference: Reference): void {
    const { hash } = reference;
    if (this.#inPieces.has(hash)) this.#append({ kind: "pieces", hash });
    this.#append(reference);
  }

  #append(step: Step): void {
    if (this.marks.add(step) && step.kind !== "leaf") this.#pending.push(step);
  }

  /** Throws CorruptBlobError or SnapshotFormatError for content that cannot be followed. */
  async step(): Promise<void> {
    const step = this.#pending.splice(-BLOBS_PER_STEP);
    const found = await this.#blobs.look(step.map(({ hash }) => hash));
    for (const { kind, hash } of step) {
      const stored = found.get(hash);
      if (stored === undefined) this.missing.push({ kind: kind === "pieces" ? "leaf" : kind, hash });
      else if (kind !== "pieces") this.#follow({ kind, hash }, await this.#inOne(hash, stored));
      else if (!(stored instanceof Uint8Array))
        for (const piece of stored.hashes) this.add({ kind: "leaf", hash: piece });
    }
  }

  async #inOne(hash: Hash, stored: Bytes | Pieces): Promise<Bytes> {
    return stored instanceof Uint8Array ? stored : (await this.#blobs.get([hash])).get(hash)!;
  }

  #follow({ kind, hash }: Reference, data: Bytes): void {
    visitReferences(kind, hash, data, (below, name) => {
      // Pages are most of what there is, and never in pieces.
      if (below === "leaf" && kind === "node") this.marks.addLeaf(name);
      else this.add({ kind: below, hash: hexOf(name) });
    });
  }
}

const hexOf = (bytes: Uint8Array): Hash => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
