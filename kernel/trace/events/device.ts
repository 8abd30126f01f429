import { event } from "../define.ts";

export const uartReceive = event(0x0601, "device", "uart.receive", "Bytes arrived at the console's UART.", {
  bytes: "bytes",
});
export const uartEnd = event(0x0602, "device", "uart.end", "The far end of the console's UART hung up.", {});
export const uartTransmit = event(0x0603, "device", "uart.transmit", "Bytes left through the console's UART.", {
  bytes: "bytes",
});

const access = { device: "text", offset: "u32", bytes: "u32", value: "u64" } as const;
export const deviceRead = event(0x0604, "device", "device.read", "An instruction read a device's register.", access);
export const deviceWrite = event(0x0605, "device", "device.write", "An instruction wrote a device's register.", access);
export const interruptLine = event(
  0x0606,
  "interrupt",
  "interrupt.line",
  "A device raised or lowered its interrupt line.",
  {
    irq: "u32",
    raised: "flag",
  },
);

const frame = { bytes: "bytes" } as const;
export const frameSent = event(0x0607, "device", "network.send", "A frame left the network device.", frame);
export const frameReceived = event(0x0608, "device", "network.receive", "A driver received a frame.", frame);

export const deviceEvents = [
  uartReceive,
  uartEnd,
  uartTransmit,
  deviceRead,
  deviceWrite,
  interruptLine,
  frameSent,
  frameReceived,
] as const;
