/**
 * The A extension. One hart runs at a time, and the reservation ends at every trap, return from one and switch, so acquire
 * and release need nothing, and SC succeeds exactly when the last LR of this hart named the same virtual address.
 * Every SC, successful or not, ends the reservation. An SC without a reservation accesses no memory.
 */
import * as L from "./layout";
import { Access, misaligned, refused, translate } from "./mmu";
import { storeAt } from "./memory";
import { accesses } from "./timed";
import { Stop, destination, imm, rd, rs1, rs2, stopWith, write } from "./state";
import { accessDone } from "./tables";

export function atomic(p: i32): Stop {
  const w = imm(p);
  const size = 1 << ((w >> 12) & 7);
  const va = rs1(p);
  if (va & (size - 1)) return misaligned(va, w >>> 27 == 2 ? Access.Read : Access.Write);
  const to = destination(p), source = rs2(p);
  switch (w >>> 27) {
    case 2: {
      const host = translate(va, Access.Read, size);
      if (!host) return refusedAtomic(va);
      if (TIMED) accesses(va, host, size, false);
      write(to, size == 8 ? load<i64>(host) : load<i32>(host));
      store<i64>(L.RESERVATION, va);
      return accessDone(false);
    }
    case 3: return storeConditional(p, va, size);
    default: {
      const host = translate(va, Access.Write, size);
      if (!host) return refusedAtomic(va);
      if (TIMED) accesses(va, host, size, true);
      const old = size == 8 ? load<i64>(host) : <i64>load<i32>(host);
      const operand = size == 8 ? source : <i64><i32>source;
      const value = combine(w >>> 27, old, operand);
      write(to, old);
      return storeAt(host, value, size);
    }
  }
}

function storeConditional(p: i32, va: i64, size: i32): Stop {
  if (load<i64>(L.RESERVATION) != va) {
    store<i64>(L.RESERVATION, -1);
    rd(p, 1);
    return Stop.None;
  }
  const to = destination(p), value = rs2(p);
  const host = translate(va, Access.Write, size);
  if (!host) return refusedAtomic(va);
  if (TIMED) accesses(va, host, size, true);
  store<i64>(L.RESERVATION, -1);
  write(to, 0);
  return storeAt(host, value, size);
}

/** Devices know no atomic accesses. */
function refusedAtomic(va: i64): Stop {
  return refused() == Stop.Device ? stopWith(Stop.AccessFault, va) : refused();
}

/** What memory becomes; words come sign-extended. */
function combine(funct5: i32, held: i64, operand: i64): i64 {
  switch (funct5) {
    /* from the table: atomic combinations */
    default: return operand;
  }
}
