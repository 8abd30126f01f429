/** The serial port of a machine of our own kernel, wired to its console, its clock and its core. */
import { dmaOver } from "../hardware/bus/dma.ts";
import * as clocks from "../hardware/clock/clock.ts";
import * as uarts from "../hardware/uart/uart.ts";
import { type DrivenUart, drivenUart } from "../hardware/uart16550/driven.ts";
import type { SerialLine } from "../hardware/uart16550/uart16550.ts";
import { consoleIrq, interrupt } from "../ipc/sel4/irq.ts";
import { signals } from "../lib/signals.ts";
import { getThread } from "../thread/blocking.ts";
import { countOutput, outputLeft } from "../thread/jobs.ts";
import type { Task } from "../thread/state.ts";
import { killTask, taskOf } from "../thread/tasks.ts";
import type { BusSocket } from "./bare/bare.ts";
import type { Kernel } from "./kernel.ts";

/** Whose instruction it is that touches the registers. */
const driver = (k: Kernel): Task => taskOf(k, getThread(k, k.sched.current!));

const lineOf = (k: Kernel): SerialLine => ({
  available: () => k.state.hardware.uart.received.length,
  take(most) {
    const { uart } = k.state.hardware;
    const bytes = uart.received.slice(0, most);
    uarts.drop(uart, bytes.length);
    return bytes;
  },
  send(bytes) {
    const task = driver(k);
    countOutput(k, task, bytes.length);
    k.outlet.console(task.id, uarts.transmit(k.state.hardware.uart, k.trace, bytes), bytes);
  },
});

export function assembleSerialPort(k: Kernel, socket: BusSocket): DrivenUart {
  const { clock, hardware } = k.state;
  const wiring = {
    // Only ever during an access, or between two instructions.
    now: () => clocks.timeNs(clock) + (k.isExecuting ? k.core.executedNow() * clocks.nsPerInstruction : 0),
    clock,
    trace: k.trace,
    dma: dmaOver(k.ram, k.effort),
    random: k.random,
  };
  const port = drivenUart(hardware.port, lineOf(k), wiring, () => k.core.attention());
  socket.plug(port.bus);
  return port;
}

/** Between two instructions: a line that is up interrupts whoever handles it, and too much output ends its task. */
export function settlePort(k: Kernel): void {
  const { driven, raised } = k.state.hardware.port;
  if (!driven) return;
  const line = k.sel4.irqs.get(consoleIrq);
  if (raised && line !== undefined && !line.masked) interrupt(k, consoleIrq);
  for (const task of k.threads.tasks.values())
    if (outputLeft(k, task) < 0) {
      killTask(k, task, signals.SIGXFSZ);
      return;
    }
}
