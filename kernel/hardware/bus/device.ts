/**
 * What a device is to the board: registers, and things that it does at times that it has scheduled itself.
 *
 * A device's state is plain data in the machine's tree; the device is only behaviour over it, and is made anew when a
 * machine is restored. So it must keep nothing of its own.
 */
import type { RandomState } from "../../lib/random.ts";
import type { Trace } from "../../trace/define.ts";
import type { ClockState } from "../clock/state.ts";
import type { Dma } from "./dma.ts";
import type { Register } from "./registers.ts";

export interface Device {
  readonly registers: readonly Register[];
  /** One of its events on the clock has come due. */
  due?(subject: number): void;
  /** The machine is reset: what the device's state was made with comes back. */
  reset(): void;
}

/** What a device sees of the machine around it. */
export interface Wiring {
  /** Virtual time of the instruction that is executing. */
  now(): number;
  readonly clock: ClockState;
  readonly trace: Trace;
  readonly dma: Dma;
  readonly random: RandomState;
  /** Sets the level of an interrupt line to the interrupt controller. */
  setInterrupt(irq: number, raised: boolean): void;
}
