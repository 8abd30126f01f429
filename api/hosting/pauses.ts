/**
 * Why the server pauses a machine by itself: what `run_reason`, the trace and the journal say then. Where a person asked for
 * it the kernel's own word stands there. They are in the contract (proto/ostler/v1/machines.proto): none changes.
 */
import type { Input } from "../../kernel/index.ts";
import type { MachineStatus } from "../store/types.ts";

export const Pause = {
  instructionsUsedUp: "instructions used up",
  tooManyRunning: "too many running",
  userDisabled: "user disabled",
} as const;

export type PauseName = keyof typeof Pause;

export type PauseInput = Extract<Input, { kind: "pause" }>;

/** The kernel takes no longer ones. */
const MOST_CHARACTERS = 64;

/**
 * For a machine that comes into memory: what keeps it paused, for the reason that clients were told, if it comes from the
 * state of a running one. Null: it is not paused.
 */
export function pauseOf({ run, reason }: Pick<MachineStatus, "run" | "reason">): PauseInput | null {
  if (run !== "paused") return null;
  return reason === "" ? { kind: "pause" } : { kind: "pause", reason: reason.slice(0, MOST_CHARACTERS) };
}
