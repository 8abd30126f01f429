/**
 * What threads wait for. A wait is a record; behaviour for its kind is one row of `waitKinds`.
 *
 * Every wait may be in one queue (who wakes that queue ends it) and may have a deadline (the timer ends it).
 * On wake a call either completes with a value, or is dispatched again from the registers with this record as
 * its saved progress. There is no third way. (Where the registers of a thread that waits for a message were written
 * meanwhile, it is `redirected`: its call ends as it would have, but it goes on where it was told to.)
 */
import { errnoResult } from "../lib/errno.ts";
import type { InodeNumber, MountId, TaskId } from "../lib/ids.ts";
import type { Resume } from "./state.ts";

interface WaitBase {
  queue: string | null;
  deadlineNs: number | null;
}

export type Wait = WaitBase &
  /** For time to pass. `remaining`: where to store what is left when a signal ends it, or 0. */
  (
    | { kind: "sleep"; remaining: bigint }
    /** For a signal that has a handler, or ends the task. */
    | { kind: "pause" }
    /** For one of these signals (sigtimedwait). */
    | { kind: "signals"; set: bigint }
    /** Read of a file that has nothing yet. */
    | { kind: "read" }
    /** Write to a file that has no room; `done` bytes of the call were taken before. */
    | { kind: "write"; done: number }
    /** For the other end of a FIFO, which opens this one, too. */
    | {
        kind: "open";
        flags: number;
        opened: { mount: MountId; inode: InodeNumber; directory: InodeNumber; name: string };
      }
    /** For a lock that somebody else has. */
    | { kind: "lock"; blocker: { kind: "task" | "file"; id: number } }
    /**
     * For any of several files, in the queues of all; `untilNs`: the call's own end, later than a timer's among them;
     * `remaining`: where to store what is left until then when a signal ends it, or 0.
     */
    | { kind: "poll"; queues: string[]; untilNs: number | null; remaining: bigint }
    | { kind: "futex"; bitset: number }
    /** For a set of semaphores to permit all of these. */
    | { kind: "semaphores"; operations: { semaphore: number; change: number; noWait: boolean; undo: boolean }[] }
    /** For room in a message queue. */
    | { kind: "messageSend"; message: { type: bigint; bytes: Uint8Array } }
    /** For a message. `most`: the bytes there is room for; `cuts`: a longer one will do; `handed`: the one that came. */
    | {
        kind: "messageReceive";
        selection: { type: bigint; except: boolean };
        most: number;
        cuts: boolean;
        handed: { type: bigint; bytes: Uint8Array } | null;
      }
    /** For something to become of a child. */
    | { kind: "child" }
    /** For a child that was made by vfork to run a program of its own, or to end; `number`: what the waiting one calls it. */
    | { kind: "vfork"; child: TaskId; number: number }
    /** A remote task's thread that has no call to make. */
    | { kind: "remote" }
    /** A thread that was not started, or was stopped, by who has its TCB. */
    | { kind: "inactive" }
    /** For a receiver at an endpoint. `call`: it wants an answer; `fault`: the message is its fault. */
    | {
        kind: "send";
        badge: bigint;
        grant: boolean;
        grantReply: boolean;
        call: boolean;
        fault: FaultMessage | null;
        redirected: boolean;
      }
    /** For a sender at an endpoint. */
    | { kind: "receive"; grant: boolean; redirected: boolean }
    /** For the answer to a call, or to a fault. */
    | { kind: "reply"; fault: FaultMessage | null; redirected: boolean }
    /** For a notification. */
    | { kind: "signal"; redirected: boolean }
    /** Nothing: the call does more than one step's work, and is made again. */
    | { kind: "again" }
  );

/** A fault as its handler is told of it. */
export interface FaultMessage {
  label: number;
  words: bigint[];
}
export type WaitKind = Wait["kind"];

interface WaitOps {
  /** For people. */
  describe(wait: Wait): string;
  /** The deadline has come. */
  timeout: Resume;
  /** Somebody woke the queue. */
  woken: Resume;
  /** A signal or a cancellation ended it; EINTR unless said. */
  interrupted?(wait: Wait): Resume;
  /** What a signal with a handler makes of the call; `interrupt` unless said. */
  onSignal?(wait: Wait): OnSignal;
}

