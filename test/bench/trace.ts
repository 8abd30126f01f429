/**
 * Cost of tracing: events packed and unpacked per second, beside JSON of the same content in the same run; and what an
 * event costs that nobody watches.
 */
import process from "node:process";
import type { EventType, Fields, FieldValues } from "../../kernel/trace/define.ts";
import { memoryFrame } from "../../kernel/trace/events/memory.ts";
import { schedSwitch } from "../../kernel/trace/events/sched.ts";
import { syscallExit } from "../../kernel/trace/events/syscall.ts";
import { catalogue, decodeRecords } from "../../kernel/trace/index.ts";
import { createTraceRing } from "../../kernel/trace/record/ring.ts";

const EVENTS = 400_000;
const ROUNDS = 5;
/** Events between two drains, as between two slices of a machine. */
const BATCH = 4096;

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

/** Processor time of this thread, so that others' work does not count. */
function seconds(work: () => void): number {
  const start = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(start);
  return (user + system) / 1e6;
}

const millionsPerSecond = (times: number[]): string => `${(EVENTS / median(times) / 1e6).toFixed(2)} M/s`;

interface Case<F extends Fields> {
  type: EventType<string, F>;
  make(i: number): FieldValues<F>;
}

function measure<F extends Fields>({ type, make }: Case<F>): Record<string, string> {
  const now = { timeNs: 1e12, instructions: 123_456_789, task: 2, thread: 3, hart: 0 };
  const ring = createTraceRing({ sequence: 0 }, () => now);
  const times = {
    idle: [] as number[],
    pack: [] as number[],
    unpack: [] as number[],
    json: [] as number[],
    parse: [] as number[],
  };
  const plain = type as unknown as EventType;
  const emitAll = (take: (batch: Uint8Array) => void) => {
    for (let i = 0; i < EVENTS; i++) {
      now.instructions += 1;
      if (ring.on(plain)) ring.write(type, make(i));
      if (i % BATCH === BATCH - 1) take(ring.drain());
    }
  };
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    ring.setMask(0);
    times.idle.push(seconds(() => emitAll(() => {})));
    ring.setMask(-1);
    times.pack.push(seconds(() => emitAll(() => {})));
    const batches: Uint8Array[] = [];
    emitAll((batch) => batches.push(batch));
    bytes = batches.reduce((sum, batch) => sum + batch.length, 0) / EVENTS;
    times.unpack.push(seconds(() => batches.map((batch) => decodeRecords(batch, catalogue).length)));
    const lines: string[] = [];
    times.json.push(seconds(() => jsonAll(lines, type.name, now, make as (i: number) => object)));
    times.parse.push(seconds(() => lines.map((line) => (JSON.parse(line) as object) !== null)));
  }
  return {
    unwatched: millionsPerSecond(times.idle),
    pack: millionsPerSecond(times.pack),
    "JSON.stringify": millionsPerSecond(times.json),
    "pack : JSON": (median(times.json) / median(times.pack)).toFixed(1),
    unpack: millionsPerSecond(times.unpack),
    "JSON.parse": millionsPerSecond(times.parse),
    "bytes/event": bytes.toFixed(0),
  };
}

function jsonAll(lines: string[], name: string, now: object, make: (i: number) => object): void {
  const asJson = (_: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);
  for (let i = 0; i < EVENTS; i++) lines.push(JSON.stringify({ name, sequence: i, ...now, ...make(i) }, asJson));
}

export async function bench(): Promise<void> {
  console.table({
    "sched.switch": measure({ type: schedSwitch, make: (i) => ({ from: i, to: i + 1, reason: "quantum" }) }),
    "memory.frame": measure({
      type: memoryFrame,
      make: (i) => ({ space: 1, address: BigInt(i), frame: i, reason: "anonymous" }),
    }),
    "syscall.exit": measure({
      type: syscallExit,
      make: () => ({ number: 64, name: "write", value: 6n, error: "", text: 'write(1, "hello\\n", 6) = 6' }),
    }),
  });
}

if (import.meta.main) await bench();
