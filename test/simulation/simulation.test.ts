/**
 * Seeded simulation of a machine's life: random inputs at random moments. What must hold: the journal replayed in
 * one piece, and the journal replayed across snapshots and restores at random moments and in slices of random
 * size, give the same state (root hash) and the same trace (hash of all records).
 *
 * A failure prints its seed; OSTLER_SEED=<seed> runs that one alone.
 */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { compileCpu } from "../../api/hosting/cpu.ts";
import type { Origin, Route, StoredEntry } from "../../api/hosting/protocol.ts";
import { ContentCache } from "../../api/hosting/worker/content.ts";
import { Replay } from "../../api/hosting/worker/replay.ts";
import { type Resident, ResidentFactory } from "../../api/hosting/worker/resident.ts";
import type { CallId, Input, MachineConfig, TaskId } from "../../kernel/index.ts";
import { compileC, hasCompiler, sources } from "../support/guest.ts";

const cpu = compileCpu();
const ALL_CATEGORIES = -1;
const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Content by hash in memory: programs, and what snapshots add. */
class Contents {
  readonly blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  add(data: Uint8Array<ArrayBuffer>): { content: string; size: number } {
    this.blobs.set(hash(data), data);
    return { content: hash(data), size: data.length };
  }
  factory(): ResidentFactory {
    const get = (hashes: readonly string[]) => hashes.map((name) => this.blobs.get(name) ?? null);
    return new ResidentFactory(cpu, new ContentCache({ now: get, later: async (hashes) => get(hashes) }, 1 << 26));
  }
}

