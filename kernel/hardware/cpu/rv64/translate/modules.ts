/**
 * What was translated, for all machines of a process. A translation is found again in two ways, both by everything that it
 * was made from and nothing else: before anything is known but where it would start, by comparing the bytes of the code
 * with those that translations from such a place were made of; and by a region, to compile none twice. What machine, page
 * and address they are of is not in it.
 */
import { HOT, PAGE_SIZE } from "../assembly/layout.ts";
import { recordedNames } from "../instructions/operations.ts";
import { compile } from "./compile.ts";
import type { CodeReader } from "./records.ts";
import { copyOf, type Region } from "./region.ts";

/** Bytes of code that a translation stands for; `page` is the index of the page in `pages`. */
interface Span {
  page: number;
  offset: number;
  bytes: Uint8Array;
}

export interface Compiled {
  module: WebAssembly.Module;
  /** Of the module. */
  bytes: number;
  /** Instructions. */
  size: number;
  /** Distances of its pages from the entry's, which is the first. */
  pages: readonly number[];
  spans: readonly Span[];
  /** Of a region with indirect jumps: where it has blocks, and how many of them its jumps are known to lead to. */
  known: { places: ReadonlySet<number>; targets: number } | null;
}

interface Kept extends Compiled {
  key: string;
  place: number;
}

const placeOf = new Map<string, number>(recordedNames.map((name, index) => [name, index]));

/** Equal for equal regions only; the characters are numbers. */
function keyOf({ blocks, targets, pages }: Region): string {
  const parts: string[] = [String.fromCharCode(targets.length, ...targets, pages.length, ...pages)];
  for (const { key, at, instructions, ending } of blocks) {
    const to = "to" in ending && ending.to !== null ? ending.to : key;
    const codes = [at & 0xffff, at >> 16, copyOf(key), copyOf(to), instructions.length];
    for (const { op, bits } of instructions) codes.push(placeOf.get(op) as number, bits & 0xffff, bits >>> 16);
    parts.push(String.fromCharCode(...codes));
  }
  return parts.join("");
}

function spansOf({ blocks, pages }: Region, reader: CodeReader): Span[] {
  const halves = new Set<number>();
  for (const { instructions } of blocks)
    for (const { at, length } of instructions) for (let half = 0; half < length; half += 2) halves.add(at + half);
  const places = [...halves].sort((a, b) => a - b);
  const spans: Span[] = [];
  for (let first = 0, i = 1; i <= places.length; i++) {
    const [from, before, at] = [places[first] as number, places[i - 1] as number, places[i]];
    if (at !== undefined && at - before <= 2 && (at & (PAGE_SIZE - 1)) !== 0) continue;
    const page = Math.floor(from / PAGE_SIZE);
    spans.push({ page: pages.indexOf(page), offset: from & (PAGE_SIZE - 1), bytes: reader.bytes(from, before + 2) });
    first = i;
  }
  return spans;
}

export interface TranslationOptions {
  /** Bounds the bytes of the modules kept; machines that use one keep it for themselves. */
  limit?: number;
  /** How many jumps to a place make it hot: 1 to HOT. */
  jumps?: number;
  /** Credit of a core at its start, in instructions to translate. */
  credit?: number;
  /** After its translations were thrown away for the nth time, a page is not translated for 2^n times as many instructions. */
  patience?: number;
  /** Where `count` and `bytes` are written to, too, for another thread to read. */
  figures?: Int32Array;
}

/** Every so many jumps to a place that is not hot yet it is asked whether its translation is known. */
const ASKED_EVERY = 128;

const MOST_WAITS = 15;

/** Of those from such a place, how many are compared with the code at hand: one can make thousands that differ at the end. */
const MOST_COMPARED = 32;

export class Translations {
  readonly jumps: number;
  /** Every how many jumps a core asks: a power of two. */
  readonly asked: number;
  /** How often at most a place has to get hot again where many are. */
  readonly mostWaits: number;
  readonly credit: number;
  readonly patience: number;
  readonly #limit: number;
  readonly #figures: Int32Array | undefined;
  /** By key; the last used are last. */
  readonly #kept = new Map<string, Kept>();
  /** By place of the entry (`CodeReader.place`); the last used are last. */
  readonly #from = new Map<number, Kept[]>();
  #bytes = 0;

  constructor({ limit = 24 * 2 ** 20, jumps = HOT, credit = 500, patience = 1000, figures }: TranslationOptions = {}) {
    this.asked = Math.min(ASKED_EVERY, 1 << (31 - Math.clz32(jumps)));
    // The count must not get to HOT.
    this.jumps = Math.min(jumps, HOT - ASKED_EVERY);
    this.mostWaits = Math.min(MOST_WAITS, Math.floor(this.jumps / ASKED_EVERY));
    this.credit = credit;
    this.patience = patience;
    this.#limit = limit;
    this.#figures = figures;
  }

  get count(): number {
    return this.#kept.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A translation of the code that `reader` has at `entry`, as it is there. */
  find(reader: CodeReader, entry: number): Compiled | undefined {
    const all = this.#from.get(reader.place(entry)) ?? [];
    for (const kept of all.slice(-MOST_COMPARED).reverse()) {
      if (!kept.spans.every(({ page, offset, bytes }) => reader.holds(kept.pages[page] as number, offset, bytes)))
        continue;
      this.#use(kept);
      return kept;
    }
    return undefined;
  }

  compiled(region: Region, reader: CodeReader, entry: number): Compiled {
    const place = reader.place(entry);
    const key = String.fromCharCode(place & 0xffff, place >>> 16) + keyOf(region);
    const known = this.#kept.get(key);
    if (known) {
      this.#use(known);
      return known;
    }
    const binary = compile(region);
    const { size, pages, places, targets } = region;
    const jumps = region.blocks.some(({ ending }) => ending.kind === "jump");
    const kept = {
      ...{ key, place, size, pages },
      module: new WebAssembly.Module(binary),
      bytes: binary.length,
      spans: spansOf(region, reader),
      known: jumps ? { places: new Set(places.keys()), targets: targets.length } : null,
    };
    this.#kept.set(key, kept);
    const others = this.#from.get(place) ?? [];
    others.push(kept);
    this.#from.set(place, others);
    this.#bytes += kept.bytes;
    this.#shrink();
    this.#figures?.set([this.count, this.bytes]);
    return kept;
  }

  #use(kept: Kept): void {
    this.#kept.delete(kept.key);
    this.#kept.set(kept.key, kept);
    const others = this.#from.get(kept.place) as Kept[];
    others.push(...others.splice(others.lastIndexOf(kept), 1));
  }

  #shrink(): void {
    for (const [key, kept] of this.#kept) {
      if (this.#bytes <= this.#limit || this.#kept.size === 1) return;
      this.#kept.delete(key);
      const others = this.#from.get(kept.place)?.filter((other) => other !== kept) ?? [];
      if (others.length > 0) this.#from.set(kept.place, others);
      else this.#from.delete(kept.place);
      this.#bytes -= kept.bytes;
    }
  }
}
