/** Inputs and control: what they do, what they refuse, and that a refusal leaves no trace. */
import { describe, expect, it } from "vitest";
import type { Input, Machine, TaskId } from "../../kernel/index.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { fileOf, forever, mustApply, noLimits, runOn, startInput, testMachine } from "../support/machine.ts";

const never = Number.MAX_SAFE_INTEGER;

function refused(machine: Machine, input: Input): unknown {
  const before = machine.encodeState();
  const result = machine.apply(input);
  expect(machine.encodeState()).toEqual(before);
  return result.ok ? "accepted" : result.error;
}

describe("the console's input", () => {
  it("is bounded, and ends once", () => {
    const machine = testMachine();
    mustApply(machine, { kind: "console", bytes: new Uint8Array(65_000) });
    expect(refused(machine, { kind: "console", bytes: new Uint8Array(1000) })).toMatchObject({
      code: "exhausted",
      field: "bytes",
    });
    mustApply(machine, { kind: "console", bytes: new Uint8Array(536) });
    mustApply(machine, { kind: "consoleEnd" });
    expect(refused(machine, { kind: "consoleEnd" })).toMatchObject({ code: "failedPrecondition" });
    expect(refused(machine, { kind: "console", bytes: new Uint8Array(1) })).toMatchObject({
      code: "failedPrecondition",
    });
  });
});

describe("files", () => {
  const file = { path: "/a/b", content: "0".repeat(64), size: 5, mode: 0o644 };
  it.each([
    ["file.path", { path: "a/b" }],
    ["file.path", { path: "/a/../b" }],
    ["file.path", { path: "/" }],
    ["file.path", { path: "/a//b" }],
    ["file.path", { path: "/a\0b" }],
    ["file.path", { path: `/${"x".repeat(5000)}` }],
    ["file.path", { path: "/dir" }],
    ["file.path", { path: "/dir/file/below" }],
    ["file.content", { content: "xyz" }],
    ["file.size", { size: -1 }],
    ["file.size", { size: 2 ** 40 }],
    ["file.mode", { mode: 0o10000 }],
  ])("are refused for a bad %s: %o", (field, change) => {
    const machine = testMachine({ files: [{ ...file, path: "/dir/file" }] });
    expect(refused(machine, { kind: "addFile", file: { ...file, ...change } })).toMatchObject({
      code: "invalid",
      field,
    });
  });
});

describe("memory", () => {
  it("is read and written physically inside RAM only", () => {
    const machine = testMachine({ memoryBytes: 2 ** 20 });
    const end = 0x8000_0000 + 2 ** 20;
    mustApply(machine, { kind: "writePhysical", address: end - 6000, bytes: new Uint8Array(6000).fill(7) });
    expect(machine.readPhysical(end - 6001, 2)).toEqual(Uint8Array.of(0, 7));
    expect(machine.memory.isDirty(255)).toBe(true);
    expect(machine.readPhysical(end - 1, 2)).toBeNull();
    expect(machine.readPhysical(0x7fff_ffff, 1)).toBeNull();
    expect(refused(machine, { kind: "writePhysical", address: end - 1, bytes: new Uint8Array(2) })).toMatchObject({
      code: "badAddress",
    });
    expect(
      refused(machine, { kind: "writeVirtual", task: 9 as TaskId, address: 0, bytes: new Uint8Array(2) }),
    ).toMatchObject({ code: "notFound" });
  });
});

