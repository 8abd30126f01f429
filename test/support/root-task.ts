/** A remote-driven root task, for tests: seL4's calls from outside a machine. */
import { Label } from "../../kernel/abi/sel4/labels.ts";
import type { CallId, Input, InvocationAnswer, InvokeOperation, Machine, TaskId } from "../../kernel/index.ts";
import { mustApply, noLimits, runOn } from "./machine.ts";

type Invoke = Extract<Input, { kind: "invoke" }>;
export type Message = Partial<Pick<Invoke, "label" | "words" | "capabilities" | "receive">>;
type Answered = Extract<InvocationAnswer, { kind: "message" }>;

/** Slots of the first CNode. */
export const first = { tcb: 1n, cnode: 2n, vspace: 3n, asidPool: 6n, buffer: 10n } as const;
export const objectType = { untyped: 0n, tcb: 1n, endpoint: 2n, notification: 3n, cnode: 4n, page: 6n, table: 8n };
const wholeAddress = 64n;

export class RootTask {
  readonly machine: Machine;
  readonly task: TaskId;
  #nextCall = 1000;
  #nextSlot = 200n;

  constructor(machine: Machine) {
    this.machine = machine;
    this.task = mustApply(machine, { kind: "createRemoteTask", name: "root", limits: noLimits, capabilities: true })!;
    machine.drainOutputs();
  }

  slot = (): bigint => this.#nextSlot++;

  input(operation: InvokeOperation, capability: bigint, message: Message = {}): Invoke {
    const call = this.#nextCall++ as CallId;
    const none = { label: 0n, words: [], capabilities: [], receive: null };
    return { ...none, ...message, kind: "invoke", call, task: this.task, operation, capability };
  }

  /** What has become of a call; null while it waits. */
  answer(call: CallId): InvocationAnswer | null {
    for (const output of this.machine.drainOutputs())
      if (output.kind === "callDone" && output.call === call) return output.answer;
    return null;
  }

  start(operation: InvokeOperation, capability: bigint, message: Message = {}): CallId {
    const input = this.input(operation, capability, message);
    mustApply(this.machine, input);
    return input.call;
  }

  do(operation: InvokeOperation, capability: bigint, message: Message = {}): InvocationAnswer | null {
    return this.answer(this.start(operation, capability, message));
  }

  method(name: keyof typeof Label, capability: bigint, words: bigint[] = [], capabilities: bigint[] = []): Answered {
    const call = this.start("call", capability, { label: BigInt(Label[name]), words, capabilities });
    let answer = this.answer(call);
    // What takes many steps takes time.
    for (let step = 0; answer === null && step < 100_000; step++) {
      runOn(this.machine, 1);
      answer = this.answer(call);
    }
    if (answer?.kind !== "message" || !answer.ofKernel) throw new Error(`${name}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** As `method`; an error ends the test. */
  must(name: keyof typeof Label, capability: bigint, words: bigint[] = [], capabilities: bigint[] = []): bigint[] {
    const { label, words: answer } = this.method(name, capability, words, capabilities);
    if (label !== 0n) throw new Error(`${name}: error ${label} ${answer}`);
    return answer;
  }

  /** The first untyped capability that has room gives an object. */
  make(type: bigint, bits = 0n): bigint {
    const slot = this.slot();
    for (let untyped = 16n; untyped < 40n; untyped++) {
      const words = [type, bits, 0n, 0n, slot, 1n];
      if (this.method("untypedRetype", untyped, words, [first.cnode]).label === 0n) return slot;
    }
    throw new Error("no untyped memory is left");
  }

  copy(from: bigint, rights = 15n): bigint {
    const to = this.slot();
    this.must("cnodeCopy", first.cnode, [to, wholeAddress, from, wholeAddress, rights], [first.cnode]);
    return to;
  }

  mint(from: bigint, badge: bigint, rights = 15n): bigint {
    const to = this.slot();
    this.must("cnodeMint", first.cnode, [to, wholeAddress, from, wholeAddress, rights, badge], [first.cnode]);
    return to;
  }

  delete = (slot: bigint) => this.method("cnodeDelete", first.cnode, [slot, wholeAddress]);
  revoke = (slot: bigint) => this.method("cnodeRevoke", first.cnode, [slot, wholeAddress]);

  /** A page of the task's own address space. */
  map(at: bigint): bigint {
    const frame = this.make(objectType.page);
    for (let level = 0; level < 3; level++) {
      if (this.method("pageMap", frame, [at, 3n, 0n], [first.vspace]).label === 0n) return frame;
      this.must("pageTableMap", this.make(objectType.table), [at, 0n], [first.vspace]);
    }
    throw new Error("the page could not be mapped");
  }

  /** A thread in the same spaces that executes these instructions. */
  thread(at: bigint, code: number[]): bigint {
    this.map(at);
    const bytes = new Uint8Array(Uint32Array.from(code).buffer);
    mustApply(this.machine, { kind: "writeVirtual", task: this.task, address: Number(at), bytes });
    const tcb = this.make(objectType.tcb);
    this.must("tcbConfigure", tcb, [0n, 0n, 0n, 0n], [first.cnode, first.vspace, first.buffer]);
    this.must("tcbSetPriority", tcb, [100n], [first.tcb]);
    this.must("tcbWriteRegisters", tcb, [1n, 1n, at]);
    return tcb;
  }
}

const addi = (register: number, value: number): number => (((value & 0xfff) << 20) | (register << 7) | 0x13) >>> 0;
/** One of seL4's calls with small numbers, then for ever nothing. */
export function callCode(number: number, capability: bigint, words: number[] = []): number[] {
  const registers = [Number(capability), words.length, ...words];
  const ecall = 0x73;
  const stay = 0x6f;
  return [addi(17, number), ...registers.map((value, i) => addi(10 + i, value)), ecall, stay];
}
