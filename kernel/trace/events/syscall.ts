import { event } from "../define.ts";

export const syscallEnter = event(
  0x0301,
  "syscall",
  "syscall.enter",
  "A system call began (or began again after a wait).",
  { number: "u32", name: "text", text: "text", restarted: "flag" },
);
export const syscallExit = event(
  0x0302,
  "syscall",
  "syscall.exit",
  "A system call returned; the text reads like strace's.",
  { number: "u32", name: "text", value: "i64", error: "text", text: "text" },
);
export const syscallUnknown = event(
  0x0303,
  "syscall",
  "syscall.unknown",
  "A number that no row describes; the call returned ENOSYS.",
  { number: "u64" },
);

export const syscallEvents = [syscallEnter, syscallExit, syscallUnknown] as const;
