/**
 * Throw-away runs: from an origin, some inputs, then until a watched program ends or a limit is met. Nothing
 * of it is stored; the entries in the result make a stored machine of it later. Used for grading.
 */
import type { Output, TaskId } from "../../../kernel/index.ts";
import type { Execution, ExecutionResult } from "../protocol.ts";
import type { Resident, ResidentFactory } from "./resident.ts";
import type { Turn } from "./turns.ts";

const SLICE_INSTRUCTIONS = 1_000_000;
const TRACED_SLICE_INSTRUCTIONS = 100_000;

type Exit = Extract<Output, { kind: "taskExited" }>;

/** Keeps the first `limit` bytes (console) or the last (trace): what a report shows. */
class Gathered {
  readonly parts: Uint8Array[] = [];
  bytes = 0;
  truncated = false;
  readonly #limit: number;
  readonly #keep: "first" | "last";

  constructor(limit: number, keep: "first" | "last") {
    this.#limit = limit;
    this.#keep = keep;
  }

  add(part: Uint8Array): void {
    if (part.length === 0) return;
    if (this.#keep === "first") {
      const room = this.#limit - this.bytes;
      if (part.length > room) this.truncated = true;
      const kept = part.subarray(0, Math.max(0, room));
      this.parts.push(kept);
      this.bytes += kept.length;
      return;
    }
    this.parts.push(part);
    this.bytes += part.length;
    // Whole batches only: a packed record must not be cut.
    while (this.bytes > this.#limit && this.parts.length > 1) {
      this.bytes -= this.parts.shift()!.length;
      this.truncated = true;
    }
  }

  joined(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.bytes);
    let offset = 0;
    for (const part of this.parts) {
      all.set(part, offset);
      offset += part.length;
    }
    return all;
  }
}

export async function execute(
  factory: Pick<ResidentFactory, "create">,
  execution: Execution,
  host: { turn: Turn; cancelled(): void },
): Promise<ExecutionResult> {
  const resident = await factory.create(execution.origin, 0, host.turn);
  resident.machine.setTraceMask(execution.traceMask);
  const console = new Gathered(execution.outputBytes, "first");
  const trace = new Gathered(execution.traceBytes, "last");
  const entries: ExecutionResult["entries"] = [];
  let exit: Exit | null = null;
  let watched: TaskId | undefined;

  const gather = () => {
    const mark = resident.mark();
    entries.push(...mark.entries);
    trace.add(mark.trace);
    for (const output of mark.outputs) {
      if (output.kind === "console") console.add(output.bytes);
      if (output.kind === "taskExited" && output.task === watched) exit = output;
    }
  };

  const applied: ExecutionResult["applied"] = [];
  for (const [index, input] of execution.inputs.entries()) {
    const result = await host.turn(() => resident.apply(input));
    if (index === execution.watch && result.ok) watched = result.task;
    applied.push(result);
  }
  gather();

  let stop = applied.every((result) => result.ok) ? "" : "refused";
  while (exit === null && stop === "") {
    host.cancelled();
    stop = await slice(resident, execution, host.turn);
    gather();
  }
  // What is kept of this run must not go on by itself when somebody opens it.
  if (resident.apply({ kind: "pause" }).ok) gather();
  return {
    applied,
    entries,
    exit,
    stop,
    console: console.joined(),
    consoleTruncated: console.truncated,
    trace: trace.joined(),
    traceTruncated: trace.truncated,
    summary: resident.machine.summary(),
  };
}

/** Runs one slice; "" while the run may go on, else why it ended. */
async function slice(resident: Resident, execution: Execution, turn: Turn): Promise<string> {
  const { instructions } = resident.machine.position();
  if (instructions >= execution.maxInstructions) return "instruction limit";
  const size = execution.traceMask === 0 ? SLICE_INSTRUCTIONS : TRACED_SLICE_INSTRUCTIONS;
  const limit = {
    instructions: Math.min(execution.maxInstructions, instructions + size),
    timeNs: Number.MAX_SAFE_INTEGER,
  };
  const stop = await turn(() => resident.run(limit));
  if (stop.kind === "needPages") await resident.fetchPages(stop.pages, turn);
  if (stop.kind === "limit" || stop.kind === "needPages") return "";
  return stop.kind === "frozen" ? `frozen: ${stop.message}` : stop.kind;
}
