/**
 * Runs of submissions that end their workers, by breaking them or by hanging (see hosting/watchdog.ts). A run is grading's
 * own and no stored machine's, so nobody else counts this: one that does it twice is not tried again, also when the same
 * program comes with another submission, and the others keep their workers.
 *
 * Forgotten when the server ends: a release that repairs it, or more memory, is a start away.
 */
import { createHash } from "node:crypto";
import { failedPrecondition } from "../errors.ts";
import { RunEndedWorkerError } from "../hosting/faults.ts";
import type { ExecutionResult } from "../hosting/protocol.ts";

const MOST = 2;
/** The oldest is forgotten for the next. */
const MOST_KNOWN = 10_000;

/** A program in a test of an assignment's version. */
export interface RunName {
  assignmentId: string;
  assignmentVersion: number;
  programHash: string;
  test: string;
  index: number;
}

interface Blame {
  times: number;
  why: string;
}

export class RunQuarantine {
  readonly #blames = new Map<string, Blame>();

  /** Runs it, unless it has ended its workers `MOST` times. */
  async during(run: RunName, execute: () => Promise<ExecutionResult>): Promise<ExecutionResult> {
    const key = keyOf(run);
    const before = this.#blames.get(key);
    if (before !== undefined && before.times >= MOST) throw refusal(run, before);
    try {
      return await execute();
    } catch (error) {
      if (!(error instanceof RunEndedWorkerError)) throw error;
      const blame = this.#blame(key, error.message);
      throw blame.times >= MOST ? refusal(run, blame, error) : error;
    }
  }

  #blame(key: string, why: string): Blame {
    const blame = { times: (this.#blames.get(key)?.times ?? 0) + 1, why };
    this.#blames.delete(key);
    this.#blames.set(key, blame);
    if (this.#blames.size > MOST_KNOWN) this.#blames.delete(this.#blames.keys().next().value!);
    return blame;
  }
}

const keyOf = (run: RunName): string => createHash("sha256").update(JSON.stringify(run)).digest("base64");

const refusal = ({ test }: RunName, { why }: Blame, cause?: Error) =>
  failedPrecondition(
    "RUN_BREAKS_WORKER",
    `This program ended the server's worker twice in test ${JSON.stringify(test)} (${why}). That is an error of the ` +
      "server: nothing is graded of this submission, and the program is not run again in that test until the server is " +
      "started anew. Tell the staff, whose operator finds it in the server's log.",
    { cause },
  );
