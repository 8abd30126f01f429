/** As much of protobuf's wire format as a trace needs: varints, text, nested messages. */
export class ProtoWriter {
  #bytes = new Uint8Array(64);
  #length = 0;

  uint(field: number, value: number | bigint): this {
    this.#varint(field * 8);
    if (typeof value === "number" && value >= 0) this.#varint(value);
    else this.#bigVarint(BigInt.asUintN(64, BigInt(value)));
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.#bytes.subarray(0, value.#length));
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint(field * 8 + 2);
    this.#varint(value.length);
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #varint(value: number): void {
    this.#room(10);
    while (value >= 0x80) {
      this.#bytes[this.#length++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.#bytes[this.#length++] = value;
  }

  #bigVarint(value: bigint): void {
    if (value <= Number.MAX_SAFE_INTEGER) {
      this.#varint(Number(value));
      return;
    }
    this.#room(10);
    this.#bytes[this.#length++] = Number(value & 0x7fn) | 0x80;
    this.#bigVarint(value >> 7n);
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#length + more, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
