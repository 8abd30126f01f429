/** The Perfetto and Chrome exports, read back as a viewer would read them. */
import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { createChromeExport } from "../../api/tracing/chrome.ts";
import { createPerfettoExport } from "../../api/tracing/perfetto.ts";
import { faultPage } from "../../kernel/trace/events/fault.ts";
import { schedSwitch } from "../../kernel/trace/events/sched.ts";
import { syscallEnter, syscallExit } from "../../kernel/trace/events/syscall.ts";
import { taskStart, threadBlock, threadCreate, threadExit } from "../../kernel/trace/events/task.ts";
import { recorder } from "./events.ts";

/** Two tasks; the first blocks in a read while the second runs, and then ends inside a call. */
function scenario() {
  const trace = recorder();
  trace.emit(taskStart, { task: 2, name: "shell", kind: "program" }, { timeNs: 1 });
  trace.emit(threadCreate, { task: 2, thread: 5 });
  trace.emit(schedSwitch, { from: 0, to: 5, reason: "ready" }, { timeNs: 10, task: 2, thread: 5 });
  trace.emit(syscallEnter, { number: 63, name: "read", text: "read(0)", restarted: false }, { timeNs: 2 ** 40 });
  trace.emit(threadBlock, { thread: 5, wait: "console read" });
  trace.emit(schedSwitch, { from: 5, to: 6, reason: "blocked" }, { timeNs: 2 ** 40 + 5, task: 3, thread: 6 });
  trace.emit(faultPage, { address: 2n ** 64n - 1n, access: "read", pc: 1n }, { timeNs: 2 ** 40 + 6 });
  trace.emit(schedSwitch, { from: 6, to: 5, reason: "ready" }, { timeNs: 2 ** 40 + 7, task: 2, thread: 5 });
  trace.emit(syscallEnter, { number: 63, name: "read", text: "read(0)", restarted: true });
  trace.emit(
    syscallExit,
    { number: 63, name: "read", value: -4n, error: "EINTR", text: "read(0) = -1" },
    { timeNs: 2 ** 40 + 8 },
  );
  trace.emit(syscallEnter, { number: 93, name: "exit", text: "exit(0)", restarted: false }, { timeNs: 2 ** 40 + 9 });
  trace.emit(threadExit, { task: 2, thread: 5 });
  trace.emit(schedSwitch, { from: 5, to: 0, reason: "exit" }, { task: 0, thread: 0 });
  return trace.events();
}

type Value = bigint | Buffer;
/** A message as field number → values, checking that it is well-formed to its last byte. */
function decode(bytes: Uint8Array): Map<number, Value[]> {
  const message = new Map<number, Value[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (at >= bytes.length || shift > 63n) throw new Error("bad varint");
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    let value: Value;
    if ((key & 7) === 0) value = varint();
    else if ((key & 7) === 2) {
      const length = Number(varint());
      if (at + length > bytes.length) throw new Error("cut short");
      value = Buffer.from(bytes.subarray(at, (at += length)));
    } else throw new Error(`wire type ${key & 7}`);
    message.set(key >> 3, [...(message.get(key >> 3) ?? []), value]);
  }
  return message;
}
const text = (message: Map<number, Value[]>, field: number): string => String(message.get(field)?.[0] ?? "");
const nested = (message: Map<number, Value[]>, field: number) =>
  (message.get(field) ?? []).map((value) => decode(value as Buffer));

interface Read {
  tracks: Map<bigint, Map<number, Value[]>>;
  events: { at: bigint; type: bigint; track: bigint; name: string; category: string; fields: Record<string, string> }[];
}

function readPerfetto(file: Uint8Array): Read {
  const read: Read = { tracks: new Map(), events: [] };
  for (const packet of nested(decode(file), 1)) {
    expect(packet.get(10)).toEqual([1n]);
    for (const track of nested(packet, 60)) read.tracks.set(track.get(1)![0] as bigint, track);
    for (const event of nested(packet, 11)) {
      const track = event.get(11)![0] as bigint;
      expect(read.tracks.has(track)).toBe(true);
      const fields = nested(event, 4).map((field) => [
        text(field, 10),
        String([2, 3, 4, 6].map((kind) => field.get(kind)?.[0]).find((value) => value !== undefined)),
      ]);
      const at = packet.get(8)![0] as bigint;
      read.events.push({
        at,
        type: event.get(9)![0] as bigint,
        track,
        name: text(event, 23),
        category: text(event, 22),
        fields: Object.fromEntries(fields),
      });
    }
  }
  return read;
}

