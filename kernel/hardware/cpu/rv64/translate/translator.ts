/**
 * The translations of one core. The dispatch loop asks for one when code has been jumped to often enough
 * (assembly/translated.ts), and says when the records of a page are about to be emptied: everything that was made from
 * that page is then forgotten. Nothing of this can be seen in what a guest computes.
 *
 * What a guest can cause is bounded. Translating takes credit, which is earned by executing, and so does looking for what
 * could be translated; a page whose translations are thrown away again and again is left alone for ever longer; and when
 * there are too many translations, all are thrown away, and what is still hot comes again.
 */
import { ENTRIES, HOT, PAGE_SIZE, TRANSLATED } from "../assembly/layout.ts";
import { slotName } from "./compile.ts";
import type { Compiled, Translations } from "./modules.ts";
import { CodeReader, type Decoder } from "./records.ts";
import { discover } from "./region.ts";

/**
 * Credit is in instructions to translate. Translating one takes as long as interpreting two thousand, and may be done for
 * every five thousand that are executed. What others have translated before costs a twenty-fifth.
 */
const MOST_CREDIT = 50_000;
const EXECUTED_FOR_ONE = 5_000;
const KNOWN_FOR_ONE = 25;
/** Instructions that are read in the time in which one is translated: that costs, too, where nothing comes of it. */
const LOOKED_FOR_ONE = 10;
const MOST_DEBT = 2_000;

const MOST_FUNCTIONS = 4096;
const MOST_BYTES = 8 * 2 ** 20;

const MOST_CHURNING = 4096;

/**
 * The more places got hot lately, the less time each of them takes, and the more often the next has to get hot: once more
 * for each COMPETING others beyond FEW. After so many instructions half of them count no more, and who has not asked is
 * forgotten.
 */
const FEW = 16;
const COMPETING = 4;
const LATELY = 50_000_000;
const MOST_WAITING = 16_384;

/** How often a region is made again because its indirect jumps lead to more places. */
const MOST_REMAKES = 6;
const GROWTH = 1.25;

interface Translation {
  of: Compiled;
  /** Place in the function table. */
  index: number;
  /** Slots of the region's pages; the entry's first. */
  slots: number[];
  /** Offset of the entry in its page. */
  entry: number;
  remakes: number;
}

export interface TranslatorCore extends Decoder {
  stay: unknown;
  rounded: unknown;
}

export class Translator {
  readonly #memory: WebAssembly.Memory;
  readonly #view: DataView;
  readonly #table: WebAssembly.Table;
  readonly #shared: Translations;
  #core: TranslatorCore | undefined;
  readonly #bySlot = new Map<number, Set<Translation>>();
  readonly #free: number[] = [];
  #next = HOT + 1;
  #bytes = 0;
  #credit: number;
  #executed = 0;
  /** Of slots whose translations were thrown away: how often, and until when they are left alone. */
  readonly #churn = new Map<number, { times: number; until: number }>();
  /** Of hot places that wait, by their cells: how often they have been hot, and when last. */
  readonly #waiting = new Map<number, { times: number; last: number }>();
  /** How many new translations were made lately, and since when. */
  #made = 0;
  #since = 0;

  constructor(memory: WebAssembly.Memory, table: WebAssembly.Table, shared: Translations) {
    this.#memory = memory;
    this.#view = new DataView(memory.buffer);
    this.#table = table;
    this.#shared = shared;
    this.#credit = shared.credit;
  }

  /** The core, which is instantiated after the translator that it imports. */
  attach(core: TranslatorCore): void {
    this.#core = core;
    this.#table.set(0, core.stay);
    this.#table.grow(HOT, core.stay);
  }

