/**
 * seL4's calls by a remote-driven task that holds capabilities: a client is the root task.
 *
 * The message is laid where a program would have put it, into the thread's registers and its IPC buffer, and the same
 * dispatch follows as after a trap. So a call may wait for its partner, and is answered when the partner comes; a call
 * that faults goes to the thread's fault handler, and to the client when there is none.
 */
import { dispatch } from "../entry/syscall.ts";
import { bufferOf, layMessage, maxExtraCaps, maxLength, messageRegisters } from "../ipc/sel4/message.ts";
import { unreachable } from "../lib/assert.ts";
import { beginRemoteCall } from "../thread/blocking.ts";
import type { Thread } from "../thread/state.ts";
import type { Kernel } from "./kernel.ts";
import { type Plan, refuse } from "./plan.ts";
import { idleThread } from "./remote.ts";
import type { Input, InputError, InvokeOperation } from "./types.ts";

type Invoke = Extract<Input, { kind: "invoke" }>;

interface Operation {
  /** Of the system call. */
  name: string;
  /** Whether the answer has a message. */
  receives: boolean;
}

const operations: Record<InvokeOperation, Operation> = {
  call: { name: "seL4_Call", receives: true },
  replyRecv: { name: "seL4_ReplyRecv", receives: true },
  send: { name: "seL4_Send", receives: false },
  nbSend: { name: "seL4_NBSend", receives: false },
  recv: { name: "seL4_Recv", receives: true },
  reply: { name: "seL4_Reply", receives: false },
  yieldHart: { name: "seL4_Yield", receives: false },
  nbRecv: { name: "seL4_NBRecv", receives: true },
};

function numberOf(k: Kernel, wanted: string): number {
  for (const [number, { name }] of k.systemCalls) if (name === wanted) return number;
  return unreachable(wanted as never);
}

const isWord = (value: bigint): boolean => BigInt.asUintN(64, value) === value;
const labelBits = 52;

function messageProblem({ operation, capability, label, words, capabilities, receive }: Invoke) {
  if (!Object.hasOwn(operations, operation))
    return refuse("invalid", "operation", `there is no operation ${operation}`);
  if (BigInt.asUintN(labelBits, label) !== label) return refuse("invalid", "label", `has at most ${labelBits} bits`);
  if (words.length > maxLength) return refuse("invalid", "words", `a message has at most ${maxLength} words`);
  if (capabilities.length > maxExtraCaps)
    return refuse("invalid", "capabilities", `at most ${maxExtraCaps} capabilities go with a message`);
  const path = receive === null ? [] : [receive.root, receive.index, receive.depth];
  return [capability, ...words, ...capabilities, ...path].every(isWord)
    ? null
    : refuse("invalid", "words", "words and addresses are unsigned and have 64 bits");
}

function bufferProblem(k: Kernel, thread: Thread, { words, capabilities, receive }: Invoke) {
  const needsBuffer = words.length > messageRegisters || capabilities.length > 0 || receive !== null;
  if (!needsBuffer || bufferOf(k, thread, false) !== null) return null;
  return refuse(
    "failedPrecondition",
    "task",
    `the thread has no IPC buffer: without one a message is at most ${messageRegisters} words and no capabilities`,
  );
}

export function planInvoke(k: Kernel, input: Invoke): Plan {
  const thread = idleThread(k, input.task, input.call);
  if ("error" in thread) return thread;
  if (thread.tcb === null)
    return refuse("failedPrecondition", "task", `task ${input.task} holds no capabilities: it was created without`);
  const problem: { error: InputError } | null = messageProblem(input) ?? bufferProblem(k, thread, input);
  return (
    problem ?? {
      perform() {
        makeInvocation(k, thread, input);
        return undefined;
      },
    }
  );
}

function makeInvocation(k: Kernel, thread: Thread, input: Invoke): void {
  beginRemoteCall(thread);
  const { name, receives } = operations[input.operation];
  const invocation = { receives, over: null, ofKernel: false, fault: null };
  thread.call = { id: input.call, buffers: [], invocation };
  const message = layMessage(k, thread, input);
  k.hal.contexts.setCall(thread.context, BigInt(numberOf(k, name)), [input.capability, ...message]);
  k.subject = thread;
  dispatch(k, thread);
  k.subject = null;
}
