/** The kernel's clocks. All of them are virtual: they follow from the machine's position. */
import type { Hal } from "../hal/types.ts";
import { limits } from "../lib/limits.ts";

export interface TimeKernel {
  readonly hal: Hal;
  readonly config: { readonly realtimeEpochNs: bigint };
}

export const monotonicNs = (k: Pick<TimeKernel, "hal">): number => k.hal.timer.nowNs();

export const realtimeNs = (k: TimeKernel): bigint => k.config.realtimeEpochNs + BigInt(k.hal.timer.nowNs());

/** A deadline on the monotonic clock; null is never: what virtual time cannot reach. */
export function deadlineAt(ns: bigint): number | null {
  return ns >= BigInt(limits.timeNs) ? null : Number(ns < 0n ? 0n : ns);
}

export const deadlineAfter = (k: Pick<TimeKernel, "hal">, ns: bigint): number | null =>
  deadlineAt(BigInt(monotonicNs(k)) + ns);
