/**
 * The CSR instructions. In user mode only there are fflags, frm, fcsr (F) and the read-only cycle, time and instret
 * (Zicntr; one instruction is one cycle and one nanosecond, time runs at 10 MHz); with all privileges, also those of
 * csr_machine.ts and csr_supervisor.ts. Everything else is illegal.
 * EXECUTED holds the instructions of this stretch of the run before the present one.
 */
import * as L from "./layout";
import { readMachine, writeMachine } from "./csr_machine";
import { readSupervisor, writeSupervisor } from "./csr_supervisor";
import { FS, Mode, isPrivileged, mode, setStatus, status, takeable, timeNow } from "./privilege";
import { Stop, illegalInstruction, imm, rd, rs1 } from "./state";
import { countTimed } from "./timed";
import { stalls } from "./timing";

/** What writing a register has brought about, besides the value that it has now. */
export const enum Effect {
  None,
  /** There is no such register, or not here. */
  Illegal,
  /** Interrupts may have become takeable. */
  Interrupts,
  /** Addresses or instructions mean something else. */
  Context,
  /** The host may have to come back earlier. */
  Attention,
}

/** What the last `readCsr` read. */
let value: u64 = 0;

/** Success of a read. */
export function give(read: u64): bool {
  value = read;
  return true;
}

export function csr(p: i32): Stop {
  const w = imm(p);
  const number = w >>> 20;
  const field = (w >> 15) & 31;
  const operation = (w >> 12) & 3;
  const writes = operation == 1 || field != 0;
  const operand = w & 0x4000 ? <u64>field : <u64>rs1(p);
  if (!isReachable(number, writes) || !readCsr(number)) return illegalInstruction(w);
  const old = value;
  let effect = Effect.None;
  if (writes) {
    // Of mip, what lines from outside set is read but not written back.
    const base = number == 0x344 ? load<u64>(L.MIP) : number == 0x144 ? load<u64>(L.MIP) & load<u64>(L.MIDELEG) : old;
    effect = writeCsr(number, operation == 1 ? operand : operation == 2 ? base | operand : base & ~operand);
    if (effect == Effect.Illegal) return illegalInstruction(w);
  }
  rd(p, <i64>old);
  return effect == Effect.None ? Stop.None : endOf(effect);
}

function endOf(effect: Effect): Stop {
  if (effect == Effect.Attention) return Stop.Attention;
  if (effect == Effect.Interrupts && !takeable()) return Stop.None;
  store<i64>(L.PC, load<i64>(L.PC) + 4);
  return Stop.Switch;
}

/** Bits 8 and 9 of the number say from which mode on, 10 and 11 whether it can be written. */
function isReachable(number: i32, writes: bool): bool {
  if (writes && number >> 10 == 3) return false;
  return !isPrivileged() || mode() >= <Mode>((number >> 8) & 3);
}

function readCsr(number: i32): bool {
  const fcsr = <u64>load<u32>(L.FCSR);
  switch (number) {
    case 0x001: return give(fcsr & 31) && hasFloat();
    case 0x002: return give(fcsr >> 5) && hasFloat();
    case 0x003: return give(fcsr) && hasFloat();
    default:
  }
  if (number >= 0xc00 && number < 0xc20) return isCounting(number & 31) && readCounter(number & 31);
  if (!isPrivileged()) return false;
  return number >= 0x100 && number < 0x200 ? readSupervisor(number) : readMachine(number);
}

function writeCsr(number: i32, to: u64): Effect {
  if (number <= 3) return writeFloat(number, <u32>to);
  if (number < 0x200) return writeSupervisor(number, to);
  return writeMachine(number, to);
}

function hasFloat(): bool {
  return !isPrivileged() || (status() & FS) != 0;
}

function writeFloat(number: i32, to: u32): Effect {
  const fcsr = load<u32>(L.FCSR);
  if (number == 1) store<u32>(L.FCSR, fcsr & 0xe0 | to & 31);
  else if (number == 2) store<u32>(L.FCSR, fcsr & 31 | (to & 7) << 5);
  else store<u32>(L.FCSR, to & 255);
  return isPrivileged() && setStatus(status() | FS) ? Effect.Context : Effect.None;
}

/** Whether the mode may read this user-visible counter. */
function isCounting(index: i32): bool {
  if (!isPrivileged()) return index < 3;
  const bit: u64 = 1 << index;
  const at = mode();
  if (at < Mode.Machine && !(load<u64>(L.MCOUNTEREN) & bit)) return false;
  return at > Mode.User || (load<u64>(L.SCOUNTEREN) & bit) != 0;
}

/** 0 is cycle, 1 time, 2 instret; the others count nothing. */
export function readCounter(index: i32): bool {
  if (index == 1) return give(timeNow());
  if (index > 2) return give(0);
  const offset = load<u64>(index ? L.MINSTRET : L.MCYCLE);
  return give(load<u64>(L.MCOUNTINHIBIT) & (1 << index) ? offset : offset + counted(index));
}

/** What cycle (0) or instret (2) has counted before this instruction, if nobody had written or stopped it. */
export function counted(index: i32): u64 {
  if (TIMED) countTimed();
  const stalled = TIMED && index == 0 ? stalls() : 0;
  return <u64>(load<i64>(L.INSTRET_BASE) + load<i64>(L.EXECUTED) + stalled);
}
