/** sret, mret, wfi and sfence.vma; and floating point while mstatus says that it is off or not dirty. */
import * as L from "./layout";
import {
  FS, MIE, MPIE, MPP, MPRV, Mode, SIE, SPIE, SPP, TSR, TVM, TW, enterContext, isPrivileged, mode, pending, setStatus, status,
} from "./privilege";
import { Stop, illegalInstruction, imm, rs1, rs2 } from "./state";
import { forgetLatest } from "./timed";
import { ANY, forget, pageOf } from "./timing";
import { FENCED_TLBS, isMuchWork, work } from "./work";

export function system(p: i32): Stop {
  const w = imm(p);
  if (!isPrivileged()) return illegalInstruction(w);
  const at = mode();
  const bits = status();
  switch (w) {
    case 0x10200073:
      if (at == Mode.User || (at == Mode.Supervisor && (bits & TSR) != 0)) return illegalInstruction(w);
      return supervisorReturn(bits);
    case 0x30200073:
      return at == Mode.Machine ? machineReturn(bits) : illegalInstruction(w);
    case 0x10500073:
      if (at == Mode.User || (at == Mode.Supervisor && (bits & TW) != 0)) return illegalInstruction(w);
      return pending() & load<u64>(L.MIE) ? Stop.None : Stop.Wait;
    default:
      if (at == Mode.User || (at == Mode.Supervisor && (bits & TVM) != 0)) return illegalInstruction(w);
      fence(p, w);
      return TIMED && isMuchWork() ? Stop.Attention : Stop.None;
  }
}

/**
 * The banks need no sfence.vma: see tables.ts. The timing model has TLBs of its own, which obey it. A reserved address may
 * mean other memory now.
 */
function fence(p: i32, w: i32): void {
  store<i64>(L.RESERVATION, -1);
  if (!TIMED) return;
  forgetLatest();
  work(FENCED_TLBS);
  forget(w & 0xf8000 ? <i64>pageOf(rs1(p)) : ANY, w & 0x1f00000 ? rs2(p) & 0xffff : ANY);
}

function supervisorReturn(bits: u64): Stop {
  const to = bits & SPP ? Mode.Supervisor : Mode.User;
  const enabled: u64 = bits & SPIE ? SIE : 0;
  return enter(to, (bits & ~(SIE | SPP | MPRV)) | enabled | SPIE, load<i64>(L.SEPC));
}

function machineReturn(bits: u64): Stop {
  const to = <Mode>((bits & MPP) >> 11);
  const enabled: u64 = bits & MPIE ? MIE : 0;
  const kept = bits & ~(MIE | MPP | (to == Mode.Machine ? 0 : MPRV));
  return enter(to, kept | enabled | MPIE, load<i64>(L.MEPC));
}

function enter(to: Mode, bits: u64, pc: i64): Stop {
  store<i32>(L.MODE, to);
  store<u64>(L.MSTATUS, bits);
  store<i64>(L.PC, pc);
  store<i64>(L.RESERVATION, -1);
  enterContext();
  return Stop.Switch;
}

/** Off: illegal. Initial or clean: dirty from now on, and the instruction comes again. */
export function guardedFloat(p: i32): Stop {
  if (!(status() & FS)) return illegalInstruction(imm(p));
  setStatus(status() | FS);
  return Stop.Retry;
}
