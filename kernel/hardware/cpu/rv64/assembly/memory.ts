/**
 * Loads and stores that missed the TLB probe of the dispatch loop: empty entry, across two pages, fault, or a store to a
 * page with decoded code. Both pages of a crossing access are translated before anything changes, and the
 * reported address is that of the first byte that could not be accessed.
 */
import { Op } from "./ops";
import { Access, refused, translate } from "./mmu";
import { deviceDone, deviceValue, readDevice, writeDevice } from "./bus";
import { storedTo } from "./cache";
import { accessDone, beforeStore } from "./tables";
import { accesses, accessesAcross } from "./timed";
import { Stop, destination, immediate, opOf, rs1, rs2, stopWith, write } from "./state";

/** Executes the load or store at record `p` completely. */
export function access(p: i32): Stop {
  const va = rs1(p) + immediate(p);
  switch (opOf(p)) {
    /* from the table: sizes of accesses */
    default: return Stop.None;
  }
}

function loadInto(p: i32, va: i64, size: i32): Stop {
  const op = opOf(p), to = destination(p);
  const here = 4096 - (<i32>va & 4095);
  const first = translate(va, Access.Read, min(size, here));
  if (!first) {
    if (refused() != Stop.Device) return refused();
    if (size > here || !readDevice(size)) return stopWith(Stop.AccessFault, va);
    write(to, extend(op, deviceValue()));
    return deviceDone();
  }
  let value: i64;
  if (size <= here) {
    if (TIMED) accesses(va, first, size, false);
    value = size == 8 ? load<i64>(first) : size == 4 ? <i64>load<i32>(first) : size == 2 ? <i64>load<i16>(first) : <i64>load<i8>(first);
  } else {
    const second = translate((va & ~4095) + 4096, Access.Read, size - here);
    if (!second) return refusedBeyond(va);
    if (TIMED) accessesAcross(va, first, second, size, false);
    value = 0;
    for (let i = size - 1; i >= 0; i--) value = value << 8 | load<u8>(i < here ? first + i : second + i - here);
  }
  write(to, extend(op, value));
  return accessDone(false);
}

/** What the load leaves in its register, of the low bits of `value`. */
function extend(op: i32, value: i64): i64 {
  switch (op) {
    /* from the table: extensions of loads */
    default: return value;
  }
}

/** The second page of a crossing access was refused. A device is never accessed in parts. */
function refusedBeyond(va: i64): Stop {
  return refused() == Stop.Device ? stopWith(Stop.AccessFault, (va & ~4095) + 4096) : refused();
}

export function storeFrom(va: i64, value: i64, size: i32): Stop {
  const here = 4096 - (<i32>va & 4095);
  const first = translate(va, Access.Write, min(size, here));
  if (!first) {
    if (refused() != Stop.Device) return refused();
    return size > here || !writeDevice(size, value) ? stopWith(Stop.AccessFault, va) : deviceDone();
  }
  if (size <= here) {
    if (TIMED) accesses(va, first, size, true);
    return storeAt(first, value, size);
  }
  const second = translate((va & ~4095) + 4096, Access.Write, size - here);
  if (!second) return refusedBeyond(va);
  if (TIMED) accessesAcross(va, first, second, size, true);
  const dropped = beforeStore(first, here);
  const droppedToo = beforeStore(second, size - here);
  for (let i = 0; i < size; i++) {
    store<u8>(i < here ? first + i : second + i - here, <u8>value);
    value >>= 8;
  }
  const lost = storedTo(first, here);
  return accessDone(storedTo(second, size - here) || lost || dropped || droppedToo);
}

/** Stores to RAM that has been translated for it; `size` bytes within one page. */
export function storeAt(host: i32, value: i64, size: i32): Stop {
  const dropped = beforeStore(host, size);
  if (size == 8) store<i64>(host, value);
  else if (size == 4) store<i32>(host, <i32>value);
  else if (size == 2) store<i16>(host, <i16>value);
  else store<i8>(host, <i8>value);
  return accessDone(storedTo(host, size) || dropped);
}
