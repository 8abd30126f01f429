import { event } from "../define.ts";

/** Made by the ring itself, watched or not: nothing that was asked for is lost silently. */
export const traceGap = event(
  0x0f01,
  "machine",
  "trace.gap",
  "Events that were watched but found no room in the buffer: sequence numbers first to last, and how many.",
  { first: "u64", last: "u64", count: "u64" },
);
