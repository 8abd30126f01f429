/**
 * The canonical codec of plain state (see plain.ts): equal states give equal bytes, and bytes that decode at all are
 * exactly those that encoding the result gives. So the SHA-256 of the bytes names the state.
 *
 *     0x4f, version 1, value
 *     value   = tag, then by tag
 *       null, false, true                  nothing
 *       natural n / negative (-n - 1)      varint: 7 bits a byte, low first, shortest form
 *       float                              8 bytes IEEE 754; -0 and NaN (one NaN only) are here, integers are not
 *       big natural / negative             varint length, magnitude low byte first, no leading zero
 *       text                               varint length, UTF-8 (lone surrogates as in utf8.ts)
 *       array                              varint count, values
 *       record                             varint count, (name as text without tag, value) by name, in 16-bit unit order
 *       map                                varint count, (scalar key, value) in insertion order, which is state
 *       view                               kind, varint count, elements little-endian (NaN as above)
 *
 * A record comes back with its names in sorted order, whatever order they had: nothing may depend on the order of a
 * record's names. Decoding survives any bytes: lengths are checked before memory is taken, depth is bounded.
 */
import { bigintBytes, CodecError, header, hostIsLittleEndian, Tag, viewKinds } from "./codec-format.ts";
import { assertPlain, NotPlainError, plainDepth } from "./plain.ts";
import { utf8Bound, writeUtf8 } from "./utf8.ts";

export { decodePlain } from "./codec-decode.ts";
export { CodecError } from "./codec-format.ts";

/** Throws NotPlainError, naming the path, for what is not plain. Does not look for objects that are reachable twice. */
export function encodePlain(value: unknown): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.byte(header[0]);
  writer.byte(header[1]);
  try {
    write(writer, value, 0);
  } catch (error) {
    // The encoder keeps no path; the walker finds it again, and better words for it.
    if (error instanceof NotPlainError) assertPlain(value);
    throw error;
  }
  return writer.taken();
}

/** A buffer that grows. */
class Writer {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Sees to it that `more` bytes fit. */
  room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  byte(value: number): void {
    this.room(1);
    this.#bytes[this.#length++] = value;
  }

  varint(value: number): void {
    this.room(8);
    while (value >= 0x80) {
      this.#bytes[this.#length++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.#bytes[this.#length++] = value;
  }

  float(value: number): void {
    this.room(8);
    // The language does not say which NaN setFloat64 writes.
    if (Number.isNaN(value)) this.#view.setBigUint64(this.#length, 0x7ff8000000000000n, true);
    else this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  text(value: string): void {
    // The length stands before the bytes: right at once for ASCII, else known only once they are written.
    this.room(utf8Bound(value.length) + 8);
    const before = this.#length;
    this.varint(value.length);
    const start = this.#length;
    const end = writeUtf8(this.#bytes, start, value, "keep");
    this.#length = end;
    if (end - start === value.length) return;
    const copy = this.#bytes.slice(start, end);
    this.#length = before;
    this.varint(copy.length);
    this.raw(copy);
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  taken(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }
}

function write(writer: Writer, value: unknown, depth: number): void {
  switch (typeof value) {
    case "number":
      writeNumber(writer, value);
      break;
    case "string":
      writer.byte(Tag.text);
      writer.text(value);
      break;
    case "boolean":
      writer.byte(value ? Tag.true : Tag.false);
      break;
    case "bigint":
      writeBigint(writer, value);
      break;
    case "object":
      if (value === null) writer.byte(Tag.null);
      else writeObject(writer, value, depth);
      break;
    default:
      throw new NotPlainError("", `is ${typeof value}`);
  }
}

function writeNumber(writer: Writer, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    writer.byte(Tag.float);
    writer.float(value);
  } else {
    writer.byte(value < 0 ? Tag.negative : Tag.natural);
    writer.varint(value < 0 ? -1 - value : value);
  }
}

function writeBigint(writer: Writer, value: bigint): void {
  writer.byte(value < 0n ? Tag.bigNegative : Tag.bigNatural);
  const digits = (value < 0n ? -value : value).toString(16);
  const length = value === 0n ? 0 : (digits.length + 1) >> 1;
  if (length > bigintBytes) throw new CodecError(`a bigint has more than ${bigintBytes} bytes`, "limit");
  writer.varint(length);
  for (let i = 0, end = digits.length; i < length; i++, end -= 2) {
    writer.byte(Number.parseInt(digits.slice(Math.max(0, end - 2), end), 16));
  }
}

function writeObject(writer: Writer, value: object, depth: number): void {
  if (depth >= plainDepth) throw new NotPlainError("", `nests deeper than ${plainDepth} levels`);
  if (Array.isArray(value)) {
    writer.byte(Tag.array);
    writer.varint(value.length);
    for (let i = 0; i < value.length; i++) write(writer, value[i], depth + 1);
  } else if (value instanceof Map) {
    writer.byte(Tag.map);
    writer.varint(value.size);
    for (const [key, element] of value) {
      if (typeof key === "object" && key !== null) throw new NotPlainError("", "has a key that is not a scalar");
      write(writer, key, depth + 1);
      write(writer, element, depth + 1);
    }
  } else if (ArrayBuffer.isView(value)) writeView(writer, value as Uint8Array);
  else writeRecord(writer, value as Record<string, unknown>, depth);
}

function writeRecord(writer: Writer, record: Record<string, unknown>, depth: number): void {
  if (Object.getPrototypeOf(record) !== Object.prototype) throw new NotPlainError("", "is not a plain record");
  const names = Object.keys(record);
  if (!isSorted(names)) names.sort();
  writer.byte(Tag.record);
  writer.varint(names.length);
  for (const name of names) {
    if (name === "__proto__") throw new NotPlainError("", "has a name that plain state cannot have");
    writer.text(name);
    write(writer, record[name], depth + 1);
  }
}

function isSorted(names: readonly string[]): boolean {
  for (let i = 1; i < names.length; i++) if (names[i - 1]! > names[i]!) return false;
  return true;
}

const kindNumbers = new Map<string, number>(viewKinds.map(({ name }, index) => [name, index]));

function writeView(writer: Writer, view: Uint8Array): void {
  // The tag is the kind's name for subclasses too: what is saved of a host's Buffer is its bytes.
  const kind = kindNumbers.get(view[Symbol.toStringTag] as string);
  if (kind === undefined) throw new NotPlainError("", "is a view that is no typed array");
  const { size } = viewKinds[kind]!;
  if (size > 1 && !hostIsLittleEndian) throw new NotPlainError("", "is a typed array on a big-endian host");
  writer.byte(Tag.view);
  writer.byte(kind);
  writer.varint(view.length);
  const clean = viewKinds[kind]!.name.startsWith("Float") ? withOneNaN(view) : view;
  writer.raw(new Uint8Array(clean.buffer, clean.byteOffset, clean.byteLength));
}

/** NaNs of different bits are one value to the language, so to the state. */
function withOneNaN(view: Uint8Array): Uint8Array {
  const floats = view as unknown as Float64Array;
  if (!floats.some(Number.isNaN)) return view;
  const copy = floats.slice();
  const words = new Uint32Array(copy.buffer, copy.byteOffset, copy.byteLength / 4);
  for (let i = 0; i < copy.length; i++) {
    if (!Number.isNaN(copy[i])) continue;
    if (copy.BYTES_PER_ELEMENT === 4) words[i] = 0x7fc00000;
    else words.set([0, 0x7ff80000], i * 2);
  }
  return copy as unknown as Uint8Array;
}
