/**
 * The registers of machine mode (privileged specification 1.12, chapter 3). Fields that may hold any legal value keep
 * what they had when an illegal one is written. There are no performance counters besides mcycle and minstret: their
 * registers read as zero. Those of debug triggers, Smepmp, state enables and hypervisors do not exist.
 */
import * as L from "./layout";
import { Effect, counted, give, readCounter } from "./csr";
import { flushBanks } from "./banks";
import { setAddress, setConfiguration } from "./pmp";
import {
  INTERRUPTS, MPP, MSTATUS_WRITABLE, STCE, STIP, SUPERVISOR_INTERRUPTS, fullStatus, pending, setStatus, status,
} from "./privilege";

/** RV64 with A, C, D, F, I, M, S and U. */
const MISA: u64 = 2 << 62 | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 8 | 1 << 12 | 1 << 18 | 1 << 20;
/** Everything but what M mode itself causes. */
const DELEGABLE: u64 = 0xb3ff;
/** FIOM changes nothing here: all accesses are in order. */
const FIOM: u64 = 1;

export function readMachine(number: i32): bool {
  switch (number) {
    case 0x300: return give(fullStatus());
    case 0x301: return give(MISA);
    case 0x302: return give(load<u64>(L.MEDELEG));
    case 0x303: return give(load<u64>(L.MIDELEG));
    case 0x304: return give(load<u64>(L.MIE));
    case 0x305: return give(load<u64>(L.MTVEC));
    case 0x306: return give(load<u64>(L.MCOUNTEREN));
    case 0x30a: return give(load<u64>(L.MENVCFG));
    case 0x320: return give(load<u64>(L.MCOUNTINHIBIT));
    case 0x340: return give(load<u64>(L.MSCRATCH));
    case 0x341: return give(load<u64>(L.MEPC));
    case 0x342: return give(load<u64>(L.MCAUSE));
    case 0x343: return give(load<u64>(L.MTVAL));
    case 0x344: return give(pending());
    // mvendorid, marchid, mimpid, mconfigptr.
    case 0xf11: case 0xf12: case 0xf13: case 0xf15: return give(0);
    case 0xf14: return give(load<u64>(L.MHARTID));
    case 0xb00: return readCounter(0);
    case 0xb02: return readCounter(2);
    default:
  }
  if (isZero(number)) return give(0);
  return readProtectionRegister(number);
}

/** mhpmcounter3 to 31, mhpmevent3 to 31. */
function isZero(number: i32): bool {
  return (number >= 0xb03 && number < 0xb20) || (number >= 0x323 && number < 0x340);
}

/** Of the 64 entries that the encoding has room for, those from 16 on are read-only zero. */
function readProtectionRegister(number: i32): bool {
  if (number >= 0x3a0 && number < 0x3b0) {
    if (number & 1) return false;
    return give(number > 0x3a2 ? 0 : load<u64>(L.PMPCFG + ((number & 2) << 2)));
  }
  if (number < 0x3b0 || number >= 0x3f0) return false;
  return give(number >= 0x3b0 + L.PMP_ENTRIES ? 0 : load<u64>(L.PMPADDR + ((number - 0x3b0) << 3)));
}

export function writeMachine(number: i32, to: u64): Effect {
  switch (number) {
    case 0x300: return writeStatus(to);
    // misa is what it is.
    case 0x301: return Effect.None;
    case 0x302: return put(L.MEDELEG, to & DELEGABLE);
    case 0x303: store<u64>(L.MIDELEG, to & SUPERVISOR_INTERRUPTS); return Effect.Interrupts;
    case 0x304: store<u64>(L.MIE, to & INTERRUPTS); return Effect.Interrupts;
    case 0x305: return putVector(L.MTVEC, to);
    case 0x306: return put(L.MCOUNTEREN, to & 0xffffffff);
    case 0x30a: store<u64>(L.MENVCFG, to & (STCE | FIOM)); return Effect.Attention;
    case 0x320: return inhibit(to & 5);
    case 0x340: return put(L.MSCRATCH, to);
    case 0x341: return put(L.MEPC, to & ~1);
    case 0x342: return put(L.MCAUSE, to);
    case 0x343: return put(L.MTVAL, to);
    case 0x344: return writePending(to);
    case 0xb00: return writeCounter(0, to);
    case 0xb02: return writeCounter(2, to);
    default:
  }
  if (isZero(number)) return Effect.None;
  return writeProtectionRegister(number, to);
}

export function put(at: i32, to: u64): Effect {
  store<u64>(at, to);
  return Effect.None;
}

/** Modes from 2 on are reserved. */
export function putVector(at: i32, to: u64): Effect {
  return to & 2 ? Effect.None : put(at, to);
}

function writeStatus(to: u64): Effect {
  let value = (status() & ~MSTATUS_WRITABLE) | (to & MSTATUS_WRITABLE);
  // There is no mode 2.
  if ((value & MPP) >> 11 == 2) value = (value & ~MPP) | (status() & MPP);
  return setStatus(value) ? Effect.Context : Effect.Interrupts;
}

function writePending(to: u64): Effect {
  const writable = load<u64>(L.MENVCFG) & STCE ? SUPERVISOR_INTERRUPTS & ~STIP : SUPERVISOR_INTERRUPTS;
  store<u64>(L.MIP, (load<u64>(L.MIP) & ~writable) | (to & writable));
  return Effect.Interrupts;
}

/** A counter that is written reads so at the next instruction, which is one further than this one. */
function writeCounter(index: i32, to: u64): Effect {
  const inhibited = (load<u64>(L.MCOUNTINHIBIT) & (1 << index)) != 0;
  return put(index ? L.MINSTRET : L.MCYCLE, inhibited ? to : to - counted(index) - 1);
}

/** Counters that stop keep their value, those that start go on from it. */
function inhibit(to: u64): Effect {
  const changed = load<u64>(L.MCOUNTINHIBIT) ^ to;
  for (let index = 0; index <= 2; index += 2) {
    const bit: u64 = 1 << index;
    const at = index ? L.MINSTRET : L.MCYCLE;
    const now = counted(index) + 1;
    if (changed & bit) store<u64>(at, load<u64>(at) + (to & bit ? now : 0 - now));
  }
  return put(L.MCOUNTINHIBIT, to);
}

function writeProtectionRegister(number: i32, to: u64): Effect {
  if (number == 0x3a0 || number == 0x3a2) setConfiguration((number & 2) << 2, to);
  else if (number >= 0x3b0 && number < 0x3b0 + L.PMP_ENTRIES) setAddress(number - 0x3b0, to);
  else return number >= 0x3a0 && number < 0x3f0 ? Effect.None : Effect.Illegal;
  // What the banks allow was allowed by the entries as they were.
  flushBanks();
  return Effect.Context;
}
