/** The real-time clock (goldfish): nanoseconds since 1970 by virtual time, with an alarm. */
import type { Device, Wiring } from "../bus/device.ts";
import type { Register } from "../bus/registers.ts";
import * as clocks from "../clock/clock.ts";
import type { RtcState } from "./state.ts";

const low = (value: bigint): number => Number(BigInt.asUintN(32, value));
const high = (value: bigint): number => Number(BigInt.asUintN(32, value >> 32n));
const join = (highWord: number, lowWord: number): bigint => (BigInt(highWord) << 32n) | BigInt(lowWord);

function actionsOf(state: RtcState, irq: number, { clock, now, setInterrupt }: Wiring) {
  const nowNs = (): bigint => BigInt.asUintN(64, state.epochNs + BigInt(now()));
  const update = (): void => setInterrupt(irq, state.pending && state.enabled);
  const setPending = (pending: boolean): void => {
    state.pending = pending;
    update();
  };
  const cancelAlarm = (): void => {
    clocks.cancel(clock, "rtcAlarm", 0);
    state.alarmNs = null;
  };
  /** An alarm in the past goes off at once. */
  const setAlarm = (alarmNs: bigint): void => {
    cancelAlarm();
    const dueNs = Number(alarmNs - nowNs()) + now();
    if (dueNs <= now()) {
      setPending(true);
      return;
    }
    state.alarmNs = alarmNs;
    if (Number.isSafeInteger(dueNs)) clocks.schedule(clock, dueNs, "rtcAlarm", 0);
  };
  return {
    nowNs,
    update,
    setPending,
    cancelAlarm,
    setAlarm,
    setTime(ns: bigint): void {
      state.epochNs = BigInt.asUintN(64, ns - BigInt(now()));
      if (state.alarmNs !== null) setAlarm(state.alarmNs);
    },
  };
}

function registersOf(state: RtcState, actions: ReturnType<typeof actionsOf>): Register[] {
  const register = (name: string, offset: number, read?: () => number, write?: (value: number) => void): Register => ({
    name,
    offset,
    bytes: 4,
    ...(read !== undefined && { read }),
    ...(write !== undefined && { write: (_, value) => write(value) }),
  });
  const readLow = (): number => {
    const ns = actions.nowNs();
    state.latchedHigh = high(ns);
    return low(ns);
  };
  const enable = (value: number): void => {
    state.enabled = (value & 1) !== 0;
    actions.update();
  };
  return [
    register("TIME_LOW", 0, readLow, (value) => actions.setTime(join(state.writtenHigh, value))),
    register(
      "TIME_HIGH",
      4,
      () => state.latchedHigh,
      (value) => void (state.writtenHigh = value),
    ),
    register(
      "ALARM_LOW",
      8,
      () => low(state.alarmNs ?? 0n),
      (value) => actions.setAlarm(join(state.alarmHigh, value)),
    ),
    register(
      "ALARM_HIGH",
      0xc,
      () => high(state.alarmNs ?? 0n),
      (value) => void (state.alarmHigh = value),
    ),
    register("IRQ_ENABLED", 0x10, () => Number(state.enabled), enable),
    register("CLEAR_ALARM", 0x14, undefined, actions.cancelAlarm),
    register("ALARM_STATUS", 0x18, () => Number(state.alarmNs !== null)),
    register("CLEAR_INTERRUPT", 0x1c, undefined, () => actions.setPending(false)),
  ];
}

export function rtcOver(state: RtcState, irq: number, wiring: Wiring): Device {
  const actions = actionsOf(state, irq, wiring);
  return {
    registers: registersOf(state, actions),
    due() {
      state.alarmNs = null;
      actions.setPending(true);
    },
    /** The time is battery-backed and stays. */
    reset() {
      actions.cancelAlarm();
      Object.assign(state, { latchedHigh: 0, writtenHigh: 0, alarmHigh: 0, enabled: false });
      actions.setPending(false);
    },
  };
}
