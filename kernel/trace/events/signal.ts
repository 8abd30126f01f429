import { event } from "../define.ts";

export const signalDropped = event(
  0x0801,
  "signal",
  "signal.dropped",
  "A signal that has a handler was dropped: the task has no instructions that could handle it.",
  { task: "u32", thread: "u32", signal: "u32", name: "text" },
);

export const signalSend = event(
  0x0802,
  "signal",
  "signal.send",
  "A signal was sent to a task; thread 0: to any thread of it.",
  { task: "u32", thread: "u32", signal: "u32", name: "text", code: "i64" },
);
export const signalDeliver = event(
  0x0803,
  "signal",
  "signal.deliver",
  "A signal is delivered: what it does, and the handler that is called, if one is.",
  { task: "u32", thread: "u32", signal: "u32", name: "text", effect: "text", handler: "u64" },
);
export const taskStop = event(0x0804, "signal", "task.stop", "A task was stopped by a signal.", {
  task: "u32",
  signal: "u32",
  name: "text",
});
export const taskContinue = event(0x0805, "signal", "task.continue", "A task that was stopped goes on.", {
  task: "u32",
});

export const signalEvents = [signalDropped, signalSend, signalDeliver, taskStop, taskContinue] as const;
