/** What becomes of programs that do what they must not. */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../guest/compile.ts";
import { fileOf, mustApply, runOn, runProgram, startInput, testMachine } from "../support/machine.ts";

const signals = {
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
  SIGXCPU: 24,
  SIGXFSZ: 25,
};

const faults: [what: string, signal: keyof typeof signals, description: RegExp][] = [
  ["null-write", "SIGSEGV", /^write to 0x0 \(not mapped\) at pc 0x[0-9a-f]+$/],
  ["null-read", "SIGSEGV", /^read of 0x8 \(not mapped\)/],
  ["kernel", "SIGSEGV", /^read of 0xffffffc000000000 \(not mapped\)/],
  ["noncanonical", "SIGSEGV", /^read of 0x1234567890abcdef \(not mapped\)/],
  ["text-write", "SIGSEGV", /^write to 0x[0-9a-f]+ \(not permitted: \/bin\/program/],
  ["jump", "SIGSEGV", /^jump to 0x123456 \(not mapped\) at pc 0x123456/],
  ["jump-data", "SIGSEGV", /^jump to 0x[0-9a-f]+ \(not permitted: \[heap\]/],
  ["illegal", "SIGILL", /^illegal instruction 0xffffffff at pc/],
  ["csr", "SIGILL", /^illegal instruction 0x30002573/],
  ["ebreak", "SIGTRAP", /^breakpoint at pc/],
  ["atomic", "SIGBUS", /^misaligned atomic access/],
  ["overflow", "SIGSEGV", /\(stack overflow\)/],
  ["beyond", "SIGBUS", /beyond the end of the mapped file/],
];

describe.skipIf(!hasCompiler)("faults (needs riscv64-linux-gnu-gcc)", () => {
  it.each(faults)("%s ends the program with %s", (what, signal, description) => {
    const { exit, stop } = runProgram(guest("faults"), { arguments: ["faults", what] });
    expect(exit?.status).toEqual({ kind: "signaled", signal: signals[signal] });
    expect(exit?.fault?.signal).toBe(signals[signal]);
    expect(exit?.fault?.description).toMatch(description);
    expect(stop).toEqual({ kind: "idle" });
  });

  it.each([
    ["abort", "SIGABRT"],
    ["raise", "SIGTERM"],
  ] as const)("%s ends the program with %s", (what, signal) => {
    expect(runProgram(guest("faults"), { arguments: ["faults", what] }).exit?.status).toEqual({
      kind: "signaled",
      signal: signals[signal],
    });
  });

  it("the stack grows to 8 MiB on demand", () => {
    const { exit } = runProgram(guest("faults"), { arguments: ["faults", "overflow"] });
    expect(exit?.peakMemoryBytes).toBeGreaterThan(8 * 2 ** 20);
  });
});

describe.skipIf(!hasCompiler)("limits of a task (needs riscv64-linux-gnu-gcc)", () => {
  it("kills with SIGXCPU after exactly the allowed instructions", () => {
    const { exit, machine } = runProgram(guest("faults"), {
      arguments: ["faults", "spin"],
      limits: { instructions: 123_457 },
    });
    expect(exit?.status).toEqual({ kind: "signaled", signal: signals.SIGXCPU });
    expect(exit?.instructions).toBe(123_457);
    expect(machine.position().instructions).toBe(123_457);
  });

  it("lets a program end that needs exactly the allowed instructions", () => {
    const { instructions } = runProgram(guest("hello")).exit!;
    expect(runProgram(guest("hello"), { limits: { instructions } }).exit?.status).toEqual({ kind: "exited", code: 7 });
    expect(runProgram(guest("hello"), { limits: { instructions: instructions - 1 } }).exit?.status.kind).toBe(
      "signaled",
    );
  });

  it("gives ENOMEM beyond the memory limit", () => {
    const { exit } = runProgram(guest("faults"), {
      arguments: ["faults", "memory"],
      limits: { memoryBytes: 4 * 2 ** 20 },
    });
    expect(exit?.status).toEqual({ kind: "exited", code: 12 });
    expect(exit?.peakMemoryBytes).toBeLessThanOrEqual(4 * 2 ** 20);
  });

  it("kills with SIGKILL when a fault finds no memory", () => {
    const { exit, machine } = runProgram(guest("faults"), {
      arguments: ["faults", "overflow"],
      limits: { memoryBytes: 2 ** 20 },
    });
    expect(exit?.status).toEqual({ kind: "signaled", signal: signals.SIGKILL });
    expect(exit?.fault?.description).toMatch(/^out of memory/);
    expect(machine.summary().run).toBe("idle");
  });

  it("survives when all of the machine's memory is used up", () => {
    const machine = testMachine({
      memoryBytes: 4 * 2 ** 20,
      files: [fileOf("/bin/f", guest("faults")), fileOf("/bin/hello", guest("hello"))],
    });
    for (let i = 0; i < 4; i++) mustApply(machine, startInput("/bin/f", { arguments: ["f", "overflow"] }));
    expect(runOn(machine)).toEqual({ kind: "idle" });
    machine.drainOutputs();
    mustApply(machine, startInput("/bin/hello"));
    runOn(machine);
    expect(machine.drainOutputs().find(({ kind }) => kind === "taskExited")).toMatchObject({
      status: { kind: "exited", code: 7 },
    });
  });

  it("cuts output at the output limit and kills with SIGXFSZ", () => {
    const { exit, console } = runProgram(guest("faults"), {
      arguments: ["faults", "output"],
      limits: { outputBytes: 1005 },
    });
    expect(exit?.status).toEqual({ kind: "signaled", signal: signals.SIGXFSZ });
    expect(console).toHaveLength(1005);
  });

  it("does not gather output without bound: a run comes back to be drained", () => {
    const machine = testMachine({ files: [fileOf("/bin/f", guest("faults"))] });
    mustApply(machine, startInput("/bin/f", { arguments: ["f", "output"] }));
    const stop = machine.run({ instructions: 10_000_000, timeNs: Number.MAX_SAFE_INTEGER });
    expect(stop).toEqual({ kind: "limit" });
    expect(machine.position().instructions).toBeLessThan(10_000_000);
  });
});
