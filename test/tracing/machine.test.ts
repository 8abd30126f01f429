/** The trace of a real run, as people and viewers get it. */
import { beforeAll, describe, expect, test } from "vitest";
import { createChromeExport } from "../../api/tracing/chrome.ts";
import { selectEvents } from "../../api/tracing/decode.ts";
import { compileFilter } from "../../api/tracing/filter.ts";
import { createTextFormatter } from "../../api/tracing/text.ts";
import { catalogue, type DecodedEvent, decodeRecords } from "../../kernel/trace/index.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { compileC } from "../support/guest.ts";
import { runProgram } from "../support/machine.ts";

describe.skipIf(!hasCompiler)("a program's trace", () => {
  let packed: Uint8Array<ArrayBuffer>;
  let events: DecodedEvent[];
  let task: number;
  beforeAll(() => {
    const run = runProgram(guest("threads"), { trace: -1 });
    packed = run.machine.drainTrace();
    events = decodeRecords(packed, catalogue);
    task = run.task;
  });

  test("counts up without a hole when everything is watched", () => {
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    const times = events.map(({ timeNs }) => timeNs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test("reads like strace's", () => {
    const formatter = createTextFormatter();
    const calls = events.filter(({ category, name }) => category === "syscall" || name.endsWith(".exit"));
    const lines = (formatter.push(calls) + formatter.flush()).trimEnd().split("\n");
    const prefix = String.raw`^\[task ${task}\] \d+\.\d{6} `;
    expect(lines.filter((line) => new RegExp(`${prefix}clone\\(.*\\) = \\d+$`).test(line)).length).toBeGreaterThan(7);
    expect(lines.some((line) => new RegExp(`${prefix}write\\(1, "total.*\\) = \\d+$`).test(line))).toBe(true);
    expect(lines.some((line) => line.includes("futex(") && line.endsWith("<unfinished ...>"))).toBe(true);
    expect(lines.some((line) => line.includes("<... futex resumed>"))).toBe(true);
    expect(lines.some((line) => line.includes("exit_group(0) = ?"))).toBe(true);
    expect(lines.at(-1)).toMatch(/\+\+\+ task \d+ exited with 0 \+\+\+$/);
    expect(lines.filter((line) => line.includes("undefined"))).toEqual([]);
  });

  test("has signals as they are sent and as they are delivered", () => {
    const source = `#include <signal.h>
static void on(int signal) { (void)signal; }
int main(void) { signal(SIGUSR1, on); raise(SIGUSR1); return 0; }`;
    const { machine, exit, task: own } = runProgram(compileC(source), { trace: -1 });
    expect(exit?.status).toEqual({ kind: "exited", code: 0 });
    const records = decodeRecords(machine.drainTrace(), catalogue);
    const valuesOf = (event: string) => records.filter(({ name }) => name === event).map(({ values }) => values);
    const signal = { task: own, thread: 1, signal: 10, name: "SIGUSR1" };
    expect(valuesOf("signal.send")).toEqual([{ ...signal, code: -6n }]);
    expect(valuesOf("signal.deliver")).toEqual([{ ...signal, effect: "handler", handler: expect.any(BigInt) }]);
  });

  test("can be narrowed by an expression", () => {
    const compiled = compileFilter({
      categories: [],
      tasks: [task],
      expression: `event == "syscall.exit" && fields.name == "write"`,
    });
    if (!compiled.ok) throw new Error(compiled.problem.message);
    const writes = selectEvents(packed, compiled.filter);
    expect(writes.length).toBeGreaterThan(2);
    expect(new Set(writes.map(({ values }) => values["name"]))).toEqual(new Set(["write"]));
  });

  test("has slices that pair on every track", () => {
    const chunks = createChromeExport();
    const { traceEvents } = JSON.parse(chunks.push(events) + chunks.end()) as {
      traceEvents: { ph: string; pid: number; tid: number }[];
    };
    const depth = new Map<string, number>();
    for (const { ph, pid, tid } of traceEvents) {
      const key = `${pid} ${tid}`;
      const now = (depth.get(key) ?? 0) + (ph === "B" ? 1 : ph === "E" ? -1 : 0);
      expect(now === 0 || now === 1).toBe(true);
      depth.set(key, now);
    }
    expect([...depth.values()].filter((open) => open !== 0)).toEqual([]);
    expect(traceEvents.filter(({ ph }) => ph === "B").length).toBeGreaterThan(50);
  });
});
