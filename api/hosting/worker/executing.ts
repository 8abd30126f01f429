/**
 * Whom a worker is executing, in memory that is still there when the worker is not: whoever kills his worker is known
 * by it. Written before every turn and every command, so it must cost next to nothing.
 */
export class Executing {
  readonly #bytes: Uint8Array;
  #name = "";

  constructor(memory: SharedArrayBuffer) {
    this.#bytes = new Uint8Array(memory);
  }

  /** "": nobody. */
  set(name: string): void {
    if (name === this.#name) return;
    this.#name = name;
    const length = Math.min(name.length, this.#bytes.length - 1);
    for (let at = 0; at < length; at++) this.#bytes[1 + at] = name.charCodeAt(at);
    this.#bytes[0] = length;
  }

  static read(memory: SharedArrayBuffer): string {
    const bytes = new Uint8Array(memory);
    return Buffer.from(bytes.slice(1, 1 + bytes[0]!)).toString("latin1");
  }
}
