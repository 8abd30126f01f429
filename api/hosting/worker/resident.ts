/**
 * One machine in the memory of a worker: the kernel's machine, the pages it still has to fetch, and what it
 * owes the main thread (entries, outputs, trace records since the last mark).
 */
import { createHash } from "node:crypto";
import {
  type ApplyResult,
  type Archive,
  ArchiveLoading,
  ArchiveProblem,
  type CpuModules,
  captureSnapshot,
  createMachine,
  createRv64Core,
  encodeInput,
  type Input,
  loadSnapshot,
  type Machine,
  type MachinePorts,
  type PageTree,
  type Position,
  type RunLimit,
  type RunStop,
  restoreMachine,
  Translations,
} from "../../../kernel/index.ts";
import type { CompiledCpu } from "../cpu.ts";
import type { Captured, Mark, Origin, StoredEntry } from "../protocol.ts";
import { type ContentCache, ContentMissingError } from "./content.ts";
import { Footprint } from "./footprint.ts";
import type { Turn } from "./turns.ts";

const sha256 = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  new Uint8Array(createHash("sha256").update(bytes).digest());

export const samePosition = (a: Position, b: Position): boolean =>
  a.instructions === b.instructions && a.timeNs === b.timeNs;
export const isBefore = (a: Position, b: Position): boolean => a.instructions < b.instructions || a.timeNs < b.timeNs;

/** Of the pages that a machine was brought so many are remembered, and brought to the next one before it runs: 4 MiB. */
const REMEMBERED_PAGES = 1024;
/** Pages that are asked for at once; bringing them is one step of a turn. */
const PAGES_PER_FETCH = 256;

/** Where nobody else is. */
const atOnce: Turn = async (work) => work();

export class Resident {
  readonly machine: Machine;
  /** Page hashes of the snapshot that the machine stands on; null before its first. */
  #tree: PageTree | null;
  readonly #content: ContentCache;
  readonly #sha256: typeof sha256;
  readonly #footprint: Footprint;
  readonly #brought = new Set<number>();
  sequence: number;
  /** The snapshot that it was restored from. */
  origin: string | null = null;
  #entries: StoredEntry[] = [];
  /** Set while pages are being fetched: the machine must not run. */
  fetching = false;

  constructor(machine: Machine, tree: PageTree | null, content: ContentCache, sequence: number, hash = sha256) {
    this.#sha256 = hash;
    this.machine = machine;
    this.#tree = tree;
    this.#content = content;
    this.#footprint = new Footprint(machine.memory);
    this.sequence = sequence;
  }

  /** What it takes of the worker's memory. */
  get memoryBytes(): number {
    return this.#footprint.bytes;
  }

  /** Makes `memoryBytes` exact. */
  weigh(): void {
    this.#footprint.look();
  }

  apply(input: Input): ApplyResult {
    const at = this.machine.position();
    const result = this.machine.apply(input);
    if (result.ok) {
      this.sequence += 1;
      this.#entries.push({ sequence: this.sequence, at, payload: encodeInput(input) });
    }
    return result;
  }

  /** Applies an entry of the journal again. It is not journalled a second time. */
  reapply(sequence: number, input: Input): ApplyResult {
    const result = this.machine.apply(input);
    this.sequence = sequence;
    return result;
  }

  run(limit: RunLimit): RunStop {
    return this.machine.run(limit);
  }

  /** Brings the pages that a run stopped for. Their content is fixed by its hash, so this cannot change the run. */
  async fetchPages(pages: readonly number[], turn: Turn = atOnce): Promise<void> {
    const tree = this.#tree;
    if (tree === null) throw new Error("a machine without a snapshot has no absent pages");
    const blobs = await this.#content.later(pages.map((page) => tree.pageHash(page)));
    this.remember(pages);
    await turn(() => {
      for (const [index, page] of pages.entries()) this.machine.providePage(page, blobs[index]!);
    });
  }

  /** Brings what is likely to be asked for, as far as it is not there, and can be had: who needs what cannot says so. */
  async fetchAhead(pages: Iterable<number>, turn: Turn): Promise<void> {
    const { memory } = this.machine;
    const absent = [...pages].filter((page) => page < memory.pages && !memory.isPresent(page));
    try {
      for (let at = 0; at < absent.length; at += PAGES_PER_FETCH)
        await this.fetchPages(absent.slice(at, at + PAGES_PER_FETCH), turn);
    } catch (error) {
      if (!(error instanceof ContentMissingError)) throw error;
    }
  }

