/**
 * Collections in the middle of everything else, against a model: machines that snapshot, sleep, wake and end, programs
 * that come and go, each in small steps between which any other may run, and the collector too.
 *
 * The pages' contents are few, so that what has just become garbage is needed again all the time.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Collector } from "../../api/hosting/collection/collector.ts";
import { contentIn, snapshotRoot } from "../../api/hosting/collection/references.ts";
import type { Hold, MachineRow, SnapshotRow, Store } from "../../api/store/index.ts";
import { loadSnapshot, PageTree } from "../../kernel/index.ts";
import { encodePlain } from "../../kernel/lib/codec.ts";
import { encodeRoot } from "../../kernel/snapshot/root.ts";
import { freshId, freshStore, newMachine as machineFields, newSnapshot } from "../store/fixtures.ts";
import { closureOf } from "../support/closure.ts";
import { sha256 as digest, sha256Hex } from "../support/machine.ts";

const PAGES = 1024;
const CONTENTS = 6;
const page = (content: number) => new Uint8Array(4096).fill(content);
const program = (number: number) => new Uint8Array(100).fill(200 + number);

/** With a spec that is none: empty. */
const newMachine = (change: Parameters<typeof machineFields>[0] = {}) =>
  machineFields({ spec: new Uint8Array(0), ...change });

const store = await freshStore();

/** A machine in memory, as hosting has it: a tree that it stands on, held. */
interface Awake {
  row: MachineRow;
  tree: PageTree;
  /** Content of its pages, and of its file. */
  pages: Map<number, number>;
  file: number | null;
  hold: Hold;
  /** What is done with it is done one after the other, as hosting sees to it. */
  tail: Promise<void>;
  ended: boolean;
}

class World {
  readonly awake: Awake[] = [];
  /** What each snapshot is to show when it is loaded. */
  readonly snapshots = new Map<string, { row: SnapshotRow; pages: Map<number, number>; file: number | null }>();
  readonly programs = new Set<number>();
  readonly #random: () => number;

