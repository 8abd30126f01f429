/** Snapshots over a RAM that is only pages and flags: names, cost, loading, damage, versions. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePlain, encodePlain } from "../../kernel/lib/codec.ts";
import { migrateState, migrations } from "../../kernel/snapshot/migrations.ts";
import {
  absentNeighbours,
  captureSnapshot,
  loadSnapshot,
  type PageTree,
  SnapshotFormatError,
  stateHash,
  verifyBlob,
} from "../../kernel/snapshot/snapshot.ts";
import { version5 } from "../../kernel/snapshot/version-5.ts";
import { countingSha256, type FakeMachine, FakeMemory, fakeMachine, sha256, stateVersion } from "./fake-machine.ts";

type Store = Map<string, Uint8Array>;
const zeros = "0".repeat(64);

/** Captures and stores, as a host does; the store checks every name. */
function capture(machine: FakeMachine, base: PageTree | null, store: Store) {
  const captured = captureSnapshot(machine, base, sha256);
  for (const { hash, data } of captured.blobs) {
    verifyBlob(hash, data, sha256);
    store.set(hash, data);
  }
  return captured;
}

function load(root: string, store: Store) {
  const loading = loadSnapshot(root, sha256);
  let rounds = 0;
  for (; loading.need.length > 0; rounds++) {
    const hashes = loading.need.slice(0, 50);
    loading.provide(new Map(hashes.map((hash) => [hash, store.get(hash)!])));
  }
  return { ...loading.result(), rounds };
}

/** As restoreMachine does it: zero pages present, all others to be fetched. */
function restore(root: string, store: Store): { machine: FakeMachine; tree: PageTree } {
  const { state, tree } = load(root, store);
  const memory = new FakeMemory(tree.pages);
  memory.needsBase = true;
  for (let page = 0; page < tree.pages; page++) memory.present[page] = tree.isZero(page);
  const machine = fakeMachine(tree.pages, memory);
  machine.state = decodePlain(state) as Record<string, unknown>;
  return { machine, tree };
}

function fetchPage(machine: FakeMachine, tree: PageTree, page: number, store: Store): void {
  const data = store.get(tree.pageHash(page))!;
  verifyBlob(tree.pageHash(page), data, sha256);
  machine.memory.present[page] = true;
  machine.memory.page(page).set(data);
}

const failure = (work: () => unknown): SnapshotFormatError => {
  try {
    work();
  } catch (error) {
    if (error instanceof SnapshotFormatError) return error;
    throw error;
  }
  throw new Error("was accepted");
};

describe("a snapshot's name", () => {
  test("is the SHA-256 of its root blob, and every blob goes under its own", () => {
    const store: Store = new Map();
    const machine = fakeMachine(300);
    machine.memory.write(5, 7);
    const { root } = capture(machine, null, store);
    const blob = decodePlain(store.get(root)!) as Record<string, unknown>;
    expect(blob).toMatchObject({ kind: "ostler.snapshot", format: 1, memoryBytes: 300 * 4096 });
  });

  test("is the same for the same state, by whatever way it came about", () => {
    const change = fc.record({
      page: fc.nat(399),
      value: fc.integer({ min: 0, max: 3 }),
      next: fc.constantFrom("go", "capture", "restore", "fetch"),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const store: Store = new Map();
        let machine = fakeMachine(400);
        let tree: PageTree | null = null;
        const plain = new FakeMemory(400);
        for (const { page, value, next } of changes) {
          machine.memory.write(page, value);
          plain.write(page, value);
          if (next === "go" || next === "fetch") continue;
          const captured = capture(machine, tree, store);
          tree = captured.tree;
          if (next === "restore") ({ machine, tree } = restore(captured.root, store));
          if (!machine.memory.isPresent(changes[0]!.page)) fetchPage(machine, tree, changes[0]!.page, store);
        }
        const straight = captureSnapshot(fakeMachine(400, plain), null, sha256);
        expect(stateHash(machine, tree, sha256)).toBe(straight.root);
        const last = capture(machine, tree, store);
        expect(last.root).toBe(straight.root);
        expect(last.tree.storedBytes).toBe(straight.tree.storedBytes);
      }),
      { numRuns: 60 },
    );
  });

  test("tells apart states, page places and RAM sizes", () => {
    const names = new Set<string>();
    const add = (pages: number, page: number, value: number, counter: number) => {
      const machine = fakeMachine(pages);
      machine.memory.write(page, value);
      machine.state["counter"] = counter;
      names.add(captureSnapshot(machine, null, sha256).root);
    };
    add(200, 1, 0, 0);
    add(201, 1, 0, 0);
    add(200, 1, 1, 0);
    add(200, 2, 1, 0);
    add(200, 2, 1, 1);
    expect(names.size).toBe(5);
  });

  test("is what stateHash says, which changes nothing", () => {
    const machine = fakeMachine(64);
    machine.memory.write(3, 9);
    const name = stateHash(machine, null, sha256);
    expect(machine.memory.isDirty(3)).toBe(true);
    expect(captureSnapshot(machine, null, sha256).root).toBe(name);
    expect(machine.memory.isDirty(3)).toBe(false);
  });
});

