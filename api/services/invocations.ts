/** seL4's calls from clients: requests as inputs, outcomes as responses with words that people understand. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { errorNames, methods } from "../../kernel/catalogue.ts";
import type { InvocationAnswer, InvokeOperation as KernelOperation, TaskId } from "../../kernel/index.ts";
import {
  type ConfigureThreadRequest,
  type CopyCapabilityRequest,
  InvokeOperation,
  type InvokeRequest,
  type InvokeResponseSchema,
  type MapFrameRequest,
  type MapPageTableRequest,
  type MoveCapabilityRequest,
  type RetypeUntypedRequest,
} from "../../proto/gen/ostler/v1/capabilities_pb.js";
import { invalid } from "../errors.ts";
import type { RemoteInput } from "../hosting/hosted.ts";
import type { CallDone } from "./remote-calls.ts";

const OPERATIONS: Record<InvokeOperation, KernelOperation> = {
  [InvokeOperation.UNSPECIFIED]: "call",
  [InvokeOperation.CALL]: "call",
  [InvokeOperation.SEND]: "send",
  [InvokeOperation.NB_SEND]: "nbSend",
  [InvokeOperation.RECV]: "recv",
  [InvokeOperation.NB_RECV]: "nbRecv",
  [InvokeOperation.REPLY_RECV]: "replyRecv",
  [InvokeOperation.REPLY]: "reply",
  [InvokeOperation.SIGNAL]: "send",
  [InvokeOperation.WAIT]: "recv",
  [InvokeOperation.POLL]: "nbRecv",
};
/** What has nothing to say. */
const SILENT: ReadonlySet<InvokeOperation> = new Set([
  InvokeOperation.RECV,
  InvokeOperation.NB_RECV,
  InvokeOperation.SIGNAL,
  InvokeOperation.WAIT,
  InvokeOperation.POLL,
]);
const METHODS = new Map([...methods].map(([name, label]) => [name.toLowerCase().replace(/^riscv/, ""), label]));
const FIRST_NAMES = 8;

function labelOf({ what }: InvokeRequest): bigint {
  if (what.case !== "method") return what.value ?? 0n;
  const label = METHODS.get(what.value.toLowerCase().replace(/^riscv/, ""));
  if (label !== undefined) return BigInt(label);
  const some = [...methods.keys()].slice(0, FIRST_NAMES).join(", ");
  throw invalid("method", `seL4 13.0.0 has no method ${JSON.stringify(what.value)}; there are ${some}, ...`);
}

export function toInvoke(request: InvokeRequest): RemoteInput {
  const { operation, capability, words, capabilities, receive } = request;
  if (SILENT.has(operation)) {
    if (words.length > 0) throw invalid("words", "only what sends has a message");
    if (capabilities.length > 0) throw invalid("capabilities", "only what sends has a message");
  }
  return {
    kind: "invoke",
    task: request.task as TaskId,
    operation: OPERATIONS[operation],
    capability,
    label: labelOf(request),
    words,
    capabilities,
    receive: receive === undefined ? null : { ...pathOf(receive) },
  };
}

const pathOf = ({ root, index, depth }: NonNullable<InvokeRequest["receive"]>) => ({
  root,
  index,
  depth: BigInt(depth),
});

// ---- Methods with names for what they take ------------------------------------------------------------------------

interface InNode {
  task: number;
  cnode: bigint;
}

/** The task's first CNode, at its start. */
const FIRST_CNODE = 2n;
const nodeOf = ({ cnode }: InNode): bigint => cnode || FIRST_CNODE;
const WHOLE_ADDRESS = 64n;
const depthOf = (given: number): bigint => (given === 0 ? WHOLE_ADDRESS : BigInt(given));

/** The two CNodes of a copy or a move, and how much of the addresses counts in each. */
function placesOf(request: InNode & { depth: number; destinationCnode: bigint; destinationDepth: number }) {
  const from = nodeOf(request);
  const depth = depthOf(request.depth);
  if (request.destinationCnode === 0n && request.destinationDepth === 0)
    return { from, to: from, depth, destinationDepth: depth };
  return { from, to: request.destinationCnode || from, depth, destinationDepth: depthOf(request.destinationDepth) };
}
const ALL_RIGHTS = "rwgp";
/** seL4_CapRights, by letter. */
const RIGHTS: Record<string, bigint> = { w: 1n, r: 2n, g: 4n, p: 8n };

const methodCall = (
  task: number,
  capability: bigint,
  method: string,
  words: bigint[],
  capabilities: bigint[] = [],
): RemoteInput => ({
  kind: "invoke",
  task: task as TaskId,
  operation: "call",
  capability,
  label: BigInt(methods.get(method)!),
  words,
  capabilities,
  receive: null,
});

export function toRetype(request: RetypeUntypedRequest): RemoteInput {
  const { task, untyped, type, sizeBits, index, count } = request;
  // The contract's numbers are seL4's and one, which leaves 0 for none.
  const words = [type - 1, sizeBits, 0, 0, index, count || 1].map(BigInt);
  return methodCall(task, untyped, "UntypedRetype", words, [nodeOf(request)]);
}

