/** Calls that clients make in the threads of remote tasks, and what comes of them. */
import type { CallId } from "../lib/ids.ts";
import type { FaultMessage } from "./wait.ts";

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
