/** Methods of CNodes. */
import { badgedSends, copy, relocate, rotate } from "../../cap/cnode.ts";
import { deleteStep, revokeStep } from "../../cap/delete.ts";
import { type Result, refuse } from "../../cap/errors.ts";
import { targetSlot } from "../../cap/lookup.ts";
import { hasRoomForCapabilities, isEmpty, move, peekSlot } from "../../cap/slots.ts";
import type { CapabilityOf } from "../../cap/state.ts";
import { tcbSlot } from "../../ipc/sel4/access.ts";
import { cancelAll, endpointQueue } from "../../ipc/sel4/endpoint.ts";
import type { Sel4Kernel } from "../../ipc/sel4/kernel.ts";
import type { SlotAddress } from "../../lib/ids.ts";
import { capMove, capRevoke } from "../../trace/events/capability.ts";
import { ipcCancel } from "../../trace/events/ipc.ts";
import { type Answer, again, answer, extraCap, type Invocation, needs } from "./invocation.ts";
import { Label } from "./labels.ts";

type Call = Invocation<CapabilityOf<"cnode">>;
/** Capabilities that go in one step of a long deletion. */
const stepsAtOnce = 32;

const settle = (result: Result<null>): Answer => (result.ok ? answer() : result);

export function cnodeInvocation(k: Sel4Kernel, call: Call): Answer {
  if (call.label < Label.cnodeRevoke || call.label > Label.cnodeSaveCaller) return refuse({ kind: "illegalOperation" });
  const truncated = needs(call, 2);
  if (truncated !== null) return refuse(truncated);
  const target = targetSlot(k, call.cap, call.words[0]!, call.words[1]!);
  if (!target.ok) return target;
  const at = target.value;
  switch (call.label) {
    case Label.cnodeRevoke:
      return revoke(k, at);
    case Label.cnodeDelete:
      return remove(k, at);
    case Label.cnodeCancelBadgedSends:
      return cancel(k, at);
    case Label.cnodeRotate:
      return rotation(k, call, at);
    case Label.cnodeSaveCaller:
      return saveCaller(k, call, at);
    default:
      return transfer(k, call, at);
  }
}

function revoke(k: Sel4Kernel, at: SlotAddress): Answer {
  for (let step = 0; step < stepsAtOnce; step++) {
    if (!revokeStep(k, at)) continue;
    if (k.trace.on(capRevoke))
      k.trace.write(capRevoke, { type: peekSlot(k, at)?.capability.type ?? "", slot: BigInt(at) });
    return answer();
  }
  return again;
}

/** The call that is made again goes by what is in the slot then, as seL4's does. */
function remove(k: Sel4Kernel, at: SlotAddress): Answer {
  let rest: SlotAddress | null = at;
  for (let step = 0; step < stepsAtOnce; step++) {
    rest = deleteStep(k, rest);
    if (rest === null) return answer();
  }
  return again;
}

function cancel(k: Sel4Kernel, at: SlotAddress): Answer {
  const sends = badgedSends(k, at);
  if (!sends.ok) return sends;
  const { cap, badge } = sends.value;
  if (badge === 0n || cap.type !== "endpoint") return answer();
  cancelAll(k, endpointQueue(cap.address), badge);
  if (k.trace.on(ipcCancel)) k.trace.write(ipcCancel, { object: BigInt(cap.address), badge });
  return answer();
}

function transfer(k: Sel4Kernel, call: Call, to: SlotAddress): Answer {
  const truncated = needs(call, 4, 1);
  if (truncated !== null) return refuse(truncated);
  const [, , index, depth] = call.words as bigint[];
  if (!isEmpty(k, to)) return refuse({ kind: "deleteFirst" });
  const source = targetSlot(k, extraCap(k, call, 0), index!, depth!, true);
  if (!source.ok) return source;
  const from = source.value;
  const empty = { kind: "missingCapability", bitsLeft: Number(depth) } as const;
  if (isEmpty(k, from)) return refuse({ kind: "failedLookup", source: true, fault: empty });
  const copies = call.label === Label.cnodeCopy || call.label === Label.cnodeMint;
  if (copies && !hasRoomForCapabilities(k, 1)) return refuse({ kind: "notEnoughMemory", bytesLeft: 0 });
  const words = { [Label.cnodeCopy]: 5, [Label.cnodeMint]: 6, [Label.cnodeMutate]: 5 }[call.label] ?? 4;
  if (call.words.length < words) return refuse({ kind: "truncatedMessage" });
  const rights = Number((call.words[4] ?? 0n) & 15n);
  switch (call.label) {
    case Label.cnodeCopy:
      return settle(copy(k, { to, from, depth: depth!, rights, data: null }));
    case Label.cnodeMint:
      return settle(copy(k, { to, from, depth: depth!, rights, data: call.words[5]! }));
    case Label.cnodeMutate:
      return settle(relocate(k, { to, from, depth: depth!, data: call.words[4]! }));
    default:
      return settle(relocate(k, { to, from, depth: depth!, data: null }));
  }
}

function rotation(k: Sel4Kernel, call: Call, to: SlotAddress): Answer {
  const truncated = needs(call, 8, 2);
  if (truncated !== null) return refuse(truncated);
  const [, , pivotData, pivotIndex, pivotDepth, data, index, depth] = call.words as bigint[];
  const source = targetSlot(k, extraCap(k, call, 1), index!, depth!, true);
  if (!source.ok) return source;
  const pivot = targetSlot(k, extraCap(k, call, 0), pivotIndex!, pivotDepth!, true);
  if (!pivot.ok) return pivot;
  return settle(
    rotate(k, {
      to,
      pivot: pivot.value,
      pivotDepth: pivotDepth!,
      pivotData: pivotData!,
      from: source.value,
      depth: depth!,
      data: data!,
    }),
  );
}

function saveCaller(k: Sel4Kernel, call: Call, to: SlotAddress): Answer {
  if (!isEmpty(k, to)) return refuse({ kind: "deleteFirst" });
  const caller = tcbSlot(call.thread.tcb!, "caller");
  const cap = peekSlot(k, caller)?.capability;
  if (cap === undefined) return answer();
  move(k, caller, to, cap);
  if (k.trace.on(capMove)) k.trace.write(capMove, { type: cap.type, from: BigInt(caller), to: BigInt(to) });
  return answer();
}