  /** These pages were brought. */
  remember(pages: readonly number[]): void {
    for (const page of pages) if (this.#brought.size < REMEMBERED_PAGES) this.#brought.add(page);
  }

  /** Takes what has gathered since the last mark. */
  mark(): Mark {
    const entries = this.#entries;
    this.#entries = [];
    return {
      sequence: this.sequence,
      summary: this.machine.summary(),
      entries,
      outputs: this.machine.drainOutputs(),
      trace: this.machine.drainTrace(),
    };
  }

  /** Of a machine that is never stored: its state's name, and the names of its pages. */
  name(): { root: string; tree: PageTree } {
    const { root, tree } = captureSnapshot(this.machine, this.#tree, this.#sha256);
    this.#tree = tree;
    return { root, tree };
  }

  /** A page's bytes as of the last capture, fetched if they are not here; the machine stays as it is. */
  async readPage(page: number): Promise<Uint8Array<ArrayBuffer>> {
    const { memory } = this.machine;
    if (memory.isPresent(page)) return memory.page(page).slice() as Uint8Array<ArrayBuffer>;
    if (this.#tree === null || this.#tree.isZero(page)) return new Uint8Array(memory.pageBytes);
    return (await this.#content.later([this.#tree.pageHash(page)]))[0]!;
  }

  /** Null for a page that is no RAM. */
  physicalAddress(page: number): number | null {
    const { ranges, frames, frameBytes } = this.machine.memoryMap();
    const ram = ranges.filter(({ kind }) => kind !== "device").map(({ start }) => start);
    return page < frames ? Math.min(...ram) + page * frameBytes : null;
  }

  capture(): Captured {
    this.#footprint.look();
    const { root, tree, blobs, stats } = captureSnapshot(this.machine, this.#tree, this.#sha256);
    this.#tree = tree;
    return {
      root,
      blobs,
      totalBytes: stats.totalBytes,
      summary: this.machine.summary(),
      sequence: this.sequence,
      origin: this.origin,
      workingSet: Uint32Array.from(this.#brought),
    };
  }
}

const KEPT_ARCHIVES = 4;

/** What a machine has of its host, beside content. */
interface Lent {
  /** What its root begins as: read before anything looks into it, and its for as long as it is in memory. */
  archive: Archive | null;
  /** Told of pages that were fetched at once. */
  brought(pages: readonly number[]): void;
}

function must(archive: Archive | null): Archive {
  if (archive === null) throw new Error("a machine without a root's archive asked for one");
  return archive;
}

/** Builds residents from origins. */
export class ResidentFactory {
  readonly #cpu: CpuModules;
  readonly #content: ContentCache;
  readonly #sha256: typeof sha256;
  /** Trees of the archives that roots begin as, those of the last few: many machines have the same. */
  readonly #archives = new Map<string, Archive>();

  /** `hashes`: called before each hash, of which what is large has many in one turn. */
  constructor(cpu: CompiledCpu, content: ContentCache, hashes: () => void = () => {}) {
    const { functional, timed, translate, figures } = cpu;
    // What is translated is for all machines of this thread.
    const options = figures && { figures: new Int32Array(figures) };
    this.#cpu = { functional, timed, translations: translate ? new Translations(options) : undefined };
    this.#content = content;
    this.#sha256 = (bytes) => {
      hashes();
      return sha256(bytes);
    };
  }

  /** What it costs is paid in turns, piece by piece. */
  async create(origin: Origin, sequence: number, turn: Turn = atOnce): Promise<Resident> {
    if (origin.kind === "config") {
      const lent: Lent = { archive: await this.#archive(origin.config.root, turn), brought: () => {} };
      const machine = await turn(() => createMachine(origin.config, this.#ports(null, lent)));
      return new Resident(machine, null, this.#content, sequence, this.#sha256);
    }
    const loading = loadSnapshot(origin.root, this.#sha256);
    while (loading.need.length > 0) {
      const hashes = loading.need.slice(0, 500);
      const blobs = await this.#content.later(hashes);
      await turn(() => loading.provide(new Map(hashes.map((hash, index) => [hash, blobs[index]!]))));
    }
    const lent: Lent = { archive: null, brought: () => {} };
    const [machine, tree] = await turn(() => {
      const { state, tree } = loading.result();
      return [restoreMachine(state, this.#ports(tree, lent), (page) => tree.isZero(page)), tree] as const;
    });
    lent.archive = await this.#archive(machine.config.root, turn);
    const resident = new Resident(machine, tree, this.#content, sequence, this.#sha256);
    resident.origin = origin.root;
    lent.brought = (pages) => resident.remember(pages);
    if (origin.ahead !== undefined) await resident.fetchAhead(origin.ahead, turn);
    return resident;
  }

  #ports(tree: PageTree | null, lent: Lent): MachinePorts {
    return {
      createCore: (options) => createRv64Core(this.#cpu, options),
      sha256: this.#sha256,
      content: (hash) => this.#content.part(hash, 0, Number.POSITIVE_INFINITY),
      contentPart: (hash, offset, length) => this.#content.part(hash, offset, length),
      archive: () => must(lent.archive),
      fetchPages: (pages) => {
        if (tree === null) throw new Error("a machine without a snapshot has no absent pages");
        lent.brought(pages);
        return this.#content.now(pages.map((page) => tree.pageHash(page)));
      },
    };
  }

  async #archive(hash: string | undefined, turn: Turn): Promise<Archive | null> {
    if (hash === undefined) return null;
    const known = this.#archives.get(hash);
    if (known !== undefined) return known;
    const loading = new ArchiveLoading(await this.#content.sizeLater(hash));
    while (loading.need !== null) {
      const { start, bytes } = await this.#content.aroundLater(hash, loading.need);
      await turn(() => loading.provide(start, bytes));
    }
    const read = loading.result();
    if (read instanceof ArchiveProblem) throw new Error(`the root's archive ${hash}: ${read.message}`);
    if (this.#archives.size >= KEPT_ARCHIVES) this.#archives.delete(this.#archives.keys().next().value!);
    this.#archives.set(hash, read);
    return read;
  }
}
