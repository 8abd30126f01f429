import { event } from "../define.ts";

export const memoryMap = event(0x0401, "memory", "memory.map", "A region came into an address space.", {
  space: "u32",
  start: "u64",
  end: "u64",
  permissions: "text",
  name: "text",
});
export const memoryUnmap = event(0x0402, "memory", "memory.unmap", "A range left an address space.", {
  space: "u32",
  start: "u64",
  end: "u64",
});
export const memoryProtect = event(0x0403, "memory", "memory.protect", "A range got other permissions.", {
  space: "u32",
  start: "u64",
  end: "u64",
  permissions: "text",
});
export const memoryFrame = event(0x0404, "memory", "memory.frame", "A page got a frame.", {
  space: "u32",
  address: "u64",
  frame: "u32",
  reason: "text",
});
export const memoryReclaim = event(0x0405, "memory", "memory.reclaim", "Cached file pages were given up for memory.", {
  frames: "u32",
});

export const memoryOom = event(
  0x0406,
  "memory",
  "memory.oom",
  "A task was ended for its frames, because another one, or itself, touched memory that nobody had.",
  { victim: "u32", frames: "u32", faulted: "u32" },
);

export const memoryEvents = [memoryMap, memoryUnmap, memoryProtect, memoryFrame, memoryReclaim, memoryOom] as const;
