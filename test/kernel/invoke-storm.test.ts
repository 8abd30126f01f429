/** Calls through capabilities at random: nothing breaks an invariant, and the end gives all memory back. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Label } from "../../kernel/abi/sel4/labels.ts";
import type { CallId, InvokeOperation } from "../../kernel/index.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { int, mustApply, runOn, testMachine } from "../support/machine.ts";
import { callCode, first, objectType, RootTask } from "../support/root-task.ts";

const code = 0x10_0000_0000n;
const labels = Object.values(Label);

/** Slots where something is, and a few others. */
const address = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 20 }) },
  { weight: 12, arbitrary: fc.integer({ min: 200, max: 225 }) },
  { weight: 1, arbitrary: fc.integer({ min: 4090, max: 4100 }) },
);
const word = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 8 }).map(BigInt) },
  { weight: 4, arbitrary: address.map(BigInt) },
  { weight: 2, arbitrary: fc.constantFrom(64n, 12n, 52n, 255n, code, 0x30_0000_1000n, 0x20_0000_0000n) },
  { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 64n - 1n) },
);
const operations: InvokeOperation[] = ["send", "nbSend", "recv", "nbRecv", "replyRecv", "reply", "yieldHart"];

const step = fc.record({
  operation: fc.oneof(
    { weight: 6, arbitrary: fc.constant("call" as const) },
    { weight: 3, arbitrary: fc.constantFrom(...operations) },
  ),
  capability: address.map(BigInt),
  label: fc.constantFrom(...labels).map(BigInt),
  words: fc.array(word, { maxLength: 9 }),
  capabilities: fc.array(address.map(BigInt), { maxLength: 3 }),
  receive: fc.constantFrom(null, { root: 2n, index: 230n, depth: 64n }),
});

/** Linux's calls about the same address space: munmap, mmap, mprotect. */
const places = [code, 0x20_0000_0000n, 0x30_0000_0000n, 0x30_0000_1000n];
const linux = fc.record({
  number: fc.constantFrom(215, 222, 226),
  arguments: fc
    .tuple(fc.constantFrom(...places), fc.constantFrom(4096n, 8192n, 0x40_0000n), fc.constantFrom(0n, 1n, 3n, 7n))
    .map((values) => [...values, 0x22n, -1n, 0n].map((value) => int(value))),
});
const anything = fc.oneof({ weight: 9, arbitrary: step }, { weight: 1, arbitrary: linux });

/** A task with one of each, and a thread that calls. */
function prepare(): RootTask {
  const root = new RootTask(testMachine({ memoryBytes: 8 * 2 ** 20, quantumInstructions: 100 }));
  const endpoint = root.make(objectType.endpoint);
  root.mint(endpoint, 3n);
  root.make(objectType.notification);
  root.make(objectType.tcb);
  root.make(objectType.cnode, 4n);
  root.make(objectType.page);
  root.make(objectType.table);
  root.make(objectType.untyped, 12n);
  root.copy(first.tcb);
  root.thread(code, [...callCode(-1, endpoint, [1]).slice(0, -1), ...callCode(-2, endpoint, [2])]);
  return root;
}

describe("calls through capabilities at random", () => {
  it("break nothing", () => {
    fc.assert(
      fc.property(fc.array(anything, { minLength: 20, maxLength: 60 }), (steps) => {
        const root = prepare();
        const { machine, task } = root;
        for (const each of steps) {
          if ("number" in each) machine.apply({ kind: "call", call: 1 as CallId, task, ...each });
          else machine.apply(root.input(each.operation, each.capability, each));
          runOn(machine, 300);
          const waiting = machine.tasks().flatMap(({ threads }) => threads.flatMap(({ call }) => call ?? []));
          for (const call of waiting) machine.apply({ kind: "cancelCall", call: call as CallId });
          machine.drainOutputs();
          machine.capabilities(null, 1000, { task: null, types: [], object: null });
          machine.addressSpace({ task }, { address: 0x20_0000_0000, from: 0, limit: 100 });
          expect(machine.summary().reason).toBe("");
          if (machine.tasks().every(({ state }) => state === "exited")) break;
        }
        expect(brokenInvariants(machine)).toEqual([]);
        if (machine.tasks()[0]?.state === "running") mustApply(machine, { kind: "killTask", task, signal: 9 });
        expect(brokenInvariants(machine)).toEqual([]);
        expect(machine.memoryMap().owners.map(({ owner }) => owner)).not.toContain("untyped");
      }),
      { numRuns: 60 },
    );
  });
});
