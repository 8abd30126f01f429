/**
 * Goes through everything that is stored and says, in sentences with ids, what is not as it must be:
 *
 * - content: its bytes are those that its hash names (all of it, or a sample);
 * - rows: whatever content they name is stored, whole, down to the last page of a snapshot's tree; journal entries can be
 *   decoded; what else they name is there, and what they hold can be (api/store/soundness.ts);
 * - histories: journals without holes and in order, console output without holes, up to what the machine's row says.
 *
 * Changes nothing. Content must not be collected meanwhile; everything else may go on.
 */
import { visitReferences } from "../../../kernel/content.ts";
import {
  CorruptBlobError,
  type Hash,
  type HistoryFigures,
  type Naming,
  type Reference,
  type Store,
} from "../../store/types.ts";
import type { Pacer } from "./pace.ts";
import { isHash, referencesOf } from "./references.ts";

export interface Finding {
  /** Stable, for programs: what is wrong. */
  problem: "damaged" | "missing" | "undecodable" | "journal" | "console" | "origin" | "row" | "database";
  /** What it is wrong with: "snapshot s-…", "machine m-…", "content <hash>". */
  subject: string;
  text: string;
}

export interface CheckOptions {
  /** Of the content, from 0 (none) to 1 (all): what is read and hashed. */
  share: number;
  pacer: Pacer;
}

export interface CheckFigures {
  machines: number;
  snapshots: number;
  blobs: number;
  verifiedBlobs: number;
}

type Parts = Pick<Store, "blobs" | "contents">;

const EVERY_ENTRY = new Uint8Array(0);
const KINDS: readonly Naming["kind"][] = ["machine", "snapshot", "program", "submission", "assignment", "entry"];
const HASHES_PER_STEP = 256;
const HISTORIES_PER_STEP = 50;
/** Pieces of content that one sentence names. */
const NAMED_AT_MOST = 3;

/** What is wrong below some content; mostly nothing. */
type Faults = readonly { problem: "damaged" | "missing" | "undecodable"; hash: Hash }[];
const NONE: Faults = [];

export class Check {
  readonly figures: CheckFigures = { machines: 0, snapshots: 0, blobs: 0, verifiedBlobs: 0 };
  readonly #store: Parts;
  readonly #options: CheckOptions;
  readonly #damaged = new Set<Hash>();
  /** Of what refers to other content: each is looked into once, whoever leads to it. */
  readonly #known = new Map<string, Faults>();
  #inPieces: ReadonlySet<Hash> = new Set();

  constructor(store: Parts, options: CheckOptions) {
    this.#store = store;
    this.#options = options;
  }

  async *run(): AsyncGenerator<Finding> {
    this.#inPieces = await this.#store.contents.inPieces();
    yield* this.#content();
    yield* this.#histories();
    for await (const { subject, text } of this.#store.contents.unsound(() => this.#options.pacer.rest()))
      yield { problem: "row", subject, text: `${subject} ${text}` };
    for (const kind of KINDS) yield* this.#rows(kind);
  }

  async *#content(): AsyncGenerator<Finding> {
    const { share, pacer } = this.#options;
    for (let after: Hash | null = null; ; ) {
      const hashes = await this.#store.contents.hashes(after, HASHES_PER_STEP);
      const good = hashes.filter(isHash);
      for (const hash of hashes.filter((each) => !isHash(each)))
        yield { problem: "row", subject: `content ${hash}`, text: `content ${hash} has a name that is no SHA-256` };
      const chosen = good.filter((_, index) => isChosen(this.figures.blobs + index, share));
      this.figures.blobs += hashes.length;
      this.figures.verifiedBlobs += chosen.length;
      for (const hash of await this.#store.blobs.damaged(chosen)) {
        this.#damaged.add(hash);
        yield {
          problem: "damaged",
          subject: `content ${hash}`,
          text: `content ${hash} is damaged: its SHA-256 is another`,
        };
      }
      await pacer.rest();
      if (hashes.length < HASHES_PER_STEP) return;
      after = hashes.at(-1)!;
    }
  }

