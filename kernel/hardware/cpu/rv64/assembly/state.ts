/**
 * Access to decoded records, registers and the control block. All of it is inlined: a record field or a register costs
 * one load with a constant offset.
 *
 * Record (16 bytes, one per halfword of a decoded page):
 *   0 u16 dispatch | 2 u16 run | 4 u16 rd | 6 u16 rs1 | 8 u16 rs2 | 10 u8 rs3 or COMPRESSED | 11 u8 op | 12 i32 imm
 * `op` is the operation of the instruction. `dispatch` is what the dispatch loop does when it comes to the record: the
 * same, unless the record is fused with those behind it or a Stop is planted there (fuse.ts). `run` is the number of
 * instructions from this one to the end of its straight line, this one included. Register fields are offsets from REGS,
 * but rs3 has an eighth of it. No compressed instruction has an rs3.
 */
import * as L from "./layout";
import { Op } from "./ops";

// @ts-ignore: decorator
@inline export function dispatchOf(p: i32): i32 { return load<u16>(p); }
// @ts-ignore: decorator
@inline export function opOf(p: i32): i32 { return load<u8>(p, 11); }
/** The distance to the next record: eight times the instruction's length. */
// @ts-ignore: decorator
@inline export function delta(p: i32): i32 { return 32 - ((load<u8>(p, 10) & L.COMPRESSED) >>> 3); }
// @ts-ignore: decorator
@inline export function runOf(p: i32): i32 { return load<u16>(p, 2); }
// @ts-ignore: decorator
@inline export function imm(p: i32): i32 { return load<i32>(p, 12); }
// @ts-ignore: decorator
@inline export function immediate(p: i32): i64 { return load<i32>(p, 12); }
// @ts-ignore: decorator
@inline export function rs1(p: i32): i64 { return load<i64>(<i32>load<u16>(p, 6), L.REGS); }
// @ts-ignore: decorator
@inline export function rs2(p: i32): i64 { return load<i64>(<i32>load<u16>(p, 8), L.REGS); }
// @ts-ignore: decorator
@inline export function rs3(p: i32): i64 { return load<i64>(<i32>load<u8>(p, 10) << 3, L.REGS); }
// @ts-ignore: decorator
@inline export function rs1w(p: i32): i32 { return load<i32>(<i32>load<u16>(p, 6), L.REGS); }
// @ts-ignore: decorator
@inline export function rs2w(p: i32): i32 { return load<i32>(<i32>load<u16>(p, 8), L.REGS); }
// @ts-ignore: decorator
@inline export function rs1d(p: i32): f64 { return load<f64>(<i32>load<u16>(p, 6), L.REGS); }
// @ts-ignore: decorator
@inline export function rs2d(p: i32): f64 { return load<f64>(<i32>load<u16>(p, 8), L.REGS); }
// @ts-ignore: decorator
@inline export function rd(p: i32, value: i64): void { store<i64>(<i32>load<u16>(p, 4), value, L.REGS); }
// @ts-ignore: decorator
@inline export function rdd(p: i32, value: f64): void { store<f64>(<i32>load<u16>(p, 4), value, L.REGS); }
/** The offset of rd: to be taken before a page table is walked, which may empty the record. */
// @ts-ignore: decorator
@inline export function destination(p: i32): i32 { return load<u16>(p, 4); }
// @ts-ignore: decorator
@inline export function write(offset: i32, value: i64): void { store<i64>(offset, value, L.REGS); }

/** Offset of an integer register as a source. */
// @ts-ignore: decorator
@inline export function xs(index: i32): i32 { return index << 3; }
/** Offset of an integer register as a destination: x0 is written to the sink. */
// @ts-ignore: decorator
@inline export function xd(index: i32): i32 { return index ? index << 3 : L.SINK_OFFSET; }
// @ts-ignore: decorator
@inline export function fr(index: i32): i32 { return L.F_OFFSET + (index << 3); }

/** Fills a record. The length of the straight line is filled in by the caller. */
export function put(p: i32, op: Op, length: i32, rdOffset: i32, rs1Offset: i32, rs2Offset: i32, value: i32): void {
  store<u16>(p, op);
  store<u8>(p, length == 2 ? L.COMPRESSED : 0, 10);
  store<u8>(p, op, 11);
  store<u16>(p, rdOffset, 4);
  store<u16>(p, rs1Offset, 6);
  store<u16>(p, rs2Offset, 8);
  store<i32>(p, value, 12);
}

/** Values of CoreStop in ../../core.ts, and what the out-of-line paths return besides. */
export const enum Stop {
  /** The instruction is done and execution goes on. */
  None = 0,
  Ecall = 1,
  Breakpoint = 2,
  Illegal = 3,
  InstructionPageFault = 4,
  LoadPageFault = 5,
  StorePageFault = 6,
  NeedPage = 7,
  AccessFault = 8,
  MisalignedAtomic = 9,
  /** A wfi is done, and nothing is pending. */
  Wait = 10,
  /** The instruction is done, and so is the run: the host has something to do. */
  Attention = 11,
  /** The instruction is done, but decoded records may have changed: look the next one up again. */
  Refetch = -1,
  /** Not RAM: DEVICE_ADDRESS says where a device may be. Only between mmu.ts and who accesses. */
  Device = -2,
  /** The instruction is done and has set PC: mode, banks or what interrupts may be taken have changed. */
  Switch = -3,
  /** The same, but the instruction is not done and comes again. */
  Retry = -4,
  /** It has been decoded for this one time, in the scratch slot. Only between cache.ts and the dispatch loop. */
  Scratch = -5,
}

export function stopWith(reason: Stop, value: i64): Stop {
  store<i64>(L.FAULT_VALUE, value);
  return reason;
}

export function illegalInstruction(bits: i32): Stop {
  return stopWith(Stop.Illegal, <i64>bits & 0xffffffff);
}

// @ts-ignore: decorator
@inline export function raise(flags: i32): void { store<u32>(L.FCSR, load<u32>(L.FCSR) | flags); }
