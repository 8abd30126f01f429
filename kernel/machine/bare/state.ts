/** What a machine that boots bare has besides: the board, and whose turn it is. */

import { type BoardState, initBoard } from "../../hardware/board/state.ts";
import type { BareBoot, MachineConfig } from "../types.ts";

export interface BareState {
  board: BoardState;
  turn: TurnState;
}

/** Harts take turns; their states are hardware.harts, but for the live one's. */
export interface TurnState {
  hart: number;
  quantumLeft: number;
  /** 1: the hart stands at a `wfi`, until an interrupt is pending that it has enabled. */
  waiting: Uint8Array;
}

export const initBare = ({ realtimeEpochNs }: MachineConfig, boot: BareBoot): BareState => ({
  board: initBoard({
    harts: boot.harts,
    realtimeEpochNs,
    disks: boot.disks,
    network: boot.network,
    console: boot.console,
  }),
  turn: { hart: 0, quantumLeft: 0, waiting: new Uint8Array(boot.harts) },
});
