/** Determinism: where a run is cut, whether it is replayed, restored half-way or starved of pages changes nothing. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Input, Machine, Position } from "../../kernel/index.ts";
import type { MachineMemory } from "../../kernel/machine/face.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import {
  fileOf,
  int,
  mustApply,
  restoreMachine,
  runOn,
  sha256Hex,
  startInput,
  testMachine,
  testPorts,
} from "../support/machine.ts";

const everything = -1;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const never = Number.MAX_SAFE_INTEGER;

function memoryHash({ pages, page }: MachineMemory): string {
  const all = new Uint8Array(pages * 4096);
  for (let i = 0; i < pages; i++) all.set(page(i), i * 4096);
  return sha256Hex(all);
}

interface Observed {
  state: string;
  memory: string;
  trace: string;
  outputs: string;
}

/** Everything that must be the same. Outputs are compared as what they add up to. */
function observe(machine: Machine, traces: Uint8Array[], outputs: unknown[]): Observed {
  traces.push(machine.drainTrace());
  outputs.push(...machine.drainOutputs());
  const trace = sha256Hex(new Uint8Array(traces.flatMap((part) => [...part])));
  const joined = JSON.stringify(outputs, (_key, value) =>
    typeof value === "bigint" ? String(value) : value instanceof Uint8Array ? [...value] : value,
  );
  return { state: sha256Hex(machine.encodeState()), memory: memoryHash(machine.memory), trace, outputs: joined };
}

function start(): Machine {
  const machine = testMachine({
    memoryBytes: 4 * 2 ** 20,
    quantumInstructions: 777,
    files: [fileOf("/bin/mixed", guest("mixed")), fileOf("/bin/threads", guest("threads"))],
  });
  machine.setTraceMask(everything);
  mustApply(machine, startInput("/bin/mixed"));
  mustApply(machine, startInput("/bin/threads", { limits: { instructions: 150_000 } }));
  const task = mustApply(machine, {
    kind: "createRemoteTask",
    name: "client",
    limits: { instructions: 0, memoryBytes: 0, outputBytes: 0 },
  })!;
  startFixedCall(machine, task);
  return machine;
}

/** nanosleep({0, 40_000}) by a remote task: ends while the programs run. */
function startFixedCall(machine: Machine, task: number): void {
  const request = new Uint8Array(16);
  new DataView(request.buffer).setBigInt64(8, 40_000n, true);
  mustApply(machine, {
    kind: "call",
    call: 1 as never,
    task: task as never,
    number: 101,
    arguments: [{ kind: "bytes", value: request }, int(0)],
  });
}

/** Runs to idle in slices; between them trace and outputs are drained only now and then, as hosts do. */
function runSliced(slices: () => { instructions: number; timeNs: number }): Observed {
  const machine = start();
  const traces: Uint8Array[] = [];
  const outputs: unknown[] = [];
  const inputs: [atNs: number, Input][] = [
    [60_000, { kind: "console", bytes: encode("hello\nwor") }],
    [5_000_000, { kind: "console", bytes: encode("ld\n") }],
    [6_000_000, { kind: "consoleEnd" }],
  ];
  for (let cut = 0; ; cut++) {
    const { instructions, timeNs } = machine.position();
    const [next] = inputs;
    if (next !== undefined && timeNs >= next[0]) {
      mustApply(machine, next[1]);
      inputs.shift();
      continue;
    }
    const slice = slices();
    const stop = machine.run({
      instructions: instructions + slice.instructions,
      timeNs: Math.min(timeNs + slice.timeNs, next?.[0] ?? never),
    });
    if (cut % 7 === 0) traces.push(machine.drainTrace());
    if (stop.kind === "frozen") throw new Error(stop.message);
    if (stop.kind === "idle" && inputs.length === 0) break;
    if (stop.kind === "idle" && next !== undefined) {
      mustApply(machine, next[1]);
      inputs.shift();
    }
  }
  return observe(machine, traces, coalesced(outputs, machine));
}

/** Console bytes by task, and the other outputs: what draining earlier or later cannot change. */
function coalesced(outputs: unknown[], machine: Machine): unknown[] {
  return [...outputs, ...machine.drainOutputs()];
}

describe.skipIf(!hasCompiler)("cutting a run (needs riscv64-linux-gnu-gcc)", () => {
  it("changes nothing, wherever it is cut", () => {
    const whole = runSliced(() => ({ instructions: never / 2, timeNs: never / 2 }));
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.tuple(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 30_000 }))),
        (stream) => {
          const slices = stream[Symbol.iterator]();
          expect(
            runSliced(() => {
              const [instructions, timeNs] = slices.next().value as [number, number];
              return { instructions, timeNs };
            }),
          ).toEqual(whole);
        },
      ),
      { numRuns: 12 },
    );
  });

  it("single steps lead to the same state", () => {
    const limit = 9000;
    const run = (step: number): Observed => {
      const machine = start();
      while (machine.position().instructions < limit)
        machine.run({ instructions: machine.position().instructions + step, timeNs: never });
      return observe(machine, [], []);
    };
    expect(run(1)).toEqual(run(limit));
  });
});

interface Entry {
  at: Position;
  input: Input;
}

