/** A board without a core: RAM, a clock that the test moves, a serial line, and registers by address. */
import { type Board, createBoard } from "../../../kernel/hardware/board/board.ts";
import { type BoardSpec, type BoardState, initBoard } from "../../../kernel/hardware/board/state.ts";
import { addressMap } from "../../../kernel/hardware/bus/map.ts";
import * as clocks from "../../../kernel/hardware/clock/clock.ts";
import { initClock } from "../../../kernel/hardware/clock/state.ts";
import type { AccessSize } from "../../../kernel/hardware/cpu/core.ts";
import type { Ram } from "../../../kernel/hardware/memory/ram.ts";
import { defaultMac } from "../../../kernel/hardware/network/state.ts";
import { initRandom } from "../../../kernel/lib/random.ts";

export const ramBase = addressMap.ram.base;
export const ramPages = 256;

/** RAM that knows which pages were written. */
export class TestRam implements Ram {
  readonly pages = ramPages;
  readonly base = ramBase;
  readonly bytes = new Uint8Array(ramPages * 4096);
  readonly written = new Set<number>();

  isPresent = (): boolean => true;
  read = (page: number): Uint8Array => this.bytes.subarray(page * 4096, (page + 1) * 4096);
  write(page: number): Uint8Array {
    this.written.add(page);
    return this.read(page);
  }
  getWord = (): number => 0;
  nextWord = (_page: number, _from: number, to: number): number => to;
  setWord(): void {}
  copyOut(page: number, from: number, to: number, target: Uint8Array, at: number): void {
    target.set(this.read(page).subarray(from, to), at);
  }
  copyIn(page: number, to: number, source: Uint8Array, at: number, count: number): void {
    this.write(page).set(source.subarray(at, at + count), to);
  }
  clear(page: number): void {
    this.write(page).fill(0);
  }
  provide(): void {}
}

export interface RigOptions extends Partial<BoardSpec> {
  contents?: ReadonlyMap<string, Uint8Array>;
  state?: BoardState;
}

export function rig({ contents = new Map(), state: given, ...options }: RigOptions = {}) {
  const clock = initClock();
  const ram = new TestRam();
  const typed: number[] = [];
  const sent: number[] = [];
  const frames: { sequence: number; frame: Uint8Array }[] = [];
  const counts = { attentions: 0 };
  const effort = { spent: 0 };
  const offsets: bigint[] = [];
  const spec: BoardSpec = {
    harts: 2,
    realtimeEpochNs: 1_700_000_000_123_456_789n,
    disks: [],
    network: { cable: "responder", mac: defaultMac },
    console: "uart",
    ...options,
  };
  const state = given ?? initBoard(spec);
  const board: Board = createBoard(state, {
    ram,
    clock,
    trace: { on: () => false, watched: () => false, write() {} },
    effort,
    random: initRandom(7n),
    line: {
      available: () => typed.length,
      take: (most) => Uint8Array.from(typed.splice(0, most)),
      send: (bytes) => void sent.push(...bytes),
    },
    frameLeft: (frame, sequence) => void frames.push({ sequence, frame }),
    timeSet: (offsetTicks) => void offsets.push(offsetTicks),
    now: () => clocks.timeNs(clock),
    dropReservations() {},
    attention: () => void (counts.attentions += 1),
    exhausted: () => false,
    content: (hash, offset, length) => contents.get(hash)!.subarray(offset, offset + length),
    fetchPage: () => new Uint8Array(4096),
  });
  const { bus } = board;
  return {
    board,
    bus,
    clock,
    ram,
    state,
    counts,
    effort,
    offsets,
    sent,
    frames,
    type(text: string): void {
      typed.push(...Buffer.from(text));
      board.consoleArrived();
    },
    text: () => Buffer.from(sent).toString(),
    read: (address: number, size: AccessSize = 4): number => Number(bus.read(address, size) ?? Number.NaN),
    write: (address: number, value: number | bigint, size: AccessSize = 4): boolean =>
      bus.write(address, size, BigInt(value)),
    lines: (hart = 0): number => board.interruptLines()[hart]!,
    /** Lets time pass, event by event. */
    pass(ns: number): void {
      const end = clocks.timeNs(clock) + ns;
      for (;;) {
        clocks.skipTo(clock, Math.min(end, clocks.nextDueNs(clock)));
        const event = clocks.takeDue(clock);
        if (event === null) return;
        board.fire(event);
      }
    },
  };
}

export type Rig = ReturnType<typeof rig>;
