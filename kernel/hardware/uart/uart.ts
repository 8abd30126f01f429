import { limits } from "../../lib/limits.ts";
import type { Trace } from "../../trace/define.ts";
import { uartEnd, uartReceive, uartTransmit } from "../../trace/events/device.ts";
import type { UartState } from "./state.ts";

export const roomInUart = (uart: UartState): number => limits.consoleReceiveBytes - uart.received.length;

/** Bytes come in from outside. The caller has checked that there is room. */
export function receive(uart: UartState, trace: Trace, bytes: Uint8Array): void {
  const joined = new Uint8Array(uart.received.length + bytes.length);
  joined.set(uart.received);
  joined.set(bytes, uart.received.length);
  uart.received = joined;
  if (trace.on(uartReceive)) trace.write(uartReceive, { bytes });
}

export function hangUp(uart: UartState, trace: Trace): void {
  uart.ended = true;
  if (trace.on(uartEnd)) trace.write(uartEnd, {});
}

/** Takes the oldest bytes away. */
export function drop(uart: UartState, count: number): void {
  uart.received = uart.received.slice(count);
}

/** Sends bytes; returns the offset of the first one in everything ever sent. */
export function transmit(uart: UartState, trace: Trace, bytes: Uint8Array): number {
  const offset = uart.transmitted;
  uart.transmitted += bytes.length;
  if (trace.on(uartTransmit)) trace.write(uartTransmit, { bytes });
  return offset;
}