  constructor(seed: number) {
    let state = seed | 1;
    this.#random = () => {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x3779fb9;
      return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
    };
  }

  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  /** Lets others go on for a while. */
  async pause(): Promise<void> {
    for (let turns = this.below(6); turns > 0; turns--) await nextTurn();
  }

  add(row: MachineRow, tree: PageTree, pages: Awake["pages"], file: Awake["file"], hold: Hold): void {
    this.awake.push({ row, tree, pages, file, hold, tail: Promise.resolve(), ended: false });
  }

  with(machine: Awake, work: () => Promise<void>): Promise<void> {
    machine.tail = machine.tail.then(() => (machine.ended ? undefined : work()));
    return machine.tail;
  }

  async create(): Promise<void> {
    const row = await store.machines.create(newMachine());
    const held = (await store.machines.acquire(row.id))!;
    this.add(held, PageTree.empty(PAGES), new Map(), null, store.holds.open());
  }

  async upload(number: number): Promise<void> {
    const data = program(number);
    const hash = sha256Hex(data);
    await store.holds.during(async (hold) => {
      await store.blobs.put([{ hash, data }], hold);
      await this.pause();
      await store.programs.put({ ownerId: "owner", hash, name: "p", size: data.length });
    });
  }

  async dropProgram(number: number): Promise<void> {
    await store.programs.delete({ ownerId: "owner" }, sha256Hex(program(number)));
  }

  /** As a service does: hold, look, use. */
  async addFile(machine: Awake, number: number): Promise<void> {
    const hash = sha256Hex(program(number));
    await store.holds.during(async (hold) => {
      hold.add(contentIn(hash));
      if ((await store.programs.get({ ownerId: "owner" }, hash)) === null) return;
      await this.pause();
      const at = { instructions: machine.row.lastSequence + 1, timeNs: 0 };
      const input = { kind: "addFile", file: { path: "/p", content: hash, size: 100, mode: 0o755 } };
      const entry = { sequence: machine.row.lastSequence + 1, at, payload: encodePlain(input) };
      const status = { ...machine.row.status, run: "paused" as const };
      const { id: machineId, epoch } = machine.row;
      await store.journal.commit({
        machineId,
        epoch,
        entries: [entry],
        console: [],
        idempotency: [],
        reached: at,
        status,
      });
      machine.row.lastSequence += 1;
      machine.file = number;
    });
  }

  async snapshot(machine: Awake, kind: SnapshotRow["kind"]): Promise<void> {
    const blobs: { hash: string; data: Uint8Array<ArrayBuffer> }[] = [];
    const add = (hash: Uint8Array, data: Uint8Array<ArrayBuffer>) =>
      void blobs.push({ hash: Buffer.from(hash).toString("hex"), data });
    const changed = new Map<number, Uint8Array>();
    for (let count = 1 + this.below(4); count > 0; count--) {
      const content = 1 + this.below(CONTENTS);
      const at = this.below(PAGES);
      machine.pages.set(at, content);
      changed.set(at, digest(page(content)));
      add(digest(page(content)), page(content));
    }
    const tree = machine.tree.update(changed, digest, add);
    const files = machine.file === null ? [] : [{ content: sha256Hex(program(machine.file)) }];
    const state = encodePlain({ version: 7, files });
    const root = encodeRoot(PAGES * 4096, tree.root, sha256Hex(state));
    for (const data of [state, root]) add(digest(data), data);
    machine.tree = tree;
    const pages = new Map(machine.pages);
    const { file } = machine;
    await this.#store(machine, blobs, { pages, file, root: sha256Hex(root), kind });
  }

  async #store(
    machine: Awake,
    blobs: Parameters<Store["blobs"]["put"]>[0],
    {
      pages,
      file,
      root,
      kind,
    }: { pages: Map<number, number>; file: number | null; root: string; kind: SnapshotRow["kind"] },
  ): Promise<void> {
    const { id, epoch, lastSequence } = machine.row;
    await store.holds.during(async (hold) => {
      await this.pause();
      await store.blobs.put(blobs, hold);
      await this.pause();
      const before = machine.hold;
      machine.hold = store.holds.open();
      machine.hold.add([snapshotRoot(root)]);
      before.release();
      await this.pause();
      const row = await store.snapshots.create(
        newSnapshot(machine.row, lastSequence, { id: freshId("s"), root, kind }),
        epoch,
      );
      this.snapshots.set(row.id, { row, pages, file });
      expect(id).toBe(row.machineId);
    });
  }

  async deleteSnapshot(id: string): Promise<void> {
    if ((await store.snapshots.delete(id)) === "deleted") this.snapshots.delete(id);
  }

  /** A new machine from a snapshot, brought into memory. */
  async fork(id: string): Promise<void> {
    const known = this.snapshots.get(id);
    if (known === undefined) return;
    const { row: snapshot, pages, file } = known;
    const fields = newMachine({ originSnapshotId: id, lastSequence: snapshot.sequence });
    const row = await store.machines.create(fields).catch(() => null);
    if (row === null) return;
    await this.pause();
    const hold = store.holds.open();
    hold.add([snapshotRoot(snapshot.root)]);
    if ((await store.snapshots.get(id)) === null) return hold.release();
    await this.pause();
    const held = (await store.machines.acquire(row.id))!;
    const tree = await load(snapshot.root);
    this.add(held, tree, new Map(pages), file, hold);
  }

  async end(machine: Awake): Promise<void> {
    machine.ended = true;
    this.awake.splice(this.awake.indexOf(machine), 1);
    machine.hold.release();
    await store.machines.delete(machine.row.id);
    for (const [id, { row }] of this.snapshots)
      if (row.machineId === machine.row.id && row.kind === "automatic" && (await store.snapshots.get(id)) === null)
        this.snapshots.delete(id);
  }

  /** Everything that is to be there is there, page by page. */
  async check(): Promise<void> {
    for (const { row, pages, file } of this.snapshots.values()) await expectMemory(await load(row.root), pages, file);
    for (const { tree, pages, file } of this.awake) await expectMemory(tree, pages, file);
  }
}