  /** Instructions have been executed. */
  earn(executed: number): void {
    this.#executed += executed;
    if (this.#credit < MOST_CREDIT) this.#credit += executed / EXECUTED_FOR_ONE;
    if (this.#executed - this.#since < LATELY) return;
    this.#made /= 2;
    for (const [cell, { last }] of this.#waiting) if (last < this.#since) this.#waiting.delete(cell);
    this.#since = this.#executed;
  }

  /** Translates the code at `target`, whose slot is `base`; false if it is not to be, now or ever. */
  translate(target: bigint, base: number): boolean {
    const entry = Number(target & BigInt(PAGE_SIZE - 1));
    const cell = base + ENTRIES + entry;
    const count = this.#view.getUint16(cell, true);
    const isHot = count >= this.#shared.jumps;
    // It is asked again after as many jumps.
    if (isHot) this.#view.setUint16(cell, this.#shared.jumps - this.#shared.asked, true);
    // Whether it is known is asked the first time, even in debt, and then when it is hot.
    if (!isHot && count > this.#shared.asked) return false;
    if (this.#credit < (isHot ? 0 : -MOST_DEBT)) return false;
    if ((this.#churn.get(base)?.until ?? 0) > this.#executed) return false;
    const page = target - BigInt(entry);
    const reader = new CodeReader(this.#view, this.#core as TranslatorCore, page, this.#shared.asked);
    const before = this.#credit;
    const isThere = this.#make(reader, base, entry, isHot);
    this.#credit = Math.min(this.#credit, before - reader.looked / LOOKED_FOR_ONE);
    return isThere;
  }

  /** Makes a translation of the code at `entry`, or takes one that is known; false if it is not to be yet. */
  #make(reader: CodeReader, base: number, entry: number, isHot: boolean): boolean {
    const cell = base + ENTRIES + entry;
    const known = this.#shared.find(reader, entry);
    if (known) {
      this.#credit -= known.size / KNOWN_FOR_ONE;
      this.#install(known, reader, entry, 0);
      return true;
    }
    if (!isHot || this.#widen(reader, base, entry) || this.#waits(cell)) return false;
    const region = discover(reader, entry);
    if (!region) {
      this.#view.setUint16(cell, HOT, true);
      return false;
    }
    this.#credit -= region.size;
    this.#install(this.#shared.compiled(region, reader, entry), reader, entry, 0);
    return true;
  }

  /** Whether the hot place has to get hot once more. */
  #waits(cell: number): boolean {
    const times = (this.#waiting.get(cell)?.times ?? 0) + 1;
    if (times > Math.min((this.#made - FEW) / COMPETING + 1, this.#shared.mostWaits)) {
      this.#waiting.delete(cell);
      this.#made++;
      return false;
    }
    if (this.#waiting.size >= MOST_WAITING) this.#waiting.clear();
    this.#waiting.set(cell, { times, last: this.#executed });
    this.#view.setUint16(cell, this.#shared.jumps >> 1, true);
    return true;
  }

  /**
   * Whether `entry` was jumped to from within a translation that did not know of it. That one is made again, with all
   * the places that its jumps have led to by now.
   */
  #widen(reader: CodeReader, base: number, entry: number): boolean {
    if (!reader.jumped(entry)) return false;
    for (const made of this.#bySlot.get(base) ?? []) {
      const { known } = made.of;
      if (made.slots[0] !== base || made.remakes === MOST_REMAKES) continue;
      if (known === null || known.places.has(entry)) continue;
      const region = discover(reader, made.entry, true);
      if (!region?.places.has(entry) || region.targets.length < GROWTH * known.targets) continue;
      this.#credit -= region.size;
      this.#forget(made);
      this.#install(this.#shared.compiled(region, reader, made.entry), reader, made.entry, made.remakes + 1);
      return true;
    }
    return false;
  }

  #install(of: Compiled, reader: CodeReader, entry: number, remakes: number): void {
    const slots = of.pages.map((page) => reader.page(page)?.slot as number);
    if (this.#bytes + of.bytes > MOST_BYTES || this.#index() === undefined) this.#forgetAll();
    const index = this.#index() as number;
    this.#free.pop();
    const globals = Object.fromEntries(slots.map((slot, page) => [slotName(page), slot]));
    const env = { memory: this.#memory, table: this.#table, rounded: this.#core?.rounded, ...globals };
    this.#table.set(index, new WebAssembly.Instance(of.module, { env }).exports["run"]);
    const made = { of, index, slots, entry, remakes };
    this.#bytes += of.bytes;
    for (const slot of slots) {
      const all = this.#bySlot.get(slot) ?? new Set();
      this.#bySlot.set(slot, all.add(made));
      this.#view.setUint32(slot + TRANSLATED, 1, true);
    }
    for (const { page, offset, bytes } of of.spans) reader.cover(of.pages[page] as number, offset, bytes.length);
    this.#view.setUint16((slots[0] as number) + ENTRIES + entry, index, true);
  }

  /** The next free place in the table, left on the list of free ones. */
  #index(): number | undefined {
    if (this.#free.length > 0) return this.#free[this.#free.length - 1];
    if (this.#next > HOT + MOST_FUNCTIONS) return undefined;
    if (this.#next === this.#table.length) this.#table.grow(256, this.#core?.stay);
    this.#free.push(this.#next);
    return this.#next++;
  }

  #forget(translation: Translation): void {
    const { index, slots, entry, of } = translation;
    this.#table.set(index, this.#core?.stay);
    this.#free.push(index);
    this.#bytes -= of.bytes;
    this.#view.setUint16((slots[0] as number) + ENTRIES + entry, 0, true);
    for (const slot of slots) this.#bySlot.get(slot)?.delete(translation);
  }

  #forgetAll(): void {
    for (const all of [...this.#bySlot.values()]) for (const translation of [...all]) this.#forget(translation);
  }

  /** The records in the slot `base` are about to be emptied. */
  dropped(base: number): void {
    for (const translation of [...(this.#bySlot.get(base) ?? [])]) this.#forget(translation);
    this.#bySlot.delete(base);
    if (this.#churn.size >= MOST_CHURNING) this.#churn.clear();
    const times = (this.#churn.get(base)?.times ?? 0) + 1;
    this.#churn.set(base, { times, until: this.#executed + this.#shared.patience * 2 ** Math.min(times, 24) });
  }
}