/** Slices of a track as [name, from, to]; fails when ends and begins do not pair. */
function slicesOf(read: Read, track: bigint): [string, bigint, bigint][] {
  const slices: [string, bigint, bigint][] = [];
  const open: [string, bigint][] = [];
  for (const event of read.events.filter((one) => one.track === track)) {
    if (event.type === 1n) open.push([event.name, event.at]);
    if (event.type === 2n) slices.push([...open.pop()!, event.at]);
  }
  expect(open).toEqual([]);
  return slices;
}

describe("Perfetto", () => {
  const chunks = createPerfettoExport();
  const events = scenario();
  const file = Buffer.concat([chunks.push(events.slice(0, 5)), chunks.push([]), chunks.push(events.slice(5))]);
  const read = readPerfetto(file);
  const trackNamed = (name: string) => [...read.tracks].find(([, track]) => text(track, 2) === name)![0];
  const start = 2n ** 40n;

  test("has a process for each task and a thread track for each thread below it", () => {
    const shell = read.tracks.get(trackNamed("shell"))!;
    expect(nested(shell, 3)[0]!.get(1)).toEqual([2n]);
    const thread = read.tracks.get(trackNamed("thread 5"))!;
    expect(thread.get(5)).toEqual([trackNamed("shell")]);
    expect(nested(thread, 4)[0]!.get(1)).toEqual([2n]);
    expect(text(read.tracks.get(trackNamed("task 3"))!, 2)).toBe("task 3");
  });

  test("has system calls as slices, across a wait and to the end of the thread", () => {
    expect(slicesOf(read, trackNamed("thread 5"))).toEqual([
      ["read", start, start + 8n],
      ["exit", start + 9n, start + 9n],
    ]);
  });

  test("has what ran on the hart as slices", () => {
    expect(slicesOf(read, trackNamed("hart 0"))).toEqual([
      ["shell thread 5", 10n, start + 5n],
      ["task 3 thread 6", start + 5n, start + 7n],
      ["shell thread 5", start + 7n, start + 9n],
    ]);
  });

  test("has everything else as instants, with its fields", () => {
    const fault = read.events.find(({ name }) => name === "fault.page")!;
    expect(fault).toMatchObject({ type: 3n, at: start + 6n, category: "fault", track: trackNamed("thread 6") });
    expect(fault.fields).toEqual({ address: "18446744073709551615", access: "read", pc: "1" });
    const end = read.events.find(({ type, fields }) => type === 2n && "error" in fields)!;
    expect(end.fields).toMatchObject({ error: "EINTR", value: String(2n ** 64n - 4n) });
  });

  test.skipIf(spawnSync("protoc", ["--version"]).error)("is what protoc takes for protobuf", () => {
    const decoded = execFileSync("protoc", ["--decode_raw"], { input: file, encoding: "utf8" });
    expect(decoded.match(/^1 \{/gm)).toHaveLength(read.events.length + read.tracks.size);
  });
});

describe("Chrome JSON", () => {
  test("is JSON with the same slices and instants, in microseconds", () => {
    const chunks = createChromeExport();
    const events = scenario();
    const file = chunks.push(events.slice(0, 3)) + chunks.push(events.slice(3)) + chunks.end();
    const { traceEvents } = JSON.parse(file) as { traceEvents: Record<string, unknown>[] };
    const thread = traceEvents.filter(({ tid, ph }) => tid === 1_000_005 && ph !== "M" && ph !== "i");
    expect(thread.map(({ ph, name, ts }) => [ph, name, ts])).toEqual([
      ["B", "read", 2 ** 40 / 1000],
      ["E", undefined, (2 ** 40 + 8) / 1000],
      ["B", "exit", (2 ** 40 + 9) / 1000],
      ["E", undefined, (2 ** 40 + 9) / 1000],
    ]);
    expect(
      traceEvents.filter(({ ph, name }) => ph === "M" && name === "process_name").map(({ pid, args }) => [pid, args]),
    ).toContainEqual([2, { name: "shell" }]);
    const fault = traceEvents.find(({ name }) => name === "fault.page")!;
    expect(fault).toMatchObject({ ph: "i", pid: 3, args: { address: "18446744073709551615", pc: 1 } });
  });

  test("of nothing is an empty trace", () => {
    const chunks = createChromeExport();
    expect(JSON.parse(chunks.push([]) + chunks.end())).toEqual({ displayTimeUnit: "ns", traceEvents: [] });
  });
});
