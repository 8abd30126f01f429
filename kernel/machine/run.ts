/**
 * The run loop.
 *
 * Must hold: where a host cuts a run changes nothing. So everything that costs no instruction and no time is done
 * at once, by `settle`, after every input and before every stop; the only two things that `run` adds are executing
 * instructions and skipping idle time, and both stop exactly at a limit. Instructions are bounded by both limits,
 * skipping only by time, so that (instructions, time) of any stop, given as limit, leads to the very same state.
 */

import { dieOf } from "../entry/fault.ts";
import { deliverSignal, isSignalled } from "../entry/signals.ts";
import { resumeThread } from "../entry/syscall.ts";
import { noteStep } from "../entry/tracing.ts";
import { handleTrap } from "../entry/trap.ts";
import type { Hart, Trap } from "../hal/types.ts";
import * as clocks from "../hardware/clock/clock.ts";
import { assert } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { ThreadId } from "../lib/ids.ts";
import { signals } from "../lib/signals.ts";
import { countUsage, hartQueues, schedule } from "../sched/sched.ts";
import { getThread, timeOut } from "../thread/blocking.ts";
import { countInstructions, instructionsLeft, jobOf } from "../thread/jobs.ts";
import type { Thread } from "../thread/state.ts";
import { taskOf } from "../thread/tasks.ts";
import { expireTaskTimers, expireTimer, instructionsToTimer, isTimerDue } from "../thread/timers.ts";
import { timerFired } from "../trace/events/machine.ts";
import { runBare, settleBare } from "./bare/run.ts";
import { tellBootProblem } from "./boot.ts";
import {
  coreBudget,
  instructionsToNext,
  mustYield,
  pagesFrom,
  pauseMachine,
  reachedControlLimit,
  skipIdleTime,
} from "./control.ts";
import type { RunLimit } from "./face.ts";
import type { Kernel } from "./kernel.ts";
import { settlePort } from "./serial-port.ts";
import type { RunStop } from "./types.ts";

/** Page faults that one instruction can take on its way: fetch and data, each over two pages; and room. */
const faultsPerInstruction = 16;

function fireDueEvents(k: Kernel): void {
  for (let event = clocks.takeDue(k.state.clock); event !== null; event = clocks.takeDue(k.state.clock)) {
    spend(k.effort, 1, "events");
    if (k.trace.on(timerFired)) k.trace.write(timerFired, { kind: event.kind, subject: event.subject });
    if (event.kind === "threadTimeout") timeOut(k, event.subject as ThreadId);
    else if (event.kind === "uartTimeout") k.port?.due();
    else expireTimer(k, event.subject);
  }
}

function resumeRemote(k: Kernel): boolean {
  const id = k.threads.remoteReady.shift();
  if (id === undefined) return false;
  k.subject = getThread(k, id);
  resumeThread(k, k.subject);
  k.subject = null;
  return true;
}

/**
 * One thread goes on after a wait, takes a signal, or ends by its task's limit: false when the current one has just to
 * execute.
 */
function prepare(k: Kernel, thread: Thread): boolean {
  const task = taskOf(k, thread);
  k.subject = thread;
  if (isTimerDue(task, thread)) expireTaskTimers(k, task);
  // By SIGVTALRM, for instance.
  if (!k.threads.threads.has(thread.id)) return true;
  const spent = instructionsLeft(k, task) <= 0;
  const resumes = thread.resume !== null && thread.resume.kind !== "interrupted";
  const signalled = !resumes && isSignalled(k, task, thread);
  if (resumes || signalled) spend(k.effort, 1, "entries");
  if (spent)
    dieOf(k, thread, signals.SIGXCPU, 0n, `the limit of ${jobOf(k, task).limits.instructions} instructions is used up`);
  else if (resumes) resumeThread(k, thread);
  else if (signalled) deliverSignal(k, thread);
  k.subject = null;
  return spent || resumes || signalled;
}

/**
 * A client's long call goes on while the machine is paused: there nobody else can have a turn between its steps. False
 * when there is none.
 */
function continueLongCall(k: Kernel): boolean {
  const id = hartQueues(k)
    .flatMap(({ current, queue }) => (current === null ? queue : [current, ...queue]))
    .find((each) => getThread(k, each).call !== null);
  if (id === undefined) return false;
  const thread = getThread(k, id);
  k.readyQueue.stopped(thread);
  k.subject = thread;
  resumeThread(k, thread);
  k.subject = null;
  return true;
}

