/**
 * Taking capabilities away from outside: of the slots that are the kernel's own, named as the graph names them. Whoever
 * has the machine has the pools that all memory is from, and whatever files are opened from; what tasks keep in CNodes
 * is revoked by a task (CNode_Revoke).
 */
import { deleteSlot } from "../cap/delete.ts";
import { bankSlot, poolsOf } from "../cap/memory.ts";
import { firstChild, isEmpty, peekSlot } from "../cap/slots.ts";
import type { SlotAddress, TaskId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { capRevoke } from "../trace/events/capability.ts";
import { descriptorSlot } from "../vfs/descriptor-slots.ts";
import type { Kernel } from "./kernel.ts";
import { type Plan, refuse } from "./plan.ts";
import type { Input } from "./types.ts";

/** The slot of an id; null for one of another kind. */
function slotOf(k: Kernel, id: string): SlotAddress | null {
  const [, fd, holder] = /^descriptor (\d{1,9}) of task (\d{1,9})$/.exec(id) ?? [];
  if (fd !== undefined)
    return Number(fd) < limits.descriptors ? descriptorSlot(Number(holder) as TaskId, Number(fd)) : null;
  const [, task, pool] = /^bank of task (\d{1,9}) in pool (\d{1,3})$/.exec(id) ?? [];
  if (task === undefined || task === "0" || Number(pool) >= poolsOf(k).length) return null;
  return bankSlot(Number(task) as TaskId, Number(pool));
}

/** All that was derived from it: none of these has slots of its own, so each is one step. */
function revoke(k: Kernel, at: SlotAddress, itself: boolean): void {
  const type = peekSlot(k, at)!.capability.type;
  for (let child = firstChild(k, at); child !== null; child = isEmpty(k, at) ? null : firstChild(k, at))
    deleteSlot(k, child);
  if (itself) deleteSlot(k, at);
  if (k.trace.on(capRevoke)) k.trace.write(capRevoke, { type, slot: BigInt(at) });
}

export function planRevokeSlot(k: Kernel, { slot, itself }: Extract<Input, { kind: "revokeSlot" }>): Plan {
  const at = slotOf(k, slot);
  if (at === null)
    return refuse("invalid", "slot", "must be a descriptor or a bank, for example 'descriptor 1 of task 3'");
  if (isEmpty(k, at)) return refuse("notFound", "slot", `there is no ${slot}, or it was revoked`);
  return {
    perform() {
      revoke(k, at, itself);
      return undefined;
    },
  };
}
