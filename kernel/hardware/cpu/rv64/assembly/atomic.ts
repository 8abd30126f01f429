/**
 * The A extension. One hart runs at a time and the host clears the reservation at every trap and switch, so acquire and
 * release need nothing, and SC succeeds exactly when the last LR of this hart named the same virtual address.
 * Every SC, successful or not, ends the reservation. An SC without a reservation accesses no memory.
 */
import * as L from "./layout";
import { Access, refused, translate } from "./mmu";
import { storedTo } from "./cache";
import { accesses } from "./timed";
import { Stop, imm, rd, rs1, rs2, stopWith } from "./state";

export function atomic(p: i32): Stop {
  const w = imm(p);
  const size = 1 << ((w >> 12) & 7);
  const va = rs1(p);
  if (va & (size - 1)) return stopWith(Stop.MisalignedAtomic, va);
  switch (w >>> 27) {
    case 2: {
      const host = translate(va, Access.Read);
      if (!host) return refusedAtomic(va);
      if (TIMED) accesses(va, host, size, false);
      rd(p, size == 8 ? load<i64>(host) : load<i32>(host));
      store<i64>(L.RESERVATION, va);
      return Stop.None;
    }
    case 3: return storeConditional(p, va, size);
    default: {
      const host = translate(va, Access.Write);
      if (!host) return refusedAtomic(va);
      if (TIMED) accesses(va, host, size, true);
      const old = size == 8 ? load<i64>(host) : <i64>load<i32>(host);
      const operand = size == 8 ? rs2(p) : <i64><i32>rs2(p);
      const value = combine(w >>> 27, old, operand);
      if (size == 8) store<i64>(host, value);
      else store<i32>(host, <i32>value);
      rd(p, old);
      return storedTo(host, size) ? Stop.Refetch : Stop.None;
    }
  }
}

function storeConditional(p: i32, va: i64, size: i32): Stop {
  if (load<i64>(L.RESERVATION) != va) {
    store<i64>(L.RESERVATION, -1);
    rd(p, 1);
    return Stop.None;
  }
  const host = translate(va, Access.Write);
  if (!host) return refusedAtomic(va);
  if (TIMED) accesses(va, host, size, true);
  store<i64>(L.RESERVATION, -1);
  if (size == 8) store<i64>(host, rs2(p));
  else store<i32>(host, <i32>rs2(p));
  rd(p, 0);
  return storedTo(host, size) ? Stop.Refetch : Stop.None;
}

/** Devices know no atomic accesses. */
function refusedAtomic(va: i64): Stop {
  return refused() == Stop.Device ? stopWith(Stop.AccessFault, va) : refused();
}

/** Word operands come sign-extended, which keeps both orders of comparison. */
function combine(operation: i32, old: i64, operand: i64): i64 {
  switch (operation) {
    case 0: return old + operand;
    case 1: return operand;
    case 4: return old ^ operand;
    case 8: return old | operand;
    case 12: return old & operand;
    case 16: return old < operand ? old : operand;
    case 20: return old > operand ? old : operand;
    case 24: return <u64>old < <u64>operand ? old : operand;
    default: return <u64>old > <u64>operand ? old : operand;
  }
}
