/** The registers of a 16550A whose other end is the console's serial line (../uart). */
export interface Uart16550State {
  /** Received and not yet read; as many as the FIFO holds (one when it is off). */
  fifo: number[];
  interruptEnable: number;
  fifoControl: number;
  lineControl: number;
  modemControl: number;
  /** Changes of the modem lines since MSR was read. */
  modemDelta: number;
  scratch: number;
  divisor: number;
  /** The transmitter has become empty since its interrupt was last seen. */
  transmitterEmptied: boolean;
  /** Bytes below the trigger level have waited for four characters' time. */
  timedOut: boolean;
  /** In loopback a byte came that had no room. */
  overrun: boolean;
}

export const initUart16550 = (): Uart16550State => ({
  fifo: [],
  interruptEnable: 0,
  fifoControl: 0,
  lineControl: 0,
  modemControl: 0,
  modemDelta: 0,
  scratch: 0,
  divisor: 12,
  transmitterEmptied: false,
  timedOut: false,
  overrun: false,
});
