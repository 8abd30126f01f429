/**
 * The harts of a privileged core. The selected one is in the control block, the others are parked in memory beside it, in
 * the same form (assembly/layout.ts). Their registers as plain data, by name, are what snapshots keep.
 */
import type { Harts, PrivilegedState } from "../core.ts";
import {
  HART_BYTES,
  INSTRET_BASE,
  LINES,
  MAX_HARTS,
  MCAUSE,
  MCOUNTEREN,
  MCOUNTINHIBIT,
  MCYCLE,
  MEDELEG,
  MENVCFG,
  MEPC,
  MHARTID,
  MIDELEG,
  MIE,
  MINSTRET,
  MIP,
  MODE,
  MSCRATCH,
  MSTATUS,
  MTVAL,
  MTVEC,
  PARKED_HARTS,
  PMP_ENTRIES,
  PMPADDR,
  PMPCFG,
  REGS,
  RESERVATION,
  SATP,
  SCAUSE,
  SCOUNTEREN,
  SENVCFG,
  SEPC,
  SSCRATCH,
  STIMECMP,
  STVAL,
  STVEC,
  TIME_BASE,
  TIME_OFFSET,
} from "./assembly/layout.ts";

const registers: readonly (readonly [name: string, address: number])[] = [
  ["mstatus", MSTATUS],
  ["medeleg", MEDELEG],
  ["mideleg", MIDELEG],
  ["mie", MIE],
  ["mip", MIP],
  ["lines", LINES],
  ["mtvec", MTVEC],
  ["mscratch", MSCRATCH],
  ["mepc", MEPC],
  ["mcause", MCAUSE],
  ["mtval", MTVAL],
  ["mcounteren", MCOUNTEREN],
  ["mcountinhibit", MCOUNTINHIBIT],
  ["menvcfg", MENVCFG],
  ["mcycle", MCYCLE],
  ["minstret", MINSTRET],
  ["mhartid", MHARTID],
  ["stvec", STVEC],
  ["sscratch", SSCRATCH],
  ["sepc", SEPC],
  ["scause", SCAUSE],
  ["stval", STVAL],
  ["scounteren", SCOUNTEREN],
  ["senvcfg", SENVCFG],
  ["satp", SATP],
  ["stimecmp", STIMECMP],
  ["pmpcfg0", PMPCFG],
  ["pmpcfg2", PMPCFG + 8],
  ...Array.from({ length: PMP_ENTRIES }, (_, i) => [`pmpaddr${i}`, PMPADDR + 8 * i] as const),
];

/** The part of assembly/privileged.ts that is called from here. */
export interface HartExports {
  hartChanged(protectionToo: boolean): void;
  selectHart(from: number, to: number): void;
  settle(): void;
}

const timerPends = 1n << 5n;
const timerCompares = 1n << 63n;
const nsPerTick = 100n;
/** Virtual time ends before (lib/limits.ts). */
const farthestNs = 2n ** 53n;

/** When the hart's timer begins to pend, in virtual nanoseconds, which may be long ago; null when it has none. */
function comparesNs(read: (address: number) => bigint, offsetTicks: bigint): bigint | null {
  return (read(MENVCFG) & timerCompares) === 0n ? null : (read(STIMECMP) - offsetTicks) * nsPerTick;
}

export function hartsOver(wasm: HartExports, control: DataView, count: number): Harts {
  let selected = 0;
  const read = (hart: number) => {
    const offset = hart === selected ? 0 : PARKED_HARTS + hart * HART_BYTES - REGS;
    return (address: number): bigint => control.getBigUint64(offset + address, true);
  };
  const offsetTicks = (): bigint => control.getBigInt64(TIME_OFFSET, true);
  return {
    count,
    get selected() {
      return selected;
    },
    select(hart) {
      if (hart === selected) return;
      wasm.selectHart(selected, hart);
      selected = hart;
    },
    setLines(hart, bits) {
      const offset = hart === selected ? 0 : PARKED_HARTS + hart * HART_BYTES - REGS;
      control.setBigUint64(offset + LINES, BigInt(bits), true);
    },
    isAwake(hart) {
      const of = read(hart);
      let pending = of(MIP) | of(LINES);
      const due = comparesNs(of, offsetTicks());
      if (due !== null)
        pending = due <= control.getBigUint64(TIME_BASE, true) ? pending | timerPends : pending & ~timerPends;
      return (pending & of(MIE)) !== 0n;
    },
    timerDueNs(hart) {
      const due = comparesNs(read(hart), offsetTicks());
      const now = control.getBigUint64(TIME_BASE, true);
      return due === null || due <= now || due >= farthestNs ? Number.POSITIVE_INFINITY : Number(due);
    },
    setTime: (ns) => control.setBigInt64(TIME_BASE, BigInt(ns), true),
    setTimeOffset: (ticks) => control.setBigInt64(TIME_OFFSET, ticks, true),
    settle: () => wasm.settle(),
  };
}

/** Every hart as it is at reset: in machine mode, everything zero but its number. */
export function resetHarts(control: DataView, count: number): void {
  for (let hart = 0; hart < Math.min(count, MAX_HARTS); hart++) {
    const offset = hart === 0 ? 0 : PARKED_HARTS + hart * HART_BYTES - REGS;
    control.setUint32(offset + MODE, 3, true);
    control.setBigInt64(offset + RESERVATION, -1n, true);
    control.setBigUint64(offset + MHARTID, BigInt(hart), true);
    control.setBigUint64(offset + STIMECMP, 2n ** 64n - 1n, true);
  }
}

export function savePrivileged(control: DataView): PrivilegedState {
  return {
    mode: control.getUint32(MODE, true),
    executed: control.getBigUint64(INSTRET_BASE, true),
    registers: new Map(registers.map(([name, address]) => [name, control.getBigUint64(address, true)])),
  };
}

/** Registers that a state does not name are zero. */
export function loadPrivileged(control: DataView, wasm: HartExports, state: PrivilegedState): void {
  control.setUint32(MODE, state.mode, true);
  control.setBigUint64(INSTRET_BASE, state.executed, true);
  for (const [name, address] of registers) control.setBigUint64(address, state.registers.get(name) ?? 0n, true);
  wasm.hartChanged(true);
}
