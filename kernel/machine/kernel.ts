/** The whole kernel: state, hardware and tables put together. Every area's slice is a part of it by structure. */
import { banksPerTask } from "../cap/memory.ts";
import { hasRoomForCapabilities } from "../cap/slots.ts";
import type { EntryKernel } from "../entry/kernel.ts";
import { readArchive } from "../fs/archive/archive.ts";
import { ArchiveProblem } from "../fs/archive/tar.ts";
import * as clocks from "../hardware/clock/clock.ts";
import type { Core } from "../hardware/cpu/core.ts";
import { createRam, type Ram } from "../hardware/memory/ram.ts";
import type { DrivenUart } from "../hardware/uart16550/driven.ts";
import { objectSizes } from "../ipc/sel4/objects.ts";
import { tcbSlotCount } from "../ipc/sel4/state.ts";
import { tablesOfTcb } from "../ipc/sel4/vspace.ts";
import { endIpc } from "../ipc/sysv/namespaces.ts";
import { endSegment } from "../ipc/sysv/shared-memory.ts";
import { assert } from "../lib/assert.ts";
import { createReadyQueue } from "../sched/sched.ts";
import { noEndings } from "../thread/endings.ts";
import type { Outlet } from "../thread/kernel.ts";
import type { Thread } from "../thread/state.ts";
import { createTraceRing, type TraceRing } from "../trace/record/ring.ts";
import type { Archive } from "../vfs/kernel.ts";
import { assembleBare, type Bare, type BusSocket, busSocket } from "./bare/bare.ts";
import { createHal, filesystems, objectBehaviour, systemCalls, taskResources } from "./catalogue.ts";
import type { MachinePorts } from "./face.ts";
import { Outbox } from "./outbox.ts";
import { assembleSerialPort } from "./serial-port.ts";
import type { MachineState } from "./state.ts";
import type { PartSource } from "./types.ts";

export interface Kernel extends EntryKernel {
  readonly config: MachineState["config"];
  readonly state: MachineState;
  readonly core: Core;
  readonly ram: Ram;
  readonly outbox: Outbox;
  readonly ring: TraceRing;
  /** On whose behalf the kernel works right now; for the trace. */
  subject: Thread | null;
  /** Of a machine that boots bare: the kernel's own parts then have nothing to do. */
  /** The serial port of a machine that does not boot bare. */
  port: DrivenUart | null;
  /** The core executes: its instructions are not on the clock yet. */
  isExecuting: boolean;
  bare: Bare | null;
}

function outletTo(outbox: Outbox): Outlet {
  return {
    console: (task, offset, bytes) => outbox.put({ kind: "console", offset, bytes, task }),
    terminal: (task, length, ended) => outbox.put({ kind: "terminal", task, length, ended }),
    taskStarted: (task, name) => outbox.put({ kind: "taskStarted", task, name }),
    taskExited: (task, status, instructions, peakMemoryBytes, fault) =>
      outbox.put({ kind: "taskExited", task, status: { ...status }, instructions, peakMemoryBytes, fault }),
    callDone: (call, value, buffers, text, answer) =>
      outbox.put({ kind: "callDone", call, value, buffers, text, answer }),
  };
}

const partsOf = ({ content, contentPart }: MachinePorts): PartSource =>
  contentPart ?? ((hash, offset, length) => content(hash).subarray(offset, offset + length));

/** Archives that were read, kept for as long as the machine is in memory. */
function archivesOver(content: MachinePorts["content"]): (hash: string) => Archive {
  const known = new Map<string, Archive>();
  return (hash) => {
    const read = known.get(hash) ?? readArchive(content(hash));
    assert(!(read instanceof ArchiveProblem), "a root's archive was checked");
    known.set(hash, read);
    return read;
  };
}

/** `core` is as new, with the machine's RAM and with `socket` for its bus; the state decides everything else. */
export function assembleKernel(
  state: MachineState,
  core: Core,
  ports: MachinePorts,
  socket: BusSocket = busSocket(),
): Kernel {
  const { clock, hardware, random } = state;
  const { mm, threads, sched, files, tty, cap, sel4, sysv } = state.kernel;
  const context = { timeNs: 0, instructions: 0, task: 0, thread: 0, hart: 0 };
  const ring = createTraceRing(state.trace, () => {
    const ahead = kernel.bare?.ahead() ?? 0;
    context.timeNs = clocks.timeNs(clock) + ahead * clocks.nsPerInstruction;
    context.instructions = clock.instructions + ahead;
    context.hart = kernel.bare?.state.turn.hart ?? sched.hart;
    context.task = kernel.subject?.task ?? 0;
    context.thread = kernel.subject?.id ?? 0;
    return context;
  });
  const ram = createRam(core, ports.fetchPages);
  const outbox = new Outbox();
  const self = (): Kernel => kernel;
  const kernel: Kernel = {
    state,
    config: state.config,
    core,
    ram,
    outbox,
    ring,
    trace: ring,
    effort: { spent: 0 },
    subject: null,
    bare: null,
    port: null,
    isExecuting: false,
    releaseDevices: () => kernel.port?.release(),
    hal: createHal({ core, ram, clock, uart: hardware.uart, trace: ring }),
    content: partsOf(ports),
    filesystems: filesystems(self),
    archives: ports.archive ?? archivesOver(ports.content),
    mm,
    threads,
    sched,
    files,
    tty,
    random,
    systemCalls,
    cap,
    sel4,
    sysv,
    endStored: (file) => endSegment(kernel, file),
    endNamespace: (kind, id) => {
      if (kind === "ipc") endIpc(kernel, id);
    },
    objectSizes,
    tcbSlots: tcbSlotCount,
    objects: objectBehaviour(self),
    tablesOf: (thread) => tablesOfTcb(kernel, thread),
    ramBase: core.ramBase,
    readyQueue: createReadyQueue(self),
    taskResources: taskResources(self),
    outlet: outletTo(outbox),
    hasRoomForTask: (descriptors) => hasRoomForCapabilities(kernel, descriptors + banksPerTask),
    endings: noEndings(),
  };
  if (hardware.bare !== null) kernel.bare = assembleBare(kernel, hardware.bare, socket, ports);
  else kernel.port = assembleSerialPort(kernel, socket);
  return kernel;
}
