/** The floating-point CSRs in translated code. */
import { FCSR } from "../assembly/layout.ts";
import { type Emitter, ENTRY, INEXACT } from "./emitter.ts";
import type { FloatRow } from "./float.ts";
import type { Instruction } from "./records.ts";
import { Wasm } from "./wasm.ts";

const W = Wasm;

/** What csrr of fflags, frm and fcsr shows of FCSR: how far to the right, and which bits. */
const views: Record<number, readonly [shift: number, mask: number]> = { 1: [0, 31], 2: [5, 7], 3: [0, 255] };

/**
 * Reads of the floating-point CSRs, and writes to fflags: a comparison that must raise nothing saves the flags and restores
 * them. Writes that may change the rounding mode are left to the interpreter.
 */
export function statusAccess({ imm, guarded }: Instruction): FloatRow | undefined {
  const number = imm >>> 20;
  const view = views[number];
  const field = (imm >> 15) & 31;
  const operation = (imm >> 12) & 3;
  const writes = operation === 1 || field !== 0;
  if (guarded || view === undefined || (writes && number !== 1)) return undefined;
  const emit: FloatRow["emit"] = (e, i) => {
    e.i32(0).memory(W.i32Load, FCSR).set(ENTRY);
    if (writes) {
      e.i32(0);
      newFlags(e, i, operation);
      e.i32(31).op(W.i32And).tee(INEXACT).get(ENTRY).i32(0xe0).op(W.i32And, W.i32Or).memory(W.i32Store, FCSR);
      e.get(INEXACT).i32(1).op(W.i32And).set(INEXACT);
    }
    const [shift, mask] = view;
    e.get(ENTRY).i32(shift).op(W.i32ShrU).i32(mask).op(W.i32And, W.i64ExtendI32U).write(i.rd);
  };
  return { nearest: false, emit };
}

/** Puts on the stack what csrrw, csrrs or csrrc makes of the flags, which are in the low bits of ENTRY. */
function newFlags(e: Emitter, { imm, rs1 }: Instruction, operation: number): void {
  const operand = (): Emitter => (imm & 0x4000 ? e.i32((imm >> 15) & 31) : e.readWord(rs1));
  if (operation === 3) {
    e.get(ENTRY);
    operand().get(ENTRY).op(W.i32And, W.i32Sub);
    return;
  }
  operand();
  if (operation === 2) e.get(ENTRY).op(W.i32Or);
}
