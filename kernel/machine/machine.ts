/**
 * A machine: the kernel, behind the methods that hosts use (face.ts).
 *
 * The border: no exception of the kernel leaves it. A broken invariant freezes the machine, which is itself a
 * state that replays to itself. Only what a port threw (the host could not deliver) goes back to the host; the
 * machine in memory is then half-way through something and must be thrown away and restored.
 */

import { placePools } from "../cap/memory.ts";
import { pageBytes } from "../hal/types.ts";
import { initTiming, timingFigures } from "../hardware/cache/model.ts";
import type { Bus, Core } from "../hardware/cpu/core.ts";
import { PageFlag } from "../hardware/cpu/core.ts";
import { assert } from "../lib/assert.ts";
import { decodePlain, encodePlain } from "../lib/codec.ts";
import type { PhysicalAddress } from "../lib/ids.ts";
import { addImage } from "../mm/images.ts";
import { userId } from "../thread/credentials.ts";
import { machineFrozen } from "../trace/events/machine.ts";
import { giveConsole, mountAll } from "../vfs/first-tree.ts";
import { giveFile } from "../vfs/given.ts";
import { addressSpace } from "./address-space.ts";
import { applyInput } from "./apply.ts";
import { busSocket, loadHarts, powerOn, saveHarts } from "./bare/bare.ts";
import { bootInit } from "./boot.ts";
import { capabilityGraph, type GraphView } from "./capabilities.ts";
import { addressMap } from "./catalogue.ts";
import type { Machine, MachinePorts } from "./face.ts";
import { listTasks, positionOf, summarize } from "./inspect.ts";
import { assembleKernel, type Kernel } from "./kernel.ts";
import { listRegions, readPhysical, readVirtual } from "./memory.ts";
import { frameRuns, memoryMap } from "./memory-map.ts";
import { diskPagesOf, machinePages } from "./pages.ts";
import { runKernel } from "./run.ts";
import { initState, type MachineState } from "./state.ts";
import { listTerminals, terminalOutput } from "./terminals.ts";
import type { ApplyResult, MachineConfig, RunStop } from "./types.ts";

/** Remembers what a port threw, to tell it from the kernel's own bugs. */
function watchPorts(ports: MachinePorts): { ports: MachinePorts; isHostError(error: unknown): boolean } {
  let thrown: unknown;
  const watched =
    <Args extends unknown[], Result>(port: (...args: Args) => Result) =>
    (...args: Args): Result => {
      try {
        return port(...args);
      } catch (error) {
        thrown = error;
        throw error;
      }
    };
  return {
    ports: {
      ...ports,
      content: watched(ports.content),
      ...(ports.contentPart !== undefined && { contentPart: watched(ports.contentPart) }),
      ...(ports.archive !== undefined && { archive: watched(ports.archive) }),
      fetchPages: watched(ports.fetchPages),
    },
    isHostError: (error) => error !== undefined && error === thrown,
  };
}

function freeze(k: Kernel, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  k.state.control.frozen = message;
  if (k.trace.on(machineFrozen)) k.trace.write(machineFrozen, { message });
  return message;
}

