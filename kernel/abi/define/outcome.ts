/** The ways out of a system call. */
import type { Errno } from "../../lib/errno.ts";
import type { Task, Thread } from "../../thread/state.ts";
import type { Wait } from "../../thread/wait.ts";

/** What comes back for out arguments, by their names. */
export type Outs = Readonly<Record<string, unknown>>;
export type NoOuts = Record<never, never>;

/** `out` holds what goes to the memory that the call's out arguments point to. */
export interface Done<Out = NoOuts> {
  kind: "done";
  value: number | bigint;
  out?: Out;
  /** The call has no result: a program's registers stay as they are. */
  keepsRegisters?: boolean;
  /** What happens once `out` has reached the caller's memory: a read into what is no memory takes nothing. */
  commit?(): void;
}

export type Outcome<Out = NoOuts> =
  | Done<Out>
  | { kind: "fail"; errno: Errno }
  | { kind: "blocked"; wait: Wait }
  /** The calling thread does not exist any more. */
  | { kind: "gone" }
  /** Its registers are not those of the call any more: there is no result to put in them. */
  | { kind: "replaced" };

/** What a handler may want to know besides its arguments. */
export interface Call {
  readonly task: Task;
  readonly thread: Thread;
  /** What the wait had saved, when the call is dispatched again after it. */
  readonly progress: Wait | null;
}

export const done = (value: number | bigint): { kind: "done"; value: number | bigint } => ({ kind: "done", value });
/** The end of a call that has no result. */
export const passed: Done<NoOuts> = { kind: "done", value: 0, keepsRegisters: true };
export const fail = (errno: Errno): { kind: "fail"; errno: Errno } => ({ kind: "fail", errno });

/** Of what has no result but that it failed, or not. */
export const orError = (errno: Errno | null): Outcome => (errno === null ? done(0) : fail(errno));
