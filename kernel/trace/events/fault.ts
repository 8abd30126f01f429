import { event } from "../define.ts";

export const faultPage = event(
  0x0501,
  "fault",
  "fault.page",
  "A page fault that the kernel resolved (demand paging, copy on write).",
  { address: "u64", access: "text", pc: "u64" },
);
export const faultFatal = event(0x0502, "fault", "fault.fatal", "A fault that ended the task.", {
  signal: "u32",
  address: "u64",
  pc: "u64",
  description: "text",
});

export const faultEvents = [faultPage, faultFatal] as const;