function machineOver(k: Kernel, isHostError: (error: unknown) => boolean, isRestored: boolean): Machine {
  const { control } = k.state;
  const pages = machinePages(k, isRestored);
  const view: GraphView = { graph: null };
  const refused = (message: string): ApplyResult => ({
    ok: false,
    error: { code: "failedPrecondition", field: "", message },
  });

  return {
    config: k.config,
    memory: pages,
    position: () => positionOf(k),
    summary: () => summarize(k),
    apply(input) {
      view.graph = null;
      if (control.frozen !== null) return refused(`the machine is frozen: ${control.frozen}`);
      try {
        return applyInput(k, input, isHostError);
      } catch (error) {
        if (isHostError(error)) throw error;
        freeze(k, error);
        return { ok: true }; // it had its effect, and will have it again in a replay
      }
    },
    run(limit): RunStop {
      view.graph = null;
      if (control.frozen !== null) return { kind: "frozen", message: control.frozen };
      try {
        return runKernel(k, limit);
      } catch (error) {
        if (isHostError(error)) throw error;
        return { kind: "frozen", message: freeze(k, error) };
      }
    },
    providePage: (page, bytes) => pages.provide(page, bytes),
    drainOutputs: () => k.outbox.drain(),
    setTraceMask: (mask) => k.ring.setMask(mask),
    drainTrace: () => k.ring.drain(),
    tasks: () => listTasks(k),
    regions: (task) => listRegions(k, task),
    memoryMap: () => memoryMap(k),
    timing: () => (k.core.timing === null ? null : timingFigures(k.core.timing, hartsOf(k.config))),
    frameRuns: (from, limit, owner) => frameRuns(k, from, limit, owner),
    capabilities: (from, limit, filter) => capabilityGraph(k, view, from, limit, filter),
    addressSpace: (which, query) => addressSpace(k, which, query),
    terminals: () => listTerminals(k),
    terminalOutput: (task, from) => terminalOutput(k, task, from),
    readPhysical: (address, length) => readPhysical(k, address, length),
    readVirtual: (task, address, length) => readVirtual(k, task, address, length),
    encodeState() {
      k.state.hardware.harts = saveHarts(k.core);
      k.state.hardware.timing = k.core.timing?.slice() ?? null;
      return encodePlain(k.state);
    },
  };
}

const hartsOf = ({ boot, harts = 1 }: MachineConfig): number => boot?.harts ?? harts;

/** `timing`: the area of a machine that is restored; a new one begins with empty caches. */
function createCore(config: MachineConfig, ports: MachinePorts, bus: Bus, timing?: Uint8Array | null): Core {
  assert(config.memoryBytes > 0 && config.memoryBytes % 2 ** 20 === 0, "memoryBytes is a positive multiple of 1 MiB");
  const ramPages = config.memoryBytes / pageBytes;
  if (config.timing !== undefined) timing ??= initTiming(config.timing, hartsOf(config), ramPages);
  const bare = config.boot === undefined ? {} : { harts: config.boot.harts };
  const translate = config.translate ?? true;
  return ports.createCore({ ramPages, ramBase: addressMap.ram.base, bus, timing: timing ?? null, translate, ...bare });
}

/** A new machine: RAM is zero, nothing runs, and it is not paused. */
export function createMachine(config: MachineConfig, hostPorts: MachinePorts): Machine {
  const { ports, isHostError } = watchPorts(hostPorts);
  const socket = busSocket();
  const core = createCore(config, ports, socket);
  for (let page = 0; page < core.pageFlags.length; page++) core.pageFlags[page]! |= PageFlag.present;
  const kernel = assembleKernel(initState(config), core, ports, socket);
  placePools(kernel, kernel.mm, (frame) => (core.ramBase + frame * pageBytes) as PhysicalAddress);
  mountAll(kernel, config.root ?? null);
  if (config.init === undefined) giveConsole(kernel, userId);
  for (const { path, content, size, mode } of config.files)
    giveFile(kernel, path, addImage(kernel, content, size), mode);
  if (kernel.bare !== null) powerOn(kernel, kernel.bare);
  else bootInit(kernel);
  return machineOver(kernel, isHostError, false);
}

/** A machine as `encodeState` left it. Pages for which `isZero` is false are fetched when they are touched. */
export function restoreMachine(
  encoded: Uint8Array,
  hostPorts: MachinePorts,
  isZero: (page: number) => boolean,
): Machine {
  const { ports, isHostError } = watchPorts(hostPorts);
  const state = decodePlain(encoded) as MachineState;
  assert(state.version === 7, `a machine's state of version 7, not ${state.version}`);
  const socket = busSocket();
  const core = createCore(state.config, ports, socket, state.hardware.timing);
  for (let page = 0; page < core.pageFlags.length; page++) {
    if (isZero(page)) core.pageFlags[page]! |= PageFlag.present;
    else core.pageFlags[page]! &= ~PageFlag.present;
  }
  const kernel = assembleKernel(state, core, ports, socket);
  loadHarts(core, state.hardware.harts, state.hardware.bare?.turn.hart ?? 0);
  for (const { pages, first } of diskPagesOf(kernel)) pages.provideZeros((page) => isZero(first + page));
  return machineOver(kernel, isHostError, true);
}
