/** CapabilityService: the graph of capabilities, as data and as a picture. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CapabilityGraphInfo,
  CapabilitySlotInfo,
  CapabilityType as CapabilityTypeName,
  CapabilityFilter as KernelFilter,
  KernelObjectInfo,
  TaskId,
} from "../../kernel/index.ts";
import {
  CapabilityEdgeKind,
  type CapabilityEdgeSchema,
  type CapabilityFilter,
  type CapabilityService,
  type CapabilitySlotSchema,
  CapabilityType,
  ConfigureThreadRequestSchema,
  ConfigureThreadResponseSchema,
  CopyCapabilityRequestSchema,
  CopyCapabilityResponseSchema,
  DeleteCapabilityRequestSchema,
  DeleteCapabilityResponseSchema,
  InvokeRequestSchema,
  InvokeResponseSchema,
  type KernelObjectSchema,
  MapFrameRequestSchema,
  MapFrameResponseSchema,
  MapPageTableRequestSchema,
  MapPageTableResponseSchema,
  MoveCapabilityRequestSchema,
  MoveCapabilityResponseSchema,
  RetypeUntypedRequestSchema,
  RetypeUntypedResponseSchema,
  RevokeCapabilityRequestSchema,
  RevokeCapabilityResponseSchema,
} from "../../proto/gen/ostler/v1/capabilities_pb.js";
import { capabilityDot } from "../drawing/capability-dot.ts";
import { capabilitySvg } from "../drawing/capability-svg.ts";
import { Code, invalid, OstlerError } from "../errors.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import type { ServiceImplementation } from "../operation.ts";
import { type Deps, toNumber, toPosition } from "./common.ts";
import {
  answered,
  invokeResponse,
  toConfigure,
  toCopy,
  toInvoke,
  toMapFrame,
  toMapTable,
  toMove,
  toRetype,
  toSlotMethod,
} from "./invocations.ts";
import { toPicture } from "./pictures.ts";
import { remoteCall } from "./remote-calls.ts";

const DEFAULT_PAGE = 100;
/** Slots of a picture: more of them nobody can look at. */
const MAX_DRAWN = 2000;
const TYPES: Record<CapabilityTypeName, CapabilityType> = {
  untyped: CapabilityType.UNTYPED,
  cnode: CapabilityType.CNODE,
  tcb: CapabilityType.TCB,
  endpoint: CapabilityType.ENDPOINT,
  notification: CapabilityType.NOTIFICATION,
  reply: CapabilityType.REPLY,
  frame: CapabilityType.FRAME,
  pageTable: CapabilityType.PAGE_TABLE,
  asidControl: CapabilityType.ASID_CONTROL,
  asidPool: CapabilityType.ASID_POOL,
  irqControl: CapabilityType.IRQ_CONTROL,
  irqHandler: CapabilityType.IRQ_HANDLER,
  domain: CapabilityType.DOMAIN,
  zombie: CapabilityType.ZOMBIE,
  file: CapabilityType.FILE,
  bank: CapabilityType.BANK,
};
const TYPE_NAMES = new Map(Object.entries(TYPES).map(([name, type]) => [type, name as CapabilityTypeName]));

function toPlace({ place }: CapabilitySlotInfo): NonNullable<MessageInitShape<typeof CapabilitySlotSchema>["place"]> {
  switch (place.kind) {
    case "kernel":
      return { case: "kernel", value: place.name };
    case "tcb":
      return { case: "tcb", value: { address: place.address, name: place.name } };
    default:
      return { case: place.kind, value: { address: place.address, index: place.index } };
  }
}

const toSlot = (slot: CapabilitySlotInfo): MessageInitShape<typeof CapabilitySlotSchema> => ({
  id: slot.id,
  place: toPlace(slot),
  type: TYPES[slot.type],
  object: slot.object,
  rights: slot.rights,
  ...(slot.badge !== null && { badge: slot.badge }),
  ...(slot.guard !== null && { guard: slot.guard.value, guardBits: slot.guard.bits }),
  ...(slot.mapped !== null && { mapped: slot.mapped }),
  ...(slot.bytesUsed !== null && { bytesUsed: slot.bytesUsed }),
  master: slot.master,
  parent: slot.parent ?? "",
  revocable: slot.revocable,
  ...(slot.delegatedBy !== null && { delegatedBy: slot.delegatedBy }),
  holders: slot.holders,
  holderCount: slot.holderCount,
});

type Detail = NonNullable<MessageInitShape<typeof KernelObjectSchema>["detail"]>;

/** The kernel's details have the fields of the contract's; what has none is only its kind. */
function toDetail({ detail: { kind, ...value } }: KernelObjectInfo): Detail {
  if (kind === "asidControl" || kind === "irqControl" || kind === "domain") return { case: undefined };
  return { case: kind, value } as Detail;
}

const toObject = (object: KernelObjectInfo): MessageInitShape<typeof KernelObjectSchema> => ({
  id: object.id,
  kind: TYPES[object.detail.kind],
  address: object.address,
  bytes: object.bytes,
  capabilities: object.capabilities,
  detail: toDetail(object),
});

/** What a slot is in; null for the kernel's own. */
const containerOf = ({ place }: CapabilitySlotInfo): string | null =>
  place.kind === "kernel" ? null : `${place.kind}@0x${place.address.toString(16)}`;

const delegation = (from: string, to: string) => ({ kind: CapabilityEdgeKind.DELEGATION, from, to });

