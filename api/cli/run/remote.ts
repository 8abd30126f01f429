/**
 * `ostler run` on a server: upload, create, start, then three streams at once (input, output, trace) until the
 * program has ended. Output and trace are asked for by position and input carries idempotency keys, so a run goes on
 * where it was when the server is killed and started again. Its streams are also its machine's life: when this process
 * is killed, the server deletes the machine (see `ephemeral` in machines.proto).
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Machine,
  MachineService,
  RunState,
  type StartProgramResponse,
} from "../../../proto/gen/ostler/v1/machines_pb.js";
import { TaskService } from "../../../proto/gen/ostler/v1/tasks_pb.js";
import { TraceEncoding } from "../../../proto/gen/ostler/v1/traces_pb.js";
import { Code } from "../../errors.ts";
import { followConsole, writeConsole } from "../commands/console.ts";
import { createMachine } from "../commands/machine.ts";
import { argumentsOf, chooseProgram } from "../commands/task.ts";
import { followTrace, traceFilter } from "../commands/trace.ts";
import { waitMachine } from "../commands/wait.ts";
import { isServerError } from "../failure.ts";
import { reader } from "../reader.ts";
import type { Session } from "../session.ts";
import { limitsOf } from "../shared.ts";
import { pumpStdin, type StandardInput, standardInput } from "../stdin.ts";
import { DEFAULT_TRACE, DEFAULT_TRACE_FILTER, type RunOptions, stuckError, tellEnding } from "./options.ts";

const SIGINT = 2;
/** Signals that ask this command to end. */
const ENDING = ["SIGTERM", "SIGHUP"] as const;
const SIGKILL = 9;
const PAUSED_DELAY_MS = 500;

interface Run {
  session: Session;
  options: RunOptions;
  /** As it was before the start. */
  machine: Machine;
  task: number;
  input: StandardInput;
  /** Aborted when the program has ended, or when the user leaves. */
  done: AbortController;
  /** It was found to wait for what never comes. */
  stuck: boolean;
}

