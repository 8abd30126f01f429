import { expect, test } from "vitest";
import { createTextFormatter, type TextOptions } from "../../api/tracing/text.ts";
import { uartReceive } from "../../kernel/trace/events/device.ts";
import { faultPage } from "../../kernel/trace/events/fault.ts";
import { syscallEnter, syscallExit } from "../../kernel/trace/events/syscall.ts";
import { taskExit, taskStart, threadBlock, threadExit } from "../../kernel/trace/events/task.ts";
import { recorder } from "./events.ts";

type Recorder = ReturnType<typeof recorder>;

const enter = (trace: Recorder, thread: number, timeNs: number, text: string, restarted = false) => {
  trace.emit(
    syscallEnter,
    { number: 1, name: text.slice(0, text.indexOf("(")), text, restarted },
    { task: thread, thread, timeNs },
  );
};
const exit = (trace: Recorder, thread: number, timeNs: number, text: string) => {
  trace.emit(
    syscallExit,
    { number: 1, name: text.slice(0, text.indexOf("(")), value: 0n, error: "", text },
    { task: thread, thread, timeNs },
  );
};

/** Formats in batches of every size; how the run is cut must not show. */
function format(trace: Recorder, options?: TextOptions): string[] {
  const events = trace.events();
  const texts = [1, 2, 3, events.length].map((size) => {
    const formatter = createTextFormatter(options);
    let text = "";
    for (let at = 0; at < events.length; at += size) text += formatter.push(events.slice(at, at + size));
    return text + formatter.flush();
  });
  expect(new Set(texts).size).toBe(1);
  return texts[0]!.trimEnd().split("\n");
}

test("a call that returns at once is one line, at the time when it began", () => {
  const trace = recorder();
  enter(trace, 2, 1_234_000, 'write(1, "hello\\n", 6)');
  exit(trace, 2, 1_299_000, 'write(1, "hello\\n", 6) = 6');
  expect(format(trace)).toEqual(['[task 2] 0.001234 write(1, "hello\\n", 6) = 6']);
});

test("a call that something stands in is taken apart and resumed", () => {
  const trace = recorder();
  enter(trace, 2, 1000, "read(0, 0x12f0, 1)");
  enter(trace, 3, 2000, "getpid()");
  exit(trace, 3, 3000, "getpid() = 3");
  exit(trace, 2, 4000, 'read(0, "x", 1) = 1');
  enter(trace, 2, 5000, "nanosleep({0, 5}, NULL)");
  trace.emit(threadBlock, { thread: 2, wait: "sleep until 9 ns" }, { timeNs: 5000 });
  enter(trace, 2, 9000, "nanosleep({0, 5}, NULL)", true);
  exit(trace, 2, 9000, "nanosleep({0, 5}, NULL) = 0");
  expect(format(trace)).toEqual([
    "[task 2] 0.000001 read(0, 0x12f0, 1 <unfinished ...>",
    "[task 3] 0.000002 getpid() = 3",
    '[task 2] 0.000004 <... read resumed>"x", 1) = 1',
    "[task 2] 0.000005 nanosleep({0, 5}, NULL <unfinished ...>",
    '[task 2] 0.000005 --- thread.block thread=2 wait="sleep until 9 ns" ---',
    "[task 2] 0.000009 <... nanosleep resumed>) = 0",
  ]);
});

test("a trace that begins inside a call shows its end with all arguments; one that ends inside, its beginning", () => {
  const trace = recorder();
  exit(trace, 2, 1000, 'read(0, "x", 1) = 1');
  enter(trace, 2, 2000, "wait()");
  expect(format(trace)).toEqual(['[task 2] 0.000001 read(0, "x", 1) = 1', "[task 2] 0.000002 wait(<unfinished ...>"]);
});

test("a call that never returns, and the end of a task", () => {
  const trace = recorder();
  enter(trace, 2, 1000, "exit_group(3)");
  trace.emit(threadExit, { task: 2, thread: 2 });
  trace.emit(taskExit, { task: 2, status: "exited", code: 3, instructions: 9n });
  trace.emit(taskExit, { task: 4, status: "signaled", code: 11, instructions: 9n });
  expect(format(trace)).toEqual([
    "[task 2] 0.000001 exit_group(3) = ?",
    "[task 2] 0.000001 --- thread.exit task=2 thread=2 ---",
    "[task 2] 0.000001 +++ task 2 exited with 3 +++",
    "[task 2] 0.000001 +++ task 4 killed by signal 11 +++",
  ]);
});

test("other events name their fields, addresses in hexadecimal", () => {
  const trace = recorder();
  trace.emit(faultPage, { address: 0x12000n, access: "write", pc: 0x10340n }, { task: 2, timeNs: 3_000_000_007 });
  trace.emit(uartReceive, { bytes: new Uint8Array([104, 105, 10, 0, 34, ...new Uint8Array(40)]) }, { task: 0 });
  trace.emit(taskStart, { task: 5, name: "a program", kind: "program" });
  expect(format(trace)).toEqual([
    "[task 2] 3.000000 --- fault.page address=0x12000 access=write pc=0x10340 ---",
    `[machine] 3.000000 --- uart.receive bytes="hi\\n\\x00\\"${"\\x00".repeat(27)}"... ---`,
    '[machine] 3.000000 --- task.start task=5 name="a program" kind=program ---',
  ]);
});

test("columns can be chosen", () => {
  const trace = recorder();
  enter(trace, 2, 1_234_567_891, "getpid()");
  exit(trace, 2, 1_234_567_900, "getpid() = 2");
  const columns = ["sequence", "hart", "thread", "timeNs", "instructions"] as const;
  expect(format(trace, { columns })).toEqual(["#1 [hart 0] [thread 2] 1.234567891 @1234567891 getpid() = 2"]);
});

test("missing events are said to be missing", () => {
  const trace = recorder(250);
  for (let i = 0; i < 9; i++) enter(trace, 2, i, "getpid()");
  expect(format(trace).at(-1)).toBe("[task 2] 0.000000 *** 7 events are missing, numbers 3 to 9 ***");
});
