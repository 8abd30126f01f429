/**
 * A small encoder of WebAssembly's binary format (core specification 2.0, chapter 5, and the tail-call proposal): bytes,
 * integers, and modules of one function.
 */

/** Instructions, by the specification's names. Those of two bytes (prefix 0xfc) have the prefix in the high byte. */
export const Wasm = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  returnCallIndirect: 0x13,
  drop: 0x1a,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  i32Load: 0x28,
  i64Load: 0x29,
  f64Load: 0x2b,
  i32Load16U: 0x2f,
  i64Load8S: 0x30,
  i64Load8U: 0x31,
  i64Load16S: 0x32,
  i64Load16U: 0x33,
  i64Load32S: 0x34,
  i64Load32U: 0x35,
  i32Load8U: 0x2d,
  i32Store8: 0x3a,
  i32Store: 0x36,
  i64Store: 0x37,
  f64Store: 0x39,
  i64Store8: 0x3c,
  i64Store16: 0x3d,
  i64Store32: 0x3e,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32Ne: 0x47,
  i32LtS: 0x48,
  i32GeU: 0x4f,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i64Ne: 0x52,
  i64LtS: 0x53,
  i64LtU: 0x54,
  i64GtS: 0x55,
  i64GtU: 0x56,
  i64GeS: 0x59,
  i64GeU: 0x5a,
  f32Ne: 0x5c,
  f32Le: 0x5f,
  f64Eq: 0x61,
  f64Ne: 0x62,
  f64Lt: 0x63,
  f64Gt: 0x64,
  f64Le: 0x65,
  f64Ge: 0x66,
  i32Clz: 0x67,
  i32Ctz: 0x68,
  i32Popcnt: 0x69,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32DivS: 0x6d,
  i32DivU: 0x6e,
  i32RemS: 0x6f,
  i32RemU: 0x70,
  i32And: 0x71,
  i32Or: 0x72,
  i32Shl: 0x74,
  i32ShrS: 0x75,
  i32ShrU: 0x76,
  i32Rotl: 0x77,
  i32Rotr: 0x78,
  i64Clz: 0x79,
  i64Ctz: 0x7a,
  i64Popcnt: 0x7b,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64Mul: 0x7e,
  i64DivS: 0x7f,
  i64DivU: 0x80,
  i64RemS: 0x81,
  i64RemU: 0x82,
  i64And: 0x83,
  i64Or: 0x84,
  i64Xor: 0x85,
  i64Shl: 0x86,
  i64ShrS: 0x87,
  i64ShrU: 0x88,
  i64Rotl: 0x89,
  i64Rotr: 0x8a,
  f32Abs: 0x8b,
  f32Sqrt: 0x91,
  f32Add: 0x92,
  f32Sub: 0x93,
  f32Mul: 0x94,
  f32Div: 0x95,
  f64Abs: 0x99,
  f64Neg: 0x9a,
  f64Ceil: 0x9b,
  f64Floor: 0x9c,
  f64Trunc: 0x9d,
  f64Nearest: 0x9e,
  f64Sqrt: 0x9f,
  f64Add: 0xa0,
  f64Sub: 0xa1,
  f64Mul: 0xa2,
  f64Div: 0xa3,
  f64Min: 0xa4,
  f64Max: 0xa5,
  f64Copysign: 0xa6,
  i32WrapI64: 0xa7,
  i64ExtendI32S: 0xac,
  i64ExtendI32U: 0xad,
  f32ConvertI64S: 0xb4,
  f32ConvertI64U: 0xb5,
  f32DemoteF64: 0xb6,
  f64ConvertI32S: 0xb7,
  f64ConvertI32U: 0xb8,
  f64ConvertI64S: 0xb9,
  f64ConvertI64U: 0xba,
  f64PromoteF32: 0xbb,
  i32ReinterpretF32: 0xbc,
  i64ReinterpretF64: 0xbd,
  f32ReinterpretI32: 0xbe,
  f64ReinterpretI64: 0xbf,
  i64Extend8S: 0xc2,
  i64Extend16S: 0xc3,
  i64Extend32S: 0xc4,
  i32TruncSatF64S: 0xfc02,
  i32TruncSatF64U: 0xfc03,
  i64TruncSatF64S: 0xfc06,
  i64TruncSatF64U: 0xfc07,
} as const;

/** Value types, and the type of a block without a result. */
export const Type = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, none: 0x40 } as const;
export type ValueType = "i32" | "i64" | "f32" | "f64";

