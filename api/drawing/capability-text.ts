/** Words for capabilities and objects in pictures. */
import type { CapabilitySlotInfo, KernelObjectInfo, MappedInfo } from "../../kernel/index.ts";

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const mappedText = ({ asid, address }: MappedInfo): string => `space ${asid} at ${hex(address)}`;

export function placeText({ place }: CapabilitySlotInfo): string {
  if (place.kind === "kernel") return place.name;
  const where = `${place.kind} ${hex(place.address)}`;
  return place.kind === "tcb" ? `${where} ${place.name}` : `${where} [${place.index}]`;
}

/** What is special about a capability: "rw-- badge 0x7". */
export function capabilityText(slot: CapabilitySlotInfo): string {
  return [
    slot.rights,
    slot.badge === null || slot.badge === 0n ? "" : `badge ${hex(slot.badge)}`,
    slot.guard === null ? "" : `guard ${hex(slot.guard.value)}/${slot.guard.bits}`,
    slot.mapped === null ? "" : mappedText(slot.mapped),
    slot.bytesUsed === null ? "" : `${slot.bytesUsed} bytes used`,
    slot.master ? "master" : "",
    slot.delegatedBy === null ? "" : `passed on by task ${slot.delegatedBy.task} thread ${slot.delegatedBy.thread}`,
  ]
    .filter((text) => text !== "")
    .join(", ");
}

/** What an object is right now, in a line. */
export function objectText({ detail }: KernelObjectInfo): string {
  switch (detail.kind) {
    case "untyped":
      return `${detail.bytesUsed} bytes used, ${detail.bytesLeft} left${detail.device ? ", device" : ""}${detail.pool ? ", a pool" : ""}`;
    case "bank":
      return `${detail.pages} pages, ${detail.tables} page tables${detail.shared === 0n ? "" : `, ${detail.shared} pages shared`}`;
    case "cnode":
      return `${detail.filled} of ${2 ** detail.radix} slots filled`;
    case "tcb":
      return `task ${detail.task} thread ${detail.thread} ${detail.name} priority ${detail.priority} ${detail.state} ${detail.wait}`.trim();
    case "endpoint":
      return detail.waiters.length === 0 ? "nobody waits" : `to ${detail.waitingTo}: ${detail.waiters.join(", ")}`;
    case "notification":
      return `${detail.active ? `active ${hex(detail.word)}` : "idle"}${detail.waiters.length === 0 ? "" : `, waiting: ${detail.waiters.join(", ")}`}`;
    case "frame":
    case "pageTable":
      return detail.mappings.length === 0 ? "not mapped" : detail.mappings.map(mappedText).join("; ");
    case "asidPool":
      return `numbers from ${detail.base}, ${detail.used} used`;
    case "irqHandler":
      return `line ${detail.irq}${detail.masked ? ", masked" : ""}${detail.pending ? ", pending" : ""}`;
    case "zombie":
      return `${detail.slotsLeft} slots left`;
    default:
      return "";
  }
}
