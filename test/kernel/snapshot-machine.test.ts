/** Snapshots of real machines: a run that goes through snapshot and restore ends as the straight one does. */
import { beforeAll, describe, expect, test } from "vitest";
import {
  captureSnapshot,
  type Input,
  loadSnapshot,
  type Machine,
  type PageTree,
  restoreMachine,
  stateHash,
} from "../../kernel/index.ts";
import { decodePlain } from "../../kernel/lib/codec.ts";
import { migrations } from "../../kernel/snapshot/migrations.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { consoleOf, fileOf, mustApply, sha256, startInput, testMachine, testPorts } from "../support/machine.ts";

type Store = Map<string, Uint8Array>;
const never = Number.MAX_SAFE_INTEGER;

function capture(machine: Machine, base: PageTree | null, store: Store) {
  const captured = captureSnapshot(machine, base, sha256);
  for (const { hash, data } of captured.blobs) store.set(hash, data);
  return captured;
}

interface Restored {
  machine: Machine;
  tree: PageTree;
  fetched: Set<number>;
}

function restore(root: string, store: Store): Restored {
  const loading = loadSnapshot(root, sha256);
  while (loading.need.length > 0) loading.provide(new Map(loading.need.map((hash) => [hash, store.get(hash)!])));
  const { state, tree } = loading.result();
  const fetched = new Set<number>();
  const fetchPages = (pages: readonly number[]) =>
    pages.map((page) => {
      fetched.add(page);
      return store.get(tree.pageHash(page))!;
    });
  const machine = restoreMachine(state, testPorts({ fetchPages }), (page) => tree.isZero(page));
  return { machine, tree, fetched };
}

/** Runs to an instruction count, bringing pages that are missing. */
function runTo(machine: Machine, instructions: number, bring: (page: number) => Uint8Array): void {
  for (;;) {
    const stop = machine.run({ instructions, timeNs: never });
    if (stop.kind === "needPages") for (const page of stop.pages) machine.providePage(page, bring(page));
    else if (stop.kind !== "limit" || machine.position().instructions >= instructions) return;
  }
}

const absent = (): Uint8Array => {
  throw new Error("no page is absent here");
};

test("the version of the state is the one that the migrations lead to", () => {
  const state = decodePlain(testMachine().encodeState()) as { version: number };
  expect(state.version).toBe(migrations.length + 1);
});

test("equal machines have equal names; a new one has little to store", () => {
  const [one, other] = [testMachine(), testMachine()];
  const { root, blobs, stats } = captureSnapshot(one, null, sha256);
  expect(stateHash(other, null, sha256)).toBe(root);
  expect(stateHash(testMachine({ seed: 43n }), null, sha256)).not.toBe(root);
  expect(blobs.length).toBeLessThan(10);
  expect(stats.newBytes).toBeLessThan(40_000);
});

describe.skipIf(!hasCompiler)("a run through snapshots", () => {
  const console: Input = { kind: "console", bytes: new TextEncoder().encode("one\ntwo\n") };
  let program: ReturnType<typeof fileOf>;
  beforeAll(() => {
    program = fileOf("/bin/program", guest("threads"));
  });
  const started = () => {
    const machine = testMachine({ files: [program] });
    mustApply(machine, startInput("/bin/program"));
    return machine;
  };
  const points = [30_000, 90_000, 91_234, 400_000, 700_000];
  const end = 3_000_000;

  test("ends as the straight one: state, console, trace", () => {
    const straight = started();
    straight.setTraceMask(-1);
    runTo(straight, end, absent);
    const store: Store = new Map();
    let machine = started();
    machine.setTraceMask(-1);
    let tree: PageTree | null = null;
    const traces: Uint8Array[] = [];
    let output = "";
    let bring: (page: number) => Uint8Array = absent;
    for (const point of points) {
      runTo(machine, point, bring);
      traces.push(machine.drainTrace());
      output += consoleOf(machine.drainOutputs());
      const { root } = capture(machine, tree, store);
      const restored = restore(root, store);
      expect(stateHash(restored.machine, restored.tree, sha256)).toBe(root);
      ({ machine, tree } = restored);
      bring = (page) => store.get(restored.tree.pageHash(page))!;
      machine.setTraceMask(-1);
    }
    runTo(machine, end, bring);
    traces.push(machine.drainTrace());
    expect(stateHash(machine, tree, sha256)).toBe(stateHash(straight, null, sha256));
    expect(output + consoleOf(machine.drainOutputs())).toBe(consoleOf(straight.drainOutputs()));
    expect(Buffer.concat(traces).equals(straight.drainTrace())).toBe(true);
  });

  test("needs only the pages that it touches", () => {
    const store: Store = new Map();
    const machine = started();
    runTo(machine, 400_000, absent);
    const { root, tree } = capture(machine, null, store);
    const restored = restore(root, store);
    const brought = new Set<number>();
    runTo(restored.machine, 410_000, (page) => {
      brought.add(page);
      return store.get(restored.tree.pageHash(page))!;
    });
    expect(brought.size + restored.fetched.size).toBeGreaterThan(0);
    expect(brought.size + restored.fetched.size).toBeLessThan(tree.storedPages);
    runTo(machine, 410_000, absent);
    expect(stateHash(restored.machine, restored.tree, sha256)).toBe(stateHash(machine, tree, sha256));
  });

  test("that waits for the console goes on with input that came after the restore", () => {
    const machine = testMachine({ files: [fileOf("/bin/echo", guest("echo"))] });
    mustApply(machine, startInput("/bin/echo"));
    runTo(machine, never, absent);
    const store: Store = new Map();
    const restored = restore(capture(machine, null, store).root, store);
    machine.drainOutputs();
    for (const one of [machine, restored.machine]) {
      mustApply(one, console);
      mustApply(one, { kind: "consoleEnd" });
    }
    runTo(machine, never, absent);
    runTo(restored.machine, never, (page) => store.get(restored.tree.pageHash(page))!);
    const output = consoleOf(machine.drainOutputs());
    expect(output).toContain("end after 2");
    expect(consoleOf(restored.machine.drainOutputs())).toBe(output);
  });
});
