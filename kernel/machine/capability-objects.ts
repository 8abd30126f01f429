/** What kernel objects are right now, kind by kind; for hosts that look. */
import type { Capability, CapabilityOf, MappedAt } from "../cap/state.ts";
import { pageBytes } from "../hal/types.ts";
import { isVspace } from "../ipc/sel4/access.ts";
import { endpointQueue } from "../ipc/sel4/endpoint.ts";
import { notificationQueue } from "../ipc/sel4/notification.ts";
import { asidsPerPool } from "../ipc/sel4/vspace.ts";
import type { PhysicalAddress, TaskId } from "../lib/ids.ts";
import { useOf } from "../mm/holdings.ts";
import { hartOf } from "../sched/sched.ts";
import { getThread } from "../thread/blocking.ts";
import { describeWait } from "../thread/wait.ts";
import type { KernelObjectDetail, KernelObjectKind, MappedInfo } from "./graph-types.ts";
import type { Kernel } from "./kernel.ts";
import { holdingOfTask, rangeOf } from "./pools.ts";

type Of<Kind extends KernelObjectKind> = Extract<KernelObjectDetail, { kind: Kind }>;

export const mappedInfo = (k: Kernel, { asid, address }: MappedAt): MappedInfo => ({
  asid,
  address: BigInt(address),
  live: k.sel4.vspaces.has(asid),
});

const mappingsOf = (k: Kernel, all: readonly Capability[]): MappedInfo[] =>
  all.flatMap((cap) => ("mapped" in cap && cap.mapped !== null ? [mappedInfo(k, cap.mapped)] : []));

/** Several capabilities can be to one range; it is used as far as any of them says. */
function untyped(k: Kernel, cap: CapabilityOf<"untyped">, all: readonly Capability[]): Of<"untyped"> {
  const pool = cap.pool !== undefined;
  const used = pool
    ? 2 ** cap.sizeBits - useOf(k, rangeOf(k, cap)).free * pageBytes
    : all.reduce((most, one) => (one.type === "untyped" ? Math.max(most, one.used) : most), 0);
  return {
    kind: "untyped",
    device: cap.device,
    pool,
    bytesUsed: BigInt(used),
    bytesLeft: BigInt(2 ** cap.sizeBits - used),
  };
}

function bank(k: Kernel, cap: CapabilityOf<"bank">): Of<"bank"> {
  const { pages, tables, shared } = holdingOfTask(k, cap.task, rangeOf(k, cap));
  return { kind: "bank", task: cap.task, pages: BigInt(pages), tables: BigInt(tables), shared: BigInt(shared) };
}

function tcb(k: Kernel, address: PhysicalAddress): Of<"tcb"> {
  const block = k.sel4.tcbs.get(address);
  const thread = block === undefined ? undefined : k.threads.threads.get(block.thread);
  const blocked = thread?.state === "blocked" ? thread.wait : null;
  const running = thread !== undefined && hartOf(k, thread.id) !== null ? "running" : "ready";
  return {
    kind: "tcb",
    task: thread?.task ?? (0 as TaskId),
    thread: block?.thread ?? (0 as Of<"tcb">["thread"]),
    name: block?.name ?? "",
    priority: thread?.priority ?? 0,
    maxControlledPriority: block?.maxControlledPriority ?? 0,
    domain: block?.domain ?? 0,
    state:
      thread === undefined
        ? "ended"
        : blocked === null
          ? running
          : blocked.kind === "inactive"
            ? "inactive"
            : "blocked",
    wait: blocked === null ? "" : describeWait(blocked),
    faultHandler: block?.faultHandler ?? 0n,
    ipcBuffer: BigInt(block?.ipcBuffer ?? 0),
    boundNotification: BigInt(block?.bound ?? 0),
  };
}

function endpoint(k: Kernel, address: PhysicalAddress): Of<"endpoint"> {
  const waiters = k.threads.queues.get(endpointQueue(address)) ?? [];
  const first = waiters.length === 0 ? null : getThread(k, waiters[0]!).wait?.kind;
  return { kind: "endpoint", waitingTo: first === "send" || first === "receive" ? first : "", waiters: [...waiters] };
}

function notification(k: Kernel, address: PhysicalAddress): Of<"notification"> {
  const state = k.sel4.notifications.get(address);
  return {
    kind: "notification",
    active: state?.active ?? false,
    word: state?.word ?? 0n,
    boundTcb: BigInt(state?.bound ?? 0),
    waiters: [...(k.threads.queues.get(notificationQueue(address)) ?? [])],
  };
}

function asidPool(k: Kernel, base: number): Of<"asidPool"> {
  const used = [...k.sel4.vspaces.keys()].filter((asid) => asid >= base && asid < base + asidsPerPool).length;
  return { kind: "asidPool", base, used };
}

/** `cap` is one of `all` the capabilities to the object; `filled`: slots in it that hold something. */
export function describeObject(
  k: Kernel,
  kind: KernelObjectKind,
  cap: Capability,
  all: readonly Capability[],
  filled: number,
): KernelObjectDetail {
  switch (cap.type) {
    case "untyped":
      return untyped(k, cap, all);
    case "bank":
      return bank(k, cap);
    case "cnode":
      return { kind: "cnode", radix: cap.radix, filled };
    case "reply":
      return tcb(k, cap.tcb);
    case "tcb":
      return tcb(k, cap.address);
    case "endpoint":
      return endpoint(k, cap.address);
    case "notification":
      return notification(k, cap.address);
    case "frame":
      return { kind: "frame", device: cap.device, mappings: mappingsOf(k, all) };
    case "pageTable":
      return { kind: "pageTable", mappings: mappingsOf(k, all), isRoot: isVspace(k, cap) };
    case "asidPool":
      return asidPool(k, cap.base);
    case "irqHandler":
      return { kind: "irqHandler", irq: cap.irq, ...(k.sel4.irqs.get(cap.irq) ?? { masked: false, pending: false }) };
    case "zombie":
      return { kind: "zombie", slotsLeft: cap.count };
    default:
      return { kind: kind as "asidControl" | "irqControl" | "domain" };
  }
}
