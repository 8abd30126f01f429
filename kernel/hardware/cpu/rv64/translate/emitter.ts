/**
 * Code of one translated function under construction: instructions, labels, and guest registers as locals (integer
 * registers i64, floating-point registers f64, which keeps every bit). Which locals there are is settled beforehand.
 */
import { FIRST_FLOAT, SINK } from "./registers.ts";
import { Type, type ValueType, Wasm, Writer } from "./wasm.ts";

/** The parameters: virtual address of the entry's page, instructions left, calls that may still be nested. */
export const PARAMETERS = ["i64", "i32", "i32"] as const;
export const PAGE = 0;
export const LEFT = 1;
export const NESTED = 2;

// Locals of type i32: the current data bank, a TLB entry, where to leave to, a case of the dispatch, whether floating
// point may use the host's rounding, whether an indirect jump leads out of the region, and whether the inexact flag is
// known to be set. Behind them one for each page but the first: whether its translation has been checked.
export const BANK = 3;
export const ENTRY = 4;
export const AT = 5;
export const CHOICE = 6;
export const NEAREST = 7;
export const JUMPING = 8;
export const INEXACT = 9;
const FIRST_CHECKED = 10;

const WIDE_SCRATCH = 4;
const DOUBLE_SCRATCH = 12;
const SINGLE_SCRATCH = 2;

/** AT holds the place of an instruction, and in its low bits how many instructions of its block are not done with it. */
export const UNDONE_BITS = 10;

export class Emitter {
  readonly code = new Writer(16_384);
  /** Where in the code the branches are that are seldom taken. */
  readonly seldom: number[] = [];
  /** Behind this label the registers that may have changed are stored: where an instruction leaves to that is not done. */
  exit = 0;
  readonly #locals = new Map<number, number>();
  readonly #checked: number;
  /** Places of the bases whose pages are remembered, by key (bases.ts). */
  readonly #bases: Map<number, number>;
  readonly #wide: number;
  readonly #double: number;
  readonly #single: number;
  readonly #integers: number;
  #depth = 0;

  readonly #rounds: boolean;

  /**
   * `registers` are those that the function uses, `pages` how many its code is on, `bases` what it remembers; `rounds`: it
   * asks which results were rounded.
   */
  constructor(registers: Iterable<number>, pages: number, bases: readonly number[], rounds: boolean) {
    this.#rounds = rounds;
    const used = [...registers].sort((a, b) => a - b);
    const integers = used.filter((register) => register < FIRST_FLOAT);
    this.#checked = pages - 1;
    this.#integers = integers.length;
    this.#bases = new Map(bases.map((key, place) => [key, place]));
    this.#wide = FIRST_CHECKED + this.#checked + bases.length;
    this.#double = this.#wide + WIDE_SCRATCH + bases.length + integers.length;
    this.#single = this.#double + DOUBLE_SCRATCH + used.length - integers.length;
    let next = this.#wide + WIDE_SCRATCH + bases.length;
    for (const register of integers) this.#locals.set(register, next++);
    next += DOUBLE_SCRATCH;
    for (const register of used.slice(integers.length)) this.#locals.set(register, next++);
  }

