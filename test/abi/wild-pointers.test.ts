/** Every system call with every kind of nonsense in every argument: the kernel answers, and lives. Derived from the catalogue. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errnoOf, systemCallCatalogue } from "../../kernel/catalogue.ts";
import type { Machine, TaskId } from "../../kernel/index.ts";
import { call, fileOf, int, mustApply, noLimits, testMachine } from "../support/machine.ts";

const wild = [
  0n,
  1n,
  7n,
  0xfffn,
  0x1000n,
  0x10000n,
  0x1000_0000n,
  0x100f_fff9n,
  0x1010_0000n,
  0x3f_ffff_efffn,
  0x3f_ffff_ffffn,
  0x40_0000_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffc0_0000_0000n,
  0xffff_ffff_ffff_f000n,
  0xffff_ffff_ffff_ffffn,
];
const plain = [0n, 1n, 3n, 8n, 24n, 4096n];

interface Remote {
  machine: Machine;
  task: TaskId;
}

function remote(): Remote {
  const machine = testMachine({ memoryBytes: 2 ** 21, files: [fileOf("/f", new Uint8Array(5000), 0o644)] });
  const task = mustApply(machine, { kind: "createRemoteTask", name: "wild", limits: noLimits })!;
  machine.apply({ kind: "consoleEnd" });
  machine.drainOutputs();
  return { machine, task };
}

/** One call; a task that ended or is blocked is replaced. */
function attempt(state: Remote, number: number, values: readonly bigint[]): bigint | undefined {
  const result = call(state.machine, state.task, number, ...values.map((value) => int(value)));
  expect(state.machine.summary().run, `${number}(${values})`).not.toBe("frozen");
  const info = state.machine.tasks().find(({ task }) => task === state.task)!;
  if (info.state === "exited" || info.threads[0]!.wait !== "a client's call") {
    if (info.state === "running") mustApply(state.machine, { kind: "killTask", task: state.task, signal: 9 });
    state.task = mustApply(state.machine, { kind: "createRemoteTask", name: "wild", limits: noLimits })!;
    state.machine.drainOutputs();
  }
  return result?.value;
}

const rows = systemCallCatalogue();

describe("wild arguments", () => {
  it("the catalogue names every call once, by number", () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    expect(new Set(rows.map(({ number }) => number)).size).toBe(rows.length);
    expect(rows.length).toBeGreaterThan(60);
  });

  it.each(rows.map((row) => [row.name, row] as const))("%s survives a wild value in each argument", (_name, row) => {
    const state = remote();
    for (let at = 0; at < row.parameters.length; at++) {
      for (const value of wild) {
        for (const other of plain) {
          const values = row.parameters.map((_parameter, i) => (i === at ? value : other));
          const result = attempt(state, row.number, values);
          if (result !== undefined && result < 0n) expect(result).toBeGreaterThanOrEqual(-4095n);
        }
      }
    }
  });

  it("random calls with random arguments, one after the other", () => {
    const values = fc.array(fc.oneof(fc.constantFrom(...wild, ...plain), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), {
      minLength: 6,
      maxLength: 6,
    });
    const state = remote();
    fc.assert(
      fc.property(fc.constantFrom(...rows), values, (row, args) => {
        attempt(state, row.number, args);
      }),
      { numRuns: 3000 },
    );
    expect(state.machine.encodeState().length).toBeGreaterThan(0);
  });

  it("a read into what is no memory leaves what there was to read", () => {
    const machine = testMachine();
    const task = mustApply(machine, { kind: "createRemoteTask", name: "reader", limits: noLimits })!;
    mustApply(machine, { kind: "console", bytes: new TextEncoder().encode("typed") });
    expect(call(machine, task, 63, int(0), int(0x1000), int(5))?.value).toBe(-14n);
    const { buffers } = call(machine, task, 63, int(0), { kind: "buffer", size: 9 }, int(9))!;
    expect(new TextDecoder().decode(buffers[0]).replaceAll("\0", "")).toBe("typed");
  });

  it("a call returns only errors that its row names", () => {
    const state = remote();
    const named = new Map(rows.map((row) => [row.number, new Set(row.errors)]));
    const unnamed = new Set<string>();
    for (const row of rows) {
      for (const value of wild) {
        for (const other of plain) {
          const result = attempt(
            state,
            row.number,
            row.parameters.map((_parameter, i) => (i % 2 === 0 ? value : other)),
          );
          if (result === undefined || result >= 0n || result < -4095n) continue;
          const name = errno(result);
          if (name !== "EINTR" && !named.get(row.number)!.has(name)) unnamed.add(`${row.name}: ${name}`);
        }
      }
    }
    expect([...unnamed]).toEqual([]);
  });
});

const errno = (value: bigint): string => errnoOf(value) ?? String(value);
