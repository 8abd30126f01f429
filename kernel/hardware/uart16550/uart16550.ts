/**
 * The 16550A: registers, FIFOs and interrupts of the machine's serial port.
 *
 * The line behind it (`SerialLine`) keeps what was received until the FIFO has room, so nothing is lost however slow
 * the driver is, and takes what is sent at once: the transmitter is always empty, and its interrupt comes with the
 * write. Baud rates only decide how long a character time-out is.
 */
import type { Device, Wiring } from "../bus/device.ts";
import type { Register } from "../bus/registers.ts";
import * as clocks from "../clock/clock.ts";
import { initUart16550, type Uart16550State } from "./state.ts";

export interface SerialLine {
  available(): number;
  /** Takes the oldest bytes, at most so many. */
  take(most: number): Uint8Array;
  send(bytes: Uint8Array): void;
}

export interface Uart16550 extends Device {
  /** The line has got bytes. */
  lineChanged(): void;
}

/** Input clock in hertz; the divisor's unit is a sixteenth of a bit's time. */
export const uartClockHz = 3_686_400;

const Ier = { received: 1, transmitterEmpty: 2, lineStatus: 4, modemStatus: 8 } as const;
const Iir = { modemStatus: 0, none: 1, transmitterEmpty: 2, received: 4, lineStatus: 6, timeout: 0xc, fifosOn: 0xc0 };
const Fcr = { enable: 1, clearReceive: 2, kept: 0xc9 } as const;
const Lcr = { divisorLatch: 0x80 } as const;
const Mcr = { loopback: 0x10, kept: 0x1f } as const;
const Lsr = { dataReady: 1, overrun: 2, transmitterEmpty: 0x60 } as const;
/** What a terminal at the other end drives: carrier, data set ready, clear to send. */
const terminalLines = 0xb0;
const fifoDepth = 16;
const triggerLevels = [1, 4, 8, 14] as const;

const fifosOn = (state: Uart16550State): boolean => (state.fifoControl & Fcr.enable) !== 0;
const depthOf = (state: Uart16550State): number => (fifosOn(state) ? fifoDepth : 1);
const triggerOf = (state: Uart16550State): number => (fifosOn(state) ? triggerLevels[state.fifoControl >> 6]! : 1);

/** Four characters of ten bits. */
const timeoutNs = (state: Uart16550State): number =>
  Math.ceil((4 * 10 * 16 * 1e9 * Math.max(1, state.divisor)) / uartClockHz);

/** In loopback the modem's outputs are its inputs: RTS is CTS, DTR is DSR, OUT1 is RI, OUT2 is DCD. */
function modemLines({ modemControl: mcr }: Uart16550State): number {
  if ((mcr & Mcr.loopback) === 0) return terminalLines;
  return ((mcr & 2) << 3) | ((mcr & 1) << 5) | ((mcr & 4) << 4) | ((mcr & 8) << 4);
}

/** The interrupt of highest priority, as IIR names it. */
function interruptOf(state: Uart16550State): number {
  const { interruptEnable: enabled, fifo } = state;
  if ((enabled & Ier.lineStatus) !== 0 && state.overrun) return Iir.lineStatus;
  if ((enabled & Ier.received) !== 0) {
    if (fifo.length >= triggerOf(state)) return Iir.received;
    if (state.timedOut) return Iir.timeout;
  }
  if ((enabled & Ier.transmitterEmpty) !== 0 && state.transmitterEmptied) return Iir.transmitterEmpty;
  return (enabled & Ier.modemStatus) !== 0 && state.modemDelta !== 0 ? Iir.modemStatus : Iir.none;
}

