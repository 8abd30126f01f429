import { event } from "../define.ts";

export const uartReceive = event(0x0601, "device", "uart.receive", "Bytes arrived at the console's UART.", {
  bytes: "bytes",
});
export const uartEnd = event(0x0602, "device", "uart.end", "The far end of the console's UART hung up.", {});
export const uartTransmit = event(0x0603, "device", "uart.transmit", "Bytes left through the console's UART.", {
  bytes: "bytes",
});

export const deviceEvents = [uartReceive, uartEnd, uartTransmit] as const;