/** Does all that happens at the current position. Afterwards `sched.current` has to execute, or nobody can. */
export function settle(k: Kernel): void {
  if (k.bare !== null) {
    settleBare(k, k.bare);
    return;
  }
  for (;;) {
    fireDueEvents(k);
    settlePort(k);
    if (resumeRemote(k)) continue;
    if (!k.state.control.paused && reachedControlLimit(k)) pauseMachine(k, "limit");
    if (k.state.control.paused) {
      if (continueLongCall(k)) continue;
      return;
    }
    tellBootProblem(k);
    const thread = schedule(k);
    if (thread === null || !prepare(k, thread)) return;
  }
}

function budgetOf(k: Kernel, thread: Thread, limit: RunLimit): number {
  const task = taskOf(k, thread);
  const { quantumLeft, turnLeft, parked } = k.sched;
  return Math.min(
    quantumLeft,
    parked.length > 1 ? turnLeft : coreBudget,
    instructionsLeft(k, task),
    instructionsToTimer(task, thread),
    thread.tracing?.mode === "step" ? 1 : coreBudget,
    instructionsToNext(k, limit),
  );
}

/**
 * An instruction that faults is counted although it did not retire: something has happened at its position, so the
 * state behind it needs a position of its own. Without that, an input stamped with the position would be ambiguous.
 */
const isFault = (trap: Trap): boolean => !uncounted.has(trap.kind);
/** System calls and breakpoints the core has counted itself; the others are no event of the machine. */
const uncounted: ReadonlySet<Trap["kind"]> = new Set(["budget", "needPage", "systemCall", "breakpoint"]);

/** A client's thread executes nothing: its turn is the next step of its long call, and counts as an instruction. */
const nextStep: ReturnType<Hart["run"]> = {
  trap: { kind: "systemCall" },
  executed: 1,
  workNs: 0,
};

/** Executes the current thread until something comes up; the pages that are missing, if that was it. */
function execute(k: Kernel, thread: Thread, limit: RunLimit, progress: Progress): number[] | null {
  const { clock } = k.state;
  const counters = { instructions: clock.instructions, timeNs: clocks.timeNs(clock), hart: k.sched.hart };
  k.isExecuting = true;
  const ran = thread.call === null ? k.hal.hart.run(budgetOf(k, thread, limit), counters) : nextStep;
  k.isExecuting = false;
  const { trap } = ran;
  const executed = ran.executed + (isFault(trap) ? 1 : 0);
  clock.instructions += executed;
  countUsage(k, executed);
  k.sched.quantumLeft -= executed;
  if (k.sched.parked.length > 1) k.sched.turnLeft -= executed;
  thread.instructions += executed;
  countInstructions(k, taskOf(k, thread), executed);
  countFaults(k, progress, ran.executed === 0 && trap.kind === "pageFault");
  if (ran.executed > 0 || trap.kind === "systemCall") noteStep(k, thread);
  if (trap.kind === "needPage") return pagesFrom(k, trap.page);
  spend(k.effort, 1, "entries");
  spend(k.effort, ran.workNs, "nanoseconds");
  if (trap.kind === "budget") return null;
  k.subject = thread;
  handleTrap(k, thread, trap);
  k.subject = null;
  return null;
}

interface Progress {
  /** Page faults since an instruction was last executed, or a signal's frame was made. */
  faults: number;
  stackPointer: bigint;
}

function countFaults(k: Kernel, progress: Progress, again: boolean): void {
  if (!again) {
    progress.faults = 0;
    return;
  }
  const stackPointer = k.hal.contexts.getStackPointer(null);
  progress.faults = stackPointer === progress.stackPointer ? progress.faults + 1 : 1;
  progress.stackPointer = stackPointer;
  assert(progress.faults < faultsPerInstruction, "a page fault that was resolved does not come again");
}

export function runKernel(k: Kernel, wanted: RunLimit): RunStop {
  if (k.bare !== null) return runBare(k, k.bare, wanted);
  const limit: RunLimit = { instructions: Math.floor(wanted.instructions), timeNs: Math.floor(wanted.timeNs) };
  const { clock, control } = k.state;
  const progress: Progress = { faults: 0, stackPointer: 0n };
  k.effort.spent = 0;
  const startNs = clocks.timeNs(clock);
  for (;;) {
    settle(k);
    if (control.paused) return { kind: "paused" };
    if (clocks.timeNs(clock) >= limit.timeNs) return { kind: "limit" };
    const { current } = k.sched;
    if (current === null) {
      // Time may jump from timer to timer for ever, without an instruction.
      if (mustYield(k) && clocks.timeNs(clock) > startNs) return { kind: "limit" };
      if (!skipIdleTime(k, limit)) return { kind: "idle" };
      continue;
    }
    if (clock.instructions >= limit.instructions) return { kind: "limit" };
    if (mustYield(k)) return { kind: "limit" };
    const missing = execute(k, getThread(k, current), limit, progress);
    if (missing !== null) return { kind: "needPages", pages: missing };
  }
}
