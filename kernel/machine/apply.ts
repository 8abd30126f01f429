/**
 * Inputs: what comes from outside, checked and then done.
 *
 * Every kind has one function that checks everything (and changes nothing) and returns either the error or what
 * to do. Doing cannot fail: so an input that is refused has left no trace, and needs no journal entry.
 */
import { ethernetBytes, frameBytes } from "../hardware/network/packet.ts";
import * as uarts from "../hardware/uart/uart.ts";
import { hasRoom } from "../hardware/virtio/net.ts";
import { consoleIrq, interrupt as raise } from "../ipc/sel4/irq.ts";
import { forgetReply } from "../ipc/sel4/tcb.ts";
import { limits } from "../lib/limits.ts";
import { lastSignal } from "../lib/signals.ts";
import { interrupt } from "../thread/blocking.ts";
import { killTask } from "../thread/tasks.ts";
import { machineInput, machineResumed } from "../trace/events/machine.ts";
import { consoleArrived, typedBytes } from "../tty/terminal.ts";
import { pauseMachine } from "./control.ts";
import { planFile } from "./files.ts";
import { planInvoke } from "./invoke.ts";
import type { Kernel } from "./kernel.ts";
import { planWritePhysical, planWriteVirtual } from "./memory.ts";
import { liveTask, type Plan, refuse } from "./plan.ts";
import { planProgramStart } from "./programs.ts";
import { planCall, planRemoteTask, threadOfCall } from "./remote.ts";
import { planRevokeSlot } from "./revoke.ts";
import { settle } from "./run.ts";
import { planTerminalClose, planTerminalInput, planTerminalWindow } from "./terminals.ts";
import type { ApplyResult, Input } from "./types.ts";

const perform = (action: () => void): Plan => ({
  perform() {
    action();
    return undefined;
  },
});

type Of<Kind extends Input["kind"]> = Extract<Input, { kind: Kind }>;

/** Who reads the console as a file, and who handles its interrupt. */
function consoleSpeaks(k: Kernel): void {
  k.bare?.board.consoleArrived();
  // A program that drives the port itself hears of it by the port's own interrupt.
  if (k.port?.arrived()) return;
  consoleArrived(k);
  raise(k, consoleIrq);
}

function planConsole(k: Kernel, { bytes }: Of<"console">): Plan {
  const { uart } = k.state.hardware;
  if (uart.ended) return refuse("failedPrecondition", "bytes", "the console's input was ended before");
  const room = uarts.roomInUart(uart) - typedBytes(k.tty.console);
  if (bytes.length > room)
    return refuse("exhausted", "bytes", `${bytes.length} bytes do not fit: ${room} can wait unread now`);
  return perform(() => {
    uarts.receive(uart, k.trace, bytes);
    consoleSpeaks(k);
  });
}

function planConsoleEnd(k: Kernel): Plan {
  const { uart } = k.state.hardware;
  if (uart.ended) return refuse("failedPrecondition", "kind", "the console's input was ended before");
  return perform(() => {
    uarts.hangUp(uart, k.trace);
    consoleSpeaks(k);
  });
}

function planFrame(k: Kernel, { bytes }: Of<"frame">): Plan {
  const { boot } = k.config;
  if (k.bare === null || boot?.network?.cable !== "frames") {
    const wants = "only a machine that boots bare with the network `frames` takes frames from outside";
    return refuse("failedPrecondition", "kind", wants);
  }
  const { board } = k.bare;
  if (bytes.length < ethernetBytes || bytes.length > frameBytes) {
    const room = `a frame has ${ethernetBytes} to ${frameBytes} bytes, without its checksum`;
    return refuse("invalid", "bytes", `${room}, not ${bytes.length}`);
  }
  if (!hasRoom(k.bare.state.board.network))
    return refuse("exhausted", "bytes", `${limits.waitingFrames} frames wait that the machine has not received yet`);
  return perform(() => board.frameArrived(bytes));
}

const isCount = (value: number | null): boolean => value === null || (Number.isSafeInteger(value) && value >= 0);

