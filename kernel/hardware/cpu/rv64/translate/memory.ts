/**
 * Loads, stores and atomics: a probe of the read or write TLB as in the dispatch loop of the interpreter, which is left
 * to do whatever the probe does not settle: an empty entry, two pages, a device, a fault, a page with code.
 */
import { PAGE_SIZE, READ_TLB, RESERVATION, TLB_ENTRIES, WRITE_TLB } from "../assembly/layout.ts";
import { type Atomic, atomicInstructions } from "../instructions/atomic.ts";
import type { OpName } from "../instructions/operations.ts";
import { accessInstructions } from "../instructions/table.ts";
import { baseKey } from "./bases.ts";
import { BANK, type Emitter, ENTRY } from "./emitter.ts";
import { type Row, rowOf } from "./meaning.ts";
import type { Instruction } from "./records.ts";
import { FIRST_FLOAT } from "./registers.ts";
import { Type, Wasm } from "./wasm.ts";

const W = Wasm;
const BOX = -0x100000000;

/** Operation and size. */
type Way = readonly [code: number, size: number];
const ways = (write: boolean): Partial<Record<OpName, Way>> =>
  Object.fromEntries(
    accessInstructions.filter((each) => each.write === write).map(({ op, code, size }) => [op, [Wasm[code], size]]),
  );
const loads = ways(false);
const stores = ways(true);

/** Whether an access has to be aligned to be done here: atomics do. */
type Strict = "aligned" | "anywhere";

/**
 * Looks up the guest address in wide(0); ENTRY is then the TLB's entry, and the local `page`, if given, the page. One
 * comparison for page and permission, and for alignment, or that all bytes are on the page.
 */
function lookUp(e: Emitter, table: number, size: number, strict: Strict, page?: number): void {
  const address = e.wide(0);
  if (strict === "anywhere") e.get(address);
  e.get(address).op(W.i32WrapI64).i32(8).op(W.i32ShrU);
  e.i32((TLB_ENTRIES - 1) << 4).op(W.i32And);
  e.get(BANK).op(W.i32Add).tee(ENTRY).memory(W.i64Load, table);
  if (page !== undefined) e.tee(page);
  if (strict === "anywhere")
    e.op(W.i64Sub)
      .i64(PAGE_SIZE - size)
      .op(W.i64GtU);
  else
    e.get(address)
      .i64(size - 1 - PAGE_SIZE)
      .op(W.i64And, W.i64Ne);
  e.leaveIf();
}

/** Puts the host address of `size` bytes at the guest address in wide(0), found by register `base`, on the stack. */
function probe(e: Emitter, table: number, size: number, base: number, strict: Strict): Emitter {
  const address = e.wide(0);
  const last = e.base(baseKey(base, table));
  if (last === undefined) {
    lookUp(e, table, size, strict);
    e.get(address).op(W.i32WrapI64);
    return e
      .get(ENTRY)
      .memory(W.i32Load, table + 8)
      .op(W.i32Add);
  }
  // Not as in the TLB: what stands for no page here could be near any address.
  e.get(address)
    .i64(size - 1 - PAGE_SIZE)
    .op(W.i64And)
    .get(last.page)
    .op(W.i64Ne);
  e.openSeldom();
  lookUp(e, table, size, strict, last.page);
  e.get(ENTRY)
    .memory(W.i32Load, table + 8)
    .set(last.addend);
  e.close();
  return e.get(address).op(W.i32WrapI64).get(last.addend).op(W.i32Add);
}

function address(e: Emitter, { rs1, imm }: Instruction): void {
  e.read(rs1);
  if (imm) e.i64(imm).op(W.i64Add);
  e.set(e.wide(0));
}

function load(e: Emitter, i: Instruction, code: number, size: number): void {
  address(e, i);
  probe(e, READ_TLB, size, i.rs1, "anywhere");
  if (i.op === "Ld" && i.rd >= FIRST_FLOAT) {
    e.memory(W.f64Load, 0).writeDouble(i.rd);
    return;
  }
  e.memory(code, 0);
  if (i.op === "Flw") e.i64(BOX).op(W.i64Or);
  e.write(i.rd);
}

function store(e: Emitter, i: Instruction, code: number, size: number): void {
  address(e, i);
  probe(e, WRITE_TLB, size, i.rs1, "anywhere");
  if (i.op === "Sd" && i.rs2 >= FIRST_FLOAT) e.readDouble(i.rs2).memory(W.f64Store, 0);
  else e.read(i.rs2).memory(code, 0);
}

interface AtomicRow extends Atomic {
  /** The new value, of what is in wide(1) and wide(2). */
  combine: Row;
}

/** By funct5 and width. */
const atomics = new Map<number, AtomicRow>(
  atomicInstructions.map((row) => [
    atomicKey(row.match),
    {
      ...row,
      combine: rowOf(
        row.combination,
        new Map([
          ["held", 1],
          ["operand", 2],
        ]),
      ),
    },
  ]),
);

function atomicKey(bits: number): number {
  return ((bits >>> 27) << 3) | ((bits >>> 12) & 7);
}

/** As assembly/atomic.ts, where what holds of reservations is said. */
function atomic(e: Emitter, i: Instruction): void {
  const { kind, size, combine } = atomics.get(atomicKey(i.imm)) as AtomicRow;
  const [loadCode, storeCode] = size === 8 ? [W.i64Load, W.i64Store] : [W.i64Load32S, W.i64Store32];
  const [va, held, operand] = [e.wide(0), e.wide(1), e.wide(2)];
  e.read(i.rs1).set(va);
  if (kind === "reserve") {
    probe(e, READ_TLB, size, i.rs1, "aligned").memory(loadCode, 0).write(i.rd);
    e.i32(0).get(va).memory(W.i64Store, RESERVATION);
    return;
  }
  if (kind === "conditional") {
    storeConditional(e, i, size, storeCode);
    return;
  }
  probe(e, WRITE_TLB, size, i.rs1, "aligned").tee(ENTRY).memory(loadCode, 0).set(held);
  if (size === 8) e.read(i.rs2);
  else e.readWord(i.rs2).op(W.i64ExtendI32S);
  e.set(operand).get(ENTRY);
  combine(e, i);
  e.memory(storeCode, 0).get(held).write(i.rd);
}

function storeConditional(e: Emitter, i: Instruction, size: number, storeCode: number): void {
  const va = e.wide(0);
  e.get(va)
    .i64(size - 1)
    .op(W.i64And)
    .i64(0)
    .op(W.i64Ne)
    .leaveIf();
  e.i32(0).memory(W.i64Load, RESERVATION).get(va).op(W.i64Eq);
  e.open(W.if, Type.i64);
  probe(e, WRITE_TLB, size, i.rs1, "aligned").read(i.rs2).memory(storeCode, 0).i64(0);
  e.otherwise();
  e.i64(1);
  e.close();
  e.write(i.rd).i32(0).i64(-1).memory(W.i64Store, RESERVATION);
}

export const accesses = (i: Instruction): boolean => i.op in loads || i.op in stores || i.op === "Atomic";

/** Emits a load, store or atomic. */
export function emitAccess(e: Emitter, i: Instruction): void {
  const asLoad = loads[i.op];
  const asStore = stores[i.op];
  if (asLoad) load(e, i, ...asLoad);
  else if (asStore) store(e, i, ...asStore);
  else atomic(e, i);
}
