/**
 * The serial port of a machine of our own kernel, for a program that drives its registers itself.
 *
 * The kernel drives the console's line until somebody touches the registers; from then on what is typed goes there,
 * and to nobody who reads the console as a file, until `release`. What is written goes to the console from both.
 */
import { createBus } from "../bus/bus.ts";
import type { Wiring } from "../bus/device.ts";
import { addressMap } from "../bus/map.ts";
import type { Bus } from "../cpu/core.ts";
import { initUart16550, type Uart16550State } from "./state.ts";
import { type SerialLine, uart16550Over } from "./uart16550.ts";

export interface DrivenUartState {
  registers: Uart16550State;
  /** A program has touched the registers. */
  driven: boolean;
  /** The level of the interrupt line. */
  raised: boolean;
}

export const initDrivenUart = (): DrivenUartState => ({ registers: initUart16550(), driven: false, raised: false });

export interface DrivenUart {
  readonly bus: Bus;
  /** Bytes have come: true if they are the registers'. */
  arrived(): boolean;
  /** A character's time-out has come due. */
  due(): void;
  /** Nobody has the registers any more. */
  release(): void;
}

/** `touched`: after each access; the machine is to look at the interrupt before the next instruction. */
export function drivenUart(
  state: DrivenUartState,
  line: SerialLine,
  wiring: Omit<Wiring, "setInterrupt">,
  touched: () => void,
): DrivenUart {
  const { uart } = addressMap;
  const device = uart16550Over(state.registers, line, uart.irq, {
    ...wiring,
    setInterrupt: (_irq, raised) => {
      state.raised = raised;
    },
  });
  const block = { name: "uart", base: uart.base, bytes: uart.bytes, device };
  const registers = createBus([block], { touched, trace: wiring.trace });
  const take = (): void => {
    if (state.driven) return;
    state.driven = true;
    device.lineChanged();
  };
  return {
    bus: {
      read(address, size) {
        take();
        return registers.read(address, size);
      },
      write(address, size, value) {
        take();
        return registers.write(address, size, value);
      },
    },
    arrived() {
      if (state.driven) device.lineChanged();
      return state.driven;
    },
    due: () => device.due?.(0),
    release() {
      if (!state.driven) return;
      state.driven = false;
      // Without a program's interrupts and with the line left alone.
      device.reset();
      state.raised = false;
    },
  };
}
