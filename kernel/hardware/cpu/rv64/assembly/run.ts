/**
 * The dispatch loop.
 *
 * Budget. Entering a straight line takes its whole length off `budget`; each record knows how many instructions are left
 * in its line (`run`), so at any record the unused budget is `budget + run`, with no counting per instruction. When the
 * line is longer than the budget, a Stop record is planted where the budget ends and the line runs up to it; the
 * identity still holds, with `budget` negative.
 *
 * Position. `p` is the record about to execute, `base` the slot it is in, `page` the virtual page the slot stands for:
 * pc = page + (p - base) / 8. Falls through the end of a page land on an empty record, as does a line decoded halfway.
 *
 * Inside the switch, `continue` goes on with record `p`, `break` leaves for the code below it: out-of-line execution
 * of record `p` (`event` Slow), or one of the other events.
 *
 * `run` is one long function because that is what makes it fast: its state stays in WebAssembly locals and each case
 * dispatches the next by itself. The cases are one line each wherever they can be.
 */
import * as L from "./layout";
import { Op } from "./ops";
import { decodeLine, decodeScratch, fetchHalf, fetchMiss } from "./cache";
import { currentBank, currentFetch } from "./banks";
import { refused } from "./mmu";
import { slow } from "./slow";
import { fetches } from "./timed";
import { enter, noteJump, translating } from "./translated";
import { fusedDouble, fusedSingle, singleOperation } from "./float/hardware";
import { div, divw, mulh, mulhsu, mulhu, orcB, rem, remw } from "./integer";
import {
  Stop, delta, illegalInstruction, imm, immediate, opOf, rd, rdd, rs1, rs1d, rs1w, rs2, rs2d, rs2w, rs3, runOf,
} from "./state";

/** From a record to the next: behind an instruction of four bytes, and of two. */
const FULL = 32, HALF = 16;

/** What the code below the switch has to do. */
const enum Event { Slow, Short, Far }

const BOX: i64 = 0xffffffff00000000;

// @ts-ignore: decorator
@inline function entry(bank: i32, va: i64): i32 { return bank + ((<i32>va >>> 8) & ((L.TLB_ENTRIES - 1) << 4)); }
// @ts-ignore: decorator
@inline function host(at: i32, va: i64, table: i32): i32 { return <i32>va + load<i32>(at + table, 8); }
// @ts-ignore: decorator
@inline function fetchEntry(fetch: i32, va: i64): i32 { return fetch + ((<i32>va >>> 8) & ((L.FETCH_ENTRIES - 1) << 4)); }

/** Rounding to nearest, and the inexact flag set: hardware gives the same result and flags if nothing else happens. */
// @ts-ignore: decorator
@inline function inexactAlready(): bool { return (load<u32>(L.FCSR) & 0xe1) == 1; }
// @ts-ignore: decorator
@inline function unordered(p: i32): bool { return rs1d(p) != rs1d(p) || rs2d(p) != rs2d(p); }

/** The low word of rs1, zero-extended. */
// @ts-ignore: decorator
@inline function uw(p: i32): i64 { return rs1(p) & 0xffffffff; }

/** Takes a planted Stop away again, unless the record has been emptied since. */
// @ts-ignore: decorator
@inline function unplant(plant: i32, op: i32): void { if (plant && opOf(plant) == Op.Stop) store<u8>(plant, op); }

