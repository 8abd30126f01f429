import { describe, expect, test } from "vitest";
import { piecesOf, selectEvents, selectPacked, wireRecord } from "../../api/tracing/decode.ts";
import { type CompiledFilter, compileFilter, type FilterProblem } from "../../api/tracing/filter.ts";
import { faultPage } from "../../kernel/trace/events/fault.ts";
import { syscallExit } from "../../kernel/trace/events/syscall.ts";
import { taskExit, taskStart } from "../../kernel/trace/events/task.ts";
import { maskOf } from "../../kernel/trace/index.ts";
import { recorder } from "./events.ts";

const everything = { categories: [], tasks: [], expression: "" };

function compiled(spec: Partial<Parameters<typeof compileFilter>[0]>): CompiledFilter {
  const result = compileFilter({ ...everything, ...spec });
  if (!result.ok) throw new Error(`${result.problem.field}: ${result.problem.message}`);
  return result.filter;
}
function problem(spec: Partial<Parameters<typeof compileFilter>[0]>): FilterProblem {
  const result = compileFilter({ ...everything, ...spec });
  if (result.ok) throw new Error("was accepted");
  return result.problem;
}

function sample() {
  const trace = recorder();
  trace.emit(taskStart, { task: 2, name: "hello", kind: "program" }, { task: 0, thread: 0, timeNs: 10 });
  trace.emit(
    syscallExit,
    { number: 64, name: "write", value: 6n, error: "", text: "write(1, …) = 6" },
    { task: 2, thread: 3, timeNs: 20 },
  );
  trace.emit(
    syscallExit,
    { number: 63, name: "read", value: -4n, error: "EINTR", text: "read(0) = -1 EINTR" },
    { task: 4, thread: 5, timeNs: 30 },
  );
  trace.emit(faultPage, { address: 0xffff_ffff_ffff_f000n, access: "write", pc: 0x1000n }, { timeNs: 40 });
  trace.emit(
    taskExit,
    { task: 2, status: "exited", code: 0, instructions: 2n ** 40n },
    { task: 2, thread: 3, timeNs: 50 },
  );
  return trace;
}
const matching = (filter: CompiledFilter): number[] =>
  selectEvents(sample().drain(), filter).map(({ sequence }) => sequence);

describe("categories and tasks", () => {
  test("become a mask for the machine and a test for the rest", () => {
    const filter = compiled({ categories: ["syscall", "fault"] });
    expect(filter.mask).toBe(maskOf(["syscall", "fault"]));
    expect(matching(filter)).toEqual([2, 3, 4]);
    expect(compiled({}).all).toBe(true);
    expect(matching(compiled({}))).toEqual([1, 2, 3, 4, 5]);
  });

  test("a task's events are those that it caused and those about it", () => {
    expect(matching(compiled({ tasks: [2] }))).toEqual([1, 2, 5]);
    expect(matching(compiled({ tasks: [4], categories: ["fault"] }))).toEqual([4]);
  });

  test("that do not exist are named, with those that do", () => {
    expect(problem({ categories: ["syscal"] })).toMatchObject({
      field: "categories",
      message: expect.stringContaining("syscall"),
    });
    expect(problem({ tasks: [-1] }).field).toBe("tasks");
  });
});

