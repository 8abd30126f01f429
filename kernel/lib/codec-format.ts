/** What the two halves of the codec share: tags, kinds of typed array, limits, the error. The format is in codec.ts. */

export const header = [0x4f, 0x01] as const;

export const Tag = {
  null: 0,
  false: 1,
  true: 2,
  /** Integers that a number holds exactly, by sign; everything else that is a number is `float`. */
  natural: 3,
  negative: 4,
  float: 5,
  bigNatural: 6,
  bigNegative: 7,
  text: 8,
  array: 9,
  record: 10,
  map: 11,
  view: 12,
} as const;

/** Largest magnitude of a bigint. */
export const bigintBytes = 1024 * 1024;

/** The place in this list is the kind's number: append only. */
export const viewKinds = [
  { name: "Int8Array", size: 1, make: (buffer: ArrayBuffer) => new Int8Array(buffer) },
  { name: "Uint8Array", size: 1, make: (buffer: ArrayBuffer) => new Uint8Array(buffer) },
  { name: "Uint8ClampedArray", size: 1, make: (buffer: ArrayBuffer) => new Uint8ClampedArray(buffer) },
  { name: "Int16Array", size: 2, make: (buffer: ArrayBuffer) => new Int16Array(buffer) },
  { name: "Uint16Array", size: 2, make: (buffer: ArrayBuffer) => new Uint16Array(buffer) },
  { name: "Int32Array", size: 4, make: (buffer: ArrayBuffer) => new Int32Array(buffer) },
  { name: "Uint32Array", size: 4, make: (buffer: ArrayBuffer) => new Uint32Array(buffer) },
  { name: "Float32Array", size: 4, make: (buffer: ArrayBuffer) => new Float32Array(buffer) },
  { name: "Float64Array", size: 8, make: (buffer: ArrayBuffer) => new Float64Array(buffer) },
  { name: "BigInt64Array", size: 8, make: (buffer: ArrayBuffer) => new BigInt64Array(buffer) },
  { name: "BigUint64Array", size: 8, make: (buffer: ArrayBuffer) => new BigUint64Array(buffer) },
] as const;

/** Element data is copied as the host keeps it; the format says little-endian. WebAssembly hosts are. */
export const hostIsLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export class CodecError extends Error {
  /** `corrupt`: not what the encoder writes. `version`: written by a newer codec. `limit`: larger than is allowed. */
  readonly code: "corrupt" | "version" | "limit";
  /** Byte at which it was noticed. */
  readonly offset: number;

  constructor(message: string, code: CodecError["code"] = "corrupt", offset = 0) {
    super(message);
    this.name = "CodecError";
    this.code = code;
    this.offset = offset;
  }
}
