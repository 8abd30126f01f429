import { event } from "../define.ts";

export const schedSwitch = event(
  0x0201,
  "sched",
  "sched.switch",
  "The hart went from one thread to another; 0 is none.",
  { from: "u32", to: "u32", reason: "text" },
);

export const schedEvents = [schedSwitch] as const;