function planResume(k: Kernel, { untilInstructions, untilTimeNs }: Of<"resume">): Plan {
  if (!isCount(untilInstructions))
    return refuse("invalid", "untilInstructions", "must be a count of instructions or null");
  if (!isCount(untilTimeNs)) return refuse("invalid", "untilTimeNs", "must be a time in nanoseconds or null");
  return perform(() => {
    const { control } = k.state;
    control.paused = false;
    control.reason = "";
    control.untilInstructions = untilInstructions;
    control.untilTimeNs = untilTimeNs;
    if (k.trace.on(machineResumed)) k.trace.write(machineResumed, {});
  });
}

function planPause(k: Kernel, { reason = "requested" }: Of<"pause">): Plan {
  if (typeof reason !== "string" || reason === "" || reason.length > limits.pauseReason)
    return refuse("invalid", "reason", `must be a text of 1 to ${limits.pauseReason} characters`);
  return perform(() => {
    if (!k.state.control.paused) pauseMachine(k, reason);
  });
}

function planCancel(k: Kernel, { call }: Of<"cancelCall">): Plan {
  const thread = threadOfCall(k, call);
  if (thread === null) return refuse("notFound", "call", `no call ${call} is being made`);
  return perform(() => {
    forgetReply(k, thread);
    interrupt(k, thread);
  });
}

function planKill(k: Kernel, { task: id, signal }: Of<"killTask">): Plan {
  const task = liveTask(k, id);
  if ("error" in task) return task;
  if (!Number.isInteger(signal) || signal < 1 || signal > lastSignal)
    return refuse("invalid", "signal", `must be 1 to ${lastSignal}`);
  return perform(() => killTask(k, task, signal));
}

/** What a machine without our kernel can be given. */
const bareInputs: ReadonlySet<Input["kind"]> = new Set([
  "console",
  "consoleEnd",
  "frame",
  "resume",
  "pause",
  "writePhysical",
]);

function planOf(k: Kernel, input: Input): Plan {
  if (k.bare !== null && !bareInputs.has(input.kind))
    return refuse("failedPrecondition", "kind", "the machine boots bare: its programs and files are its own kernel's");
  switch (input.kind) {
    case "console":
      return planConsole(k, input);
    case "consoleEnd":
      return planConsoleEnd(k);
    case "frame":
      return planFrame(k, input);
    case "resume":
      return planResume(k, input);
    case "pause":
      return planPause(k, input);
    case "addFile":
      return planFile(k, input.file);
    case "startProgram":
      return planProgramStart(k, input);
    case "createRemoteTask":
      return planRemoteTask(k, input);
    case "call":
      return planCall(k, input);
    case "invoke":
      return planInvoke(k, input);
    case "cancelCall":
      return planCancel(k, input);
    case "killTask":
      return planKill(k, input);
    case "terminalInput":
      return planTerminalInput(k, input);
    case "terminalWindow":
      return planTerminalWindow(k, input);
    case "terminalClose":
      return planTerminalClose(k, input);
    case "revokeSlot":
      return planRevokeSlot(k, input);
    case "writePhysical":
      return planWritePhysical(k, input);
    case "writeVirtual":
      return planWriteVirtual(k, input);
    default:
      return refuse("invalid", "kind", `unknown input ${String((input as { kind: unknown }).kind)}`);
  }
}

/** One word about an input, for the trace. */
function detailOf(input: Input): string {
  switch (input.kind) {
    case "startProgram":
      return input.path;
    case "pause":
      return input.reason ?? "";
    case "addFile":
      return input.file.path;
    case "createRemoteTask":
      return input.name;
    case "revokeSlot":
      return input.slot;
    case "invoke":
      return `${input.operation} ${input.call} of task ${input.task}`;
    case "call":
      return `call ${input.call} of task ${input.task}`;
    default:
      return "";
  }
}

/** A plan changes nothing, so what it cannot even read is refused like any other mistake of the host. */
function safePlanOf(k: Kernel, input: Input, isHostError: (error: unknown) => boolean): Plan {
  try {
    return planOf(k, input);
  } catch (error) {
    if (isHostError(error)) throw error;
    return refuse(
      "invalid",
      "",
      `the input cannot be understood: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

export function applyInput(k: Kernel, input: Input, isHostError: (error: unknown) => boolean): ApplyResult {
  const plan = safePlanOf(k, input, isHostError);
  if ("error" in plan) return { ok: false, error: plan.error };
  if (k.trace.on(machineInput)) k.trace.write(machineInput, { kind: input.kind, detail: detailOf(input) });
  const task = plan.perform();
  settle(k);
  return task === undefined ? { ok: true } : { ok: true, task };
}
