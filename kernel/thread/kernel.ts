import type { CallId, TaskId } from "../lib/ids.ts";
import type { MmKernel } from "../mm/kernel.ts";
import type { Endings } from "./endings.ts";
import type { InvocationAnswer } from "./remote-call.ts";
import type { ExitStatus, FaultInfo, NamespaceKind, Task, Thread, ThreadsState } from "./state.ts";

/** What leaves the machine; the composition root turns it into outputs. */
export interface Outlet {
  console(task: TaskId, offset: number, bytes: Uint8Array): void;
  /** More was printed on a terminal that the host has, or it has ended. */
  terminal(task: TaskId, length: number, ended: boolean): void;
  taskStarted(task: TaskId, name: string): void;
  taskExited(
    task: TaskId,
    status: ExitStatus,
    instructions: number,
    peakMemoryBytes: number,
    fault: FaultInfo | null,
  ): void;
  /** `answer`: of a call through a capability. */
  callDone(call: CallId, value: bigint, buffers: Uint8Array[], text: string, answer: InvocationAnswer | null): void;
}

/** Told when threads start and stop being able to run; implemented by sched. */
export interface ReadyQueue {
  ready(thread: Thread): void;
  /** The thread will not run any more, or not until it is ready again. */
  stopped(thread: Thread): void;
}

/** Something that tasks hold and that has to be given back when they end (descriptors, …). From the catalogue. */
export interface TaskResource {
  /** A task begins. */
  begin?(task: Task): void;
  /** The task ends; its address space is still there. */
  release?(task: Task): void;
  /** A task has ended, and is in no table any more. */
  ended?(): void;
  /** One of its threads ends, maybe the last. */
  threadEnds?(task: Task, thread: Thread): void;
  /** A child of `from` was forked: what it gets. */
  inherit?(from: Task, to: Task): void;
  /** The task becomes another program. */
  execute?(task: Task): void;
}

export interface ThreadKernel extends MmKernel {
  readonly threads: ThreadsState;
  readonly readyQueue: ReadyQueue;
  readonly taskResources: readonly TaskResource[];
  readonly outlet: Outlet;
  /** Whether there may be one more task, and with it so many descriptors more than there are. */
  readonly hasRoomForTask: (descriptors: number) => boolean;
  /** What is left to be done of ends of tasks. */
  readonly endings: Endings;
  /** Nobody has a name space any more: what is in it goes. */
  readonly endNamespace: (kind: NamespaceKind, id: number) => void;
  readonly config: MmKernel["config"] & { readonly limits: { readonly tasks: number; readonly threads: number } };
}
