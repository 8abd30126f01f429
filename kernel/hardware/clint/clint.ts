/**
 * The core-local interruptor: software interrupts between harts, and the machine timer (SiFive's layout).
 *
 * `mtime` is virtual time in ticks of 100 ns (timebase-frequency 10 MHz), or ahead of that or behind when it was written;
 * its highest bit is not kept, so that it never wraps around. A timer's interrupt is a
 * comparison that is made when somebody asks; the clock has an event at the tick from which it holds, so that the
 * machine stops there and asks.
 */
import type { Device, Wiring } from "../bus/device.ts";
import * as clocks from "../clock/clock.ts";
import type { ClintState } from "./state.ts";

export const nsPerTick = 100;
/** Ticks in a second. */
export const timebaseHz = 1e9 / nsPerTick;

/** Bits of mip. */
export const softwareInterrupt = 1 << 3;
export const timerInterrupt = 1 << 7;

const ticks = (ns: number): number => Math.floor(ns / nsPerTick);

/** Virtual time from which the hart's timer interrupt is pending; beyond 2^53 exactness does not matter any more. */
function timerDueNs({ mtimecmp, offsetTicks }: ClintState, hart: number): number {
  const [lowWord, highWord] = [mtimecmp[2 * hart]!, mtimecmp[2 * hart + 1]!];
  if (offsetTicks === 0n) return (highWord * 2 ** 32 + lowWord) * nsPerTick;
  return Number(((BigInt(highWord) << 32n) | BigInt(lowWord)) - offsetTicks) * nsPerTick;
}

export function clintLines(state: ClintState, hart: number, nowNs: number): number {
  const software = state.msip[hart] === 0 ? 0 : softwareInterrupt;
  return software | (ticks(nowNs) * nsPerTick >= timerDueNs(state, hart) ? timerInterrupt : 0);
}

/** `timeSet`: mtime is so many ticks ahead of virtual time from now on. */
export function clintOver(state: ClintState, { clock, now }: Wiring, timeSet: (offsetTicks: bigint) => void): Device {
  const harts = state.msip.length;
  const arm = (hart: number): void => {
    clocks.cancel(clock, "clintTimer", hart);
    const dueNs = timerDueNs(state, hart);
    if (dueNs > now() && Number.isSafeInteger(dueNs)) clocks.schedule(clock, dueNs, "clintTimer", hart);
  };
  const mtime = (): bigint => BigInt(ticks(now())) + state.offsetTicks;
  const setOffset = (offsetTicks: bigint): void => {
    state.offsetTicks = offsetTicks;
    for (let hart = 0; hart < harts; hart++) arm(hart);
    timeSet(offsetTicks);
  };
  return {
    registers: [
      {
        name: "msip",
        offset: 0,
        bytes: 4,
        count: harts,
        read: (hart) => state.msip[hart]!,
        write: (hart, value) => void (state.msip[hart] = value & 1),
      },
      {
        name: "mtimecmp",
        offset: 0x4000,
        bytes: 4,
        count: 2 * harts,
        widths: [4, 8],
        read: (word) => state.mtimecmp[word]!,
        write(word, value) {
          state.mtimecmp[word] = value;
          arm(word >> 1);
        },
      },
      {
        name: "mtime",
        offset: 0xbff8,
        bytes: 4,
        count: 2,
        widths: [4, 8],
        read: (word) => Number(BigInt.asUintN(32, mtime() >> BigInt(32 * word))),
        write(word, value) {
          const kept = mtime() & (0xffff_ffffn << BigInt(32 * (1 - word)));
          const written = BigInt.asUintN(63, kept | (BigInt(value) << BigInt(32 * word)));
          setOffset(written - BigInt(ticks(now())));
        },
      },
    ],
    reset() {
      setOffset(0n);
      for (let hart = 0; hart < harts; hart++) {
        clocks.cancel(clock, "clintTimer", hart);
        state.msip[hart] = 0;
        state.mtimecmp.fill(0xffff_ffff, 2 * hart, 2 * hart + 2);
      }
    },
  };
}
