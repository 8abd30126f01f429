/**
 * Compiled modules, for all machines of a process. A module is found by everything that it was made from: the
 * instructions of the region and how its blocks hang together. What machine, page and address they are of is not in it.
 */
import { HOT } from "../assembly/layout.ts";
import { compile } from "./compile.ts";
import { opNames } from "./ops.ts";
import type { Region } from "./region.ts";

export interface Compiled {
  module: WebAssembly.Module;
  bytes: number;
}

const placeOf = new Map<string, number>(opNames.map((name, index) => [name, index]));

/** Equal for equal regions only; the characters are numbers. */
function keyOf({ blocks, targets, pages }: Region): string {
  const parts: string[] = [String.fromCharCode(targets.length, ...targets, pages.length, ...pages)];
  for (const { at, instructions } of blocks) {
    const codes = [at, instructions.length];
    for (const { op, bits } of instructions) codes.push(placeOf.get(op) as number, bits & 0xffff, bits >>> 16);
    parts.push(String.fromCharCode(...codes));
  }
  return parts.join("");
}

export interface TranslationOptions {
  /** Bounds the bytes of the modules kept; machines that use one keep it for themselves. */
  limit?: number;
  /** How many jumps to a place make it hot: 1 to HOT. */
  jumps?: number;
  /** Credit of a core at its start, in instructions to translate. */
  credit?: number;
}

export class Translations {
  readonly jumps: number;
  readonly credit: number;
  readonly #limit: number;
  readonly #modules = new Map<string, Compiled>();
  #bytes = 0;

  constructor({ limit = 24 * 2 ** 20, jumps = HOT, credit = 20_000 }: TranslationOptions = {}) {
    this.jumps = jumps;
    this.credit = credit;
    this.#limit = limit;
  }

  get count(): number {
    return this.#modules.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  compiled(region: Region): Compiled {
    const key = keyOf(region);
    const known = this.#modules.get(key);
    if (known) {
      // The last used are last.
      this.#modules.delete(key);
      this.#modules.set(key, known);
      return known;
    }
    const binary = compile(region);
    const made = { module: new WebAssembly.Module(binary), bytes: binary.length };
    this.#modules.set(key, made);
    this.#bytes += made.bytes;
    this.#shrink();
    return made;
  }

  #shrink(): void {
    for (const [key, { bytes }] of this.#modules) {
      if (this.#bytes <= this.#limit || this.#modules.size === 1) return;
      this.#modules.delete(key);
      this.#bytes -= bytes;
    }
  }
}