class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  below(limit: number): number {
    this.#state = (Math.imul(this.#state ^ (this.#state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return Math.floor(((this.#state ^ (this.#state >>> 13)) >>> 0) % limit);
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** Runs until the limit, bringing pages when they are missing. */
async function run(resident: Resident, instructions: number): Promise<void> {
  const limit = {
    instructions: resident.machine.position().instructions + instructions,
    timeNs: Number.MAX_SAFE_INTEGER,
  };
  for (let stop = resident.run(limit); stop.kind === "needPages"; stop = resident.run(limit))
    await resident.fetchPages(stop.pages);
}

function randomInput(random: Random, tasks: { programs: TaskId[]; remotes: TaskId[] }, n: number): Input {
  const limits = { instructions: 0, memoryBytes: 0, outputBytes: 0 };
  const text = (length: number) => Buffer.from(Array.from({ length }, () => random.pick([..."abc\n"])).join(""));
  const makers: (() => Input)[] = [
    () => ({ kind: "console", bytes: new Uint8Array(text(1 + random.below(40))) }),
    () => ({
      kind: "startProgram",
      path: random.pick(["/bin/echo", "/bin/count", "/bin/hello", "/bin/sleepy", "/bin/crash"]),
      arguments: ["x", "y"],
      environment: null,
      input: random.below(2) === 0 ? { kind: "console" } : { kind: "bytes", bytes: new Uint8Array(text(20)) },
      limits: { ...limits, instructions: random.below(3) * 5_000_000 },
    }),
    () => ({ kind: "createRemoteTask", name: "remote", limits }),
    () => ({ kind: "resume", untilInstructions: null, untilTimeNs: null }),
    () => ({ kind: "pause" }),
    () => ({ kind: "killTask", task: random.pick([...tasks.programs, 1 as TaskId]), signal: 9 }),
    () => ({
      kind: "writePhysical",
      address: 0x8000_0000 + 0x3f0_0000 + random.below(4096),
      bytes: new Uint8Array(text(8)),
    }),
  ];
  const calls: (() => Input)[] = [
    () => ({
      kind: "call",
      call: n as CallId,
      task: random.pick(tasks.remotes),
      number: 64,
      arguments: [
        { kind: "integer", value: 1n },
        { kind: "string", value: "remote\n" },
        { kind: "integer", value: 7n },
      ],
    }),
    () => ({
      kind: "call",
      call: n as CallId,
      task: random.pick(tasks.remotes),
      number: 113,
      arguments: [
        { kind: "integer", value: 1n },
        { kind: "buffer", size: 16 },
      ],
    }),
    () => ({
      kind: "call",
      call: n as CallId,
      task: random.pick(tasks.remotes),
      number: 101,
      arguments: [
        { kind: "bytes", value: new Uint8Array(new BigUint64Array([1n, 0n]).buffer) },
        { kind: "integer", value: 0n },
      ],
    }),
    () => ({
      kind: "call",
      call: n as CallId,
      task: random.pick(tasks.remotes),
      number: random.below(400),
      arguments: [
        { kind: "integer", value: BigInt(random.below(5)) },
        { kind: "buffer", size: 64 },
      ],
    }),
  ];
  return random.pick(tasks.remotes.length > 0 ? [...makers, ...calls] : makers)();
}

interface Life {
  config: MachineConfig;
  entries: StoredEntry[];
  reached: { instructions: number; timeNs: number };
  root: string;
  trace: string;
}

async function live(seed: number, contents: Contents): Promise<Life> {
  const random = new Random(seed);
  const files = (["echo", "count", "hello", "sleepy", "crash"] as const).map((name) => ({
    path: `/bin/${name}`,
    mode: 0o755,
    ...contents.add(compileC(sources[name])),
  }));
  const config: MachineConfig = {
    memoryBytes: 64 << 20,
    seed: BigInt(seed),
    quantumInstructions: 1_000 + random.below(50_000),
    realtimeEpochNs: 0n,
    hostname: "sim",
    environment: ["A=b"],
    files,
    limits: { tasks: 16, threads: 32, openFiles: 16 },
  };
  const resident = await contents.factory().create({ kind: "config", config }, 0);
  resident.machine.setTraceMask(ALL_CATEGORIES);
  const tasks = { programs: [] as TaskId[], remotes: [] as TaskId[] };
  const entries: StoredEntry[] = [];
  const trace = createHash("sha256");
  for (let n = 1; n <= 40; n++) {
    const input =
      n === 1
        ? ({ kind: "resume", untilInstructions: null, untilTimeNs: null } as const)
        : randomInput(random, tasks, n);
    const result = resident.apply(input);
    if (result.ok && result.task !== undefined)
      (input.kind === "createRemoteTask" ? tasks.remotes : tasks.programs).push(result.task);
    if (random.below(4) > 0) await run(resident, random.below(400_000));
    const mark = resident.mark();
    entries.push(...mark.entries);
    trace.update(mark.trace);
  }
  const reached = resident.machine.position();
  return { config, entries, reached, root: resident.capture().root, trace: trace.digest("hex") };
}

async function replayed(
  life: Life,
  contents: Contents,
  random: Random | null,
): Promise<{ root: string; trace: string }> {
  const trace = createHash("sha256");
  const end = { kind: "position", position: life.reached } as const;
  let origin: Origin = { kind: "config", config: life.config };
  let entries = life.entries;
  for (;;) {
    const route: Route = { origin, sequence: 0, entries, end };
    const resident = await contents.factory().create(origin, 0);
    resident.machine.setTraceMask(ALL_CATEGORIES);
    const replay = new Replay(resident, route);
    let steps = random === null ? Number.POSITIVE_INFINITY : 1 + random.below(25);
    let step = replay.step(budget(random));
    while (step.kind !== "done" && steps-- > 0) {
      trace.update(resident.mark().trace);
      if (step.kind === "needPages") await resident.fetchPages(step.pages);
      step = replay.step(budget(random));
    }
    const { trace: records, sequence } = { ...resident.mark(), sequence: resident.sequence };
    trace.update(records);
    const captured = resident.capture();
    if (step.kind === "done") return { root: captured.root, trace: trace.digest("hex") };
    if (step.kind === "needPages") await resident.fetchPages(step.pages);
    for (const { hash: name, data } of captured.blobs) contents.blobs.set(name, data);
    origin = { kind: "snapshot", root: captured.root };
    entries = entries.filter((entry) => entry.sequence > sequence);
  }
}

const budget = (random: Random | null) =>
  random === null ? 10_000_000 : 1 + random.below(random.pick([10, 5_000, 300_000]));

const seeds = process.env["OSTLER_SEED"] === undefined ? [1, 2, 3, 4, 5, 6] : [Number(process.env["OSTLER_SEED"])];

describe.skipIf(!hasCompiler)("a machine is a function of its journal", () => {
  test.each(seeds)(
    "seed %i: replay, and replay across snapshots, end in the same state with the same trace",
    async (seed) => {
      const contents = new Contents();
      const life = await live(seed, contents);
      const whole = await replayed(life, contents, null);
      expect(whole).toEqual({ root: life.root, trace: life.trace });
      for (let round = 1; round <= 2; round++) {
        expect(await replayed(life, contents, new Random(seed * 7 + round))).toEqual({
          root: life.root,
          trace: life.trace,
        });
      }
    },
  );
});
