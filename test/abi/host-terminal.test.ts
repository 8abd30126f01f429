/** Terminals that the host gives to programs: what it types, what it sees, how they end. */
import { describe, expect, it } from "vitest";
import type { Input, Machine, TaskId } from "../../kernel/index.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import {
  consoleOf,
  exitOf,
  fileOf,
  mustApply,
  noLimits,
  restoreMachine,
  runOn,
  testMachine,
  testPorts,
} from "../support/machine.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const withProgram = (): Machine => testMachine({ files: [fileOf("/bin/program", guest("host-terminal"))] });

const starting = (size: object = {}): Input => ({
  kind: "startProgram",
  path: "/bin/program",
  arguments: ["program"],
  environment: [],
  input: { kind: "terminal", rows: 30, columns: 90, ...size },
  limits: noLimits,
});

/** What is on a terminal from an offset on, when nobody has anything to do. */
function seen(machine: Machine, task: TaskId, from = 0): string {
  runOn(machine);
  expect(brokenInvariants(machine)).toEqual([]);
  return decode(machine.terminalOutput(task, from)!.bytes);
}

describe.skipIf(!hasCompiler)("a terminal of the host's (needs riscv64-linux-gnu-gcc)", () => {
  it("is the program's own: its session, its window, its echo, and no console", () => {
    const machine = withProgram();
    const task = mustApply(machine, starting())!;
    expect(seen(machine, task)).toBe("/dev/pts/0, mine 1 1\r\nwindow 30x90\r\n");
    const { length } = machine.terminalOutput(task, 0)!;
    mustApply(machine, { kind: "terminalInput", task, bytes: encode("hello\r") });
    expect(seen(machine, task, length)).toBe("hello\r\ngot hello\r\n");
    mustApply(machine, { kind: "terminalWindow", task, rows: 50, columns: 132 });
    expect(seen(machine, task)).toContain("window 50x132\r\n");
    expect(machine.terminals()).toMatchObject([{ task, number: 0, rows: 50, columns: 132 }]);
    const outputs = machine.drainOutputs();
    expect(consoleOf(outputs)).toBe("");
    expect(outputs.findLast(({ kind }) => kind === "terminal")).toMatchObject({ task, ended: false });
  });

  it("sends keys' signals, and ends with the program", () => {
    const machine = withProgram();
    const [one, other] = [mustApply(machine, starting())!, mustApply(machine, starting())!];
    expect(seen(machine, other)).toContain("/dev/pts/1");
    mustApply(machine, { kind: "terminalInput", task: one, bytes: encode("\x03") });
    expect(seen(machine, one)).toMatch(/\^C$/);
    expect(exitOf(machine.drainOutputs())?.status).toEqual({ kind: "signaled", signal: 2 });
    expect(machine.terminalOutput(one, 0)!.ended).toBe(true);
    expect(machine.terminals().map(({ number }) => number)).toEqual([null, 1]);
    const refused = machine.apply({ kind: "terminalInput", task: one, bytes: encode("x") });
    expect(refused).toMatchObject({ ok: false, error: { code: "failedPrecondition", field: "task" } });
    mustApply(machine, { kind: "terminalInput", task: other, bytes: encode("quit\r") });
    runOn(machine);
    expect(exitOf(machine.drainOutputs())?.status).toEqual({ kind: "exited", code: 3 });
  });

  it("hangs up when the host goes", () => {
    const machine = withProgram();
    const task = mustApply(machine, starting())!;
    seen(machine, task);
    mustApply(machine, { kind: "terminalClose", task });
    runOn(machine);
    expect(exitOf(machine.drainOutputs())?.status).toEqual({ kind: "signaled", signal: 1 });
    expect(brokenInvariants(machine)).toEqual([]);
  });

  it("keeps the last of what was printed, and says where that begins", () => {
    const machine = withProgram();
    const task = mustApply(machine, starting())!;
    mustApply(machine, { kind: "terminalInput", task, bytes: encode("much\r") });
    const last = seen(machine, task);
    const { offset, length } = machine.terminalOutput(task, 0)!;
    expect(last.endsWith("line 02999 of very much output\r\n")).toBe(true);
    expect(last.length).toBe(length - offset);
    expect(last.length).toBeGreaterThanOrEqual(65536);
    expect(last.length).toBeLessThan(65536 + 4096);
    expect(machine.terminalOutput(task, length)).toMatchObject({ offset: length, length });
    expect(machine.terminalOutput(task, length + 5)).toMatchObject({ offset: length });
    expect(machine.terminalOutput(999 as TaskId, 0)).toBeNull();
  });

  it("takes no more than it has room for, and no window of no size", () => {
    const machine = withProgram();
    const task = mustApply(machine, starting())!;
    const much = machine.apply({ kind: "terminalInput", task, bytes: new Uint8Array(5000) });
    expect(much).toMatchObject({ ok: false, error: { code: "exhausted", field: "bytes" } });
    const flat = machine.apply({ kind: "terminalWindow", task, rows: 0, columns: 1 });
    expect(flat).toMatchObject({ ok: false, error: { code: "invalid", field: "rows" } });
    const wide = machine.apply(starting({ columns: 1e6 }));
    expect(wide).toMatchObject({ ok: false, error: { code: "invalid", field: "input.columns" } });
    const nobody = machine.apply({ kind: "terminalClose", task: 999 as TaskId });
    expect(nobody).toMatchObject({ ok: false, error: { code: "notFound", field: "task" } });
  });

  it("is in a snapshot", () => {
    const machine = withProgram();
    const task = mustApply(machine, starting())!;
    seen(machine, task);
    const pages = Array.from({ length: machine.memory.pages }, (_, page) => machine.memory.page(page).slice());
    const ports = testPorts({ fetchPages: (wanted) => wanted.map((page) => pages[page]!) });
    const again = restoreMachine(machine.encodeState(), ports, () => true);
    for (const [page, bytes] of pages.entries()) again.memory.page(page).set(bytes);
    for (const each of [machine, again]) {
      mustApply(each, { kind: "terminalInput", task, bytes: encode("still here\r") });
      expect(seen(each, task)).toContain("got still here");
    }
    expect(again.encodeState()).toEqual(machine.encodeState());
  });
});