export function run(total: i32): Stop {
  const bank = currentBank(), fetch = currentFetch();
  let budget = total;
  // Begin on an empty record at the end of the page before, so that the first thing done is a look-up of pc.
  let page = load<i64>(L.PC) - L.PAGE_SIZE;
  let base = L.SCRATCH_SLOT;
  let p = L.SCRATCH_SLOT + L.SLOT_RECORDS_BYTES;
  let target: i64 = 0;
  let event = Event.Slow;
  let plant = 0, plantOp = 0;
  let left = 0;
  let stop = Stop.None;

  for (;;) {
    if (TIMED) fetches(p, page + <i64>((p - base) >> 3));
    switch (opOf(p)) {
      case Op.Nop: p += FULL; continue;
      case Op.Li: rd(p, immediate(p)); p += FULL; continue;
      case Op.LiC: rd(p, immediate(p)); p += HALF; continue;
      case Op.Auipc: rd(p, page + immediate(p)); p += FULL; continue;
      case Op.Mv: rd(p, rs1(p)); p += FULL; continue;
      case Op.MvC: rd(p, rs1(p)); p += HALF; continue;
      case Op.Addi: rd(p, rs1(p) + immediate(p)); p += FULL; continue;
      case Op.AddiC: rd(p, rs1(p) + immediate(p)); p += HALF; continue;
      case Op.Slti: rd(p, <i64>(rs1(p) < immediate(p))); p += FULL; continue;
      case Op.Sltiu: rd(p, <i64>(<u64>rs1(p) < <u64>immediate(p))); p += FULL; continue;
      case Op.Xori: rd(p, rs1(p) ^ immediate(p)); p += FULL; continue;
      case Op.Ori: rd(p, rs1(p) | immediate(p)); p += FULL; continue;
      case Op.Andi: rd(p, rs1(p) & immediate(p)); p += FULL; continue;
      case Op.AndiC: rd(p, rs1(p) & immediate(p)); p += HALF; continue;
      case Op.Slli: rd(p, rs1(p) << immediate(p)); p += FULL; continue;
      case Op.SlliC: rd(p, rs1(p) << immediate(p)); p += HALF; continue;
      case Op.Srli: rd(p, rs1(p) >>> immediate(p)); p += FULL; continue;
      case Op.SrliC: rd(p, rs1(p) >>> immediate(p)); p += HALF; continue;
      case Op.Srai: rd(p, rs1(p) >> immediate(p)); p += FULL; continue;
      case Op.SraiC: rd(p, rs1(p) >> immediate(p)); p += HALF; continue;
      case Op.Addiw: rd(p, <i64>(rs1w(p) + imm(p))); p += FULL; continue;
      case Op.AddiwC: rd(p, <i64>(rs1w(p) + imm(p))); p += HALF; continue;
      case Op.Slliw: rd(p, <i64>(rs1w(p) << imm(p))); p += FULL; continue;
      case Op.Srliw: rd(p, <i64>(rs1w(p) >>> imm(p))); p += FULL; continue;
      case Op.Sraiw: rd(p, <i64>(rs1w(p) >> imm(p))); p += FULL; continue;
      case Op.Add: rd(p, rs1(p) + rs2(p)); p += FULL; continue;
      case Op.AddC: rd(p, rs1(p) + rs2(p)); p += HALF; continue;
      case Op.Sub: rd(p, rs1(p) - rs2(p)); p += FULL; continue;
      case Op.SubC: rd(p, rs1(p) - rs2(p)); p += HALF; continue;
      case Op.Sll: rd(p, rs1(p) << rs2(p)); p += FULL; continue;
      case Op.Slt: rd(p, <i64>(rs1(p) < rs2(p))); p += FULL; continue;
      case Op.Sltu: rd(p, <i64>(<u64>rs1(p) < <u64>rs2(p))); p += FULL; continue;
      case Op.Xor: rd(p, rs1(p) ^ rs2(p)); p += FULL; continue;
      case Op.XorC: rd(p, rs1(p) ^ rs2(p)); p += HALF; continue;
      case Op.Srl: rd(p, rs1(p) >>> rs2(p)); p += FULL; continue;
      case Op.Sra: rd(p, rs1(p) >> rs2(p)); p += FULL; continue;
      case Op.Or: rd(p, rs1(p) | rs2(p)); p += FULL; continue;
      case Op.OrC: rd(p, rs1(p) | rs2(p)); p += HALF; continue;
      case Op.And: rd(p, rs1(p) & rs2(p)); p += FULL; continue;
      case Op.AndC: rd(p, rs1(p) & rs2(p)); p += HALF; continue;
      case Op.Addw: rd(p, <i64>(rs1w(p) + rs2w(p))); p += FULL; continue;
      case Op.AddwC: rd(p, <i64>(rs1w(p) + rs2w(p))); p += HALF; continue;
      case Op.Subw: rd(p, <i64>(rs1w(p) - rs2w(p))); p += FULL; continue;
      case Op.SubwC: rd(p, <i64>(rs1w(p) - rs2w(p))); p += HALF; continue;
      case Op.Sllw: rd(p, <i64>(rs1w(p) << rs2w(p))); p += FULL; continue;
      case Op.Srlw: rd(p, <i64>(rs1w(p) >>> rs2w(p))); p += FULL; continue;
      case Op.Sraw: rd(p, <i64>(rs1w(p) >> rs2w(p))); p += FULL; continue;
      case Op.Mul: rd(p, rs1(p) * rs2(p)); p += FULL; continue;
      case Op.Mulh: rd(p, mulh(rs1(p), rs2(p))); p += FULL; continue;
      case Op.Mulhsu: rd(p, mulhsu(rs1(p), rs2(p))); p += FULL; continue;
      case Op.Mulhu: rd(p, <i64>mulhu(<u64>rs1(p), <u64>rs2(p))); p += FULL; continue;
      case Op.Div: rd(p, div(rs1(p), rs2(p))); p += FULL; continue;
      case Op.Divu: rd(p, rs2(p) ? <i64>(<u64>rs1(p) / <u64>rs2(p)) : -1); p += FULL; continue;
      case Op.Rem: rd(p, rem(rs1(p), rs2(p))); p += FULL; continue;
      case Op.Remu: rd(p, rs2(p) ? <i64>(<u64>rs1(p) % <u64>rs2(p)) : rs1(p)); p += FULL; continue;
      case Op.Mulw: rd(p, <i64>(rs1w(p) * rs2w(p))); p += FULL; continue;
      case Op.Divw: rd(p, <i64>divw(rs1w(p), rs2w(p))); p += FULL; continue;
      case Op.Divuw: rd(p, rs2w(p) ? <i64><i32>(<u32>rs1w(p) / <u32>rs2w(p)) : -1); p += FULL; continue;
      case Op.Remw: rd(p, <i64>remw(rs1w(p), rs2w(p))); p += FULL; continue;
      case Op.Remuw: rd(p, <i64>(rs2w(p) ? <i32>(<u32>rs1w(p) % <u32>rs2w(p)) : rs1w(p))); p += FULL; continue;
      case Op.Sh1add: rd(p, (rs1(p) << 1) + rs2(p)); p += FULL; continue;
      case Op.Sh2add: rd(p, (rs1(p) << 2) + rs2(p)); p += FULL; continue;
      case Op.Sh3add: rd(p, (rs1(p) << 3) + rs2(p)); p += FULL; continue;
      case Op.AddUw: rd(p, uw(p) + rs2(p)); p += FULL; continue;
      case Op.Sh1addUw: rd(p, (uw(p) << 1) + rs2(p)); p += FULL; continue;
      case Op.Sh2addUw: rd(p, (uw(p) << 2) + rs2(p)); p += FULL; continue;
      case Op.Sh3addUw: rd(p, (uw(p) << 3) + rs2(p)); p += FULL; continue;
      case Op.SlliUw: rd(p, uw(p) << immediate(p)); p += FULL; continue;
      case Op.Andn: rd(p, rs1(p) & ~rs2(p)); p += FULL; continue;
      case Op.Orn: rd(p, rs1(p) | ~rs2(p)); p += FULL; continue;
      case Op.Xnor: rd(p, rs1(p) ^ ~rs2(p)); p += FULL; continue;
      case Op.Clz: rd(p, clz<i64>(rs1(p))); p += FULL; continue;
      case Op.Ctz: rd(p, ctz<i64>(rs1(p))); p += FULL; continue;
      case Op.Cpop: rd(p, popcnt<i64>(rs1(p))); p += FULL; continue;
      case Op.Clzw: rd(p, <i64>clz<i32>(rs1w(p))); p += FULL; continue;
      case Op.Ctzw: rd(p, <i64>ctz<i32>(rs1w(p))); p += FULL; continue;
      case Op.Cpopw: rd(p, <i64>popcnt<i32>(rs1w(p))); p += FULL; continue;
      case Op.Max: rd(p, rs1(p) > rs2(p) ? rs1(p) : rs2(p)); p += FULL; continue;
      case Op.Maxu: rd(p, <u64>rs1(p) > <u64>rs2(p) ? rs1(p) : rs2(p)); p += FULL; continue;
      case Op.Min: rd(p, rs1(p) < rs2(p) ? rs1(p) : rs2(p)); p += FULL; continue;
      case Op.Minu: rd(p, <u64>rs1(p) < <u64>rs2(p) ? rs1(p) : rs2(p)); p += FULL; continue;
      case Op.SextB: rd(p, <i64><i8>rs1w(p)); p += FULL; continue;
      case Op.SextH: rd(p, <i64><i16>rs1w(p)); p += FULL; continue;
      case Op.ZextH: rd(p, rs1(p) & 0xffff); p += FULL; continue;
      case Op.Rol: rd(p, rotl<i64>(rs1(p), rs2(p))); p += FULL; continue;
      case Op.Ror: rd(p, rotr<i64>(rs1(p), rs2(p))); p += FULL; continue;
      case Op.Rori: rd(p, rotr<i64>(rs1(p), immediate(p))); p += FULL; continue;
      case Op.Rolw: rd(p, <i64>rotl<i32>(rs1w(p), rs2w(p))); p += FULL; continue;
      case Op.Rorw: rd(p, <i64>rotr<i32>(rs1w(p), rs2w(p))); p += FULL; continue;
      case Op.Roriw: rd(p, <i64>rotr<i32>(rs1w(p), imm(p))); p += FULL; continue;
      case Op.OrcB: rd(p, <i64>orcB(<u64>rs1(p))); p += FULL; continue;
      case Op.Rev8: rd(p, bswap<i64>(rs1(p))); p += FULL; continue;
      case Op.Bclr: rd(p, rs1(p) & ~(<i64>1 << rs2(p))); p += FULL; continue;
      case Op.Bext: rd(p, (rs1(p) >>> rs2(p)) & 1); p += FULL; continue;
      case Op.Binv: rd(p, rs1(p) ^ (<i64>1 << rs2(p))); p += FULL; continue;
      case Op.Bset: rd(p, rs1(p) | (<i64>1 << rs2(p))); p += FULL; continue;
      case Op.Bclri: rd(p, rs1(p) & ~(<i64>1 << immediate(p))); p += FULL; continue;
      case Op.Bexti: rd(p, (rs1(p) >>> immediate(p)) & 1); p += FULL; continue;
      case Op.Binvi: rd(p, rs1(p) ^ (<i64>1 << immediate(p))); p += FULL; continue;
      case Op.Bseti: rd(p, rs1(p) | (<i64>1 << immediate(p))); p += FULL; continue;
      case Op.Lb: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.READ_TLB) != (va & ~(4095))) break;
        rd(p, <i64>load<i8>(host(at, va, L.READ_TLB)));
        p += FULL;
        continue;
      }
      case Op.Lh: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.READ_TLB) != (va & ~(4094))) break;
        rd(p, <i64>load<i16>(host(at, va, L.READ_TLB)));
        p += FULL;
        continue;
      }
      case Op.Lw: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.READ_TLB) != (va & ~(4092))) break;
        rd(p, <i64>load<i32>(host(at, va, L.READ_TLB)));
        p += FULL;
        continue;
      }
      case Op.LwC: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.READ_TLB) != (va & ~(4092))) break;
        rd(p, <i64>load<i32>(host(at, va, L.READ_TLB)));
        p += HALF;
        continue;
      }
      case Op.Ld: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.READ_TLB) != (va & ~(4088))) break;
        rd(p, load<i64>(host(at, va, L.READ_TLB)));
        p += FULL;
        continue;
      }
      case Op.LdC: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.READ_TLB) != (va & ~(4088))) break;
        rd(p, load<i64>(host(at, va, L.READ_TLB)));
        p += HALF;
        continue;
      }
      case Op.Lbu: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.READ_TLB) != (va & ~(4095))) break;
        rd(p, <i64>load<u8>(host(at, va, L.READ_TLB)));
        p += FULL;
        continue;
      }
      case Op.Lhu: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.READ_TLB) != (va & ~(4094))) break;
        rd(p, <i64>load<u16>(host(at, va, L.READ_TLB)));
        p += FULL;
        continue;
      }
      case Op.Lwu: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.READ_TLB) != (va & ~(4092))) break;
        rd(p, <i64>load<u32>(host(at, va, L.READ_TLB)));
        p += FULL;
        continue;
      }
      case Op.Flw: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.READ_TLB) != (va & ~(4092))) break;
        rd(p, <i64>load<u32>(host(at, va, L.READ_TLB)) | BOX);
        p += FULL;
        continue;
      }
      case Op.Sb: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.WRITE_TLB) != (va & ~(4095))) break;
        store<i8>(host(at, va, L.WRITE_TLB), <i8>rs2(p));
        p += FULL;
        continue;
      }
      case Op.Sh: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.WRITE_TLB) != (va & ~(4094))) break;
        store<i16>(host(at, va, L.WRITE_TLB), <i16>rs2(p));
        p += FULL;
        continue;
      }
      case Op.Sw: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.WRITE_TLB) != (va & ~(4092))) break;
        store<i32>(host(at, va, L.WRITE_TLB), <i32>rs2(p));
        p += FULL;
        continue;
      }
      case Op.SwC: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.WRITE_TLB) != (va & ~(4092))) break;
        store<i32>(host(at, va, L.WRITE_TLB), <i32>rs2(p));
        p += HALF;
        continue;
      }
      case Op.Sd: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.WRITE_TLB) != (va & ~(4088))) break;
        store<i64>(host(at, va, L.WRITE_TLB), rs2(p));
        p += FULL;
        continue;
      }
      case Op.SdC: {
        const va = rs1(p) + immediate(p), at = entry(bank, va);
        if (TIMED || load<i64>(at, L.WRITE_TLB) != (va & ~(4088))) break;
        store<i64>(host(at, va, L.WRITE_TLB), rs2(p));
        p += HALF;
        continue;
      }
      case Op.FaddD: {
        const value = rs1d(p) + rs2d(p);
        if (!inexactAlready() || !(abs<f64>(value) <= f64.MAX_VALUE)) break;
        rdd(p, value);
        p += FULL;
        continue;
      }
      case Op.FsubD: {
        const value = rs1d(p) - rs2d(p);
        if (!inexactAlready() || !(abs<f64>(value) <= f64.MAX_VALUE)) break;
        rdd(p, value);
        p += FULL;
        continue;
      }
      case Op.FmulD: {
        const value = rs1d(p) * rs2d(p);
        if (!inexactAlready() || !(abs<f64>(value) <= f64.MAX_VALUE) || abs<f64>(value) <= f64.MIN_NORMAL_VALUE) break;
        rdd(p, value);
        p += FULL;
        continue;
      }
      case Op.FmaddD: if (!inexactAlready() || !fusedDouble(p, imm(p))) break; p += FULL; continue;
      case Op.FmaddS: if (!inexactAlready() || !fusedSingle(p, imm(p))) break; p += FULL; continue;
      case Op.FaddS: if (!inexactAlready() || !singleOperation(p, 0)) break; p += FULL; continue;
      case Op.FsubS: if (!inexactAlready() || !singleOperation(p, 1)) break; p += FULL; continue;
      case Op.FmulS: if (!inexactAlready() || !singleOperation(p, 2)) break; p += FULL; continue;
      case Op.FsgnjD: rd(p, (rs1(p) & i64.MAX_VALUE) | (rs2(p) & i64.MIN_VALUE)); p += FULL; continue;
      case Op.FsgnjnD: rd(p, (rs1(p) & i64.MAX_VALUE) | (~rs2(p) & i64.MIN_VALUE)); p += FULL; continue;
      case Op.FsgnjxD: rd(p, rs1(p) ^ (rs2(p) & i64.MIN_VALUE)); p += FULL; continue;
      case Op.FeqD: if (unordered(p)) break; rd(p, <i64>(rs1d(p) == rs2d(p))); p += FULL; continue;
      case Op.FltD: if (unordered(p)) break; rd(p, <i64>(rs1d(p) < rs2d(p))); p += FULL; continue;
      case Op.FleD: if (unordered(p)) break; rd(p, <i64>(rs1d(p) <= rs2d(p))); p += FULL; continue;
      case Op.FcvtDW: rdd(p, <f64>rs1w(p)); p += FULL; continue;
      case Op.FmvWX: rd(p, rs1(p) | BOX); p += FULL; continue;
      case Op.Jump: p += imm(p); if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.Jal: rd(p, page + <i64>((p - base + delta(p)) >> 3)); p += imm(p); if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.JalFar: {
        target = page + immediate(p);
        rd(p, page + <i64>((p - base + delta(p)) >> 3));
        event = Event.Far;
        break;
      }
      case Op.Jr: {
        target = (rs1(p) + immediate(p)) & ~1;
        const at = fetchEntry(fetch, target);
        if (load<i64>(at) == (target & ~4095)) {
          if (!translating()) {
            page = target & ~4095;
            base = load<i32>(at, 8);
            p = base + ((<i32>target & 4095) << 3);
            if ((budget -= runOf(p)) >= 0) continue;
            event = Event.Short;
            break;
          }
          noteJump(p, load<i32>(at, 8), target);
        }
        event = Event.Far;
        break;
      }
      case Op.Jalr: {
        target = (rs1(p) + immediate(p)) & ~1;
        rd(p, page + <i64>((p - base + delta(p)) >> 3));
        const at = fetchEntry(fetch, target);
        if (!translating() && load<i64>(at) == (target & ~4095)) {
          page = target & ~4095;
          base = load<i32>(at, 8);
          p = base + ((<i32>target & 4095) << 3);
          if ((budget -= runOf(p)) >= 0) continue;
          event = Event.Short;
          break;
        }
        event = Event.Far;
        break;
      }
      case Op.Beq: if (rs1(p) == rs2(p)) p += imm(p); else p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.BeqC: if (rs1(p) == rs2(p)) p += imm(p); else p += HALF; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.Bne: if (rs1(p) != rs2(p)) p += imm(p); else p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.BneC: if (rs1(p) != rs2(p)) p += imm(p); else p += HALF; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.Blt: if (rs1(p) < rs2(p)) p += imm(p); else p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.Bge: if (rs1(p) >= rs2(p)) p += imm(p); else p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.Bltu: if (<u64>rs1(p) < <u64>rs2(p)) p += imm(p); else p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.Bgeu: if (<u64>rs1(p) >= <u64>rs2(p)) p += imm(p); else p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.BeqFar: if (rs1(p) == rs2(p)) { target = page + immediate(p); event = Event.Far; break; } p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.BeqFarC: if (rs1(p) == rs2(p)) { target = page + immediate(p); event = Event.Far; break; } p += HALF; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.BneFar: if (rs1(p) != rs2(p)) { target = page + immediate(p); event = Event.Far; break; } p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.BneFarC: if (rs1(p) != rs2(p)) { target = page + immediate(p); event = Event.Far; break; } p += HALF; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.BltFar: if (rs1(p) < rs2(p)) { target = page + immediate(p); event = Event.Far; break; } p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.BgeFar: if (rs1(p) >= rs2(p)) { target = page + immediate(p); event = Event.Far; break; } p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.BltuFar: if (<u64>rs1(p) < <u64>rs2(p)) { target = page + immediate(p); event = Event.Far; break; } p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.BgeuFar: if (<u64>rs1(p) >= <u64>rs2(p)) { target = page + immediate(p); event = Event.Far; break; } p += FULL; if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      default:
    }

    if (event == Event.Slow) {
      const op = opOf(p);
      left = budget + runOf(p);
      target = page + <i64>((p - base) >> 3);
      if (op == Op.None) {
        if (left && p - base < L.SLOT_RECORDS_BYTES && base != L.SCRATCH_SLOT) {
          decodeLine(p, base, load<i32>(fetchEntry(fetch, page), 12));
          if ((budget = left - runOf(p)) >= 0) continue;
          event = Event.Short;
        } else {
          budget = left;
          event = Event.Far;
        }
      } else if (op == Op.Stop) {
        if (!left) break;
        unplant(plant, plantOp);
        plant = 0;
        continue;
      } else if (op == Op.Straddle) {
        const low = <i32>load<u16>(load<i32>(fetchEntry(fetch, page), 12) + L.PAGE_SIZE - 2);
        store<i64>(L.EXECUTED, <i64>(total - left));
        const high = fetchHalf(page + L.PAGE_SIZE);
        if (!high) {
          stop = refused();
          break;
        }
        base = L.SCRATCH_SLOT;
        p = decodeScratch(L.PAGE_SIZE - 2, low, <i32>load<u16>(high));
        continue;
      } else if (op >= Op.Ecall) {
        if (op == Op.Illegal) stop = illegalInstruction(imm(p));
        else {
          stop = op == Op.Ecall ? Stop.Ecall : Stop.Breakpoint;
          left--;
        }
        break;
      } else {
        const length = delta(p);
        store<i64>(L.EXECUTED, <i64>(total - left));
        store<i64>(L.PC, target);
        stop = slow(p);
        if (!stop) {
          p += length;
          continue;
        }
        // The instruction is not done.
        if (stop == Stop.Retry || (stop > 0 && stop < Stop.Wait)) break;
        target += length >> 3;
        left--;
        if (stop == Stop.Switch) target = load<i64>(L.PC);
        if (stop != Stop.Refetch) break;
        stop = Stop.None;
        budget = left;
        event = Event.Far;
      }
    }

    // Here `budget` is what is left; the page of `target` is looked up only if there is an instruction to execute.
    if (event == Event.Far) {
      for (left = budget; left; left = budget) {
        const at = fetchEntry(fetch, target);
        if (load<i64>(at) != (target & ~4095)) {
          store<i64>(L.EXECUTED, <i64>(total - left));
          stop = fetchMiss(target);
          if (stop) break;
        }
        base = load<i32>(at, 8);
        if (!translating() || (budget = enter(target, base, left)) == left) break;
        target = load<i64>(L.PC);
      }
      if (stop == Stop.Scratch) {
        base = L.SCRATCH_SLOT;
        stop = Stop.None;
      }
      if (!left || stop) break;
      page = target & ~4095;
      p = base + ((<i32>target & 4095) << 3);
      event = Event.Slow;
      if ((budget -= runOf(p)) >= 0) continue;
    }

    // The line at `p` is longer than the budget.
    event = Event.Slow;
    left = budget + runOf(p);
    target = page + <i64>((p - base) >> 3);
    if (!left) break;
    unplant(plant, plantOp);
    plant = p;
    for (let i = left; i > 0; i--) plant += delta(plant);
    plantOp = opOf(plant);
    store<u8>(plant, Op.Stop);
  }

  unplant(plant, plantOp);
  const executed = <i64>(total - left);
  store<i64>(L.PC, target);
  store<i64>(L.EXECUTED, executed);
  store<i64>(L.INSTRET_BASE, load<i64>(L.INSTRET_BASE) + executed);
  store<i64>(L.TIME_BASE, load<i64>(L.TIME_BASE) + executed);
  return stop;
}
