/**
 * Virtual time and the queue of what is going to happen at a known time.
 *
 * Time is instructions executed (one nanosecond each) plus idleness skipped, so it only grows, and every run of
 * the same journal sees the same time at the same instruction.
 */
export interface ClockState {
  instructions: number;
  idleNs: number;
  /** Sorted by dueNs, then by order of scheduling. */
  events: ClockEvent[];
  nextOrder: number;
}

/** `kind` says whose event it is, `subject` which of its things (a thread id, a queue number) it concerns. */
export interface ClockEvent {
  dueNs: number;
  order: number;
  kind: ClockEventKind;
  subject: number;
}

export type ClockEventKind = "threadTimeout" | "timer" | DeviceEventKind;

/** Of devices; the board knows whose they are. */
export type DeviceEventKind = "clintTimer" | "rtcAlarm" | "uartTimeout" | "virtioQueue";

export const initClock = (): ClockState => ({ instructions: 0, idleNs: 0, events: [], nextOrder: 1 });