describe("taking one", () => {
  test("costs what changed: of 64 MiB, one page means one page, two nodes, state and root", () => {
    const machine = fakeMachine(16384);
    for (let page = 0; page < 16384; page += 3) machine.memory.write(page, page + 1);
    const first = captureSnapshot(machine, null, sha256);
    machine.memory.write(7777, 1234567);
    const counter = countingSha256();
    const second = captureSnapshot(machine, first.tree, counter.sha256);
    expect(counter.calls).toBe(5);
    expect(second.blobs).toHaveLength(5);
    expect(second.stats).toMatchObject({ examinedPages: 1, changedPages: 1 });
    expect(second.stats.totalBytes - first.stats.totalBytes).toBe(4096);
  });

  test("stores nothing for a page that was written with what it had", () => {
    const machine = fakeMachine(256);
    machine.memory.write(9, 5);
    const { tree, root } = captureSnapshot(machine, null, sha256);
    machine.memory.write(9, 5);
    machine.memory.write(10, 0);
    const again = captureSnapshot(machine, tree, sha256);
    expect(again.tree).toBe(tree);
    expect(again.root).toBe(root);
  });

  test("stores equal pages once, zero pages never, and forgets nodes that became zero", () => {
    const machine = fakeMachine(256);
    for (const page of [3, 4, 200]) machine.memory.write(page, 1);
    const first = captureSnapshot(machine, null, sha256);
    expect(first.blobs.filter(({ data }) => data.length === 4096)).toHaveLength(1);
    for (const page of [3, 4, 200]) machine.memory.write(page, 0);
    const second = captureSnapshot(machine, first.tree, sha256);
    expect(second.tree.root).toBe(zeros);
    expect(second.stats.totalBytes).toBe(second.stats.newBytes);
  });

  test("a second time, or of a restored machine, is refused without the base that the flags are about", () => {
    const store: Store = new Map();
    const machine = fakeMachine(64);
    machine.memory.write(3, 9);
    const { root, tree } = capture(machine, null, store);
    expect(() => capture(machine, null, store)).toThrow("is told from a base");
    expect(capture(machine, tree, store).root).toBe(root);
    const restored = restore(root, store);
    expect(() => stateHash(restored.machine, null, sha256)).toThrow("is told from a base");
    expect(stateHash(restored.machine, restored.tree, sha256)).toBe(root);
  });

  test("does not fetch pages that are absent", () => {
    const store: Store = new Map();
    const machine = fakeMachine(300);
    for (let page = 0; page < 250; page++) machine.memory.write(page, page);
    const { root } = capture(machine, null, store);
    const restored = restore(root, store);
    expect(restored.machine.memory.present.filter(Boolean)).toHaveLength(51);
    expect(capture(restored.machine, restored.tree, store).root).toBe(root);
    restored.machine.memory.write(17, 99);
    const { tree } = capture(restored.machine, restored.tree, store);
    expect(tree.pageHash(18)).toBe(restored.tree.pageHash(18));
    expect(tree.pageHash(17)).not.toBe(restored.tree.pageHash(17));
  });

  test("gives nodes that are no pages and say their level", () => {
    const machine = fakeMachine(129);
    machine.memory.write(128, 1);
    const lengths = captureSnapshot(machine, null, sha256).blobs.map(({ data }) => data.length);
    expect(lengths.slice(0, 3)).toEqual([4096, 4098, 4098]);
  });
});

