/**
 * A machine that boots bare: the board at the core's bus, images in RAM, and harts that begin at the firmware.
 *
 * The core asks a bus for devices, and devices ask the core for time: so the bus is a socket into which the board is
 * plugged once both are there.
 */
import { type Board, createBoard } from "../../hardware/board/board.ts";
import { leavingRom } from "../../hardware/board/rom.ts";
import { dmaOver } from "../../hardware/bus/dma.ts";
import * as clocks from "../../hardware/clock/clock.ts";
import type { Bus, Core, HartState, Harts } from "../../hardware/cpu/core.ts";
import * as uarts from "../../hardware/uart/uart.ts";
import type { SerialLine } from "../../hardware/uart16550/uart16550.ts";
import { assert, KernelBug, must } from "../../lib/assert.ts";
import type { TaskId } from "../../lib/ids.ts";
import { randomBytes } from "../../lib/random.ts";
import { mustYield } from "../control.ts";
import type { MachinePorts } from "../face.ts";
import type { Kernel } from "../kernel.ts";
import type { BareBoot } from "../types.ts";
import { bootPieces, planBoot } from "./images.ts";
import type { BareState } from "./state.ts";

export interface Bare {
  readonly state: BareState;
  readonly boot: BareBoot;
  readonly board: Board;
  readonly harts: Harts;
  /** While harts execute: instructions that are not on the clock yet. */
  ahead(): number;
  readonly progress: {
    isExecuting: boolean;
    /** Devices may be about to touch pages that are absent. */
    looksAhead: boolean;
  };
  /** Harts as the core makes them. */
  readonly newHarts: readonly HartState[];
}

/** A bus that answers nothing until something is plugged in. */
export interface BusSocket extends Bus {
  plug(bus: Bus): void;
}

export function busSocket(): BusSocket {
  let plugged: Bus | null = null;
  return {
    plug(bus) {
      plugged = bus;
    },
    read: (address, size) => plugged?.read(address, size) ?? null,
    write: (address, size, value) => plugged?.write(address, size, value) ?? false,
  };
}

/** Of randomness in the device tree. */
const seedBytes = 32;
/** Output comes from no task. */
const noTask = 0 as TaskId;

/** The console's line, as the board's devices see it. */
function consoleLine(k: Kernel): SerialLine {
  const { uart } = k.state.hardware;
  return {
    available: () => uart.received.length,
    take(most) {
      const bytes = uart.received.slice(0, most);
      uarts.drop(uart, bytes.length);
      return bytes;
    },
    send(bytes) {
      const offset = uarts.transmit(uart, k.trace, bytes);
      k.outbox.put({ kind: "console", offset, bytes, task: noTask });
    },
  };
}

/** The board of a machine, plugged into the core's bus. The core is as new. */
export function assembleBare(k: Kernel, state: BareState, socket: BusSocket, ports: MachinePorts): Bare {
  const { core, ram } = k;
  const { clock } = k.state;
  const harts = must(core.harts ?? undefined, "a bare machine's core has harts");
  const progress = { isExecuting: false, looksAhead: true };
  const ahead = (): number => (progress.isExecuting ? core.executedNow() : 0);
  const board = createBoard(state.board, {
    ram,
    clock,
    trace: k.trace,
    effort: k.effort,
    random: k.random,
    line: consoleLine(k),
    frameLeft: (bytes, sequence) =>
      k.outbox.put({
        kind: "frame",
        sequence,
        at: { instructions: clock.instructions, timeNs: clocks.timeNs(clock) },
        bytes,
      }),
    now: () => clocks.timeNs(clock) + ahead() * clocks.nsPerInstruction,
    timeSet(offsetTicks) {
      harts.setTimeOffset(offsetTicks);
      // Timers may be due, or not any more.
      core.attention();
    },
    dropReservations: () => core.clearReservation(),
    attention: () => core.attention(),
    exhausted: () => mustYield(k),
    content: k.content,
    fetchPage: (page) => ports.fetchPages([page])[0]!,
  });
  harts.setTimeOffset(state.board.clint.offsetTicks);
  socket.plug(board.bus);
  const boot = must(k.config.boot, "a bare machine says what it boots");
  return { state, boot, board, harts, progress, ahead, newHarts: saveHarts(core) };
}

/** Every hart's state; the selected one stays selected, and keeps what it has reserved. */
export function saveHarts(core: Core): HartState[] {
  const { harts } = core;
  const live = core.saveHart();
  if (harts === null) return [live];
  const { selected } = harts;
  const states = Array.from({ length: harts.count }, (_, hart) => {
    if (hart === selected) return live;
    harts.select(hart);
    return core.saveHart();
  });
  harts.select(selected);
  core.loadHart(live);
  return states;
}

/** `selected` goes on executing. */
export function loadHarts(core: Core, states: readonly HartState[], selected: number): void {
  for (const [hart, state] of states.entries()) {
    core.harts?.select(hart);
    core.loadHart(state);
  }
  core.harts?.select(selected);
  core.loadHart(states[selected]!);
}

/** Images come to where they belong, and all harts to the firmware: at the beginning, and when the machine resets. */
export function powerOn(k: Kernel, bare: Bare): void {
  const { state, boot } = bare;
  const layout = planBoot(k.config.memoryBytes, boot, k.content);
  if (!("tree" in layout)) throw new KernelBug(`boot.${layout.field}: ${layout.message}`);
  const facts = {
    harts: boot.harts,
    memoryBytes: k.config.memoryBytes,
    virtioSlots: state.board.virtio.length,
    commandLine: boot.commandLine,
    seed: randomBytes(k.random, seedBytes),
    console: boot.console,
  };
  const dma = dmaOver(k.ram, k.effort);
  for (const { address, bytes, memoryBytes } of bootPieces(layout, boot, facts, k.content)) {
    assert(dma.write(address, bytes), "a boot image lies in RAM");
    dma.write(address + bytes.length, new Uint8Array(memoryBytes - bytes.length));
  }
  const vector = { firmware: layout.firmware.entry, tree: layout.tree, next: layout.kernel?.entry ?? 0 };
  Object.assign(state.board.reset, vector);
  const harts = bare.newHarts.map((hart, index) => {
    const x = hart.x.slice();
    for (const [register, value] of leavingRom(vector, index)) x[register] = value;
    return { ...hart, x, pc: BigInt(vector.firmware) };
  });
  loadHarts(k.core, harts, 0);
  Object.assign(state.turn, { hart: 0, quantumLeft: 0, waiting: new Uint8Array(boot.harts) });
}

/** The guest has asked for a reset: devices and harts begin anew; other RAM, disks and time stay. */
export function resetBare(k: Kernel, bare: Bare): void {
  bare.board.reset();
  powerOn(k, bare);
  k.outbox.put({ kind: "power", event: "reset", code: 0 });
}
