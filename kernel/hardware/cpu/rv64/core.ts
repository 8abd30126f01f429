/// <reference path="./wasm.d.ts" />
/**
 * The RV64GC core behind the `Core` contract. The interpreter is in ./assembly, compiled to WebAssembly; ./translate makes
 * more WebAssembly of hot code. This file builds the machine's one memory and reads and writes its control block (map in
 * assembly/layout.ts).
 */
import type { AccessSize, Bus, Core, CoreOptions, CoreStop, HartState } from "../core.ts";
import {
  ATTENTION,
  BUS_FAULT,
  DONE,
  EXECUTED,
  F_REGS,
  FAULT_PAGE,
  FAULT_VALUE,
  FCSR,
  FLAGS,
  MAX_HARTS,
  PAGE_SIZE,
  PC,
  REGS,
  RESERVATION,
  ramOffset,
  WORK,
} from "./assembly/layout.ts";
import { type HartExports, hartsOver, loadPrivileged, resetHarts, savePrivileged } from "./harts.ts";
import type { Translations } from "./translate/modules.ts";
import { Translator, type TranslatorCore } from "./translate/translator.ts";

/** What assembly/index.ts exports. */
interface CoreExports extends HartExports, TranslatorCore {
  setTranslating(jumps: number): void;
  initialize(ramPages: number, basePpn: bigint, ramHost: number, hasBus: boolean, privileged: boolean): void;
  run(budget: number): CoreStop;
  runPrivileged(budget: number): CoreStop;
  setAddressSpace(rootPpn: bigint, asid: bigint): void;
  flushTlb(): void;
  flushPage(virtualAddress: bigint): void;
  clearDirty(): void;
  wrote(page: number): void;
  setCounters(instret: number, timeNs: number): void;
  setTiming(area: number): void;
  setTimedHart(index: number): void;
}

/** A WebAssembly engine optimises between calls, not within one: a long run is done in pieces of this size. */
const PIECE = 1_000_000;

const WASM_PAGE = 0x10000;

/** What serves any number of cores. */
export interface CpuModules {
  /** build/rv64.wasm and build/rv64-timed.wasm, compiled by the host. */
  functional: WebAssembly.Module;
  timed: WebAssembly.Module;
  /** Keeps what hot code is translated to; without it everything is interpreted. */
  translations?: Translations | undefined;
}