export function toCopy(request: CopyCapabilityRequest): RemoteInput {
  const { task, source, destination, rights, data } = request;
  let mask = 0n;
  for (const letter of rights || ALL_RIGHTS) mask |= RIGHTS[letter] ?? 0n;
  const { from, to, depth, destinationDepth } = placesOf(request);
  const words = [destination, destinationDepth, source, depth, mask];
  if (data === undefined) return methodCall(task, to, "CNodeCopy", words, [from]);
  return methodCall(task, to, "CNodeMint", [...words, data], [from]);
}

export const toSlotMethod = (
  request: InNode & { slot: bigint; depth: number },
  method: "CNodeDelete" | "CNodeRevoke",
): RemoteInput => methodCall(request.task, nodeOf(request), method, [request.slot, depthOf(request.depth)]);

export function toMove(request: MoveCapabilityRequest): RemoteInput {
  const { task, source, destination, data } = request;
  const { from, to, depth, destinationDepth } = placesOf(request);
  const words = [destination, destinationDepth, source, depth];
  if (data === undefined) return methodCall(task, to, "CNodeMove", words, [from]);
  return methodCall(task, to, "CNodeMutate", [...words, data], [from]);
}

/** The task's own address space, at its start. */
const FIRST_VSPACE = 3n;

export function toConfigure(request: ConfigureThreadRequest): RemoteInput {
  const { task, tcb, cspace, vspace, ipcBufferFrame, ipcBuffer, faultHandler } = request;
  const capabilities = [cspace || FIRST_CNODE, vspace || FIRST_VSPACE, ipcBufferFrame];
  return methodCall(task, tcb, "TCBConfigure", [faultHandler, 0n, 0n, ipcBuffer], capabilities);
}

const EXECUTE_NEVER = 1n;

export function toMapFrame({ task, frame, vspace, address, permissions }: MapFrameRequest): RemoteInput {
  const letters = permissions || "rw";
  const rights = (letters.includes("r") ? RIGHTS["r"]! : 0n) | (letters.includes("w") ? RIGHTS["w"]! : 0n);
  const attributes = letters.includes("x") ? 0n : EXECUTE_NEVER;
  return methodCall(task, frame, "RISCVPageMap", [address, rights, attributes], [vspace || FIRST_VSPACE]);
}

export const toMapTable = ({ task, table, vspace, address }: MapPageTableRequest): RemoteInput =>
  methodCall(task, table, "RISCVPageTableMap", [address, 0n], [vspace || FIRST_VSPACE]);

// ---- Answers ------------------------------------------------------------------------------------------------------

type Answered = Extract<InvocationAnswer, { kind: "message" }>;

/** What seL4's manual says about its errors, with the numbers that came. */
function describe(name: string, [first, second]: readonly bigint[]): string {
  switch (name) {
    case "InvalidArgument":
      return `argument ${first} (counted from 0) is not possible`;
    case "InvalidCapability":
      return `capability ${first} (0 is the one invoked, others are counted from 1) is of the wrong kind`;
    case "IllegalOperation":
      return "this capability has no such method, or its state or rights do not permit it";
    case "RangeError":
      return `an argument must be from ${first} to ${second}`;
    case "AlignmentError":
      return "an address is not aligned as it must be";
    case "FailedLookup":
      return `nothing usable was found where the ${first === 0n ? "destination" : "source"} should be`;
    case "TruncatedMessage":
      return "the method needs more words or capabilities";
    case "DeleteFirst":
      return "the destination holds something: delete it first";
    case "RevokeFirst":
      return "something was derived from it: revoke first";
    case "NotEnoughMemory":
      return `of the untyped memory ${first} bytes are left`;
    default:
      return "";
  }
}

function message(answer: Answered): MessageInitShape<typeof InvokeResponseSchema> {
  const name = answer.ofKernel ? (errorNames.get(Number(answer.label)) ?? "") : "";
  return {
    label: answer.label,
    errorName: name,
    errorDescription: describe(name, answer.words),
    words: answer.words,
    badge: answer.badge,
    capabilities: answer.capabilities,
    capabilitiesUnwrapped: answer.unwrapped,
    unwrappedBadges: answer.badges,
  };
}

const CAP_FAULT = 1;

/** Words of a capability's fault: where the thread was, the address, whether it received, and why. */
function faultText(label: number, words: readonly bigint[]): string {
  if (label !== CAP_FAULT) return "the call faulted";
  const doing = words[2] === 1n ? "receive through" : "invoke";
  return `there is nothing to ${doing} at capability address 0x${(words[1] ?? 0n).toString(16)}, or it has not the right`;
}

export function invokeResponse(
  { answer }: CallDone,
  taskAlive: boolean,
): MessageInitShape<typeof InvokeResponseSchema> {
  switch (answer?.kind) {
    case "message":
      return { ...message(answer), taskAlive };
    case "fault": {
      const { label, words } = answer;
      return { fault: { label: BigInt(label), words, description: faultText(label, words) }, taskAlive };
    }
    default:
      return { cancelled: true, taskAlive };
  }
}

export const answered = (done: CallDone, taskAlive: boolean) => ({ answer: invokeResponse(done, taskAlive) });
