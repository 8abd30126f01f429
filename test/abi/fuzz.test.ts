/**
 * Every system call with arguments that nearly make sense: descriptors of every kind of file, names of files that are
 * there, memory that is there with numbers in it, and now and then something wild in between. What is only nonsense
 * (wild-pointers.test.ts) ends where arguments are decoded; these come to where the call does its work.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SystemCallInfo, SystemCallParameter } from "../../kernel/abi/define/syscall.ts";
import { systemCallCatalogue } from "../../kernel/catalogue.ts";
import type { CallArgument, Machine, TaskId } from "../../kernel/index.ts";
import { errnoNumbers } from "../../kernel/lib/errno.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { call, fileOf, int, noLimits, startCall, testMachine } from "../support/machine.ts";

const rows = systemCallCatalogue();
const numberOf = new Map(rows.map(({ name, number }) => [name, number]));
const file = fileOf("/f", new Uint8Array(5000).fill(7), 0o755);

interface Client {
  machine: Machine;
  task: TaskId;
}

const text = (value: string): CallArgument => ({ kind: "string", value });
const words = (...values: number[]): CallArgument => ({
  kind: "bytes",
  value: new Uint8Array(Uint32Array.from(values).buffer),
});

/** In the place of the task's own number. */
const itself: CallArgument = { kind: "string", value: "itself" };

/** What a task has open before it is tried: a file of each kind, from descriptor 3 on. */
const openings: readonly (readonly [name: string, ...args: CallArgument[]])[] = [
  ["openat", int(-100), text("/f"), int(0), int(0)],
  ["openat", int(-100), text("/tmp/g"), int(0o102), int(0o644)],
  ["openat", int(-100), text("/tmp"), int(0o200000), int(0)],
  ["pipe2", { kind: "buffer", size: 8 }, int(0o4000)],
  ["eventfd2", int(3), int(0o4000)],
  ["timerfd_create", int(1), int(0o4000)],
  ["epoll_create1", int(0)],
  ["inotify_init1", int(0o4000)],
  ["socketpair", int(1), int(0o4001), int(0), { kind: "buffer", size: 8 }],
  ["signalfd4", int(-1), words(0xfff, 0), int(8), int(0o4000)],
  ["openat", int(-100), text("/dev/ptmx"), int(0o4002), int(0)],
  ["pidfd_open", itself, int(0)],
  ["openat", int(-100), text("/proc/self/maps"), int(0), int(0)],
  ["openat", int(-100), text("/dev/zero"), int(2), int(0)],
  ["openat", int(-100), text("/proc/self/ns/uts"), int(0), int(0)],
  ["memfd_create", text("memory"), int(2)],
];
const firstFile = 3;
const lastFile = firstFile + openings.length + 1;

/** A task with all of it; null where what was tried before has left no place for that. */
function newTask(machine: Machine): TaskId | null {
  const made = machine.apply({ kind: "createRemoteTask", name: "client", limits: noLimits });
  if (!made.ok) return null;
  const task = made.task!;
  for (const [name, ...args] of openings) {
    const meant = args.map((argument) => (argument === itself ? int(task) : argument));
    const result = call(machine, task, numberOf.get(name)!, ...meant);
    if (result === undefined || result.value < 0n) return null;
  }
  machine.drainOutputs();
  return task;
}

function newClient(): Client {
  const machine = testMachine({ memoryBytes: 2 * 2 ** 20, files: [file] });
  return { machine, task: newTask(machine)! };
}

/** Another task in the place of a client's; another machine, too, where that one is spent. */
function renew(client: Client): void {
  const { machine, task } = client;
  machine.apply({ kind: "killTask", task, signal: 9 });
  const next = newTask(machine);
  Object.assign(client, next === null ? newClient() : { machine, task: next });
}

/** The result of a call; undefined if it does not return, or waits. A task that is lost by it is replaced. */
function attempt(client: Client, { number, name }: SystemCallInfo, args: readonly CallArgument[]): bigint | undefined {
  const { machine, task } = client;
  const id = startCall(machine, task, number, [...args]);
  const done = machine.drainOutputs().find((output) => output.kind === "callDone" && output.call === id);
  const { run, reason } = machine.summary();
  expect(run === "frozen" ? reason : "", `${name}(${args.map(shown)})`).toBe("");
  const isRunning = machine.tasks().some(({ task, state }) => task === client.task && state === "running");
  if (done === undefined || !isRunning) renew(client);
  return done?.kind === "callDone" ? done.value : undefined;
}