describe("loading one", () => {
  const store: Store = new Map();
  const machine = fakeMachine(1000);
  for (let page = 0; page < 1000; page += 2) machine.memory.write(page, page % 7);
  machine.state["text"] = "state";
  const { root, tree } = capture(machine, null, store);

  test("brings state and hashes back in a few rounds, without a page", () => {
    const loaded = load(root, store);
    expect(decodePlain(loaded.state)).toEqual(machine.state);
    for (let page = 0; page < 1000; page++) expect(loaded.tree.pageHash(page)).toBe(tree.pageHash(page));
    expect(loaded.tree.storedBytes).toBe(tree.storedBytes);
    expect(loaded.rounds).toBe(3);
  });

  test("takes blobs one by one and in any order, and ignores what it does not need", () => {
    const loading = loadSnapshot(root, sha256);
    while (loading.need.length > 0) {
      const hash = loading.need.at(-1)!;
      loading.provide(
        new Map([
          ["00", new Uint8Array(3)],
          [hash, store.get(hash)!],
        ]),
      );
    }
    expect(loading.result().tree.root).toBe(tree.root);
  });

  test("says so when asked too early", () => {
    expect(failure(() => loadSnapshot(root, sha256).result()).code).toBe("incomplete");
  });

  test("notices any damage to any blob, and names it", () => {
    const needed = [...store.keys()].filter((hash) => store.get(hash)!.length !== 4096);
    for (const hash of needed) {
      const damaged = new Map(store);
      const data = store.get(hash)!.slice();
      data[data.length >> 1]! ^= 1;
      damaged.set(hash, data);
      const error = failure(() => load(root, damaged));
      expect(error).toMatchObject({ code: "corrupt", hash });
      expect(error.message).toContain(hash);
    }
  });

  test("does not take a page for a node, nor a node for one of another level", () => {
    const put = (data: Uint8Array) => {
      const name = Buffer.from(sha256(data)).toString("hex");
      store.set(name, data);
      return name;
    };
    const rootOf = (memory: string) =>
      put(
        encodePlain({
          kind: "ostler.snapshot",
          format: 1,
          memoryBytes: 1000 * 4096,
          memory,
          state: put(encodePlain({ version: stateVersion })),
        }),
      );
    const wrong = [
      tree.pageHash(2),
      put(new Uint8Array([0x4e, 1, ...new Uint8Array(4096).fill(1)])),
      put(new Uint8Array(0)),
    ];
    for (const memory of wrong) expect(failure(() => load(rootOf(memory), store)).code).toBe("corrupt");
    const beyondTheEnd = put(new Uint8Array([0x4e, 2, ...new Uint8Array(4096).fill(1)]));
    expect(failure(() => load(rootOf(beyondTheEnd), store)).hash).toBe(beyondTheEnd);
    expect(failure(() => load(put(encodePlain([1])), store)).code).toBe("corrupt");
    expect(failure(() => load(put(new Uint8Array([1, 2])), store)).code).toBe("corrupt");
    expect(failure(() => loadSnapshot("../etc", sha256)).code).toBe("corrupt");
  });
});

