/**
 * A bare machine for tests of the privileged core alone: harts, RAM, and as much of a board as bare programs need (a UART
 * to write to, CLINT, finisher). Harts take turns by quantum; all of it is a function of what was executed, not of `slice`.
 */
import { type AccessSize, type Bus, CoreStop, type Harts, PageFlag } from "../../../kernel/hardware/cpu/core.ts";
import { createRv64Core } from "../../../kernel/hardware/cpu/rv64/core.ts";
import type { Translations } from "../../../kernel/hardware/cpu/rv64/translate/modules.ts";
import { RAM_BASE, readElf, rv64Modules } from "./machine.ts";

const UART = 0x1000_0000;
const FINISHER = 0x10_0000;
const CLINT = 0x200_0000;
const TIMECMP = CLINT + 0x4000;
const TIME = CLINT + 0xbff8;
const NS_PER_TICK = 100;

export interface BareOptions {
  harts?: number;
  ramPages?: number;
  quantum?: number;
  /** Translates what is hot; default: everything is interpreted. */
  translations?: Translations | undefined;
}

export class BareMachine implements Bus {
  readonly core;
  readonly harts: Harts;
  readonly quantum: number;
  text = "";
  finished = false;
  executed = 0;
  idleNs = 0;
  #msip: number[];
  #compare: bigint[];
  /** What mtime is ahead of the time that has passed. */
  #offset = 0n;
  #waiting: boolean[];
  #left: number;
  /** What the run in progress had to do before. */
  #before = 0;

  constructor(elf: Uint8Array, { harts = 1, ramPages = 2048, quantum = 1000, translations }: BareOptions = {}) {
    this.core = createRv64Core({ ...rv64Modules, translations }, { ramPages, ramBase: RAM_BASE, bus: this, harts });
    this.harts = this.core.harts!;
    this.quantum = quantum;
    this.#left = quantum;
    this.#msip = Array(harts).fill(0);
    this.#compare = Array(harts).fill(2n ** 64n - 1n);
    this.#waiting = Array(harts).fill(false);
    this.core.pageFlags.fill(PageFlag.present);
    const { entry, segments } = readElf(elf);
    for (const { address, bytes } of segments) this.core.ram.set(bytes, address - RAM_BASE);
    for (let page = 0; page < ramPages; page++) this.core.wrote(page);
    for (let hart = harts - 1; hart >= 0; hart--) {
      this.harts.select(hart);
      this.core.setPc(BigInt(entry));
    }
  }

  get timeNs(): number {
    return this.executed + this.idleNs;
  }

  #nowTicks(): bigint {
    return BigInt(Math.floor((this.#before + this.core.executedNow() + this.idleNs) / NS_PER_TICK)) + this.#offset;
  }

  read(address: number, _size: AccessSize): bigint | null {
    if (address >= UART && address < UART + 8) return address === UART + 5 ? 0x60n : 0n;
    if (address === TIME) return this.#nowTicks();
    const hart = (address - TIMECMP) / 8;
    return this.#compare[hart] ?? null;
  }

  write(address: number, _size: AccessSize, value: bigint): boolean {
    if (address >= UART && address < UART + 8) {
      if (address === UART) this.text += String.fromCharCode(Number(value));
      return true;
    }
    this.core.attention();
    if (address === FINISHER) this.finished = true;
    else if (address === TIME) {
      this.#offset += value - this.#nowTicks();
      this.harts.setTimeOffset(this.#offset);
    } else if (address >= TIMECMP && (address - TIMECMP) / 8 < this.harts.count)
      this.#compare[(address - TIMECMP) / 8] = value;
    else if (address >= CLINT && (address - CLINT) / 4 < this.harts.count)
      this.#msip[(address - CLINT) / 4] = Number(value & 1n);
    else return false;
    return true;
  }

  /** What is due is asserted; whoever waited for it goes on; a turn that is over goes to the next that can run. */
  settle(): boolean {
    const { harts } = this;
    harts.setTime(this.timeNs);
    for (let hart = 0; hart < harts.count; hart++) {
      const due = this.#compare[hart]! - this.#offset <= BigInt(Math.floor(this.timeNs / NS_PER_TICK));
      harts.setLines(hart, (this.#msip[hart]! << 3) | (due ? 1 << 7 : 0));
      if (harts.isAwake(hart)) this.#waiting[hart] = false;
    }
    if (this.#left <= 0 || this.#waiting[harts.selected]) {
      const order = Array.from({ length: harts.count }, (_, i) => (harts.selected + 1 + i) % harts.count);
      const next = order.find((hart) => !this.#waiting[hart]);
      if (next === undefined) return false;
      harts.select(next);
      this.#left = this.quantum;
    }
    harts.settle();
    return true;
  }

  /** When something is due next by itself. */
  #nextNs(): number {
    const due = this.#compare
      .map((ticks) => Number(ticks - this.#offset) * NS_PER_TICK)
      .filter((ns) => ns > this.timeNs && ns < 2 ** 53);
    const timers = Array.from({ length: this.harts.count }, (_, hart) => this.harts.timerDueNs(hart));
    return Math.min(Number.POSITIVE_INFINITY, ...due, ...timers);
  }

  /** Runs until the program has finished, or `limit` instructions have been executed; in calls of at most `slice`. */
  run(limit: number, slice = 100_000): void {
    while (!this.finished && this.executed < limit) {
      if (!this.settle()) {
        const next = this.#nextNs();
        if (next === Number.POSITIVE_INFINITY) throw new Error("all harts wait for ever");
        this.idleNs += next - this.timeNs;
        continue;
      }
      this.#before = this.executed;
      const stop = this.core.run(Math.min(slice, limit - this.executed, this.#left, this.#nextNs() - this.timeNs));
      this.executed += this.core.executed();
      this.#left -= this.core.executed();
      if (stop === CoreStop.waitForInterrupt) this.#waiting[this.harts.selected] = true;
      if (stop === CoreStop.needPage) this.core.pageFlags[this.core.faultPage()]! |= PageFlag.present;
    }
  }
}