describe.skipIf(!hasCompiler)("control (needs riscv64-linux-gnu-gcc)", () => {
  const spinning = (): Machine => {
    const machine = testMachine({ files: [fileOf("/bin/f", guest("faults")), fileOf("/bin/clocks", guest("clocks"))] });
    mustApply(machine, startInput("/bin/f", { arguments: ["f", "spin"] }));
    machine.drainOutputs();
    return machine;
  };

  it("pauses at once and runs exactly as far as it is let", () => {
    const machine = spinning();
    expect(machine.run({ instructions: 1000, timeNs: never })).toEqual({ kind: "limit" });
    mustApply(machine, { kind: "pause" });
    expect(machine.drainOutputs()).toEqual([{ kind: "paused", reason: "requested" }]);
    expect(machine.run(forever)).toEqual({ kind: "paused" });
    expect(machine.summary()).toMatchObject({ run: "paused", reason: "requested", position: { instructions: 1000 } });
    mustApply(machine, { kind: "resume", untilInstructions: 54_321, untilTimeNs: null });
    expect(machine.run(forever)).toEqual({ kind: "paused" });
    expect(machine.position().instructions).toBe(54_321);
    expect(machine.drainOutputs()).toEqual([{ kind: "paused", reason: "limit" }]);
    mustApply(machine, { kind: "resume", untilInstructions: null, untilTimeNs: 60_000 });
    expect(machine.run(forever)).toEqual({ kind: "paused" });
    expect(machine.position()).toEqual({ instructions: 60_000, timeNs: 60_000 });
    mustApply(machine, { kind: "resume", untilInstructions: 5, untilTimeNs: null });
    expect(machine.summary()).toMatchObject({ run: "paused", reason: "limit" });
  });

  it("says why the host paused it, for as long as it stands", () => {
    const machine = spinning();
    for (const reason of ["", "x".repeat(65), 7 as never])
      expect(machine.apply({ kind: "pause", reason })).toMatchObject({ ok: false, error: { field: "reason" } });
    mustApply(machine, { kind: "pause", reason: "too many running" });
    mustApply(machine, { kind: "pause", reason: "something else" });
    expect(machine.drainOutputs()).toEqual([{ kind: "paused", reason: "too many running" }]);
    expect(machine.summary()).toMatchObject({ run: "paused", reason: "too many running" });
    mustApply(machine, { kind: "resume", untilInstructions: null, untilTimeNs: null });
    expect(machine.summary()).toMatchObject({ run: "running", reason: "" });
  });

  it("skips idle time up to a limit of time and no further", () => {
    const machine = testMachine({ files: [fileOf("/bin/clocks", guest("clocks"))] });
    mustApply(machine, startInput("/bin/clocks"));
    expect(machine.run({ instructions: never, timeNs: 1_000_000_000 })).toEqual({ kind: "limit" });
    expect(machine.position().timeNs).toBe(1_000_000_000);
    const asleep = machine.position().instructions;
    expect(machine.run({ instructions: asleep, timeNs: 1_200_000_000 })).toEqual({ kind: "limit" });
    expect(machine.position()).toEqual({ instructions: asleep, timeNs: 1_200_000_000 });
    expect(runOn(machine)).toEqual({ kind: "idle" });
  });

  it("kills a program", () => {
    const machine = spinning();
    machine.run({ instructions: 5000, timeNs: never });
    expect(refused(machine, { kind: "killTask", task: 1 as TaskId, signal: 0 })).toMatchObject({
      code: "invalid",
      field: "signal",
    });
    mustApply(machine, { kind: "killTask", task: 1 as TaskId, signal: 15 });
    expect(machine.drainOutputs()).toMatchObject([
      { kind: "taskExited", status: { kind: "signaled", signal: 15 }, instructions: 5000 },
    ]);
    expect(machine.run(forever)).toEqual({ kind: "idle" });
    expect(refused(machine, { kind: "killTask", task: 1 as TaskId, signal: 9 })).toMatchObject({
      code: "failedPrecondition",
    });
  });

  it("changes a program under a debugger, its read-only pages included, and no other program's", () => {
    const machine = spinning();
    mustApply(machine, startInput("/bin/f", { arguments: ["f", "spin"] }));
    machine.run({ instructions: 30_000, timeNs: never });
    const [one, two] = machine.tasks();
    const pc = Number(one!.threads[0]!.pc);
    const ebreak = Uint8Array.of(0x73, 0, 0x10, 0);
    const before = machine.readVirtual(two!.task, pc, 4);
    mustApply(machine, { kind: "writeVirtual", task: one!.task, address: pc, bytes: ebreak });
    expect(machine.readVirtual(one!.task, pc, 4)).toEqual(ebreak);
    expect(machine.readVirtual(two!.task, pc, 4)).toEqual(before);
    machine.drainOutputs();
    machine.run({ instructions: 80_000, timeNs: never });
    expect(machine.drainOutputs()).toMatchObject([
      { kind: "taskExited", task: one!.task, status: { kind: "signaled", signal: 5 } },
    ]);
  });

  it("refuses programs with bad arguments or limits", () => {
    const machine = testMachine({
      limits: { tasks: 2, threads: 8, openFiles: 64 },
      files: [fileOf("/bin/f", guest("faults"))],
    });
    const start = startInput("/bin/f", { arguments: ["f", "spin"] });
    expect(refused(machine, { ...start, arguments: ["a\0b"] })).toMatchObject({
      code: "invalid",
      field: "arguments[0]",
    });
    expect(refused(machine, { ...start, arguments: ["x".repeat(200_000)] })).toMatchObject({
      code: "invalid",
      field: "arguments",
    });
    expect(refused(machine, { ...start, arguments: Array(5000).fill("") })).toMatchObject({
      code: "invalid",
      field: "arguments",
    });
    expect(refused(machine, { ...start, environment: ["A=\0"] })).toMatchObject({
      code: "invalid",
      field: "environment[0]",
    });
    expect(refused(machine, { ...start, limits: { ...noLimits, outputBytes: 1.5 } })).toMatchObject({
      field: "limits.outputBytes",
    });
    mustApply(machine, start);
    mustApply(machine, start);
    expect(refused(machine, start)).toMatchObject({ code: "exhausted" });
  });
});

describe("an invariant that breaks", () => {
  it("freezes the machine and never reaches the host as an exception", () => {
    const machine = testMachine();
    const task = mustApply(machine, { kind: "createRemoteTask", name: "x", limits: noLimits })!;
    // A debugger that overwrites the task's top page table is the only way in from outside.
    mustApply(machine, {
      kind: "writePhysical",
      address: 0x8000_0000,
      bytes: Uint8Array.from({ length: 4096 }, (_, i) => (i % 8 < 5 ? 0x21 : 0)),
    });
    expect(
      machine.apply({ kind: "call", call: 1 as never, task, number: 17, arguments: [{ kind: "buffer", size: 9 }] }),
    ).toEqual({ ok: true });
    expect(machine.summary().run).toBe("frozen");
    expect(machine.run(forever)).toMatchObject({ kind: "frozen" });
    expect(machine.apply({ kind: "pause" })).toMatchObject({ error: { code: "failedPrecondition" } });
    expect(machine.encodeState().length).toBeGreaterThan(0);
  });
});

describe("an input that makes no sense", () => {
  it("is refused", () => {
    const machine = testMachine();
    expect(refused(machine, { kind: "nonsense" } as never)).toMatchObject({ code: "invalid", field: "kind" });
    expect(refused(machine, { kind: "startProgram", path: "/x" } as never)).toMatchObject({ code: "invalid" });
  });
});

describe("what a port throws", () => {
  it("goes back to the host and does not freeze the machine", () => {
    const machine = testMachine({ files: [{ path: "/bin/f", content: "1".repeat(64), size: 5, mode: 0o755 }] });
    expect(() => machine.apply(startInput("/bin/f"))).toThrow("the test gave no content");
    expect(machine.summary().run).toBe("idle");
  });
});