export function createRv64Core(
  modules: CpuModules,
  { ramPages, ramBase, bus, timing = null, harts = 0, translate = true }: CoreOptions,
): Core {
  const ramHost = ramOffset(ramPages);
  const timingHost = ramHost + ramPages * PAGE_SIZE;
  const size = timingHost + (timing?.length ?? 0);
  if (!(Number.isInteger(ramPages) && ramPages > 0 && size <= 2 ** 32)) {
    throw new RangeError(`a core needs between 1 and about ${2 ** 20 - 9000} pages of RAM, not ${ramPages}`);
  }
  if (!Number.isSafeInteger(ramBase) || ramBase < 0 || ramBase % PAGE_SIZE) {
    throw new RangeError(`RAM must start at a multiple of ${PAGE_SIZE}, not at ${ramBase}`);
  }
  if (!Number.isInteger(harts) || harts < 0 || harts > MAX_HARTS) {
    throw new RangeError(`a core has 1 to ${MAX_HARTS} harts, not ${harts}`);
  }
  const pages = Math.ceil(size / WASM_PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const module = timing === null ? modules.functional : modules.timed;
  const translations = translate && timing === null ? modules.translations : undefined;
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
  const translator = translations && new Translator(memory, table, translations);
  const env = {
    ...{ memory, table },
    ...(bus === undefined ? noBus : busOver(bus, memory.buffer)),
    translate: (target: bigint, base: number) => translator?.translate(target, base) ?? false,
    dropped: (base: number) => translator?.dropped(base),
  };
  const wasm = new WebAssembly.Instance(module, { env }).exports as unknown as CoreExports;
  translator?.attach(wasm);
  wasm.setTranslating(translations?.asked ?? 0);
  wasm.initialize(ramPages, BigInt(ramBase / PAGE_SIZE), ramHost | 0, bus !== undefined, harts > 0);
  let area: Uint8Array | null = null;
  if (timing !== null) {
    area = new Uint8Array(memory.buffer, timingHost, timing.length);
    area.set(timing);
    wasm.setTiming(timingHost | 0);
  }
  return coreOver(memory.buffer, wasm, ramHost, { ramPages, ramBase, harts, timing: area }, translator);
}

/** What assembly/bus.ts imports. */
interface BusImports extends Record<string, unknown> {
  busRead(address: number, size: AccessSize): bigint;
  busWrite(address: number, size: AccessSize, value: bigint): void;
}

/** Never called: the core was told that there is none. */
const noBus: BusImports = { busRead: () => 0n, busWrite: () => {} };

function busOver(bus: Bus, buffer: ArrayBuffer): BusImports {
  const fault = new Uint32Array(buffer, BUS_FAULT, 1);
  return {
    busRead(address, size) {
      const value = bus.read(address, size);
      if (value === null) fault[0] = 1;
      return value ?? 0n;
    },
    busWrite(address, size, value) {
      if (!bus.write(address, size, BigInt.asUintN(8 * size, value))) fault[0] = 1;
    },
  };
}

const emptyHart = (): HartState => ({
  x: new BigUint64Array(32),
  f: new BigUint64Array(32),
  pc: 0n,
  fcsr: 0,
  reservation: -1n,
});

type Registers = Pick<Core, "x" | "f" | "getPc" | "setPc" | "advancePc" | "saveHart" | "loadHart">;

/** The registers of the hart that executes; `harts`: of a privileged core. */
function registersOver(buffer: ArrayBuffer, harts: HartExports | null): Registers {
  const x = new BigUint64Array(buffer, REGS, 32);
  const f = new BigUint64Array(buffer, F_REGS, 32);
  const control = new DataView(buffer);
  const getPc = (): bigint => control.getBigUint64(PC, true);
  const setPc = (value: bigint): void => control.setBigUint64(PC, value & ~1n, true);
  return {
    x,
    f,
    getPc,
    setPc,
    advancePc(bytes) {
      const low = control.getUint32(PC, true) + bytes;
      if (low < 2 ** 32) control.setUint32(PC, low, true);
      else setPc(getPc() + BigInt(bytes));
    },
    saveHart: (into = emptyHart()) => {
      into.x.set(x);
      into.f.set(f);
      into.pc = getPc();
      into.fcsr = control.getUint32(FCSR, true);
      into.reservation = control.getBigInt64(RESERVATION, true);
      if (harts) into.privileged = savePrivileged(control);
      return into;
    },
    loadHart: (state) => {
      x.set(state.x);
      x[0] = 0n;
      f.set(state.f);
      setPc(state.pc);
      control.setUint32(FCSR, state.fcsr & 0xff, true);
      control.setBigInt64(RESERVATION, state.reservation, true);
      if (harts && state.privileged) loadPrivileged(control, harts, state.privileged);
    },
  };
}

function coreOver(
  buffer: ArrayBuffer,
  wasm: CoreExports,
  ramHost: number,
  { ramPages, ramBase, harts: count, timing }: Required<Omit<CoreOptions, "bus" | "translate">>,
  translator: Translator | undefined,
): Core {
  const control = new DataView(buffer);
  const harts = count > 0 ? hartsOver(wasm, control, count) : null;
  const runPiece = harts ? wasm.runPrivileged : wasm.run;
  if (harts) resetHarts(control, count);
  let executed = 0;
  let worked = 0;
  const takeWork = (): number => {
    const ns = control.getUint32(WORK, true);
    control.setUint32(WORK, 0, true);
    return ns;
  };

  return {
    ram: new Uint8Array(buffer, ramHost, ramPages * PAGE_SIZE),
    ramView: new DataView(buffer, ramHost, ramPages * PAGE_SIZE),
    ramBase,
    pageFlags: new Uint8Array(buffer, FLAGS, ramPages),
    ...registersOver(buffer, harts === null ? null : wasm),
    clearReservation: () => control.setBigInt64(RESERVATION, -1n, true),

    setAddressSpace: (rootPpn, asid) => wasm.setAddressSpace(BigInt(rootPpn), BigInt(asid & 0xffff)),
    flushTlb: (virtualAddress) => {
      if (virtualAddress === undefined) wasm.flushTlb();
      else wasm.flushPage(BigInt(virtualAddress));
    },
    clearDirty: () => wasm.clearDirty(),
    wrote: (page) => {
      if (page >= 0 && page < ramPages) wasm.wrote(page);
    },
    setCounters: (instret, timeNs) => wasm.setCounters(instret, timeNs),

    setTimedHart: (hart) => {
      if (timing !== null) wasm.setTimedHart(hart);
    },
    timing,

    run: (budget) => {
      executed = 0;
      control.setUint32(ATTENTION, 0, true);
      // What was done before does not end this run.
      worked = takeWork();
      for (;;) {
        const stop = runPiece(Math.min(budget - executed, PIECE));
        const done = control.getUint32(EXECUTED, true);
        executed += done;
        translator?.earn(done);
        if (stop === 0 && executed < budget) continue;
        worked += takeWork();
        return stop;
      }
    },
    executed: () => executed,
    workNs: () => worked,
    executedNow: () => executed + control.getUint32(DONE, true) + control.getUint32(EXECUTED, true),
    attention: () => control.setUint32(ATTENTION, 1, true),
    harts,
    faultValue: () => control.getBigUint64(FAULT_VALUE, true),
    faultPage: () => control.getUint32(FAULT_PAGE, true),
  };
}
