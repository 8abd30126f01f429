import { event } from "../define.ts";

export const taskStart = event(0x0101, "task", "task.start", "A task was created.", {
  task: "u32",
  name: "text",
  kind: "text",
});
export const taskExit = event(0x0102, "task", "task.exit", "A task ended.", {
  task: "u32",
  status: "text",
  code: "u32",
  instructions: "u64",
});
export const threadCreate = event(0x0103, "task", "thread.create", "A thread was created.", {
  task: "u32",
  thread: "u32",
});
export const threadExit = event(0x0104, "task", "thread.exit", "A thread ended.", { task: "u32", thread: "u32" });
export const threadBlock = event(0x0105, "task", "thread.block", "A thread waits.", { thread: "u32", wait: "text" });
export const threadWake = event(0x0106, "task", "thread.wake", "A thread's wait is over.", {
  thread: "u32",
  wait: "text",
  how: "text",
});

export const taskExecute = event(0x0107, "task", "task.execute", "A task begins another program.", {
  task: "u32",
  path: "text",
});

export const taskEvents = [
  taskExecute,
  taskStart,
  taskExit,
  threadCreate,
  threadExit,
  threadBlock,
  threadWake,
] as const;