/**
 * `interrupt`: the call ends. `restart`: it is made again if the handler wants that (SA_RESTART), else it ends. `wait`:
 * the signal has to wait.
 */
export type OnSignal = "interrupt" | "restart" | "wait";

const complete = (value: bigint): Resume => ({ kind: "complete", value });
const restart: Resume = { kind: "restart" };
export const interrupted: Resume = complete(errnoResult("EINTR"));
/** What it waited for is no more. */
const removed: Resume = complete(errnoResult("EIDRM"));
const until = (wait: Wait): string => (wait.deadlineNs === null ? "" : ` until ${wait.deadlineNs} ns`);

const undisturbed = { timeout: restart, woken: restart, onSignal: (): OnSignal => "wait" };

export const waitKinds: Record<WaitKind, WaitOps> = {
  sleep: {
    describe: (wait) => (wait.deadlineNs === null ? "sleep forever" : `sleep${until(wait)}`),
    timeout: complete(0n),
    woken: complete(0n),
  },
  pause: { describe: () => "a signal", timeout: restart, woken: restart },
  signals: { describe: (wait) => `signals${until(wait)}`, timeout: restart, woken: restart },
  read: { describe: (wait) => `${wait.queue} read`, timeout: restart, woken: restart, onSignal: () => "restart" },
  write: {
    describe: (wait) => `${wait.queue} write`,
    timeout: restart,
    woken: restart,
    interrupted: (wait) => (wait.kind === "write" && wait.done > 0 ? complete(BigInt(wait.done)) : interrupted),
    onSignal: () => "restart",
  },
  open: { describe: (wait) => `${wait.queue} open`, timeout: restart, woken: restart },
  lock: { describe: (wait) => `${wait.queue}`, timeout: restart, woken: restart, onSignal: () => "restart" },
  poll: { describe: (wait) => `poll${until(wait)}`, timeout: restart, woken: restart },
  futex: {
    describe: (wait) => `${wait.queue}${until(wait)}`,
    timeout: complete(errnoResult("ETIMEDOUT")),
    woken: complete(0n),
    // What is left of a time is not known to a call that is made again.
    onSignal: (wait) => (wait.deadlineNs === null ? "restart" : "interrupt"),
  },
  semaphores: {
    describe: (wait) => `${wait.queue}${until(wait)}`,
    timeout: complete(errnoResult("EAGAIN")),
    woken: removed,
  },
  messageSend: { describe: (wait) => `${wait.queue}`, timeout: restart, woken: removed },
  messageReceive: { describe: (wait) => `${wait.queue}`, timeout: restart, woken: removed },
  child: { describe: () => "a child", timeout: restart, woken: restart, onSignal: () => "restart" },
  vfork: { describe: (wait) => `${wait.queue}`, ...undisturbed },
  remote: { describe: () => "a client's call", ...undisturbed },
  inactive: { describe: () => "inactive", ...undisturbed },
  send: { describe: (wait) => `send to ${wait.queue}`, ...undisturbed },
  receive: { describe: (wait) => `receive from ${wait.queue}`, ...undisturbed },
  reply: { describe: () => "an answer", ...undisturbed },
  signal: { describe: (wait) => `${wait.queue}`, ...undisturbed },
  again: { describe: () => "the rest of a long call", ...undisturbed },
};

/** The queues that a waiting thread is in: no two are the same. */
export const queuesOf = (wait: Wait): readonly string[] =>
  wait.kind === "poll" ? wait.queues : wait.queue === null ? [] : [wait.queue];

export const describeWait = (wait: Wait): string => waitKinds[wait.kind].describe(wait);
/** What a signal or a cancellation makes of a wait. */
export const interruptedOf = (wait: Wait): Resume => waitKinds[wait.kind].interrupted?.(wait) ?? interrupted;

export const onSignal = (wait: Wait): OnSignal => waitKinds[wait.kind].onSignal?.(wait) ?? "interrupt";
