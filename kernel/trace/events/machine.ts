import { event } from "../define.ts";

export const machineInput = event(0x0001, "machine", "machine.input", "Something from outside took effect.", {
  kind: "text",
  detail: "text",
});
export const machinePaused = event(0x0002, "machine", "machine.paused", "The machine went from running to paused.", {
  reason: "text",
});
export const machineResumed = event(0x0003, "machine", "machine.resumed", "The machine was let run.", {});
export const machineIdle = event(
  0x0004,
  "machine",
  "machine.idle",
  "No thread was ready: virtual time jumped to the next event.",
  { toNs: "u64" },
);
export const machineFrozen = event(
  0x0005,
  "machine",
  "machine.frozen",
  "An invariant of the kernel broke; the machine will not run again.",
  { message: "text" },
);
export const timerFired = event(0x0006, "machine", "timer.fired", "A timer event came due.", {
  kind: "text",
  subject: "u32",
});

export const machineEvents = [
  machineInput,
  machinePaused,
  machineResumed,
  machineIdle,
  machineFrozen,
  timerFired,
] as const;
