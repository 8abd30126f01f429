import type { ClockState } from "../../hardware/clock/state.ts";
import type { Core } from "../../hardware/cpu/core.ts";
import { isaText, probedExtensions, userExtensions } from "../../hardware/cpu/extensions.ts";
import type { Ram } from "../../hardware/memory/ram.ts";
import type { UartState } from "../../hardware/uart/state.ts";
import type { Trace } from "../../trace/define.ts";
import { memoryOver, serialOver, timerOver } from "../common.ts";
import type { Hal, InstructionSet, Mmu } from "../types.ts";
import { contextsOver, registerAccessOver } from "./context.ts";
import { hartOver } from "./hart.ts";
import { PageTables, userEnd } from "./page-table.ts";
import { registerSetsOver } from "./register-sets.ts";
import { signalFramesOver } from "./signal-frame.ts";
import { returnOffset, vdsoPage } from "./vdso.ts";

const letter = (name: string): number => 1 << (name.charCodeAt(0) - 65);

export const isa: InstructionSet = {
  name: "rv64",
  elfMachine: 243,
  elfMachineName: "RISC-V",
  machineName: "riscv64",
  description: isaText(userExtensions),
  hardwareCapabilities: letter("I") | letter("M") | letter("A") | letter("F") | letter("D") | letter("C"),
  // Keys of riscv_hwprobe(2).
  features: new Map([
    [0n, 0n], // mvendorid
    [1n, 0n], // marchid
    [2n, 0n], // mimpid
    [3n, 1n], // base behaviour: IMA
    [4n, probedExtensions], // extensions
    [5n, 3n], // misaligned accesses are fast
  ]),
};

export interface HalParts {
  core: Core;
  ram: Ram;
  clock: ClockState;
  uart: UartState;
  trace: Trace;
}

export function createHal({ core, ram, clock, uart, trace }: HalParts): Hal {
  const memory = memoryOver(ram);
  const tables = new PageTables(memory, core.ramBase);
  /** What is active already need not be made so, and to ask costs less. */
  let active = { root: -1, asid: -1 };
  const mmu: Mmu = {
    userEnd,
    initRoot: (root) => tables.initRoot(root),
    walk: (root, address) => tables.walk(root, address),
    setEntry: (root, address, bits, to) => tables.setEntry(root, address, bits, to),
    empty: (table, bits, left) => tables.empty(table, bits, left),
    lookup: (root, address) => tables.lookup(root, address),
    map: (root, address, mapping, allocateTable) => tables.map(root, address, mapping, allocateTable),
    unmap: (root, address) => tables.unmap(root, address),
    forEach: (root, start, end, visit) => tables.forEach(root, start, end, visit),
    eachTable: (root, visit) => tables.eachTable(root, visit),
    activate(root, asid) {
      if (active.root === root && active.asid === asid) return;
      active = { root, asid };
      core.setAddressSpace(tables.ppnOf(root), asid);
    },
    flush: (address) => (address === undefined ? core.flushTlb() : core.flushTlb(address)),
  };
  return {
    isa,
    memory,
    mmu,
    contexts: contextsOver(core),
    signalFrames: signalFramesOver(registerAccessOver(core)),
    registerSets: registerSetsOver(registerAccessOver(core)),
    vdso: { bytes: vdsoPage, returnOffset },
    hart: hartOver(core),
    timer: timerOver(clock),
    serial: serialOver(uart, trace),
  };
}
