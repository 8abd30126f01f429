import { event } from "../define.ts";

export const signalDropped = event(
  0x0801,
  "signal",
  "signal.dropped",
  "A signal that has a handler was dropped: handlers do not run.",
  { task: "u32", thread: "u32", signal: "u32", name: "text" },
);

export const signalEvents = [signalDropped] as const;