export async function runRemote(
  session: Session,
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<number> {
  const choice = await chooseProgram(session, program, false);
  const machines = await session.service(MachineService);
  const own = options.machine === undefined;
  const name = options.name ?? choice.argv0.replace(/^\/bin\//, "");
  const machine = own
    ? await createMachine(session, { ...options, name, ephemeral: !options.keep })
    : (await machines.getMachine({ machineId: options.machine! })).machine!;
  const { machineId } = machine;
  try {
    const input = standardInput(options.stdin);
    const started = await machines.startProgram({
      machineId,
      program: choice.program,
      asPath: choice.asPath,
      arguments: argumentsOf(choice, args),
      environment: options.env ?? [],
      ...(input.kind === "known" && { standardInput: input.bytes }),
      limits: limitsOf(options),
    });
    return await carryOut(
      { session, options, machine, task: started.task, input, done: new AbortController(), stuck: false },
      started,
    );
  } finally {
    if (own && !options.keep)
      await machines
        .deleteMachine({ machineId })
        .catch((error) => session.out.note(`machine ${machineId} is left: ${error.message}`));
    else if (own && !session.out.json) session.out.note(`machine kept: ${machineId}`);
  }
}

async function carryOut(run: Run, started: StartProgramResponse): Promise<number> {
  const { session, options, task, done } = run;
  const { machineId } = run.machine;
  if (session.out.json) session.out.record({ event: "started", machineId, task: started.task });
  const handling = handleInterrupts(run);
  const timer = options.timeout === undefined ? undefined : setTimeout(() => timeOut(run), options.timeout);
  try {
    const machines = await session.service(MachineService);
    const streams = [showOutput(run), showTrace(run)];
    const typing = typeInput(run);
    await machines.runMachine({ machineId });
    const watching = typing.then(() => endWhenStuck(run));
    // Neither is waited for: a program may end without reading all of its input.
    await Promise.race([Promise.all(streams), watching.then(() => Promise.all(streams))]);
    if (run.stuck) throw stuckError();
    const { exitStatus } = await waitMachine(session, machineId, { task }, done.signal);
    const used = (await (await session.service(TaskService)).getTask({ machineId, task })).task!;
    const status = { case: exitStatus?.status.case ?? "code", value: exitStatus?.status.value ?? 0 };
    const description = exitStatus?.description ?? "";
    return tellEnding(session, { ...used, machineId, status, description, timedOut: handling.timedOut }, options);
  } finally {
    clearTimeout(timer);
    handling.stop();
    done.abort();
  }

  function timeOut(timed: Run): void {
    handling.timedOut = true;
    kill(timed, SIGKILL);
  }
}

async function showOutput({ session, machine, task, done }: Run): Promise<void> {
  for await (const { data, offset, text } of followConsole(
    session,
    machine.machineId,
    machine.consoleLength,
    task,
    done.signal,
  )) {
    if (session.out.json)
      session.out.record({ event: "output", offset: String(offset), text, data: Buffer.from(data).toString("base64") });
    else await session.out.bytes(data);
  }
}

async function showTrace({ session, options, machine, task, done }: Run): Promise<void> {
  if (options.trace === undefined) return;
  const filter = options.trace === DEFAULT_TRACE ? DEFAULT_TRACE_FILTER : traceFilter({ filter: options.trace });
  const wanted = { filter, after: machine.traceSequence, untilTask: task, encoding: TraceEncoding.TEXT };
  for await (const { text, gap } of followTrace(session, machine.machineId, wanted, done.signal)) {
    if (session.out.json)
      for (const line of text.split("\n")) line !== "" && session.out.record({ event: "trace", text: line });
    else session.out.trace(text);
    if (gap !== undefined)
      session.out.note(
        `events ${gap.firstSequence} to ${gap.lastSequence} were too fast to show; \`ostler trace query\` has them`,
      );
  }
}

async function typeInput({ session, machine, input, done }: Run): Promise<void> {
  if (input.kind !== "live") return;
  await pumpStdin(done.signal, async (data, end) => {
    try {
      await writeConsole(session, machine.machineId, data, end, { signal: done.signal });
    } catch (error) {
      if (done.signal.aborted) return;
      // The console of a machine that was used before may have ended: the program reads its end at once.
      if (!isServerError(error) || error.code !== Code.FAILED_PRECONDITION) throw error;
      if (data.length > 0) session.out.note(`what is typed is lost: ${error.message}`);
    }
  });
}

/**
 * With its input at an end, a program on a machine of its own that is idle waits for ever: it is killed, so that its
 * output and trace come to their ends. Others may have plans with a machine that was there before.
 */
async function endWhenStuck(run: Run): Promise<void> {
  const { session, options, machine, task, done } = run;
  while (options.machine === undefined && !done.signal.aborted) {
    const answer = await waitMachine(session, machine.machineId, { task, idle: true, quiet: true }, done.signal);
    if (answer.exitStatus !== undefined || answer.machine?.runState === RunState.FROZEN) return;
    if (answer.machine?.runState === RunState.IDLE) {
      run.stuck = true;
      return kill(run, SIGKILL);
    }
    // Somebody has paused it.
    await sleep(PAUSED_DELAY_MS, undefined, { signal: done.signal });
  }
}

/**
 * The first Ctrl-C goes to the program, the second leaves it. A request to end, or a reader that has gone, leaves it
 * at once: a machine that nobody looks at must not go on for ever.
 */
function handleInterrupts(run: Run): { timedOut: boolean; stop(): void } {
  let count = 0;
  const leave = () => {
    kill(run, SIGKILL);
    run.session.interrupted.abort();
    run.done.abort();
  };
  const onInterrupt = () => {
    count += 1;
    if (count === 1) kill(run, SIGINT);
    else leave();
  };
  process.on("SIGINT", onInterrupt);
  for (const signal of ENDING) process.on(signal, leave);
  reader.gone = leave;
  const stop = () => {
    process.off("SIGINT", onInterrupt);
    for (const signal of ENDING) process.off(signal, leave);
    reader.gone = null;
  };
  return { timedOut: false, stop };
}

function kill({ session, machine, task, done }: Run, signal: number): void {
  const sending = session
    .service(TaskService)
    .then((tasks) => tasks.killTask({ machineId: machine.machineId, task, signal }));
  sending.catch((error) => {
    // This command is on its way out, and takes its machine with it.
    if (done.signal.aborted) return;
    // It has ended meanwhile.
    if (isServerError(error) && (error.code === Code.NOT_FOUND || error.code === Code.FAILED_PRECONDITION)) return;
    session.out.note(`could not send signal ${signal}: ${(error as Error).message}`);
  });
}
