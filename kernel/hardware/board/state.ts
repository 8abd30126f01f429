/** All devices of the board. A machine of our own kernel has none of them. */
import { type ClintState, initClint } from "../clint/state.ts";
import { type DiskSpec, type DiskState, initDisk } from "../disk/state.ts";
import { initNetwork, type NetworkSpec, type NetworkState } from "../network/state.ts";
import { initPlic, type PlicState } from "../plic/state.ts";
import { initUart16550, type Uart16550State } from "../uart16550/state.ts";
import { initVirtio, type VirtioState } from "../virtio/state.ts";
import type { ResetVector } from "./rom.ts";
import { initStandalones, type StandaloneStates } from "./standalone.ts";

export interface BoardSpec {
  harts: number;
  realtimeEpochNs: bigint;
  disks: readonly DiskSpec[];
  /** null: no network device. */
  network: NetworkSpec | null;
  /** Which device gets what is typed at the console; both can write to it. */
  console: "uart" | "virtio";
}

/** What is plugged into a virtio slot. */
export type VirtioKind = "block" | "net" | "console" | "entropy";

export interface SlotState {
  kind: VirtioKind;
  /** Which one of the disks. */
  disk: number;
  transport: VirtioState;
}

export interface BoardState extends StandaloneStates {
  /** What the reset ROM says. */
  reset: ResetVector;
  clint: ClintState;
  plic: PlicState;
  uart: Uart16550State;
  disks: DiskState[];
  network: NetworkState;
  console: "uart" | "virtio";
  /** By slot. */
  virtio: SlotState[];
}

const queuesOf: Readonly<Record<VirtioKind, number>> = { block: 1, net: 2, console: 2, entropy: 1 };

const slot = (kind: VirtioKind, disk = 0): SlotState => ({ kind, disk, transport: initVirtio(queuesOf[kind]) });

export const initBoard = (spec: BoardSpec): BoardState => ({
  reset: { firmware: 0, tree: 0, next: 0 },
  clint: initClint(spec.harts),
  plic: initPlic(spec.harts),
  uart: initUart16550(),
  ...initStandalones(spec),
  disks: spec.disks.map(initDisk),
  network: initNetwork(spec.network),
  console: spec.console,
  virtio: [
    ...spec.disks.map((_, disk) => slot("block", disk)),
    ...(spec.network === null ? [] : [slot("net")]),
    slot("entropy"),
    slot("console"),
  ],
});