  get locals(): [number, ValueType][] {
    return [
      [FIRST_CHECKED - PARAMETERS.length + this.#checked + this.#bases.size, "i32"],
      [WIDE_SCRATCH + this.#bases.size + this.#integers, "i64"],
      [this.#single - this.#double, "f64"],
      [SINGLE_SCRATCH, "f32"],
    ];
  }

  /** Scratch locals. */
  wide(index: number): number {
    return this.#wide + index;
  }
  /** Where an address outside the region is kept on the way to it. */
  get target(): number {
    return this.wide(3);
  }
  double(index: number): number {
    return this.#double + index;
  }
  single(index: number): number {
    return this.#single + index;
  }
  /** The local that tells whether the page of this index in the region (not the first) has been checked. */
  checked(index: number): number {
    return FIRST_CHECKED + index - 1;
  }

  /** The locals of a base: the page that was accessed last, and what has to be added to an address on it. */
  base(key: number): { page: number; addend: number } | undefined {
    const place = this.#bases.get(key);
    if (place === undefined) return undefined;
    return { page: this.#wide + WIDE_SCRATCH + place, addend: FIRST_CHECKED + this.#checked + place };
  }

  /** No page is remembered yet. */
  forgetBases(): void {
    for (const place of this.#bases.values()) this.i64(-1).set(this.#wide + WIDE_SCRATCH + place);
  }

  op(...codes: number[]): this {
    for (const code of codes) {
      if (code > 0xff) {
        this.code.byte(code >> 8);
        this.code.unsigned(code & 0xff);
      } else this.code.byte(code);
    }
    return this;
  }

  #indexed(op: number, index: number): this {
    this.code.byte(op);
    this.code.unsigned(index);
    return this;
  }

  i32(value: number): this {
    this.code.byte(Wasm.i32Const);
    this.code.signed(value | 0);
    return this;
  }
  i64(value: number | bigint): this {
    this.code.byte(Wasm.i64Const);
    if (typeof value === "bigint") this.code.bigSigned(BigInt.asIntN(64, value));
    else this.code.signed(value);
    return this;
  }
  f64(value: number): this {
    this.code.byte(Wasm.f64Const);
    this.code.double(value);
    return this;
  }
  f32(value: number): this {
    this.code.byte(Wasm.f32Const);
    this.code.float(value);
    return this;
  }
  get(local: number): this {
    return this.#indexed(Wasm.localGet, local);
  }
  set(local: number): this {
    return this.#indexed(Wasm.localSet, local);
  }
  tee(local: number): this {
    return this.#indexed(Wasm.localTee, local);
  }
  global(index: number): this {
    return this.#indexed(Wasm.globalGet, index);
  }
  /** A load or store; the address is the sum of the operand and `offset`. */
  memory(op: number, offset: number): this {
    this.code.byte(op);
    this.code.byte(0);
    this.code.unsigned(offset);
    return this;
  }
  /** A call of the function under construction. */
  callItself(): this {
    return this.#indexed(Wasm.call, this.#rounds ? 1 : 0);
  }
  /** A call of assembly/float/rounded.ts. */
  callRounded(): this {
    return this.#indexed(Wasm.call, 0);
  }
  /** A call through the table, of a function like the one under construction. */
  call(op: typeof Wasm.callIndirect | typeof Wasm.returnCallIndirect): this {
    this.code.byte(op);
    this.code.put([0, 0]);
    return this;
  }

  /** Opens a block, loop or if, and gives its label. */
  open(op: number, type: number = Type.none): number {
    this.code.put([op, type]);
    return ++this.#depth;
  }
  /** Opens an if whose condition seldom holds. */
  openSeldom(): number {
    this.seldom.push(this.code.length);
    return this.open(Wasm.if);
  }
  otherwise(): void {
    this.code.byte(Wasm.else);
  }
  close(): void {
    this.code.byte(Wasm.end);
    this.#depth--;
  }
  br(label: number): this {
    return this.#indexed(Wasm.br, this.#depth - label);
  }
  brIf(label: number): this {
    return this.#indexed(Wasm.brIf, this.#depth - label);
  }
  brTable(labels: readonly number[], otherwise: number): this {
    this.#indexed(Wasm.brTable, labels.length);
    for (const label of [...labels, otherwise]) this.code.unsigned(this.#depth - label);
    return this;
  }

  /** A register's bits. */
  read(register: number): this {
    if (register === 0) return this.i64(0);
    this.get(this.local(register));
    return register < FIRST_FLOAT ? this : this.op(Wasm.i64ReinterpretF64);
  }
  readWord(register: number): this {
    return register === 0 ? this.i32(0) : this.read(register).op(Wasm.i32WrapI64);
  }
  readDouble(register: number): this {
    if (register >= FIRST_FLOAT) return this.get(this.local(register));
    return this.read(register).op(Wasm.f64ReinterpretI64);
  }
  /** A single, whose box is known to be intact. */
  readSingle(register: number): this {
    return this.readWord(register).op(Wasm.f32ReinterpretI32);
  }
  /** Writes the i64 on the stack to a register. */
  write(register: number): this {
    if (register === SINK) return this.op(Wasm.drop);
    if (register >= FIRST_FLOAT) this.op(Wasm.f64ReinterpretI64);
    return this.set(this.local(register));
  }
  writeDouble(register: number): this {
    return this.set(this.local(register));
  }
  local(register: number): number {
    const local = this.#locals.get(register);
    if (local === undefined) throw new RangeError(`register ${register} has no local`);
    return local;
  }

  /**
   * The next instruction: its place, how many instructions of its block are not done with it, and where it leaves to.
   * An optimising compiler leaves nothing of this but constants on the way out.
   */
  begin(at: number, undone: number, exit: number): void {
    this.exit = exit;
    this.i32((at << UNDONE_BITS) | undone).set(AT);
  }

  /** Leaves to the interpreter if the i32 on the stack is not 0: the present instruction is not done here. */
  leaveIf(): this {
    this.seldom.push(this.code.length);
    return this.brIf(this.exit);
  }
}
