/**
 * Everything that a machine is, but for the bytes of its RAM: one tree of plain data.
 *
 * Only null, boolean, number, bigint, string, array, plain record, Map with scalar keys, typed array. No object is
 * reachable twice; references are ids. States of older versions are brought up to date by snapshot/migrations.ts.
 */

import { type CapState, initCap } from "../cap/state.ts";
import { pageBytes } from "../hal/types.ts";
import type { TimingConfig } from "../hardware/cache/model.ts";
import { type ClockState, initClock } from "../hardware/clock/state.ts";
import type { HartState } from "../hardware/cpu/core.ts";
import { initUart, type UartState } from "../hardware/uart/state.ts";
import { type DrivenUartState, initDrivenUart } from "../hardware/uart16550/driven.ts";
import { initSel4, type Sel4State } from "../ipc/sel4/state.ts";
import { initSysv, type SysvState } from "../ipc/sysv/state.ts";
import { initRandom, type RandomState } from "../lib/random.ts";
import { initMm, type MmState } from "../mm/state.ts";
import { initSched, type SchedState } from "../sched/state.ts";
import { initThreads, type ThreadsState } from "../thread/state.ts";
import { initTty, type TtyState } from "../tty/state.ts";
import { type FilesState, initFiles } from "../vfs/state.ts";
import { type BareState, initBare } from "./bare/state.ts";
import type { BareBoot, MachineConfig } from "./types.ts";

/** What the host's control inputs decided. */
export interface ControlState {
  paused: boolean;
  /** Why, in the words of the `paused` output: "requested", "limit", or those of the pause. */
  reason: string;
  untilInstructions: number | null;
  untilTimeNs: number | null;
  /** What broke, when an invariant of the kernel did. */
  frozen: string | null;
  /** Why there is no first program, until the console has told it. */
  bootProblem: string | null;
}

export interface MachineState {
  version: 7;
  config: MachineConfig;
  clock: ClockState;
  control: ControlState;
  hardware: {
    harts: HartState[];
    uart: UartState;
    /** The timing model's area (hardware/cache/model.ts), where one is modelled. */
    timing: Uint8Array | null;
    /** The serial port's registers, for a program that has a capability to them; of a bare machine the board has them. */
    port: DrivenUartState;
    /** Of a machine that boots bare. */
    bare: BareState | null;
  };
  kernel: {
    mm: MmState;
    threads: ThreadsState;
    sched: SchedState;
    files: FilesState;
    tty: TtyState;
    cap: CapState;
    sel4: Sel4State;
    sysv: SysvState;
  };
  random: RandomState;
  trace: { sequence: number };
}

const copyTiming = ({ distances, ...timing }: TimingConfig): TimingConfig => ({
  instructions: { ...timing.instructions },
  data: { ...timing.data },
  second: { ...timing.second },
  instructionTlb: { ...timing.instructionTlb },
  dataTlb: { ...timing.dataTlb },
  memoryLatency: timing.memoryLatency,
  distances: distances.map((row) => [...row]),
});

const copyBoot = (boot: BareBoot): BareBoot => ({
  ...boot,
  firmware: { ...boot.firmware },
  kernel: boot.kernel === null ? null : { ...boot.kernel },
  initrd: boot.initrd === null ? null : { ...boot.initrd },
  disks: boot.disks.map((disk) => ({ ...disk, image: disk.image === null ? null : { ...disk.image } })),
});

const copyConfig = ({ physicalMemory: physical, timing, boot, ...config }: MachineConfig): MachineConfig => ({
  ...config,
  ...(timing !== undefined && { timing: copyTiming(timing) }),
  ...(boot !== undefined && { boot: copyBoot(boot) }),
  ...(physical !== undefined && {
    physicalMemory: { ...physical, setAside: physical.setAside.map((part) => ({ ...part })) },
  }),
  ...(config.init !== undefined && {
    init: { paths: [...config.init.paths], arguments: [...config.init.arguments] },
  }),
  environment: [...config.environment],
  files: config.files.map((file) => ({ ...file })),
  limits: { ...config.limits },
});

export const initState = (config: MachineConfig): MachineState => ({
  version: 7,
  config: copyConfig(config),
  clock: initClock(),
  control: {
    paused: config.startsPaused === true,
    reason: config.startsPaused === true ? "requested" : "",
    untilInstructions: null,
    untilTimeNs: null,
    frozen: null,
    bootProblem: null,
  },
  hardware: {
    harts: [],
    uart: initUart(),
    timing: null,
    port: initDrivenUart(),
    bare: config.boot === undefined ? null : initBare(config, config.boot),
  },
  kernel: {
    mm: initMm(config.memoryBytes / pageBytes, config.physicalMemory),
    threads: initThreads(),
    sched: initSched(config.boot === undefined ? (config.harts ?? 1) : 1),
    files: initFiles(),
    tty: initTty(config.init !== undefined),
    cap: initCap(),
    sel4: initSel4(),
    sysv: initSysv(),
  },
  random: initRandom(config.seed),
  trace: { sequence: 0 },
});
