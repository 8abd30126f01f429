/**
 * The control and status registers of user mode: fflags, frm, fcsr (F), and the read-only cycle, time and instret
 * (Zicntr; one instruction is one cycle and one nanosecond, time runs at 10 MHz). Everything else is illegal.
 * EXECUTED holds the instructions of this run before the present one.
 */
import * as L from "./layout";
import { Stop, illegalInstruction, imm, rd, rs1 } from "./state";
import { stalls } from "./timing";

export function csr(p: i32): Stop {
  const w = imm(p);
  const number = w >>> 20;
  const field = (w >> 15) & 31;
  const operation = (w >> 12) & 3;
  const writes = operation == 1 || field != 0;
  const operand = w & 0x4000 ? <i64>field : rs1(p);
  const fcsr = <i64>load<u32>(L.FCSR);
  let old: i64;
  switch (number) {
    case 0x001: old = fcsr & 31; break;
    case 0x002: old = fcsr >> 5; break;
    case 0x003: old = fcsr; break;
    case 0xc00: old = load<i64>(L.INSTRET_BASE) + load<i64>(L.EXECUTED) + (TIMED ? stalls() : 0); break;
    case 0xc02: old = load<i64>(L.INSTRET_BASE) + load<i64>(L.EXECUTED); break;
    case 0xc01: old = <i64>(<u64>(load<i64>(L.TIME_BASE) + load<i64>(L.EXECUTED)) / 100); break;
    default: return illegalInstruction(w);
  }
  if (writes) {
    if (number >= 0xc00) return illegalInstruction(w);
    const value = operation == 1 ? operand : operation == 2 ? old | operand : old & ~operand;
    if (number == 1) store<u32>(L.FCSR, <u32>(fcsr & 0xe0 | value & 31));
    else if (number == 2) store<u32>(L.FCSR, <u32>(fcsr & 31 | (value & 7) << 5));
    else store<u32>(L.FCSR, <u32>(value & 255));
  }
  rd(p, old);
  return Stop.None;
}