function edgesOf({ slots }: CapabilityGraphInfo): MessageInitShape<typeof CapabilityEdgeSchema>[] {
  return slots.flatMap((slot) => {
    const container = containerOf(slot);
    return [
      ...(slot.parent === null ? [] : [{ kind: CapabilityEdgeKind.DERIVATION, from: slot.parent, to: slot.id }]),
      ...(container === null ? [] : [{ kind: CapabilityEdgeKind.CONTAINMENT, from: container, to: slot.id }]),
      { kind: CapabilityEdgeKind.REFERENCE, from: slot.id, to: slot.object },
      ...(slot.delegatedBy?.object ? [delegation(slot.delegatedBy.object, slot.id)] : []),
    ];
  });
}

const toFilter = (filter: CapabilityFilter | undefined): KernelFilter => ({
  task: filter === undefined || filter.task === 0 ? null : (filter.task as TaskId),
  types: (filter?.types ?? []).map((type) => TYPE_NAMES.get(type)!),
  object: filter?.objectAddress === undefined ? null : toNumber(filter.objectAddress, "filter.object_address"),
});

/** The token is the address of the first slot of the page; slots of the kernel's own are below zero. */
function firstSlot(pageToken: string): number | null {
  if (!/^(-?[0-9]{1,15})?$/.test(pageToken))
    throw invalid("page_token", "must be a next_page_token of the page before");
  return pageToken === "" ? null : Number(pageToken);
}

async function graph(machine: HostedMachine, from: number | null, limit: number, filter: KernelFilter) {
  return (await machine.query({ kind: "capabilities", from, limit, filter })).capabilities!;
}

export function capabilityService(deps: Deps): ServiceImplementation<typeof CapabilityService> {
  return {
    async getCapabilityGraph({ machineId, filter, pageSize, pageToken }) {
      const machine = await deps.hosting.use(machineId);
      const answer = await graph(machine, firstSlot(pageToken), pageSize || DEFAULT_PAGE, toFilter(filter));
      return {
        slots: answer.slots.map(toSlot),
        objects: answer.objects.map(toObject),
        edges: edgesOf(answer),
        total: BigInt(answer.total),
        nextPageToken: answer.next === null ? "" : String(answer.next),
        position: toPosition(machine.visible.summary.position),
      };
    },

    invoke(request, context) {
      const schemas = { request: InvokeRequestSchema, response: InvokeResponseSchema };
      return remoteCall(deps, context, schemas, request, { input: () => toInvoke(request), answer: invokeResponse });
    },

    retypeUntyped(request, context) {
      const schemas = { request: RetypeUntypedRequestSchema, response: RetypeUntypedResponseSchema };
      return remoteCall(deps, context, schemas, request, { input: () => toRetype(request), answer: answered });
    },

    copyCapability(request, context) {
      const schemas = { request: CopyCapabilityRequestSchema, response: CopyCapabilityResponseSchema };
      return remoteCall(deps, context, schemas, request, { input: () => toCopy(request), answer: answered });
    },

    deleteCapability(request, context) {
      const schemas = { request: DeleteCapabilityRequestSchema, response: DeleteCapabilityResponseSchema };
      const input = () => toSlotMethod(request, "CNodeDelete");
      return remoteCall(deps, context, schemas, request, { input, answer: answered });
    },

    revokeCapability(request, context) {
      const schemas = { request: RevokeCapabilityRequestSchema, response: RevokeCapabilityResponseSchema };
      const input = () => toSlotMethod(request, "CNodeRevoke");
      return remoteCall(deps, context, schemas, request, { input, answer: answered });
    },

    moveCapability(request, context) {
      const schemas = { request: MoveCapabilityRequestSchema, response: MoveCapabilityResponseSchema };
      return remoteCall(deps, context, schemas, request, { input: () => toMove(request), answer: answered });
    },

    configureThread(request, context) {
      const schemas = { request: ConfigureThreadRequestSchema, response: ConfigureThreadResponseSchema };
      return remoteCall(deps, context, schemas, request, { input: () => toConfigure(request), answer: answered });
    },

    mapFrame(request, context) {
      const schemas = { request: MapFrameRequestSchema, response: MapFrameResponseSchema };
      return remoteCall(deps, context, schemas, request, { input: () => toMapFrame(request), answer: answered });
    },

    mapPageTable(request, context) {
      const schemas = { request: MapPageTableRequestSchema, response: MapPageTableResponseSchema };
      return remoteCall(deps, context, schemas, request, { input: () => toMapTable(request), answer: answered });
    },

    async revokeSlot({ machineId, slot, itself }) {
      const machine = await deps.hosting.use(machineId);
      await machine.apply({ kind: "revokeSlot", slot, itself });
      return { position: toPosition(machine.visible.summary.position) };
    },

    async renderCapabilityGraph({ machineId, filter, format }) {
      const machine = await deps.hosting.use(machineId);
      const answer = await graph(machine, null, MAX_DRAWN, toFilter(filter));
      if (answer.next !== null) {
        throw new OstlerError(
          Code.RESOURCE_EXHAUSTED,
          "GRAPH_TOO_LARGE",
          `${answer.total} capabilities are more than the ${MAX_DRAWN} of a picture; filter by task, type or object`,
        );
      }
      const drawings = { dot: () => capabilityDot(answer), svg: () => capabilitySvg(answer) };
      return toPicture(format, drawings, machine.visible.summary.position);
    },
  };
}