describe("expressions", () => {
  test.each([
    [`event == "syscall.exit" && fields.name == "write"`, [2]],
    [`category == "syscall" && fields.value < 0`, [3]],
    ["task == 2 && thread == 3", [2, 5]],
    ["time_ns >= 30 && instructions - 5 < 40", [3, 4]],
    ["sequence % 2 == 1", [1, 3, 5]],
    ["fields.address > 0x7fffffffffffffff", [4]],
    ["fields.address == 18446744073709547520u", [4]],
    ["fields.instructions == 1099511627776", [5]],
    ["fields.number in [63, 64]", [2, 3]],
    [`fields.text.matches("^write.*= 6$")`, [2]],
    [`fields.error != ""`, [3]],
    ["has(fields.pc)", [4]],
    [`!has(fields.name) || fields.name == "hello"`, [1, 4, 5]],
    [`fields.exists(key, key == "status")`, [5]],
    [`["read", "write"].exists(call, call == fields.name)`, [2, 3]],
    [`["read", "write"].exists(c, c == fields.name) && [2, 4].exists(t, t == task)`, [2, 3]],
    [`fields.text.matches("^[a-z]{1,16}\\(.{0,40}\\)")`, [2, 3]],
    ["fields.exists(task, task == 'status')", [5]],
    ["task == 2u && thread == 3.0", [2, 5]],
    ["true", [1, 2, 3, 4, 5]],
  ])("%s", (expression, sequences) => {
    expect(matching(compiled({ expression }))).toEqual(sequences);
  });

  test("that fail on an event do not match it", () => {
    expect(matching(compiled({ expression: `fields.name.startsWith("w")` }))).toEqual([2]);
    expect(matching(compiled({ expression: "1 / (task - 2) == 0 && false" }))).toEqual([]);
  });

  test.each<[string, RegExp, number | null]>([
    ["task ==", /found =/, 5],
    [`event == "a`, /found =/, 6],
    ["evnt == 'x'", /there is no "evnt"; known are event, category/, 0],
    ["task == 1 && fields.nme == 'x'", /no event has a field "nme"/, 19],
    ["task", /true or false/, 0],
    ["fields.name", /true or false/, 0],
    ["'a' + event", /true or false/, 0],
    ["foo(task)", /no function "foo"/, 0],
    ["event.startWith('a')", /no function "startWith"/, 5],
    ["event + 1 == 2", /no matching overload for '_\+_'/, 0],
    ["Thing{a: 1} == 1", /no type/, 0],
    ["[1].all(x, [1].all(y, true))", /loop/, null],
    ["fields.map(k, fields.filter(l, true)) == []", /loop/, null],
    ["[1].map(x, x).all(x, x == 1)", /over what another gives/, null],
    ["([1] + [1].filter(x, true)).exists(x, x == 1)", /over what another gives/, null],
    [`[${"0,".repeat(450)}0].all(x, ${"x+".repeat(400)}x == 0)`, /steps on one event/, null],
    ["task == 'x'", /a number is compared with text/, 0],
    ["event != 3", /text is compared with a number/, 0],
    ["fields.name == 3 || true", /text is compared with a number/, 6],
    ["event in ['a', 1]", /text is compared with a number/, 0],
    [`event.matches(category)`, /must be a text in quotes/, 5],
    [`event.matches("(")`, /not a regular expression/, 5],
    [`event.matches("((a{100}){100}){100}")`, /repeats too much/, 5],
    [`event.matches("${"x{0,1000}".repeat(3)}")`, /repeats too much/, 5],
    [`${"(".repeat(40)}true${")".repeat(40)}`, /nest deeper/, null],
  ])("%s is refused in words, with the place", (expression, message, position) => {
    const found = problem({ expression });
    expect(found.field).toBe("expression");
    expect(found.message).toMatch(message);
    expect(found.message).not.toContain("\n");
    if (position !== null) expect(found.position).toBe(position);
  });

  test("longer than the limit are refused, and hostile ones come to an end", () => {
    expect(problem({ expression: `${"true || ".repeat(300)}true` }).message).toMatch(/2048/);
    compileFilter({ ...everything, expression: "(".repeat(2000) });
    compileFilter({ ...everything, expression: `${"!".repeat(2000)}true` });
    compileFilter({ ...everything, expression: `${"-".repeat(2000)}1 == 1` });
    compileFilter({ ...everything, expression: `${"true?".repeat(300)}true${":true".repeat(100)}` });
    compileFilter({ ...everything, expression: `${"task==1||".repeat(200)}true` });
    compileFilter({ ...everything, expression: `fields.text.matches("(a*)*(a*)*(a*)*b")` });
    compileFilter({ ...everything, expression: `${"[1].map(x,x)".repeat(1)}${".map(x,x)".repeat(200)} == [1]` });
    // Each of these doubles what it makes, or compares, with every loop.
    const doubled = `[0]${".map(x,[x,x])".repeat(60)}`;
    compileFilter({ ...everything, expression: `${doubled} == ${doubled}` });
    compileFilter({ ...everything, expression: `["a"]${".map(x,x+x)".repeat(28)}.exists(x,x.matches("b"))` });
    compileFilter({ ...everything, expression: `fields.text.matches("${"\\pL{900}".repeat(100)}")` });
  });
});

test("packed records pass a filter as they are", () => {
  const batch = sample().drain();
  const packed = selectPacked(batch, compiled({ expression: `has(fields.name)` }));
  expect(selectEvents(packed, compiled({})).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  expect(selectPacked(batch, compiled({}))).toBe(batch);
});

test("a batch in pieces is cut between records", () => {
  const trace = recorder(1 << 20);
  for (let i = 0; i < 500; i++) trace.emit(taskStart, { task: i, name: "x".repeat(i % 50), kind: "" });
  const batch = trace.drain();
  const pieces = [...piecesOf(batch, 1_000)];
  expect(Buffer.concat(pieces).equals(batch)).toBe(true);
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(1_000);
  expect(pieces.flatMap((piece) => selectEvents(piece, compiled({}))).length).toBe(500);
  expect([...piecesOf(batch, 1)]).toHaveLength(500);
  expect([...piecesOf(batch, batch.length)]).toEqual([batch]);
  expect([...piecesOf(new Uint8Array(0), 10)]).toEqual([]);
});

test("a gap passes every filter", () => {
  const trace = recorder(200);
  for (let i = 0; i < 9; i++) trace.emit(taskStart, { task: 1, name: "", kind: "" });
  const events = selectEvents(trace.drain(), compiled({ categories: ["ipc"], tasks: [77], expression: "false" }));
  expect(events.map(({ name }) => name)).toEqual(["trace.gap"]);
});

test("a record in the wire's shape", () => {
  const [, exit] = sample().events();
  expect(wireRecord(exit!)).toMatchObject({
    sequence: 2n,
    timeNs: 20n,
    task: 2,
    thread: 3,
    eventId: 0x302,
    event: "syscall.exit",
    fields: { number: { value: { case: "unsigned", value: 64n } }, value: { value: { case: "signed", value: 6n } } },
  });
});