/** What the registers do; the interrupt line follows after each of them. */
function actionsOf(state: Uart16550State, line: SerialLine, fifoChanged: () => void) {
  const refill = (): void => {
    const isLooped = (state.modemControl & Mcr.loopback) !== 0;
    const room = isLooped ? 0 : depthOf(state) - state.fifo.length;
    if (room > 0 && line.available() > 0) state.fifo.push(...line.take(room));
    fifoChanged();
  };
  return {
    refill,
    receive(): number {
      const byte = state.fifo.shift() ?? 0;
      state.timedOut = false;
      refill();
      return byte;
    },
    transmit(byte: number): void {
      state.transmitterEmptied = true;
      if ((state.modemControl & Mcr.loopback) === 0) line.send(Uint8Array.of(byte));
      else if (state.fifo.length >= depthOf(state)) state.overrun = true;
      else {
        state.fifo.push(byte);
        fifoChanged();
      }
    },
    setInterruptEnable(value: number): void {
      const turnedOn = value & ~state.interruptEnable;
      state.interruptEnable = value & 0xf;
      if ((turnedOn & Ier.transmitterEmpty) !== 0) state.transmitterEmptied = true;
    },
    identify(): number {
      const interrupt = interruptOf(state);
      if (interrupt === Iir.transmitterEmpty) state.transmitterEmptied = false;
      return interrupt | (fifosOn(state) ? Iir.fifosOn : 0);
    },
    setFifoControl(value: number): void {
      const toggled = ((value ^ state.fifoControl) & Fcr.enable) !== 0;
      if (toggled || (value & Fcr.clearReceive) !== 0) Object.assign(state, { fifo: [], timedOut: false });
      state.fifoControl = (value & Fcr.enable) === 0 ? 0 : value & Fcr.kept;
      refill();
    },
    setModemControl(value: number): void {
      const before = modemLines(state);
      state.modemControl = value & Mcr.kept;
      const changed = before ^ modemLines(state);
      // Of the ring indicator only its end counts.
      const ringEnded = (changed & before & 0x40) >> 4;
      state.modemDelta |= ((changed >> 4) & 0xb) | ringEnded;
      refill();
    },
    lineStatus(): number {
      const status = (state.fifo.length > 0 ? Lsr.dataReady : 0) | (state.overrun ? Lsr.overrun : 0);
      state.overrun = false;
      return status | Lsr.transmitterEmpty;
    },
    modemStatus(): number {
      const status = modemLines(state) | state.modemDelta;
      state.modemDelta = 0;
      return status;
    },
  };
}

type Actions = ReturnType<typeof actionsOf>;

function registersOf(state: Uart16550State, actions: Actions, after: () => void): Register[] {
  const divisorLatched = (): boolean => (state.lineControl & Lcr.divisorLatch) !== 0;
  const register = (name: string, offset: number, read: () => number, write: (value: number) => void): Register => ({
    name,
    offset,
    bytes: 1,
    read() {
      const value = read();
      after();
      return value;
    },
    write(_, value) {
      write(value);
      after();
    },
  });
  const ignored = (): void => {};
  return [
    register(
      "RBR/THR/DLL",
      0,
      () => (divisorLatched() ? state.divisor & 0xff : actions.receive()),
      (value) => {
        if (divisorLatched()) state.divisor = (state.divisor & 0xff00) | value;
        else actions.transmit(value);
      },
    ),
    register(
      "IER/DLM",
      1,
      () => (divisorLatched() ? state.divisor >> 8 : state.interruptEnable),
      (value) => {
        if (divisorLatched()) state.divisor = (value << 8) | (state.divisor & 0xff);
        else actions.setInterruptEnable(value);
      },
    ),
    register("IIR/FCR", 2, actions.identify, actions.setFifoControl),
    register(
      "LCR",
      3,
      () => state.lineControl,
      (value) => void (state.lineControl = value),
    ),
    register("MCR", 4, () => state.modemControl, actions.setModemControl),
    register("LSR", 5, actions.lineStatus, ignored),
    register("MSR", 6, actions.modemStatus, ignored),
    register(
      "SCR",
      7,
      () => state.scratch,
      (value) => void (state.scratch = value),
    ),
  ];
}

export function uart16550Over(
  state: Uart16550State,
  line: SerialLine,
  irq: number,
  { clock, now, setInterrupt }: Wiring,
): Uart16550 {
  /** A time-out runs while bytes wait below the trigger level, from when the last one came or was read. */
  const armTimeout = (): void => {
    clocks.cancel(clock, "uartTimeout", 0);
    const waits = fifosOn(state) && !state.timedOut && state.fifo.length > 0 && state.fifo.length < triggerOf(state);
    if (waits) clocks.schedule(clock, now() + timeoutNs(state), "uartTimeout", 0);
  };
  const update = (): void => setInterrupt(irq, interruptOf(state) !== Iir.none);
  const actions = actionsOf(state, line, armTimeout);
  return {
    registers: registersOf(state, actions, update),
    due() {
      state.timedOut = true;
      update();
    },
    lineChanged() {
      actions.refill();
      update();
    },
    reset() {
      clocks.cancel(clock, "uartTimeout", 0);
      Object.assign(state, initUart16550());
      actions.refill();
      update();
    },
  };
}
