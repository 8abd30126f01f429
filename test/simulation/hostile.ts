/** Hostile programs and what a host does around them, as scenarios that can be performed again and again. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { systemCallCatalogue } from "../../kernel/catalogue.ts";
import type { CallArgument, CallId, Input, Machine, MachineConfig } from "../../kernel/index.ts";
import { buildElf, iType } from "../hardware/cpu/encode.ts";
import { Random, randomProgram } from "../hardware/cpu/random_program.ts";
import { fileOf, int, restoreMachine, startInput, testMachine, testPorts } from "../support/machine.ts";

const textBase = 0x10000;
const dataBase = 0x40000;
const ecall = 0x73;
const numbers = systemCallCatalogue().map(({ number }) => number);
const upper = (rd: number, value: number): number => ((value & 0xfffff000) | (rd << 7) | 0x37) >>> 0;

/** One instruction, or something else in its place. */
function spoilt(word: number, random: Random): number[] {
  if (random.chance(2)) return [Number(random.u64() & 0xffffffffn)];
  if (random.chance(2)) return [(word ^ (1 << random.below(32))) >>> 0];
  if (random.chance(4)) return [iType(0x13, 0, 17, 0, random.pick(numbers)), ecall];
  return [word];
}

/**
 * Valid instructions with some spoilt ones and system calls among them, over and over; in some the memory that is
 * stored to is the program itself.
 */
export function randomCode(seed: number): Uint8Array {
  const random = new Random(seed);
  const scratch = random.chance(20) ? textBase : dataBase;
  const words = [2, 9, 31].flatMap((register) => [upper(register, scratch), iType(0x13, 0, register, register, 256)]);
  for (const word of randomProgram(seed, 60, "all").bodies.flat()) words.push(...spoilt(word, random));
  const bytes: number[] = [];
  for (const word of words)
    for (let at = 0; at < ((word & 3) === 3 ? 4 : 2); at++) bytes.push((word >>> (8 * at)) & 0xff);
  // lui x1; jalr x0, x1: to the beginning.
  for (const word of [upper(1, textBase), iType(0x67, 0, 0, 1, 0)])
    for (let at = 0; at < 4; at++) bytes.push((word >>> (8 * at)) & 0xff);
  return buildElf([
    { address: textBase, bytes: Uint8Array.from(bytes), size: bytes.length },
    { address: dataBase, bytes: new Uint8Array(0), size: 8192 },
  ]);
}

export type Step = { kind: "run"; instructions: number; timeNs: number } | { kind: "input"; input: Input };

export interface Scenario {
  config: Partial<MachineConfig>;
  steps: Step[];
}

/** How a scenario is performed: what must make no difference. */
export interface Manner {
  /** Where a run is cut: how far to go on, or null for the rest of the step. */
  cut(): { instructions: number; timeNs: number } | null;
  /** Whether the machine is taken apart and put together again after this step. */
  restoresAfter(step: number): boolean;
}

export const inOnePiece: Manner = { cut: () => null, restoresAfter: () => false };

export const cutBy = (random: Random): Manner => ({
  cut: () =>
    random.chance(15)
      ? null
      : { instructions: 1 + random.below(5000), timeNs: 1 + random.below(random.pick([10, 5000])) },
  restoresAfter: () => random.chance(10),
});

/** A machine, and the pages that it does not have yet. */
interface Hosted {
  machine: Machine;
  pages: readonly Uint8Array[];
}

function runStep({ machine, pages }: Hosted, step: Step & { kind: "run" }, manner: Manner): void {
  const from = machine.position();
  const target = { instructions: from.instructions + step.instructions, timeNs: from.timeNs + step.timeNs };
  for (;;) {
    const before = machine.position();
    const cut = manner.cut();
    const stop = machine.run({
      instructions: Math.min(target.instructions, cut === null ? Infinity : before.instructions + cut.instructions),
      timeNs: Math.min(target.timeNs, cut === null ? Infinity : before.timeNs + cut.timeNs),
    });
    if (stop.kind === "needPages") for (const page of stop.pages) machine.providePage(page, pages[page]!);
    else if (stop.kind !== "limit") return;
    else if (cut === null && machine.position().timeNs === before.timeNs) return;
  }
}

/** Brings whatever the machine did without so far. */
function complete({ machine, pages }: Hosted): void {
  pages.forEach((bytes, page) => {
    if (!machine.memory.isPresent(page)) machine.providePage(page, bytes);
  });
}

/** Its state in another machine, whose pages come when they are missed. */
function reborn(hosted: Hosted): Hosted {
  complete(hosted);
  const { memory } = hosted.machine;
  const pages = Array.from({ length: memory.pages }, (_, page) => memory.page(page).slice());
  const ports = testPorts({ fetchPages: (wanted) => wanted.map((page) => pages[page]!) });
  const machine = restoreMachine(hosted.machine.encodeState(), ports, (page) =>
    pages[page]!.every((byte) => byte === 0),
  );
  machine.setTraceMask(-1);
  return { machine, pages };
}

