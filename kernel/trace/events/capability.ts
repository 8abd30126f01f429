import { event } from "../define.ts";

export const capRetype = event(0x0a01, "capability", "cap.retype", "Untyped memory became objects.", {
  type: "text",
  sizeBits: "u32",
  count: "u32",
  address: "u64",
});
export const capCopy = event(0x0a02, "capability", "cap.copy", "A capability was derived from another (copy, mint).", {
  type: "text",
  from: "u64",
  to: "u64",
});
export const capMove = event(
  0x0a03,
  "capability",
  "cap.move",
  "A capability went to another slot (move, mutate, rotate).",
  {
    type: "text",
    from: "u64",
    to: "u64",
  },
);
export const capDelete = event(0x0a04, "capability", "cap.delete", "A capability went; final: its object with it.", {
  type: "text",
  slot: "u64",
  final: "flag",
});
export const capRevoke = event(0x0a05, "capability", "cap.revoke", "What was derived from a capability was deleted.", {
  type: "text",
  slot: "u64",
});
export const capMap = event(0x0a06, "capability", "cap.map", "A frame or page table went into an address space.", {
  type: "text",
  object: "u64",
  space: "u32",
  address: "u64",
  permissions: "text",
});
export const capUnmap = event(0x0a07, "capability", "cap.unmap", "A frame or page table left an address space.", {
  type: "text",
  object: "u64",
  space: "u32",
  address: "u64",
});
export const capTcb = event(0x0a08, "capability", "cap.tcb", "A thread was changed through its TCB.", {
  method: "text",
  tcb: "u64",
  thread: "u32",
});
export const capSpace = event(0x0a09, "capability", "cap.space", "An ASID pool was made, or a number was given.", {
  method: "text",
  object: "u64",
  space: "u32",
});
export const capIrq = event(
  0x0a0a,
  "capability",
  "cap.irq",
  "An interrupt line was given, set, cleared, acknowledged.",
  {
    method: "text",
    irq: "u32",
  },
);
export const capRefuse = event(0x0a0b, "capability", "cap.refuse", "A kernel object refused what it was asked.", {
  type: "text",
  label: "u64",
  error: "text",
});

export const capabilityEvents = [
  capRetype,
  capCopy,
  capMove,
  capDelete,
  capRevoke,
  capMap,
  capUnmap,
  capTcb,
  capSpace,
  capIrq,
  capRefuse,
] as const;
