import { event } from "../define.ts";

export const ipcSend = event(0x0701, "ipc", "ipc.send", "A message went from one thread to another.", {
  family: "text",
  object: "u64",
  badge: "u64",
  label: "u64",
  length: "u32",
  capabilities: "u32",
  to: "u32",
});
export const ipcReply = event(0x0702, "ipc", "ipc.reply", "A caller got its answer.", {
  family: "text",
  to: "u32",
  label: "u64",
  length: "u32",
});
export const ipcSignal = event(0x0703, "ipc", "ipc.signal", "A notification was signalled.", {
  object: "u64",
  badge: "u64",
});
export const ipcFault = event(0x0704, "ipc", "ipc.fault", "A thread's fault became a message, or found no handler.", {
  kind: "text",
  address: "u64",
  delivered: "flag",
});
export const ipcCancel = event(0x0705, "ipc", "ipc.cancel", "Senders with a badge were sent away from an endpoint.", {
  object: "u64",
  badge: "u64",
});

export const ipcEvents = [ipcSend, ipcReply, ipcSignal, ipcFault, ipcCancel] as const;
