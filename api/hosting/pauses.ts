/**
 * Why the server pauses a machine by itself: what `run_reason`, the trace and the journal say then. Where a person asked for
 * it the kernel's own word stands there. They are in the contract (proto/ostler/v1/machines.proto): none changes.
 */
export const Pause = {
  instructionsUsedUp: "instructions used up",
  tooManyRunning: "too many running",
  userDisabled: "user disabled",
} as const;

export type PauseName = keyof typeof Pause;
