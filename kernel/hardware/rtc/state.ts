/** Counts of nanoseconds since 1970, below 2^64, as low and high words. */
export interface RtcState {
  /** What the clock shows when virtual time is zero. */
  epochNs: bigint;
  /** Latched when the low word of the time is read. */
  latchedHigh: number;
  /** What the driver wrote of the time before its low word. */
  writtenHigh: number;
  alarmHigh: number;
  /** null: no alarm is set. */
  alarmNs: bigint | null;
  pending: boolean;
  enabled: boolean;
}

export const initRtc = (epochNs: bigint): RtcState => ({
  epochNs: BigInt.asUintN(64, epochNs),
  latchedHigh: 0,
  writtenHigh: 0,
  alarmHigh: 0,
  alarmNs: null,
  pending: false,
  enabled: false,
});
