/** Methods of untyped memory. */
import { refuse } from "../../cap/errors.ts";
import type { ObjectType } from "../../cap/kernel.ts";
import { targetSlot } from "../../cap/lookup.ts";
import { hasRoomForCapabilities, peekSlot } from "../../cap/slots.ts";
import type { CapabilityOf } from "../../cap/state.ts";
import { maxUntypedBits, minUntypedBits, objectBits, retype, retypeLimit } from "../../cap/untyped.ts";
import type { Sel4Kernel } from "../../ipc/sel4/kernel.ts";
import { limits } from "../../lib/limits.ts";
import { type Answer, answer, extraCap, type Invocation, needs } from "./invocation.ts";
import { Label } from "./labels.ts";

/** By seL4's numbers; frames have a size of their own. */
const types: readonly { type: ObjectType; frameBits?: number }[] = [
  { type: "untyped" },
  { type: "tcb" },
  { type: "endpoint" },
  { type: "notification" },
  { type: "cnode" },
  { type: "frame", frameBits: 30 },
  { type: "frame", frameBits: 12 },
  { type: "frame", frameBits: 21 },
  { type: "pageTable" },
];

/** What the host keeps of objects is no memory of the machine's: however much that has, there is a most of them. */
function hasRoomFor(k: Sel4Kernel, type: ObjectType, count: bigint): boolean {
  if (count > BigInt(retypeLimit)) return true;
  const isFull = type === "tcb" && k.threads.threads.size + Number(count) > limits.tcbs;
  return !isFull && hasRoomForCapabilities(k, Number(count));
}

export function untypedInvocation(k: Sel4Kernel, call: Invocation<CapabilityOf<"untyped">>): Answer {
  if (call.label !== Label.untypedRetype) return refuse({ kind: "illegalOperation" });
  const truncated = needs(call, 6, 1);
  if (truncated !== null) return refuse(truncated);
  const [typeNumber, userBits, index, depth, offset, count] = call.words as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  const row = typeNumber < BigInt(types.length) ? types[Number(typeNumber)]! : null;
  if (row === null) return refuse({ kind: "invalidArgument", argument: 0 });
  const { type, frameBits } = row;
  const range = { kind: "rangeError", min: 0n, max: BigInt(maxUntypedBits) } as const;
  if (userBits >= 64n) return refuse(range);
  const sizeBits = frameBits ?? Number(userBits);
  if (objectBits(k, type, sizeBits) > maxUntypedBits) return refuse(range);
  const tooSmall = (type === "cnode" && sizeBits === 0) || (type === "untyped" && sizeBits < minUntypedBits);
  if (tooSmall) return refuse({ kind: "invalidArgument", argument: 1 });

  const root = extraCap(k, call, 0);
  const found = depth === 0n ? null : targetSlot(k, root, index, depth);
  if (found !== null && !found.ok) return found;
  const node = found === null ? root : (peekSlot(k, found.value)?.capability ?? null);
  if (node?.type !== "cnode")
    return refuse({
      kind: "failedLookup",
      source: false,
      fault: { kind: "missingCapability", bitsLeft: Number(BigInt.asUintN(7, depth)) },
    });
  if (!hasRoomFor(k, type, count)) return refuse({ kind: "notEnoughMemory", bytesLeft: 0 });
  const made = retype(k, { from: call.slot, type, sizeBits, node, offset, count });
  return made.ok ? answer() : made;
}
