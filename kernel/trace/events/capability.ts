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

export const capabilityEvents = [capRetype, capCopy, capMove, capDelete, capRevoke] as const;
