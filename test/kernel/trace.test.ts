/** What a trace of a program says. */
import { describe, expect, it } from "vitest";
import { categories } from "../../kernel/trace/define.ts";
import { catalogue } from "../../kernel/trace/events/index.ts";
import { decodeRecords } from "../../kernel/trace/record/decode.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { runProgram } from "../support/machine.ts";

const everything = -1;

describe("the catalogue of events", () => {
  it("has every id and name once, in the range of its area", () => {
    expect(new Set(catalogue.map(({ id }) => id)).size).toBe(catalogue.length);
    expect(new Set(catalogue.map(({ name }) => name)).size).toBe(catalogue.length);
    for (const row of catalogue) {
      expect(row.brief).toMatch(/\.$/);
      expect(categories).toContain(row.category);
    }
  });
});

describe.skipIf(!hasCompiler)("tracing (needs riscv64-linux-gnu-gcc)", () => {
  const records = (program: Uint8Array, options: Parameters<typeof runProgram>[1] = {}) =>
    decodeRecords(runProgram(program, { trace: everything, ...options }).machine.drainTrace(), catalogue);

  it("tells a program's life in order", () => {
    const all = records(guest("tiny.S", "-nostdlib"));
    const names = all.map((record) => record.name);
    expect(names.slice(0, 3)).toEqual(["machine.input", "memory.map", "memory.map"]);
    expect(names).toEqual(
      expect.arrayContaining([
        "task.start",
        "thread.create",
        "sched.switch",
        "fault.page",
        "syscall.enter",
        "syscall.exit",
        "uart.transmit",
        "task.exit",
      ]),
    );
    expect(all.map(({ sequence }) => Number(sequence))).toEqual(all.map((_record, i) => Number(all[0]!.sequence) + i));
  });

  it("writes system calls as strace does", () => {
    const texts = records(guest("echo"), { stdin: "a line\n" })
      .filter(({ name }) => name === "syscall.exit")
      .map(({ values }) => String(values["text"]));
    expect(texts).toContain('write(1, "ready", 5) = 5');
    expect(texts).toContain('read(0, "a line\\n", 4096) = 7');
    expect(texts).toContain('read(0, "", 4096) = 0');
    expect(texts[0]).toMatch(/^brk\(NULL\) = 0x[0-9a-f]+$/);
  });

  it("tells what ended a program", () => {
    const fatal = records(guest("faults"), { arguments: ["faults", "null-write"] }).find(
      ({ name }) => name === "fault.fatal",
    );
    expect(fatal?.values).toMatchObject({
      signal: 11,
      address: 0n,
      description: expect.stringMatching(/^write to 0x0/),
    });
  });

  it("changes nothing: sequence numbers and state are the same unwatched", () => {
    const watched = runProgram(guest("threads"), { trace: everything });
    const unwatched = runProgram(guest("threads"));
    expect(unwatched.machine.encodeState()).toEqual(watched.machine.encodeState());
  });
});
