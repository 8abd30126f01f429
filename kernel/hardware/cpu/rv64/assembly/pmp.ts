/**
 * Physical memory protection: 16 entries (privileged specification, section 3.7). The entry with the lowest number that
 * matches any byte of an access decides about it, and must match all of its bytes.
 */
import * as L from "./layout";
import { Mode } from "./privilege";
import { Access } from "./mmu";

export const enum Protection {
  Denied,
  /** Allowed, but it may be otherwise elsewhere in the page. */
  Here,
  /** Allowed in all of the page. */
  Page,
}

const LOCKED: u8 = 0x80;

// @ts-ignore: decorator
@inline function configuration(index: i32): u8 { return load<u8>(L.PMPCFG + index); }
// @ts-ignore: decorator
@inline function addressOf(index: i32): u64 { return load<u64>(L.PMPADDR + (index << 3)); }
// @ts-ignore: decorator
@inline function isTor(index: i32): bool { return (configuration(index) & 0x18) == 0x08; }
// @ts-ignore: decorator
@inline function isLocked(index: i32): bool { return (configuration(index) & LOCKED) != 0; }

/** Works out where the entries begin and end. An entry that matches nothing ends where it begins. */
export function readProtection(): void {
  for (let i = 0; i < L.PMP_ENTRIES; i++) {
    let from: u64 = 0, to: u64 = 0;
    const address = addressOf(i);
    switch ((configuration(i) >> 3) & 3) {
      case 1:
        from = i ? addressOf(i - 1) << 2 : 0;
        to = max<u64>(address << 2, from);
        break;
      case 2:
        from = address << 2;
        to = from + 4;
        break;
      case 3: {
        const mask = address ^ (address + 1);
        from = (address & ~mask) << 2;
        to = ((address | mask) + 1) << 2;
        break;
      }
      default:
    }
    store<u64>(L.PMP_RANGES + (i << 4), from);
    store<u64>(L.PMP_RANGES + (i << 4), to, 8);
  }
}

function allows(index: i32, access: Access, mode: Mode): bool {
  const bits = configuration(index);
  if (mode == Mode.Machine && !(bits & LOCKED)) return true;
  return ((access == Access.Read ? bits : access == Access.Write ? bits >> 1 : bits >> 2) & 1) != 0;
}

/** Whether `size` bytes at physical address `address`, within one page, may be accessed. */
export function protection(address: u64, size: i32, access: Access, mode: Mode): Protection {
  const page = address & ~4095;
  let result = Protection.Page;
  for (let i = 0; i < L.PMP_ENTRIES; i++) {
    const from = load<u64>(L.PMP_RANGES + (i << 4));
    const to = load<u64>(L.PMP_RANGES + (i << 4), 8);
    if (to <= page || from >= page + 4096 || from == to) continue;
    if (from > page || to < page + 4096) {
      result = Protection.Here;
      if (to <= address || from >= address + size) continue;
      if (from > address || to < address + size) return Protection.Denied;
    }
    return allows(i, access, mode) ? result : Protection.Denied;
  }
  return mode == Mode.Machine ? result : Protection.Denied;
}

/** Writes pmpcfg0 or pmpcfg2, whose entries begin at `first`; locked ones stay as they are. */
export function setConfiguration(first: i32, value: u64): void {
  for (let i = first; i < first + 8; i++) {
    let bits = <u8>(value >> ((i - first) << 3)) & 0x9f;
    // Writable but not readable is reserved.
    if ((bits & 3) == 2) bits &= ~2;
    if (!isLocked(i)) store<u8>(L.PMPCFG + i, bits);
  }
  readProtection();
}

export function setAddress(index: i32, value: u64): void {
  if (isLocked(index)) return;
  if (index + 1 < L.PMP_ENTRIES && isLocked(index + 1) && isTor(index + 1)) return;
  store<u64>(L.PMPADDR + (index << 3), value & 0x3fffffffffffff);
  readProtection();
}
