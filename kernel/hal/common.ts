/** The parts of the HAL that are the same for every instruction set. */
import * as clocks from "../hardware/clock/clock.ts";
import type { ClockState } from "../hardware/clock/state.ts";
import type { Ram } from "../hardware/memory/ram.ts";
import type { UartState } from "../hardware/uart/state.ts";
import * as uarts from "../hardware/uart/uart.ts";
import type { Trace } from "../trace/define.ts";
import type { PhysicalMemory, Serial, Timer } from "./types.ts";

export const memoryOver = (ram: Ram): PhysicalMemory => ({
  frames: ram.pages,
  read: (frame) => ram.read(frame),
  write: (frame) => ram.write(frame),
  getWord: (frame, index) => ram.getWord(frame, index),
  setWord: (frame, index, value) => ram.setWord(frame, index, value),
  nextWord: (frame, from, to) => ram.nextWord(frame, from, to),
  copyOut: (frame, from, to, target, at) => ram.copyOut(frame, from, to, target, at),
  copyIn: (frame, to, source, at, count) => ram.copyIn(frame, to, source, at, count),
  clear: (frame) => ram.clear(frame),
});

export const timerOver = (clock: ClockState): Timer => ({
  nowNs: () => clocks.timeNs(clock),
  nsOf: (instructions) => instructions * clocks.nsPerInstruction,
  instructions: () => clock.instructions,
  setThreadTimeout: (thread, dueNs) => clocks.schedule(clock, dueNs, "threadTimeout", thread),
  cancelThreadTimeout: (thread, dueNs) => clocks.cancel(clock, "threadTimeout", thread, dueNs),
  setTimer: (timer, dueNs) => clocks.schedule(clock, dueNs, "timer", timer),
  cancelTimer: (timer, dueNs) => clocks.cancel(clock, "timer", timer, dueNs),
});

export const serialOver = (uart: UartState, trace: Trace): Serial => ({
  available: () => uart.received.length,
  ended: () => uart.ended,
  peek: (most) => uart.received.slice(0, most),
  drop: (count) => uarts.drop(uart, count),
  write: (bytes) => uarts.transmit(uart, trace, bytes),
});
