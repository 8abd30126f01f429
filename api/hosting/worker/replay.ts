/**
 * Walks a machine along a route: apply each entry exactly where it was applied first, then run on to where
 * clients have seen the machine. Used to wake a machine and to re-execute a stretch for its trace.
 *
 * Must hold: a machine that does not arrive exactly at an entry's position, or that refuses an entry that it
 * once took, has diverged. That is a bug of ours or a damaged store, and is reported, never papered over.
 */
import { decodeInput, type Position, type RunStop } from "../../../kernel/index.ts";
import type { Route } from "../protocol.ts";
import { isBefore, type Resident, samePosition } from "./resident.ts";

export class DivergedError extends Error {}

/** Of an end that is an instruction count alone. */
const ANY_TIME = Number.MAX_SAFE_INTEGER;

export type ReplayStep = { kind: "more" } | { kind: "done" } | { kind: "needPages"; pages: number[] };

export class Replay {
  readonly resident: Resident;
  readonly #route: Route;
  #next = 0;

  constructor(resident: Resident, route: Route) {
    this.resident = resident;
    this.#route = route;
  }

  /** At most `budget` instructions nearer to the end. */
  step(budget: number): ReplayStep {
    const { machine } = this.resident;
    const entry = this.#route.entries[this.#next];
    const target = entry?.at ?? this.#end();
    const position = machine.position();
    if (isBefore(position, target)) {
      const limit = {
        instructions: Math.min(target.instructions, position.instructions + budget),
        timeNs: target.timeNs,
      };
      return this.#ran(this.resident.run(limit), position, target);
    }
    if (entry === undefined) return { kind: "done" };
    if (!samePosition(position, entry.at))
      throw this.#diverged(`entry ${entry.sequence} was applied at ${show(entry.at)}`);
    const result = this.resident.reapply(entry.sequence, decodeInput(entry.payload));
    if (!result.ok) throw this.#diverged(`entry ${entry.sequence} is refused now: ${result.error.message}`);
    this.#next += 1;
    return { kind: "more" };
  }

  #end(): Position {
    const { end } = this.#route;
    if (end.kind === "position") return end.position;
    const { instructions, timeNs } = this.resident.machine.position();
    return instructions < end.instructions
      ? { instructions: end.instructions, timeNs: ANY_TIME }
      : { instructions, timeNs };
  }

  #ran(stop: RunStop, before: Position, target: Position): ReplayStep {
    if (stop.kind === "needPages") return stop;
    if (stop.kind === "frozen") return { kind: "done" };
    const position = this.resident.machine.position();
    const stuck = stop.kind !== "limit" || samePosition(position, before);
    // A machine may come to an instruction count and have nothing to do there.
    const there =
      target.timeNs === ANY_TIME ? position.instructions >= target.instructions : !isBefore(position, target);
    if (stuck && !there) throw this.#diverged(`${show(target)} was reached before, now it is ${stop.kind}`);
    return { kind: "more" };
  }

  #diverged(what: string): DivergedError {
    return new DivergedError(`replay came to ${show(this.resident.machine.position())}, but ${what}`);
  }
}

const show = (position: Position): string => `instruction ${position.instructions}, time ${position.timeNs} ns`;
