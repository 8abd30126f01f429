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
 * A record that is fused with those behind it (fuse.ts) stands for all of them. Its case is theirs, one behind the other: when
 * one of them leaves, `p` is that one and the ones before it are done.
 *
 * Inside the switch, `continue` goes on with record `p`, `break` leaves for the code below it: out-of-line execution
 * of record `p` (`event` Slow), or one of the other events.
 *
 * `run` is one long function because that is what makes it fast: its state stays in WebAssembly locals and each case
 * dispatches the next by itself. The cases are one line each wherever they can be; most are made from the table of
 * instructions (../instructions).
 */
import * as L from "./layout";
import { Op } from "./ops";
import { decodeLine, decodeScratch, fetchHalf, fetchMiss } from "./cache";
import { currentBank, currentFetch } from "./banks";
import { refused } from "./mmu";
import { plantStop, unplant } from "./fuse";
import { slow } from "./slow";
import { beginTimed, countTimed, fetches, loads, stores } from "./timed";
import { enter, noteJump, translating } from "./translated";
import * as float from "./float/hardware";
import * as integer from "./integer";
import {
  Stop, delta, dispatchOf, illegalInstruction, imm, immediate, opOf, rd, rdd, rs1, rs1d, rs1w, rs2, rs2d, rs2w, rs3, runOf,
} from "./state";

/** From a record to the next: behind an instruction of four bytes, and of two. */
const FULL = 32, HALF = 16;

/** What the code below the switch has to do. */
const enum Event { Slow, Short, Far }

// @ts-ignore: decorator
@inline function entry(bank: i32, va: i64): i32 { return bank + ((<i32>va >>> 8) & ((L.TLB_ENTRIES - 1) << 4)); }
// @ts-ignore: decorator
@inline function host(at: i32, va: i64, table: i32): i32 { return <i32>va + load<i32>(at + table, 8); }
// @ts-ignore: decorator
@inline function fetchEntry(fetch: i32, va: i64): i32 { return fetch + ((<i32>va >>> 8) & ((L.FETCH_ENTRIES - 1) << 4)); }

/** Rounding to nearest, and the inexact flag set: hardware gives the same result and flags if nothing else happens. */
// @ts-ignore: decorator
@inline function inexactAlready(): bool { return (load<u32>(L.FCSR) & 0xe1) == 1; }

export function run(total: i32): Stop {
  const bank = currentBank(), fetch = currentFetch();
  let budget = total;
  // Begin on an empty record at the end of the page before, so that the first thing done is a look-up of pc.
  let page = load<i64>(L.PC) - L.PAGE_SIZE;
  let base = L.SCRATCH_SLOT;
  let p = L.SCRATCH_SLOT + L.SLOT_RECORDS_BYTES;
  let target: i64 = 0;
  let event = Event.Slow;
  let plant = 0, plantedFor = 0;
  let left = 0;
  let stop = Stop.None;
  // Records of the line of code that was fetched last: where they begin, or 0, and how many bytes they are.
  let line = 0;
  const span: u32 = TIMED ? beginTimed() : 0;

  for (;;) {
    if (TIMED && <u32>(p - line) >= span) line = fetches(p, base, page);
    switch (dispatchOf(p)) {
      case Op.Nop: p += FULL; continue;
      /* from the table: integer cases */
      /* from the table: access cases */
      /* from the table: float cases */
      case Op.FmaddD: if (!inexactAlready() || !float.fusedDouble(p, imm(p))) break; p += FULL; continue;
      case Op.FmaddS: if (!inexactAlready() || !float.fusedSingle(p, imm(p))) break; p += FULL; continue;
      case Op.Jump: p += imm(p); if ((budget -= runOf(p)) >= 0) continue; event = Event.Short; break;
      case Op.Jal: {
        /* from the table: link of jal */
        p += imm(p);
        if ((budget -= runOf(p)) >= 0) continue;
        event = Event.Short;
        break;
      }
      case Op.JalFar: {
        /* from the table: target of jal */
        /* from the table: link of jal */
        event = Event.Far;
        break;
      }
      case Op.Jr: {
        /* from the table: target of jalr */
        const at = fetchEntry(fetch, target);
        if (load<i64>(at) == (target & ~4095)) {
          if (!translating()) {
            if (TIMED) line = 0;
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
        /* from the table: target of jalr */
        /* from the table: link of jalr */
        const at = fetchEntry(fetch, target);
        if (!translating() && load<i64>(at) == (target & ~4095)) {
          if (TIMED) line = 0;
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
      /* from the table: branch cases */
      /* from the table: fused cases */
      default:
    }

    if (event == Event.Slow) {
      const op = opOf(p);
      left = budget + runOf(p);
      target = page + <i64>((p - base) >> 3);
      if (dispatchOf(p) == Op.Stop) {
        if (!left) break;
        unplant(plant, plantedFor);
        plant = 0;
        continue;
      } else if (op == Op.None) {
        if (left && p - base < L.SLOT_RECORDS_BYTES && base != L.SCRATCH_SLOT) {
          decodeLine(p, base, load<i32>(fetchEntry(fetch, page), 12));
          if ((budget = left - runOf(p)) >= 0) continue;
          event = Event.Short;
        } else {
          budget = left;
          event = Event.Far;
        }
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
          if (TIMED) line = 0;
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
      if (TIMED) line = 0;
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
    unplant(plant, plantedFor);
    plant = plantStop(p, left);
    plantedFor = p;
  }

  if (TIMED) countTimed();
  unplant(plant, plantedFor);
  const executed = <i64>(total - left);
  store<i64>(L.PC, target);
  store<i64>(L.EXECUTED, executed);
  store<i64>(L.INSTRET_BASE, load<i64>(L.INSTRET_BASE) + executed);
  store<i64>(L.TIME_BASE, load<i64>(L.TIME_BASE) + executed);
  return stop;
}