describe("versions", () => {
  const store: Store = new Map();
  const put = (value: unknown) => {
    const data = encodePlain(value);
    const name = Buffer.from(sha256(data)).toString("hex");
    store.set(name, data);
    return name;
  };

  test("a newer format of snapshot is refused kindly", () => {
    const root = put({ kind: "ostler.snapshot", format: 2, whatever: true });
    const error = failure(() => load(root, store));
    expect(error.code).toBe("incompatible");
    expect(error.message).toMatch(/format 2; this release reads formats up to 1/);
  });

  test("a newer state is refused kindly", () => {
    const state = put({ version: stateVersion + 1 });
    const root = put({ kind: "ostler.snapshot", format: 1, memoryBytes: 4096, memory: zeros, state });
    expect(failure(() => load(root, store))).toMatchObject({ code: "incompatible", hash: state });
  });

  test("an older state goes through every migration from its own on", () => {
    const rows = [
      (state: Record<string, unknown>) => ({ ...state, version: 1, added: 1 }),
      (state: Record<string, unknown>) => ({ ...state, version: 2, added: (state["added"] as number) + 10 }),
    ];
    const from = (value: unknown) => decodePlain(migrateState("h", encodePlain(value), rows));
    expect(from({ version: 1 })).toEqual({ version: 3, added: 11 });
    expect(from({ version: 2, added: 5 })).toEqual({ version: 3, added: 15 });
    expect(from({ version: 3 })).toEqual({ version: 3 });
  });

  test("name spaces of version 4 are in the table, and their files have the numbers that programs know", () => {
    const task = { namespaces: { uts: 3, ipc: 0 }, credentials: {} };
    const file = (type: string, id: number, at: number) => ({
      target: { kind: "namespace", type, id },
      opened: { mount: 5, inode: 2 ** 31 + at, directory: 2 ** 31 + at },
    });
    const open = new Map([
      [1, file("uts", 3, 6)],
      [2, file("ipc", 0, 1)],
      [3, file("ipc", 4, 9)],
    ]);
    const threads: Record<string, unknown> = { tasks: new Map([[7, task]]) };
    const step = version5.find(({ name }) => name === "tableOfNamespaces");
    step!({ version: 4, kernel: { threads, files: { open, sockets: new Map() } } });
    expect([...(threads["namespaces"] as Map<number, object>)]).toEqual([
      [3, { kind: "uts", owner: 0 }],
      [4, { kind: "ipc", owner: 0 }],
    ]);
    expect([...open.values()].map(({ opened }) => opened.inode)).toEqual([0xf000_0003, 0xefff_ffff, 0xf000_0004]);
    expect(task.namespaces).toMatchObject({ uts: 3, net: 0, pid: 0, childPid: 0 });
  });

  test("files of version 3 that tell of a process keep to the memory that it has", () => {
    const perTask = 2 ** 32;
    const tasks = new Map([[7, { space: 70, credentials: { euid: 0 } }]]);
    const open = new Map<number, object>([
      [1, { opened: { inode: 8 * perTask + 12 }, target: { kind: "generated", text: new Uint8Array(0) } }],
      [2, { opened: { inode: 3 }, target: { kind: "generated", text: new Uint8Array(0) } }],
      [3, { opened: { inode: 8 * perTask + 13 }, target: { kind: "memory", task: 7 } }],
      [4, { opened: { inode: 9 * perTask + 13 }, target: { kind: "memory", task: 8 } }],
      [5, { opened: null, target: { kind: "process", task: 7 } }],
    ]);
    const state = { version: 3, kernel: { threads: { tasks }, files: { open } } };
    const now = decodePlain(migrateState("h", encodePlain(state), migrations.slice(0, 3))) as typeof state;
    const targets = [...now.kernel.files.open.values()].map((file) => (file as { target: object }).target);
    expect(targets).toEqual([
      { kind: "generated", text: new Uint8Array(0), space: 70 },
      { kind: "generated", text: new Uint8Array(0), space: null },
      { kind: "memory", space: 70 },
      { kind: "memory", space: null },
      { kind: "process", task: 7 },
    ]);
  });
});

test("read-ahead names absent neighbours of the same 512 KiB, the following ones first", () => {
  const memory = new FakeMemory(300);
  memory.present.fill(false);
  memory.present[131] = true;
  expect(absentNeighbours(memory, 130, 4)).toEqual([132, 133, 134, 135]);
  expect(absentNeighbours(memory, 254, 4)).toEqual([255, 253, 252, 251]);
  expect(absentNeighbours(memory, 299, 100)).toHaveLength(43);
});