const shown = (argument: CallArgument): string =>
  argument.kind === "integer"
    ? String(argument.value)
    : JSON.stringify(argument, (_, v) => (ArrayBuffer.isView(v) ? [...(v as Uint8Array)] : v));

/** What makes sense for the kinds that are numbers; whatever else there is, is in memory. */
const numbers: Readonly<Record<string, readonly number[]>> = {
  fd: [firstFile, ...Array.from({ length: lastFile - firstFile }, (_, n) => firstFile + 1 + n), 0, 1, -100],
  size: [8, 0, 1, 16, 24, 100, 4096, 70_000],
  flags: [0, 1, 2, 4, 8, 0x10, 0x100, 0x400, 0x1000, 0o4000, 0x80000],
  int: [1, 0, 2, 8, -1, 10, 100, 1000],
  uint: [1, 0, 2, 8, 100, 1000, 0o644, 0o20666],
  long: [0, 1, -1, 100, 4096, 5000, 1_000_000],
  choice: [0, 1, 2, 3, 5, 9, 10, 16, 0x5401, 0x5413, 0x4200],
  signal: [10, 0, 9, 17, 34],
  word: [0, 1, 2, 8, 1000],
};
const paths = ["/f", "/tmp/g", "/tmp", "/tmp/new", "g", "", ".", "/proc/self/status", "/dev/null", "user.a"];
const contents = [0, 1, 2, 3, 8, 100, 4096, 0xffff_ffff, 0x1000_0000, 0x4000_0000];
const wild = [0n, 7n, 0x1000_0000n, 0x100f_fffcn, 0x3f_ffff_f000n, 1n << 38n, 1n << 63n, (1n << 64n) - 4096n];

/** The first of each is what a call that means no harm would have. */
const sensible = ({ kind }: SystemCallParameter): CallArgument =>
  kind in numbers ? int(numbers[kind]![0]!) : kind === "path" ? text(paths[0]!) : { kind: "buffer", size: 256 };

function arbitraryOf({ kind }: SystemCallParameter): fc.Arbitrary<CallArgument> {
  const meant =
    kind in numbers
      ? fc.constantFrom(...numbers[kind]!).map(int)
      : kind === "path"
        ? fc.constantFrom(...paths).map(text)
        : fc.array(fc.constantFrom(...contents), { minLength: 1, maxLength: 40 }).map((values) => words(...values));
  const not = fc.oneof(fc.constantFrom(...wild), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map(int);
  return fc.oneof({ weight: 7, arbitrary: meant }, { weight: 1, arbitrary: not });
}

const EFAULT = -BigInt(errnoNumbers.EFAULT);
const ENOSYS = -BigInt(errnoNumbers.ENOSYS);

/** These are for programs alone: a client is refused them. Random programs make them (test/guest/storm.c). */
const refusedToClients = ["rt_sigreturn", "clone", "execve", "execveat"];

describe("arguments that nearly make sense", () => {
  const client = newClient();
  it.each(rows.map((row) => [row.name, row] as const))("%s", (_name, row) => {
    renew(client);
    const result = attempt(client, row, row.parameters.map(sensible));
    const isReached = row.support !== "none" && !refusedToClients.includes(row.name);
    if (isReached) expect([EFAULT, ENOSYS], "the call itself was reached").not.toContain(result);
    fc.assert(
      fc.property(fc.tuple(...row.parameters.map(arbitraryOf)), (args) => {
        const value = attempt(client, row, args);
        if (value !== undefined && value < 0n && row.name !== "mmap") expect(value >= -4095n).toBe(true);
      }),
      { numRuns: row.parameters.length === 0 ? 2 : 20 },
    );
    expect(brokenInvariants(client.machine)).toEqual([]);
  });

  it("of all calls, one after the other", () => {
    const one = fc
      .constantFrom(...rows)
      .chain((row) => fc.tuple(...row.parameters.map(arbitraryOf)).map((args) => ({ row, args })));
    fc.assert(
      fc.property(fc.array(one, { minLength: 100, maxLength: 100 }), (calls) => {
        for (const { row, args } of calls) attempt(client, row, args);
        expect(brokenInvariants(client.machine)).toEqual([]);
      }),
      { numRuns: 10, endOnFailure: true },
    );
  });
});