  async *#histories(): AsyncGenerator<Finding> {
    for (let after = ""; ; ) {
      const page = await this.#store.contents.histories(after, HISTORIES_PER_STEP);
      for (const history of page) yield* problemsOf(history);
      this.figures.machines += page.length;
      await this.#options.pacer.rest();
      if (page.length < HISTORIES_PER_STEP) return;
      after = page.at(-1)!.machineId;
    }
  }

  async *#rows(kind: Naming["kind"]): AsyncGenerator<Finding> {
    for (let cursor: string | null = null; ; ) {
      const page: Awaited<ReturnType<Store["contents"]["namings"]>> = await this.#store.contents.namings(
        kind,
        cursor,
        EVERY_ENTRY,
      );
      for (const naming of page.items) yield* this.#row(naming);
      if (kind === "snapshot") this.figures.snapshots += page.items.length;
      await this.#options.pacer.rest();
      if (page.cursor === null) return;
      ({ cursor } = page);
    }
  }

  async *#row(naming: Naming): AsyncGenerator<Finding> {
    const subject = subjectOf(naming);
    let references: Reference[];
    try {
      references = referencesOf(naming);
    } catch {
      yield { problem: "undecodable", subject, text: `${subject} cannot be decoded` };
      return;
    }
    const faults = await this.#below(references);
    for (const problem of ["damaged", "missing", "undecodable"] as const) {
      const hashes = faults.filter((fault) => fault.problem === problem).map(({ hash }) => hash);
      if (hashes.length > 0) yield { problem, subject, text: `${subject} needs ${WORDS[problem]}: ${shorten(hashes)}` };
    }
  }

  async #below(references: readonly Reference[]): Promise<Faults> {
    const leaves = references.filter(({ kind }) => kind === "leaf").map(({ hash }) => hash);
    const inner = references.filter(({ kind }) => kind !== "leaf");
    const faults = await this.#ofLeaves(leaves);
    const below = [];
    for (const reference of inner) below.push(await this.#into(reference));
    const all = [faults, ...below].flat();
    return all.length === 0 ? NONE : [...new Map(all.map((fault) => [fault.hash, fault])).values()];
  }

  async #ofLeaves(hashes: readonly Hash[]): Promise<Faults> {
    if (hashes.length === 0) return NONE;
    const stored = await this.#store.blobs.has(hashes);
    const missing = hashes.filter((hash) => !stored.has(hash));
    const damaged = hashes.filter((hash) => this.#damaged.has(hash));
    const below = [];
    for (const hash of hashes) if (this.#inPieces.has(hash)) below.push(...(await this.#into({ kind: "leaf", hash })));
    return [
      ...below,
      ...missing.map((hash) => ({ problem: "missing", hash }) as const),
      ...damaged.map((hash) => ({ problem: "damaged", hash }) as const),
    ];
  }

  async #into({ kind, hash }: Reference): Promise<Faults> {
    // To one it may be a file, to another a state, which leads further.
    const key = kind === "leaf" ? `leaf ${hash}` : hash;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const faults = await this.#look(kind, hash);
    this.#known.set(key, faults);
    await this.#options.pacer.rest();
    return faults;
  }

  async #look(kind: Reference["kind"], hash: Hash): Promise<Faults> {
    const below: Reference[] = [];
    try {
      const stored = (await this.#store.blobs.look([hash])).get(hash);
      if (stored === undefined) return [{ problem: "missing", hash }];
      const isWhole = stored instanceof Uint8Array;
      const ofPieces = isWhole ? NONE : await this.#ofLeaves(stored.hashes);
      if (ofPieces.length > 0 || kind === "leaf") return ofPieces;
      const data = isWhole ? stored : (await this.#store.blobs.get([hash])).get(hash)!;
      visitReferences(kind, hash, data, (of, name) =>
        below.push({ kind: of, hash: Buffer.from(name).toString("hex") }),
      );
    } catch (error) {
      return [{ problem: error instanceof CorruptBlobError ? "damaged" : "undecodable", hash }];
    }
    return this.#below(below);
  }
}

const WORDS = {
  damaged: "content that is damaged",
  missing: "content that is not stored",
  undecodable: "content that is not what it should be",
};

/** Spread evenly over all, however small the share. */
const isChosen = (number: number, share: number): boolean =>
  Math.floor((number + 1) * share) > Math.floor(number * share);

function shorten(hashes: readonly Hash[]): string {
  const more = hashes.length - NAMED_AT_MOST;
  return hashes.slice(0, NAMED_AT_MOST).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function subjectOf(naming: Naming): string {
  if (naming.kind === "entry") return `journal entry ${naming.sequence} of machine ${naming.id}`;
  return `${naming.kind} ${naming.id}`;
}

function* problemsOf(history: HistoryFigures): Generator<Finding> {
  const { machineId, originSequence, lastSequence, entries, firstSequence, newestSequence } = history;
  const subject = `machine ${machineId}`;
  if (originSequence === null) {
    yield { problem: "origin", subject, text: `${subject} goes on from a snapshot that is not there` };
    return;
  }
  const expected = lastSequence - originSequence;
  const isWhole = entries === 0 || (firstSequence === originSequence + 1 && newestSequence === lastSequence);
  if (entries !== expected || !isWhole) {
    const there = entries === 0 ? "none" : `${entries} entries from ${firstSequence} to ${newestSequence}`;
    const wanted = `its journal should have ${expected} entries from ${originSequence + 1} to ${lastSequence}`;
    yield { problem: "journal", subject, text: `${subject}: ${wanted}, and has ${there}` };
  }
  if (history.misplaced > 0) {
    const text = `${subject}: ${history.misplaced} of its journal's entries stand before the entry that they follow`;
    yield { problem: "journal", subject, text };
  }
  const { consoleStart, consoleLength, consoleFirst, consoleBytes } = history;
  const isKept = consoleBytes === consoleLength - consoleStart && (consoleBytes === 0 || consoleFirst === consoleStart);
  if (!isKept) {
    const text = `${subject}: ${consoleBytes} bytes of console output are stored, not all from ${consoleStart} to ${consoleLength}`;
    yield { problem: "console", subject, text };
  }
}
