/**
 * What a walk over stored content has come by. There may be millions of pages, so of what refers to nothing only the
 * first 8 bytes of its hash are kept, in a table without objects: two contents that agree there pass for one. Since
 * leaves are not walked, the worst that this can do is to keep a blob that could go.
 *
 * What is walked (roots, states, nodes, lists of pieces: one in a hundred) is kept by its whole hash.
 */
import type { Hash } from "../../store/types.ts";

const SMALLEST_SLOTS = 1024;
/** Of the slots in use at most; more makes searches long. */
const FULLEST = 0.6;

/** A set of pairs of 32-bit words, open addressing. A pair of zeros marks a free slot and is never in the set. */
class PairSet {
  #words = new Uint32Array(SMALLEST_SLOTS * 2);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(first: number, second: number): boolean {
    if ((this.#size + 1) / (this.#words.length / 2) > FULLEST) this.#grow();
    const at = this.#find(first, second);
    if (this.#words[at] !== 0 || this.#words[at + 1] !== 0) return false;
    this.#words[at] = first;
    this.#words[at + 1] = second;
    this.#size += 1;
    return true;
  }

  has(first: number, second: number): boolean {
    const at = this.#find(first, second);
    return this.#words[at] !== 0 || this.#words[at + 1] !== 0;
  }

  /** Where it is, or the free slot where it would be. */
  #find(first: number, second: number): number {
    const words = this.#words;
    const mask = words.length - 1;
    for (let at = (first * 2) & mask; ; at = (at + 2) & mask) {
      const isFree = words[at] === 0 && words[at + 1] === 0;
      if (isFree || (words[at] === first && words[at + 1] === second)) return at;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Uint32Array(old.length * 2);
    this.#size = 0;
    for (let at = 0; at < old.length; at += 2) if (old[at] !== 0 || old[at + 1] !== 0) this.add(old[at]!, old[at + 1]!);
  }
}

const wordAt = (hash: Uint8Array, at: number): number =>
  ((hash[at]! << 24) | (hash[at + 1]! << 16) | (hash[at + 2]! << 8) | hash[at + 3]!) >>> 0;

export class Marks {
  readonly #walked = new Set<Hash>();
  readonly #inPieces = new Set<Hash>();
  readonly #leaves = new PairSet();

  get walked(): number {
    return this.#walked.size;
  }
  get leaves(): number {
    return this.#leaves.size;
  }

  /** Whether it is new. The same content may be a leaf to one and a node to another, and in pieces as well. */
  add({ kind, hash }: { kind: string; hash: Hash }): boolean {
    if (kind === "leaf") return this.addLeaf(Buffer.from(hash, "hex"));
    const known = kind === "pieces" ? this.#inPieces : this.#walked;
    if (known.has(hash)) return false;
    known.add(hash);
    return true;
  }

  addLeaf(hash: Uint8Array): boolean {
    return this.#leaves.add(wordAt(hash, 0), wordAt(hash, 4));
  }

  has(hash: Hash): boolean {
    if (this.#walked.has(hash) || this.#inPieces.has(hash)) return true;
    return this.#leaves.has(Number.parseInt(hash.slice(0, 8), 16), Number.parseInt(hash.slice(8, 16), 16));
  }
}