/** A live machine: a host applies inputs at whatever position it finds the machine. */
function live(random: () => number): { machine: Machine; journal: Entry[] } {
  const machine = testMachine({
    memoryBytes: 4 * 2 ** 20,
    quantumInstructions: 501,
    files: [fileOf("/bin/mixed", guest("mixed")), fileOf("/bin/echo", guest("echo"))],
  });
  const journal: Entry[] = [];
  let call = 1;
  const remotes: number[] = [];
  const apply = (input: Input): void => {
    const at = machine.position();
    const result = machine.apply(input);
    if (!result.ok) return;
    journal.push({ at, input });
    if (input.kind === "createRemoteTask") remotes.push(result.task!);
  };
  const sleep = (ns: number): Uint8Array => {
    const request = new Uint8Array(16);
    new DataView(request.buffer).setBigInt64(8, BigInt(ns), true);
    return request;
  };
  const choices: (() => Input)[] = [
    () => startInput("/bin/mixed"),
    () => startInput("/bin/echo"),
    () => ({ kind: "console", bytes: encode("some input\n") }),
    () => ({ kind: "createRemoteTask", name: "r", limits: { instructions: 0, memoryBytes: 0, outputBytes: 0 } }),
    () => ({
      kind: "call",
      call: call++ as never,
      task: (remotes.at(-1) ?? 0) as never,
      number: 101,
      arguments: [{ kind: "bytes", value: sleep(Math.floor(random() * 50_000)) }, int(0)],
    }),
    () => ({
      kind: "call",
      call: call++ as never,
      task: (remotes[0] ?? 0) as never,
      number: 63,
      arguments: [int(0), { kind: "buffer", size: 5 }, int(5)],
    }),
    () => ({ kind: "pause" }),
    () => ({ kind: "resume", untilInstructions: null, untilTimeNs: null }),
    () => ({ kind: "resume", untilInstructions: machine.position().instructions + 3000, untilTimeNs: null }),
    () => ({ kind: "resume", untilInstructions: null, untilTimeNs: machine.position().timeNs + 20_000 }),
    () => ({ kind: "cancelCall", call: (call - 1) as never }),
    () => ({ kind: "killTask", task: Math.ceil(random() * 6) as never, signal: 9 }),
  ];
  apply(choices[3]!());
  apply(choices[0]!());
  for (let i = 0; i < 40; i++) {
    const { instructions, timeNs } = machine.position();
    const byTime = random() < 0.3;
    machine.run({
      instructions: instructions + Math.floor(random() * 4000),
      timeNs: byTime ? timeNs + Math.floor(random() * 9000) : never,
    });
    if (random() < 0.7) apply(choices[Math.floor(random() * choices.length)]!());
  }
  return { machine, journal };
}

function replay(journal: readonly Entry[], end: Position): Machine {
  const machine = testMachine({
    memoryBytes: 4 * 2 ** 20,
    quantumInstructions: 501,
    files: [fileOf("/bin/mixed", guest("mixed")), fileOf("/bin/echo", guest("echo"))],
  });
  const goTo = (target: Position): void => {
    while (machine.position().timeNs < target.timeNs || machine.position().instructions < target.instructions) {
      const before = machine.position();
      const stop = machine.run(target);
      const after = machine.position();
      if (stop.kind !== "limit" || after.timeNs === before.timeNs) break;
    }
    expect(machine.position()).toEqual(target);
  };
  for (const { at, input } of journal) {
    goTo(at);
    mustApply(machine, input);
  }
  goTo(end);
  return machine;
}

describe.skipIf(!hasCompiler)("replaying a journal (needs riscv64-linux-gnu-gcc)", () => {
  it("leads to the state of the live machine, whatever happened to it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
        let word = seed;
        const random = (): number => {
          word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
          return word / 2 ** 32;
        };
        const { machine, journal } = live(random);
        const again = replay(journal, machine.position());
        const left = observe(machine, [], []);
        const right = observe(again, [], []);
        expect(right).toEqual(left);
      }),
      { numRuns: 40 },
    );
  });

  it("crosses a restore: state and pages, fetched one by one when they are missed", () => {
    const machine = start();
    machine.run({ instructions: 30_000, timeNs: never });
    machine.drainTrace();
    machine.drainOutputs();
    const encoded = machine.encodeState();
    const pages: Uint8Array[] = [];
    for (let i = 0; i < machine.memory.pages; i++) pages.push(machine.memory.page(i).slice());
    let fetched = 0;
    const ports = testPorts({
      fetchPages(wanted) {
        fetched += wanted.length;
        return wanted.map((page) => pages[page]!);
      },
    });
    const restored = restoreMachine(encoded, ports, (page) => pages[page]!.every((byte) => byte === 0));
    expect(sha256Hex(restored.encodeState())).toBe(sha256Hex(encoded));
    restored.setTraceMask(everything);
    let missed = 0;
    for (;;) {
      const stop = restored.run({ instructions: 90_000, timeNs: never });
      if (stop.kind !== "needPages") break;
      missed += 1;
      for (const page of [...stop.pages, stop.pages[0]!]) restored.providePage(page, pages[page]!);
    }
    machine.run({ instructions: 90_000, timeNs: never });
    expect(missed).toBeGreaterThan(3);
    expect(fetched).toBeGreaterThan(0);
    for (let i = 0; i < pages.length; i++) if (!restored.memory.isPresent(i)) restored.providePage(i, pages[i]!);
    expect(observe(restored, [], [])).toEqual(observe(machine, [], []));
  });

  it("has a state that is a tree of plain data", () => {
    const machine = start();
    runOn(machine, 20_000);
    expect(machine.encodeState().length).toBeGreaterThan(1000);
  });
});