async function load(root: string): Promise<PageTree> {
  const loading = loadSnapshot(root, digest);
  while (loading.need.length > 0) {
    const found = await store.blobs.get(loading.need);
    expect(loading.need.filter((hash) => !found.has(hash))).toEqual([]);
    loading.provide(found);
  }
  return loading.result().tree;
}

async function expectMemory(tree: PageTree, pages: ReadonlyMap<number, number>, file: number | null): Promise<void> {
  const names = [...pages].map(([at, content]) => {
    expect(tree.pageHash(at)).toBe(sha256Hex(page(content)));
    return tree.pageHash(at);
  });
  if (file !== null) names.push(sha256Hex(program(file)));
  expect(await store.blobs.has(names)).toEqual(new Set(names));
}

async function machineIds(): Promise<string[]> {
  const query = { ownerId: null, labels: {}, nameContains: "", run: null, pageSize: 500, pageToken: "" };
  return (await store.machines.list(query)).items.map(({ id }) => id);
}

type Step = (world: World) => Promise<void>;

/** What there is to choose from is known only when its turn comes: `pick` falls on it then. */
const stepOf = fc.tuple(fc.nat(13), fc.nat(1_000), fc.nat(1)).map(([what, pick, program]): Step => {
  const at = <T>(list: readonly T[]): T | undefined => list[pick % Math.max(1, list.length)];
  return async (world) => {
    const machine = at(world.awake);
    const snapshot = at([...world.snapshots.keys()]);
    if (what === 0 || machine === undefined) return world.create();
    if (what <= 3) return world.with(machine, () => world.snapshot(machine, pick % 2 === 0 ? "user" : "automatic"));
    if (what === 4 && snapshot !== undefined) return world.fork(snapshot);
    if (what <= 6 && snapshot !== undefined) return world.deleteSnapshot(snapshot);
    if (what === 7 || what === 8) return world.with(machine, () => world.addFile(machine, program));
    if (what <= 10) return world.upload(program);
    if (what <= 12) return world.dropProgram(program);
    return world.with(machine, () => world.end(machine));
  };
});

test("nothing is lost and nothing is left over, whatever goes on beside collections", async () => {
  const collector = new Collector(store);
  const pace = { share: 1, signal: new AbortController().signal };
  let collected = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(stepOf, { minLength: 20, maxLength: 80, size: "max" }), fc.nat(), async (steps, seed) => {
      const world = new World(seed);
      let collecting = true;
      const collections = (async () => {
        while (collecting) collected += (await collector.collect(pace)).deletedBlobs;
      })();
      const hand = async (own: Step[]) => {
        for (const step of own) {
          await world.pause();
          await step(world);
        }
      };
      await Promise.all([0, 1, 2].map((number) => hand(steps.filter((_, index) => index % 3 === number))));
      collecting = false;
      await collections;
      await world.check();
      // All leave memory: what is left is what rows lead to.
      for (const { hold } of world.awake) hold.release();
      await collector.collect(pace);
      world.awake.splice(0);
      await world.check();
      expect(await closureOf(store)).toEqual({ unreachable: [], missing: [] });
      for (const id of await machineIds()) await store.machines.delete(id);
      for (const id of world.snapshots.keys()) await store.snapshots.delete(id);
      for (const number of [0, 1]) await world.dropProgram(number);
      await collector.collect(pace);
      expect(await store.contents.hashes(null, 10)).toEqual([]);
    }),
    { numRuns: 25 },
  );
  expect(collected).toBeGreaterThan(100);
});