const numbers = new DataView(new ArrayBuffer(8));
const bytesOfNumbers = new Uint8Array(numbers.buffer);

/** Bytes that grow. */
export class Writer {
  #bytes: Uint8Array;
  length = 0;

  constructor(room = 256) {
    this.#bytes = new Uint8Array(room);
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  #room(count: number): void {
    if (this.length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.length + count));
    grown.set(this.bytes);
    this.#bytes = grown;
  }

  byte(value: number): void {
    if (this.length === this.#bytes.length) this.#room(1);
    this.#bytes[this.length++] = value;
  }

  put(bytes: ArrayLike<number>): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  unsigned(value: number): void {
    for (; value > 127; value = Math.floor(value / 128)) this.byte((value % 128) | 128);
    this.byte(value);
  }

  /** A whole number that a double represents, of at most 64 bits. */
  signed(value: number): void {
    for (; value < -64 || value > 63; value = Math.floor(value / 128))
      this.byte((value - 128 * Math.floor(value / 128)) | 128);
    this.byte(value & 127);
  }

  bigSigned(value: bigint): void {
    for (; value < -64n || value > 63n; value >>= 7n) this.byte(Number(value & 127n) | 128);
    this.byte(Number(value & 127n));
  }

  double(value: number): void {
    numbers.setFloat64(0, value, true);
    this.put(bytesOfNumbers);
  }

  float(value: number): void {
    numbers.setFloat32(0, value, true);
    this.put(bytesOfNumbers.subarray(0, 4));
  }

  name(text: string): void {
    this.unsigned(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  /** A section, or anything else that is preceded by its length. */
  sized(content: Writer): void {
    this.unsigned(content.length);
    this.put(content.bytes);
  }
}

export interface FunctionModule {
  parameters: readonly ValueType[];
  result: ValueType;
  /** Of the function's own locals, how many of each type, in the order of their indices. */
  locals: readonly (readonly [count: number, type: ValueType])[];
  /** The instructions, without the last `end`. */
  code: Writer;
  /** Where in it the branches (`br_if` and `if`) are that are seldom taken, in order. */
  seldom: readonly number[];
  /** A function that is imported as "rounded", of type 1: its parameters and result. The module's own is then number 1. */
  helper: { parameters: readonly ValueType[]; result: ValueType } | null;
  /** Immutable i32 globals that are imported, from module "env": the code's global indices follow the order. */
  globals: readonly string[];
}

/** A module that imports memory and table from "env" and exports one function, "run", whose type is type 0. */
export function encodeModule({
  parameters,
  result,
  locals,
  code,
  seldom,
  helper,
  globals,
}: FunctionModule): Uint8Array {
  const out = new Writer(code.length + 512);
  out.put([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const section = (id: number, fill: (content: Writer) => void): void => {
    const content = new Writer(id === 10 ? code.length + 128 : 256);
    fill(content);
    out.byte(id);
    out.sized(content);
  };
  const types = [{ parameters, result }, ...(helper ? [helper] : [])];
  section(1, (s) => {
    s.byte(types.length);
    for (const { parameters: of, result: to } of types)
      s.put([0x60, of.length, ...of.map((type) => Type[type]), 1, Type[to]]);
  });
  section(2, (s) => {
    s.unsigned(2 + globals.length + (helper ? 1 : 0));
    const from = (name: string, kind: readonly number[]): void => {
      s.name("env");
      s.name(name);
      s.put(kind);
    };
    // Of any size: at least one page, at least one function.
    from("memory", [2, 0, 1]);
    from("table", [1, 0x70, 0, 1]);
    if (helper) from("rounded", [0, 1]);
    for (const name of globals) from(name, [3, Type.i32, 0]);
  });
  section(3, (s) => s.put([1, 0]));
  section(7, (s) => {
    s.byte(1);
    s.name("run");
    s.put([0, helper ? 1 : 0]);
  });
  const body = new Writer(code.length + 64);
  body.unsigned(locals.length);
  for (const [count, type] of locals) {
    body.unsigned(count);
    body.byte(Type[type]);
  }
  // What an engine may make use of: the section is left out of account where it does not know it.
  section(0, (s) => {
    s.name("metadata.code.branch_hint");
    s.put([1, helper ? 1 : 0]);
    s.unsigned(seldom.length);
    for (const at of seldom) {
      s.unsigned(body.length + at);
      s.put([1, 0]);
    }
  });
  section(10, (s) => {
    body.put(code.bytes);
    body.byte(Wasm.end);
    s.byte(1);
    s.sized(body);
  });
  return out.bytes.slice();
}
