/**
 * Tasks and threads as data.
 *
 * A task is an address space with descriptors, limits and accounts; it ends with its last thread. A thread that
 * waits leaves a record of what it waits for and stays on its call. The live registers belong to the thread
 * whose `context` is null: at most one, the scheduler's current.
 */
import type { SavedContext } from "../hal/types.ts";
import type { CallId, PhysicalAddress, SpaceId, TaskId, ThreadId } from "../lib/ids.ts";
import type { FaultMessage, Wait } from "./wait.ts";

/** Limits of one task; 0 means no limit of its own. */
export interface TaskLimits {
  /** Instructions executed by its threads; beyond it the task is killed with SIGXCPU. */
  instructions: number;
  /** Bytes of frames that its address space may hold; beyond it allocation fails with ENOMEM (a fault kills with SIGKILL). */
  memoryBytes: number;
  /** Bytes written to standard output and standard error; beyond it the task is killed with SIGXFSZ. */
  outputBytes: number;
}

/** How a task ended, in POSIX terms. */
export type ExitStatus = { kind: "exited"; code: number } | { kind: "signaled"; signal: number };

export interface FaultInfo {
  signal: number;
  /** Program counter and faulting address, as unsigned 64-bit. */
  pc: bigint;
  address: bigint;
  /** One line: what happened, for people. */
  description: string;
}

/** An entry of a task's descriptor table. What it stands for is a capability (vfs/descriptors.ts). */
export interface Descriptor {
  /** Whether exec closes it. */
  closeOnExec: boolean;
}

/** What rt_sigaction stored for a signal. Handlers are not run yet; the disposition decides what a signal does. */
export interface SignalAction {
  handler: bigint;
  flags: bigint;
  mask: bigint;
}

export interface Task {
  id: TaskId;
  name: string;
  kind: "program" | "remote";
  space: SpaceId;
  threads: ThreadId[];
  descriptors: (Descriptor | null)[];
  limits: TaskLimits;
  /** Path of the program; "" for a remote task. */
  executable: string;
  workingDirectory: string;
  signalActions: Map<number, SignalAction>;
  fileModeMask: number;
  startNs: number;
  instructions: number;
  outputBytes: number;
  systemCalls: number;
  pageFaults: number;
  /** The latest fault, if it was fatal. */
  fault: FaultInfo | null;
}

/** What a thread does when it goes on after a wait. */
export type Resume = { kind: "complete"; value: bigint } | { kind: "restart" };

export interface Thread {
  id: ThreadId;
  task: TaskId;
  state: "ready" | "blocked";
  context: SavedContext | null;
  /** While blocked; afterwards, until the call has been dispatched again, what the wait had saved. */
  wait: Wait | null;
  resume: Resume | null;
  instructions: number;
  /** 255 before 254: of the threads that can run, one of those with the highest runs. */
  priority: number;
  /** Where its control block is, when capabilities control it. */
  tcb: PhysicalAddress | null;
  /** Where to store 0 and wake a futex when the thread ends (set_tid_address); 0 for nowhere. */
  clearOnExit: bigint;
  signalMask: bigint;
  /** Signals sent while masked; bit n - 1 is signal n. */
  pendingSignals: bigint;
  /** The client's call that this thread of a remote task is in. */
  call: RemoteCall | null;
}

export interface RemoteCall {
  id: CallId;
  /** Where the `buffer` arguments are in the task's memory. */
  buffers: { address: number; size: number }[];
  /** Of a call through a capability: how it stands. */
  invocation?: RemoteInvocation;
}

export interface RemoteInvocation {
  /** The answer has a message; what only sends has none. */
  receives: boolean;
  /** What it waited for has come, with this badge; the client is told when the thread goes on. */
  over: bigint | null;
  /** The kernel itself answers, as one of its objects. */
  ofKernel: boolean;
  /** A fault that nobody handles: it ends the call. */
  fault: FaultMessage | null;
}

/** What comes of a call through a capability. */
export type InvocationAnswer =
  | {
      kind: "message";
      badge: bigint;
      label: bigint;
      words: bigint[];
      /** Capabilities that came with it; bit i of `unwrapped`: of the i-th only the badge. */
      capabilities: number;
      unwrapped: number;
      badges: bigint[];
      /** From a kernel object: the label is seL4's error number. */
      ofKernel: boolean;
    }
  | { kind: "fault"; label: number; words: bigint[] }
  | { kind: "cancelled" };

/** What is remembered of a task that has ended. */
export interface ExitedTask {
  id: TaskId;
  name: string;
  kind: "program" | "remote";
  status: ExitStatus;
  instructions: number;
  peakMemoryBytes: number;
  outputBytes: number;
  systemCalls: number;
  pageFaults: number;
}

export interface ThreadsState {
  tasks: Map<TaskId, Task>;
  threads: Map<ThreadId, Thread>;
  /** Tasks and threads share one space of numbers; a program's first thread has its task's. */
  nextId: number;
  /** Oldest first, at most limits.exitedTasks. */
  exited: ExitedTask[];
  /** Threads of remote tasks whose wait is over: they go on at once, being no business of the scheduler. */
  remoteReady: ThreadId[];
  /** Threads that wait for the same thing, first come first. */
  queues: Map<string, ThreadId[]>;
}

export const initThreads = (): ThreadsState => ({
  tasks: new Map(),
  threads: new Map(),
  nextId: 1,
  exited: [],
  remoteReady: [],
  queues: new Map(),
});
