/**
 * Privilege: modes, the fields of mstatus, and what follows from them for interrupts and for the meaning of addresses.
 *
 * A core is made for one of two uses. In user mode only, every trap is a stop. With all privileges (M, S and U), a trap
 * goes to the guest's own handler, and the host has no part in it.
 */
import * as L from "./layout";
import { useDataBank, useFetchBank } from "./banks";

export const enum Mode { User = 0, Supervisor = 1, Machine = 3 }

export const SIE: u64 = 1 << 1;
export const MIE: u64 = 1 << 3;
export const SPIE: u64 = 1 << 5;
export const MPIE: u64 = 1 << 7;
export const SPP: u64 = 1 << 8;
export const MPP: u64 = 3 << 11;
export const FS: u64 = 3 << 13;
export const MPRV: u64 = 1 << 17;
export const SUM: u64 = 1 << 18;
export const MXR: u64 = 1 << 19;
export const TVM: u64 = 1 << 20;
export const TW: u64 = 1 << 21;
export const TSR: u64 = 1 << 22;
/** UXL and SXL: 64 bits, always. */
export const XL: u64 = 10 << 32;
export const SD: u64 = 1 << 63;
/** What may be written, as M mode and as S mode see the register. */
export const MSTATUS_WRITABLE: u64 = SIE | MIE | SPIE | MPIE | SPP | MPP | FS | MPRV | SUM | MXR | TVM | TW | TSR;
export const SSTATUS_WRITABLE: u64 = SIE | SPIE | SPP | FS | SUM | MXR;
export const SSTATUS_VISIBLE: u64 = SSTATUS_WRITABLE | (3 << 32) | SD;
/** What decides about the meaning of addresses and of instructions. */
const CONTEXT: u64 = MPP | FS | MPRV | SUM | MXR;

/** Supervisor software, timer and external interrupt: what can be delegated, and set by M mode. */
export const SSIP: u64 = 1 << 1;
export const STIP: u64 = 1 << 5;
export const SEIP: u64 = 1 << 9;
export const SUPERVISOR_INTERRUPTS: u64 = SSIP | STIP | SEIP;
export const INTERRUPTS: u64 = 0xaaa;
/** Of menvcfg: stimecmp is there (Sstc). */
export const STCE: u64 = 1 << 63;

let privileged: bool = false;
/** Mode in which data is accessed: MPRV makes it another one. */
let dataMode: Mode = Mode.User;

// @ts-ignore: decorator
@inline export function isPrivileged(): bool { return privileged; }
// @ts-ignore: decorator
@inline export function mode(): Mode { return load<i32>(L.MODE); }
// @ts-ignore: decorator
@inline export function modeOfData(): Mode { return dataMode; }
// @ts-ignore: decorator
@inline export function status(): u64 { return load<u64>(L.MSTATUS); }
/** Where floating point is not marked dirty, its instructions are decoded to what marks it so, or refuses. */
// @ts-ignore: decorator
@inline export function floatIsGuarded(): bool { return privileged && (status() & FS) != FS; }
// @ts-ignore: decorator
@inline export function isPaged(): bool { return load<u64>(L.SATP) >> 60 == 8; }
// @ts-ignore: decorator
@inline export function rootOfSatp(): u64 { return load<u64>(L.SATP) & 0xfffffffffff; }

export function enablePrivileges(): void {
  privileged = true;
}

/** mstatus with what follows from it. */
export function fullStatus(): u64 {
  const value = status() | XL;
  return (value & FS) == FS ? value | SD : value;
}

/** Replaces mstatus; true when addresses or instructions mean something else now. */
export function setStatus(value: u64): bool {
  const changed = (status() ^ value) & CONTEXT;
  store<u64>(L.MSTATUS, value);
  if (changed) {
    const before = dataMode;
    enterContext();
    // The reserved address may mean other memory in another mode.
    if (dataMode != before) store<i64>(L.RESERVATION, -1);
  }
  return changed != 0;
}

/** The time CSR, which is mtime, at the instruction that is being executed. */
export function timeNow(): u64 {
  return <u64>(load<i64>(L.TIME_BASE) + load<i64>(L.EXECUTED)) / 100 + load<u64>(L.TIME_OFFSET);
}

/** The interrupts that are pending, from wherever. */
export function pending(): u64 {
  let bits = load<u64>(L.MIP) | load<u64>(L.LINES);
  if (load<u64>(L.MENVCFG) & STCE) {
    bits &= ~STIP;
    if (timeNow() >= load<u64>(L.STIMECMP)) bits |= STIP;
  }
  return bits;
}

/** Those of the pending interrupts that would be taken now. */
export function takeable(): u64 {
  const enabled = pending() & load<u64>(L.MIE);
  if (!enabled) return 0;
  const delegated = load<u64>(L.MIDELEG);
  const at = mode();
  const toMachine = enabled & ~delegated;
  if (toMachine && (at < Mode.Machine || (status() & MIE) != 0)) return toMachine;
  const toSupervisor = enabled & delegated;
  return at < Mode.Supervisor || (at == Mode.Supervisor && (status() & SIE) != 0) ? toSupervisor : 0;
}

/**
 * Selects the banks for mode, mstatus and satp as they are. Every context under which an address means something else
 * has a number of its own; so has, for instructions, whether floating point is guarded. Address-space identifiers do
 * not count: the banks never hold what the tables of a root do not say (tables.ts).
 */
export function enterContext(): void {
  const bits = status();
  const fetchMode = mode();
  dataMode = fetchMode == Mode.Machine && (bits & MPRV) != 0 ? <Mode>((bits & MPP) >> 11) : fetchMode;
  const paged = isPaged();
  const root = rootOfSatp();
  const guarded: u32 = (bits & FS) == FS ? 0 : 8;
  if (fetchMode == Mode.Machine || !paged) useFetchBank(0, guarded + (fetchMode == Mode.Machine ? 1 : 2));
  else useFetchBank(root, guarded + (fetchMode == Mode.User ? 3 : 4));
  if (dataMode == Mode.Machine || !paged) return useDataBank(0, dataMode == Mode.Machine ? 1 : 2);
  const user: u32 = dataMode == Mode.User ? 3 : bits & SUM ? 4 : 5;
  useDataBank(root, user + (bits & MXR ? 8 : 0));
}
