/** The registers of supervisor mode (privileged specification 1.12, chapter 4), and stimecmp (Sstc). */
import * as L from "./layout";
import { Effect, give } from "./csr";
import { put, putVector } from "./csr_machine";
import {
  Mode, SSIP, SSTATUS_VISIBLE, SSTATUS_WRITABLE, STCE, TVM, enterContext, fullStatus, mode, pending, setStatus, status,
} from "./privilege";

export function readSupervisor(number: i32): bool {
  switch (number) {
    case 0x100: return give(fullStatus() & SSTATUS_VISIBLE);
    case 0x104: return give(load<u64>(L.MIE) & load<u64>(L.MIDELEG));
    case 0x105: return give(load<u64>(L.STVEC));
    case 0x106: return give(load<u64>(L.SCOUNTEREN));
    case 0x10a: return give(load<u64>(L.SENVCFG));
    case 0x140: return give(load<u64>(L.SSCRATCH));
    case 0x141: return give(load<u64>(L.SEPC));
    case 0x142: return give(load<u64>(L.SCAUSE));
    case 0x143: return give(load<u64>(L.STVAL));
    case 0x144: return give(pending() & load<u64>(L.MIDELEG));
    case 0x14d: return hasTimer() && give(load<u64>(L.STIMECMP));
    case 0x180: return !isTrapped() && give(load<u64>(L.SATP));
    default: return false;
  }
}

export function writeSupervisor(number: i32, to: u64): Effect {
  switch (number) {
    case 0x100: return setStatus((status() & ~SSTATUS_WRITABLE) | (to & SSTATUS_WRITABLE)) ? Effect.Context : Effect.Interrupts;
    case 0x104: {
      const delegated = load<u64>(L.MIDELEG);
      store<u64>(L.MIE, (load<u64>(L.MIE) & ~delegated) | (to & delegated));
      return Effect.Interrupts;
    }
    case 0x105: return putVector(L.STVEC, to);
    case 0x106: return put(L.SCOUNTEREN, to & 0xffffffff);
    case 0x10a: return put(L.SENVCFG, to & 1);
    case 0x140: return put(L.SSCRATCH, to);
    case 0x141: return put(L.SEPC, to & ~1);
    case 0x142: return put(L.SCAUSE, to);
    case 0x143: return put(L.STVAL, to);
    case 0x144: {
      const writable = SSIP & load<u64>(L.MIDELEG);
      store<u64>(L.MIP, (load<u64>(L.MIP) & ~writable) | (to & writable));
      return Effect.Interrupts;
    }
    case 0x14d: store<u64>(L.STIMECMP, to); return Effect.Attention;
    case 0x180: return writeAddressSpace(to);
    default: return Effect.Illegal;
  }
}

/** S mode may have stimecmp only when M mode lets it have the timer and time itself. */
function hasTimer(): bool {
  if (mode() == Mode.Machine) return true;
  return (load<u64>(L.MENVCFG) & STCE) != 0 && (load<u64>(L.MCOUNTEREN) & 2) != 0;
}

function isTrapped(): bool {
  return mode() == Mode.Supervisor && (status() & TVM) != 0;
}

/** Bare and Sv39 are the modes that there are; with any other nothing is written at all. */
function writeAddressSpace(to: u64): Effect {
  if (to >> 60 != 0 && to >> 60 != 8) return Effect.None;
  store<u64>(L.SATP, to);
  store<i64>(L.RESERVATION, -1);
  enterContext();
  return Effect.Context;
}
