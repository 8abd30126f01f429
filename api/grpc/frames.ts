/**
 * Where messages end in what arrives of a call: each has five bytes before it, a flag and its length. Nothing is kept of
 * them but lengths.
 */
const HEADER_BYTES = 5;
const LENGTH_AT = 1;

export class MessageEnds {
  /** Of the header of the message that is arriving. */
  #headerBytes = 0;
  #length = 0;
  /** What has arrived of it, with its header. */
  #bytes = 0;

  /** Of a message that is not whole. */
  get partBytes(): number {
    return this.#bytes;
  }

  /** Returns the sizes of the messages that this makes whole. */
  push(chunk: Uint8Array): number[] {
    const whole: number[] = [];
    for (let at = 0; at < chunk.length; ) {
      at = this.#headerBytes < HEADER_BYTES ? this.#readHeader(chunk, at) : this.#skip(chunk, at);
      if (this.#headerBytes < HEADER_BYTES || this.#bytes < HEADER_BYTES + this.#length) continue;
      whole.push(this.#bytes);
      this.#headerBytes = this.#length = this.#bytes = 0;
    }
    return whole;
  }

  #readHeader(chunk: Uint8Array, at: number): number {
    if (this.#headerBytes >= LENGTH_AT) this.#length = this.#length * 256 + chunk[at]!;
    this.#headerBytes += 1;
    this.#bytes += 1;
    return at + 1;
  }

  #skip(chunk: Uint8Array, at: number): number {
    const bytes = Math.min(chunk.length - at, HEADER_BYTES + this.#length - this.#bytes);
    this.#bytes += bytes;
    return at + bytes;
  }
}
