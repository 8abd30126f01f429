/**
 * What threads wait for. A wait is a record; behaviour for its kind is one row of `waitKinds`.
 *
 * Every wait may be in one queue (who wakes that queue ends it) and may have a deadline (the timer ends it).
 * On wake a call either completes with a value, or is dispatched again from the registers with this record as
 * its saved progress. There is no third way.
 */
import { errnoResult } from "../lib/errno.ts";
import type { Resume } from "./state.ts";

interface WaitBase {
  queue: string | null;
  deadlineNs: number | null;
}

export type Wait = WaitBase &
  (
    | { kind: "sleep" }
    /** Read of a file that has nothing yet. */
    | { kind: "read" }
    | { kind: "poll" }
    | { kind: "futex"; bitset: number }
    /** A remote task's thread that has no call to make. */
    | { kind: "remote" }
  );
export type WaitKind = Wait["kind"];

interface WaitOps {
  /** For people. */
  describe(wait: Wait): string;
  /** The deadline has come. */
  timeout: Resume;
  /** Somebody woke the queue. */
  woken: Resume;
}

const complete = (value: bigint): Resume => ({ kind: "complete", value });
const restart: Resume = { kind: "restart" };
const until = (wait: Wait): string => (wait.deadlineNs === null ? "" : ` until ${wait.deadlineNs} ns`);

export const waitKinds: Record<WaitKind, WaitOps> = {
  sleep: {
    describe: (wait) => (wait.deadlineNs === null ? "sleep forever" : `sleep${until(wait)}`),
    timeout: complete(0n),
    woken: complete(0n),
  },
  read: { describe: () => "console read", timeout: restart, woken: restart },
  poll: { describe: (wait) => `poll${until(wait)}`, timeout: restart, woken: restart },
  futex: {
    describe: (wait) => `${wait.queue}${until(wait)}`,
    timeout: complete(errnoResult("ETIMEDOUT")),
    woken: complete(0n),
  },
  remote: { describe: () => "a client's call", timeout: restart, woken: restart },
};

export const describeWait = (wait: Wait): string => waitKinds[wait.kind].describe(wait);
/** A signal or a cancellation ended the wait. */
export const interrupted: Resume = complete(errnoResult("EINTR"));
