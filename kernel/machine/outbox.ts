/** Outputs until the host takes them. Not part of the state: they follow from it and the journal. */
import { joinBytes } from "../lib/bytes.ts";
import type { Output } from "./types.ts";

type Console = Extract<Output, { kind: "console" }>;

function join(parts: readonly Console[]): Console {
  if (parts.length === 1) return parts[0]!;
  return { ...parts[0]!, bytes: joinBytes(parts.map(({ bytes }) => bytes)) };
}

/** Console outputs of one task that follow one another become one. */
function coalesce(outputs: readonly Output[]): Output[] {
  const joined: Output[] = [];
  let run: Console[] = [];
  for (const output of outputs) {
    if (output.kind === "console" && (run.length === 0 || run[0]!.task === output.task)) {
      run.push(output);
      continue;
    }
    if (run.length > 0) joined.push(join(run));
    run = output.kind === "console" ? [output] : [];
    if (output.kind !== "console") joined.push(output);
  }
  if (run.length > 0) joined.push(join(run));
  return joined;
}

/** What a frame costs beside its bytes, in bytes: many small ones count, too. */
const frameCost = 128;

export class Outbox {
  #outputs: Output[] = [];
  /** Bytes that wait, about. */
  bytes = 0;

  put(output: Output): void {
    const last = this.#outputs.at(-1);
    // Of how much was printed on a terminal only the latest is news.
    if (output.kind === "terminal" && last?.kind === "terminal" && last.task === output.task) this.#outputs.pop();
    this.#outputs.push(output);
    if (output.kind === "console") this.bytes += output.bytes.length;
    if (output.kind === "frame") this.bytes += output.bytes.length + frameCost;
  }

  drain(): Output[] {
    const outputs = coalesce(this.#outputs);
    this.#outputs = [];
    this.bytes = 0;
    return outputs;
  }
}