/** A call is known by the number of its step. */
const numbered = (input: Input, index: number): Input =>
  input.kind === "call" ? { ...input, call: index as CallId } : input;

export interface Result {
  state: string;
  memory: string;
  trace: string;
  console: string;
  frozen: string;
}

/** Performs all steps; `check` looks at the machine after each. */
export function perform({ config, steps }: Scenario, manner: Manner, check: (machine: Machine) => void): Result {
  let hosted: Hosted = { machine: testMachine(config), pages: [] };
  hosted.machine.setTraceMask(-1);
  const trace = createHash("sha256");
  const console = createHash("sha256");
  steps.forEach((step, index) => {
    const { machine } = hosted;
    if (step.kind === "input") machine.apply(numbered(step.input, index));
    else runStep(hosted, step, manner);
    trace.update(machine.drainTrace());
    for (const output of machine.drainOutputs()) if (output.kind === "console") console.update(output.bytes);
    check(machine);
    if (manner.restoresAfter(index)) hosted = reborn(hosted);
  });
  complete(hosted);
  const { machine } = hosted;
  const memory = createHash("sha256");
  for (let page = 0; page < machine.memory.pages; page++) memory.update(machine.memory.page(page));
  const summary = machine.summary();
  return {
    state: createHash("sha256").update(machine.encodeState()).digest("hex"),
    memory: memory.digest("hex"),
    trace: trace.digest("hex"),
    console: console.digest("hex"),
    frozen: summary.run === "frozen" ? summary.reason : "",
  };
}

/** A file of every machine, which the programs open and map. */
const dataFile = fileOf(
  "/data/file",
  new Uint8Array(20_000).map((_, i) => i * 7),
  0o644,
);

/** A machine that is short of everything. */
export const scarce = (programs: ReadonlyMap<string, Uint8Array>): Partial<MachineConfig> => ({
  memoryBytes: 2 * 2 ** 20,
  quantumInstructions: 333,
  files: [dataFile, ...[...programs].map(([path, bytes]) => fileOf(path, bytes))],
  limits: { tasks: 6, threads: 16, openFiles: 24 },
});

export const start = (path: string, seed: number): Step => ({
  kind: "input",
  input: startInput(path, {
    arguments: [path, String(seed)],
    limits: { instructions: 400_000, outputBytes: 1 << 20, memoryBytes: seed % 3 === 0 ? 300_000 : 0 },
  }),
});

export const runSteps: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant("run" as const),
  instructions: fc.integer({ min: 1, max: 30_000 }),
  timeNs: fc.oneof(fc.constant(2 ** 50), fc.integer({ min: 1, max: 50_000 })),
});

const wildValue = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    2n,
    3n,
    8n,
    24n,
    4096n,
    0x1000_0000n,
    0x2000_0000n,
    0x3000_0000n,
    0x3f_ffff_f000n,
    0xffff_ffffn,
  ),
  fc.constantFrom(-1n, -100n, -4096n, 1n << 38n, 1n << 47n, 1n << 63n, (1n << 63n) - 1n, 0x22n, 0x32n, 7n, 5n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

const callArgument: fc.Arbitrary<CallArgument> = fc.oneof(
  { weight: 6, arbitrary: wildValue.map((value) => int(value)) },
  { weight: 1, arbitrary: fc.nat(5000).map((size) => ({ kind: "buffer" as const, size })) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }).map((value) => ({ kind: "bytes" as const, value })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("/data/file", "/", "", "x").map((value) => ({ kind: "string" as const, value })),
  },
);

const task = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 12 }));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const limits = { instructions: 0, memoryBytes: 0, outputBytes: 0 };
const createClient = { kind: "createRemoteTask" as const, name: "client", limits };
export const client: Step = { kind: "input", input: createClient };

const calls = fc.record({
  kind: fc.constant("call"),
  call: fc.constant(0),
  task,
  number: fc.oneof({ weight: 20, arbitrary: fc.constantFrom(...numbers) }, { weight: 1, arbitrary: fc.nat(2 ** 31) }),
  arguments: fc.array(callArgument, { maxLength: 6 }),
});
const memory = fc.constantFrom(0x10000, 0x12000, 0x1000_0000, 0);
const resume = { kind: "resume", untilInstructions: null, untilTimeNs: null };

/** What a host, a debugger or a client may do at any time, whether it makes sense or not. */
export const inputSteps: fc.Arbitrary<Step> = fc
  .oneof(
    { weight: 20, arbitrary: calls },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("console"), bytes: bytes(300) }) },
    { weight: 1, arbitrary: fc.constant({ kind: "consoleEnd" }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("killTask"), task, signal: fc.integer({ min: 0, max: 66 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("cancelCall"), call: fc.integer({ min: 1, max: 50 }) }) },
    { weight: 3, arbitrary: fc.constant(createClient) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("writeVirtual"), task, address: memory, bytes: bytes(6000) }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: "pause" }) },
    { weight: 4, arbitrary: fc.constant(resume) },
  )
  .map((input) => ({ kind: "input", input: input as unknown as Input }));
