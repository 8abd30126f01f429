/** seL4's calls as people read them in a trace. */
import { beforeAll, describe, expect, it } from "vitest";
import { createTextFormatter } from "../../../api/tracing/text.ts";
import { Label } from "../../../kernel/abi/sel4/labels.ts";
import { methodNames } from "../../../kernel/ipc/sel4/text.ts";
import { catalogue, type DecodedEvent, decodeRecords } from "../../../kernel/trace/index.ts";
import { guest, hasCompiler } from "../../guest/compile.ts";
import { runProgram } from "../../support/machine.ts";

it("calls methods as the C interface does", () => {
  for (const [name, label] of Object.entries(Label)) {
    const plain = methodNames[label]!.replace(/^RISCV_|_/g, "").toLowerCase();
    // These two are labelled by what they do.
    const own = { irqIssueIRQHandler: "irqcontrolget", irqIssueIRQHandlerTrigger: "irqcontrolgettrigger" };
    const others = name.replace(/^irq(Ack|Set|Clear)IRQ(Handler)?$/, "irqHandler$1").toLowerCase();
    expect(plain.replace("setnotification", "set")).toBe(name in own ? own[name as keyof typeof own] : others);
  }
  // One number is seL4's first that is none.
  expect(methodNames).toHaveLength(Object.keys(Label).length + 2);
});

describe.skipIf(!hasCompiler)("the trace of a program with capabilities (needs riscv64-linux-gnu-gcc)", () => {
  let events: DecodedEvent[];
  const linesOf = (wanted: (event: DecodedEvent) => boolean): string[] => {
    const formatter = createTextFormatter({ columns: [] });
    return (formatter.push(events.filter(wanted)) + formatter.flush()).trimEnd().split("\n");
  };
  const calls = (): string[] => linesOf(({ category }) => category === "syscall");
  beforeAll(() => {
    events = decodeRecords(runProgram(guest("sel4/ipc"), { trace: -1 }).machine.drainTrace(), catalogue);
  });

  it("counts up without a hole", () => {
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  });

  it.each([
    // A method of an object, the capabilities that went with it, and how the kernel answered.
    /^seL4_Call\(0x\w+ untyped, \{label=Untyped_Retype, length=6, caps=1\}, 0x2, 0x0, 0x0, 0x0, \.\.\., caps=\[0x2\]\) = seL4_NoError$/,
    /^seL4_Call\(0x\w+ frame, \{label=RISCV_Page_Map, length=3, caps=1\}, .*\) = seL4_FailedLookup, 0x0, 0x2, 0x1e$/,
    /^seL4_Call\(0x\w+ tcb, \{label=TCB_Resume, length=0\}\) = seL4_NoError$/,
    // A message from thread to thread.
    /^seL4_Recv\(0x\w+ endpoint <unfinished \.\.\.>$/,
    /^<\.\.\. seL4_Recv resumed>\) = \{badge=0x8000000000000001, label=50, length=1\}, 0x3e8$/,
    /^<\.\.\. seL4_Call resumed>\) = \{label=61, length=1\}, 0xbb8$/,
    /^seL4_Reply\(\{label=61, length=1\}, 0xbb8 <unfinished \.\.\.>$/,
  ])("has a line like %s", (pattern) => {
    expect(calls().filter((line) => pattern.test(line))).not.toEqual([]);
  });

  it("says what became of capabilities and messages", () => {
    const lines = linesOf(({ category }) => category === "capability" || category === "ipc");
    expect(lines).toContainEqual(expect.stringMatching(/^--- cap\.copy type=endpoint from=0x8\w+ to=0x8\w+ ---$/));
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^--- ipc\.send family=sel4 object=0x8\w+ badge=0x8000000000000001 label=50 length=0 capabilities=0 to=1 ---$/,
      ),
    );
  });

  it("tells the threads of a task apart", () => {
    const formatter = createTextFormatter({ columns: ["task"] });
    const lines = formatter.push(events.filter(({ category }) => category === "syscall")).split("\n");
    expect(lines).toContainEqual(expect.stringMatching(/^\[task 1\] seL4_Recv\(/));
    expect(lines).toContainEqual(expect.stringMatching(/^\[task 1 thread 2\] seL4_Call\(0x\w+ endpoint/));
  });

  it("ends the calls of waiting threads as events of these threads", () => {
    const open = new Map<number, string>();
    for (const { name, thread, values } of events) {
      if (name === "syscall.enter") open.set(thread, values["name"] as string);
      if (name === "syscall.exit") {
        expect(open.get(thread)).toBe(values["name"]);
        open.delete(thread);
      }
    }
  });
});
