/** As much of protobuf's wire format as a trace needs: varints, text, nested messages. */
export class ProtoWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  uint(field: number, value: number | bigint): this {
    this.#varint(BigInt(field * 8));
    this.#varint(BigInt.asUintN(64, BigInt(value)));
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.#bytes.subarray(0, value.#length));
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint(BigInt(field * 8 + 2));
    this.#varint(BigInt(value.length));
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #varint(value: bigint): void {
    this.#room(10);
    let low = value;
    while (low >= 0x80n) {
      this.#bytes[this.#length++] = Number(low & 0x7fn) | 0x80;
      low >>= 7n;
    }
    this.#bytes[this.#length++] = Number(low);
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#length + more, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
