/** Traps of a core with all privileges: exceptions and interrupts on their way to a handler of the guest. */
import * as L from "./layout";
import { Access, accessRefused } from "./mmu";
import {
  MIE, MPIE, MPP, Mode, SIE, SPIE, SPP, enterContext, mode, status, takeable,
} from "./privilege";
import { Stop } from "./state";

const INTERRUPT: u64 = 1 << 63;

/** The interrupt is taken that comes first among those that may be; false when there is none. */
export function takeInterrupt(): bool {
  const bits = takeable();
  if (!bits) return false;
  const delegated = (bits & load<u64>(L.MIDELEG)) != 0;
  enterHandler(INTERRUPT | <u64>first(bits), 0, delegated);
  return true;
}

/** External before software before timer, and those for M mode before those for S mode. */
function first(bits: u64): i32 {
  if (bits & 1 << 11) return 11;
  if (bits & 1 << 3) return 3;
  if (bits & 1 << 7) return 7;
  if (bits & 1 << 9) return 9;
  return bits & 1 << 1 ? 1 : 5;
}

/** The instruction at PC was refused with `reason`, and FAULT_VALUE. */
export function takeException(reason: Stop): void {
  const cause = causeOf(reason);
  const value = reason == Stop.Ecall || reason == Stop.Breakpoint ? 0 : load<u64>(L.FAULT_VALUE);
  const delegated = mode() < Mode.Machine && (load<u64>(L.MEDELEG) >> cause & 1) != 0;
  enterHandler(cause, value, delegated);
}

function causeOf(reason: Stop): u64 {
  const access = accessRefused();
  switch (reason) {
    case Stop.Ecall: return 8 + mode();
    case Stop.Breakpoint: return 3;
    case Stop.InstructionPageFault: return 12;
    case Stop.LoadPageFault: return 13;
    case Stop.StorePageFault: return 15;
    case Stop.AccessFault: return access == Access.Fetch ? 1 : access == Access.Read ? 5 : 7;
    case Stop.MisalignedAtomic: return access == Access.Read ? 4 : 6;
    default: return 2;
  }
}

function enterHandler(cause: u64, value: u64, delegated: bool): void {
  const bits = status();
  const from = <u64>mode();
  const pc = load<i64>(L.PC);
  if (delegated) {
    store<u64>(L.SCAUSE, cause);
    store<i64>(L.SEPC, pc);
    store<u64>(L.STVAL, value);
    const enabled: u64 = bits & SIE ? SPIE : 0;
    store<u64>(L.MSTATUS, (bits & ~(SIE | SPIE | SPP)) | enabled | (from ? SPP : 0));
    store<i32>(L.MODE, Mode.Supervisor);
  } else {
    store<u64>(L.MCAUSE, cause);
    store<i64>(L.MEPC, pc);
    store<u64>(L.MTVAL, value);
    const enabled: u64 = bits & MIE ? MPIE : 0;
    store<u64>(L.MSTATUS, (bits & ~(MIE | MPIE | MPP)) | enabled | from << 11);
    store<i32>(L.MODE, Mode.Machine);
  }
  const vector = load<u64>(delegated ? L.STVEC : L.MTVEC);
  const vectored = (vector & 1) != 0 && (cause & INTERRUPT) != 0;
  store<u64>(L.PC, (vector & ~3) + (vectored ? (cause & 63) << 2 : 0));
  store<i64>(L.RESERVATION, -1);
  enterContext();
}
