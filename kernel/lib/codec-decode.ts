/** The reading half of the codec (format and contract in codec.ts). Accepts exactly what the encoder writes. */
import { bigintBytes, CodecError, header, hostIsLittleEndian, Tag, viewKinds } from "./codec-format.ts";
import { plainDepth } from "./plain.ts";
import { readUtf8 } from "./utf8.ts";

/** Throws CodecError for anything that `encodePlain` cannot have written. */
export function decodePlain(bytes: Uint8Array): unknown {
  if (bytes.length < header.length || bytes[0] !== header[0]) throw new CodecError("not encoded plain state");
  if (bytes[1] !== header[1]) {
    const code = bytes[1]! > header[1] ? "version" : "corrupt";
    throw new CodecError(`version ${bytes[1]} of the codec; this one reads version ${header[1]}`, code, 1);
  }
  const reader = new Reader(bytes, header.length);
  const value = read(reader, 0);
  if (reader.at !== bytes.length) throw reader.corrupt("bytes are left over");
  return value;
}

class Reader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  corrupt(message: string): CodecError {
    return new CodecError(`byte ${this.at}: ${message}`, "corrupt", this.at);
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw this.corrupt("cut short");
    return this.bytes[this.at++]!;
  }

  varint(): number {
    let value = 0;
    let unit = 1;
    for (let i = 0; i < 8; i++, unit *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (byte >= 0x80) continue;
      if (byte === 0 && i > 0) throw this.corrupt("a number is longer than it needs to be");
      if (value > Number.MAX_SAFE_INTEGER) break;
      return value;
    }
    throw this.corrupt("a number is too large");
  }

  /** A count of things that take at least `each` bytes: more than what is left cannot be. */
  count(each: number): number {
    const count = this.varint();
    if (count * each > this.bytes.length - this.at)
      throw this.corrupt(`${count} elements in ${this.bytes.length - this.at} bytes`);
    return count;
  }

  float(): number {
    if (this.at + 8 > this.bytes.length) throw this.corrupt("cut short");
    const value = this.#view.getFloat64(this.at, true);
    const low = this.#view.getUint32(this.at, true);
    const high = this.#view.getUint32(this.at + 4, true);
    if (Number.isNaN(value) && (low !== 0 || high !== 0x7ff80000))
      throw this.corrupt("a NaN that is not the canonical one");
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) throw this.corrupt("an integer written as a float");
    this.at += 8;
    return value;
  }

  text(): string {
    const length = this.count(1);
    const text = readUtf8(this.bytes, this.at, this.at + length, "keep");
    if (text === null) throw this.corrupt("text that is not UTF-8");
    this.at += length;
    return text;
  }
}

const tooDeep = (reader: Reader): CodecError =>
  new CodecError(`nests deeper than ${plainDepth} levels`, "limit", reader.at);

function read(reader: Reader, depth: number): unknown {
  const tag = reader.byte();
  switch (tag) {
    case Tag.array:
    case Tag.record:
    case Tag.map:
      if (depth >= plainDepth) throw tooDeep(reader);
      return tag === Tag.array
        ? readArray(reader, depth)
        : tag === Tag.record
          ? readRecord(reader, depth)
          : readMap(reader, depth);
    case Tag.view:
      if (depth >= plainDepth) throw tooDeep(reader);
      return readView(reader);
    default:
      return readScalar(reader, tag);
  }
}

function readScalar(reader: Reader, tag: number): null | boolean | number | bigint | string {
  switch (tag) {
    case Tag.null:
      return null;
    case Tag.false:
      return false;
    case Tag.true:
      return true;
    case Tag.natural:
      return reader.varint();
    case Tag.negative: {
      const value = -1 - reader.varint();
      if (!Number.isSafeInteger(value)) throw reader.corrupt("a number is too large");
      return value;
    }
    case Tag.float:
      return reader.float();
    case Tag.bigNatural:
    case Tag.bigNegative:
      return readBigint(reader, tag === Tag.bigNegative);
    case Tag.text:
      return reader.text();
    default:
      throw reader.corrupt(`unknown tag ${tag}`);
  }
}

function readBigint(reader: Reader, negative: boolean): bigint {
  const length = reader.count(1);
  if (length > bigintBytes) throw new CodecError(`a bigint has more than ${bigintBytes} bytes`, "limit", reader.at);
  if (length === 0) {
    if (negative) throw reader.corrupt("a negative zero");
    return 0n;
  }
  const { bytes, at } = reader;
  if (bytes[at + length - 1] === 0) throw reader.corrupt("a bigint is longer than it needs to be");
  const digits: string[] = [];
  for (let i = length - 1; i >= 0; i--) digits.push(bytes[at + i]!.toString(16).padStart(2, "0"));
  reader.at += length;
  const magnitude = BigInt(`0x${digits.join("")}`);
  return negative ? -magnitude : magnitude;
}

function readArray(reader: Reader, depth: number): unknown[] {
  const count = reader.count(1);
  const array: unknown[] = [];
  for (let i = 0; i < count; i++) array.push(read(reader, depth + 1));
  return array;
}

function readRecord(reader: Reader, depth: number): Record<string, unknown> {
  const count = reader.count(2);
  const record: Record<string, unknown> = {};
  let last: string | null = null;
  for (let i = 0; i < count; i++) {
    const name = reader.text();
    if (last !== null && name <= last) throw reader.corrupt("a record's names are not in order");
    if (name === "__proto__") throw reader.corrupt("a name that plain state cannot have");
    record[name] = read(reader, depth + 1);
    last = name;
  }
  return record;
}

function readMap(reader: Reader, depth: number): Map<unknown, unknown> {
  const count = reader.count(2);
  const map = new Map<unknown, unknown>();
  for (let i = 0; i < count; i++) {
    const key = readScalar(reader, reader.byte());
    // A Map takes -0 for 0, so an encoder never meets one.
    if (map.has(key) || Object.is(key, -0)) throw reader.corrupt("a Map's key comes twice");
    map.set(key, read(reader, depth + 1));
  }
  return map;
}

function readView(reader: Reader): ArrayBufferView {
  const kind = viewKinds[reader.byte()];
  if (kind === undefined) throw reader.corrupt("unknown kind of typed array");
  const length = reader.count(kind.size) * kind.size;
  if (kind.size > 1 && !hostIsLittleEndian) throw reader.corrupt("typed arrays cannot be read on a big-endian host");
  const copy = new Uint8Array(length);
  copy.set(reader.bytes.subarray(reader.at, reader.at + length));
  const view = kind.make(copy.buffer);
  if ((view instanceof Float32Array || view instanceof Float64Array) && hasOddNaN(view)) {
    throw reader.corrupt("a NaN that is not the canonical one");
  }
  reader.at += length;
  return view;
}

function hasOddNaN(view: Float32Array | Float64Array): boolean {
  const words = new Uint32Array(view.buffer, view.byteOffset, view.byteLength / 4);
  for (let i = 0; i < view.length; i++) {
    if (!Number.isNaN(view[i])) continue;
    if (view.BYTES_PER_ELEMENT === 4 && words[i] !== 0x7fc00000) return true;
    if (view.BYTES_PER_ELEMENT === 8 && (words[2 * i] !== 0 || words[2 * i + 1] !== 0x7ff80000)) return true;
  }
  return false;
}
