/** What a machine asked for in its last run is brought to its next, and to other forks, before it asks. */
import { afterEach, describe, expect, test } from "vitest";
import { compileCpu } from "../../api/hosting/cpu.ts";
import { ContentCache } from "../../api/hosting/worker/content.ts";
import { type Resident, ResidentFactory } from "../../api/hosting/worker/resident.ts";
import { WorkingSets } from "../../api/hosting/working-sets.ts";
import { startHosting, type TestHosting } from "../support/hosting.ts";
import { testConfig } from "../support/machine.ts";

const PAGES = 12;
/** Far from each other, so that none comes along with another. */
const addressOf = (page: number): number => 0x8080_0000 + page * 0x4_0000;
const eachPage = Array.from({ length: PAGES }, (_, page) => page);
const written = (page: number) => ({
  kind: "writePhysical" as const,
  address: addressOf(page),
  bytes: Uint8Array.of(page + 1),
});

describe("a machine in a worker", () => {
  const cpu = compileCpu();
  const stored = new Map<string, Uint8Array<ArrayBuffer>>();
  let asked = 0;
  const get = (hashes: readonly string[]) => {
    asked += 1;
    return hashes.map((hash) => stored.get(hash) ?? null);
  };
  /** With nothing at hand. */
  const factory = () =>
    new ResidentFactory(cpu, new ContentCache({ now: get, later: async (hashes) => get(hashes) }, 1 << 26));
  const capture = (resident: Resident) => {
    const captured = resident.capture();
    for (const { hash, data } of captured.blobs) stored.set(hash, data);
    return captured;
  };
  const readAll = (resident: Resident): number => {
    const before = asked;
    for (const page of eachPage)
      expect(resident.machine.readPhysical(addressOf(page), 1)).toEqual(Uint8Array.of(page + 1));
    return asked - before;
  };

  test("tells which pages it was brought, and asks for none of those that it is given", async () => {
    const first = await factory().create({ kind: "config", config: testConfig({ memoryBytes: 64 << 20 }) }, 0);
    for (const page of eachPage) first.apply(written(page));
    const { root, ...began } = capture(first);
    expect([began.origin, began.workingSet.length]).toEqual([null, 0]);

    const second = await factory().create({ kind: "snapshot", root }, 0);
    expect(readAll(second)).toBe(PAGES);
    const { origin, workingSet } = capture(second);
    expect(origin).toBe(root);
    expect(workingSet.length).toBeGreaterThanOrEqual(PAGES);

    const third = await factory().create({ kind: "snapshot", root, ahead: workingSet }, 0);
    expect(readAll(third)).toBe(0);
    expect(capture(third).root).toBe(root);
  });

  test("that asks for nothing is not hindered by what cannot be had", async () => {
    const first = await factory().create({ kind: "config", config: testConfig({ memoryBytes: 64 << 20 }) }, 0);
    const lost = { kind: "writePhysical" as const, address: addressOf(0), bytes: Uint8Array.of(1, 2, 3, 4, 5) };
    first.apply(lost);
    const { root, blobs } = capture(first);
    const page = blobs.find(({ data }) => data.length === 4096 && data[1] === 2)!;
    stored.delete(page.hash);
    const ahead = Uint32Array.of((addressOf(0) - 0x8000_0000) / 4096);
    const resident = await factory().create({ kind: "snapshot", root, ahead }, 0);
    expect(resident.machine.summary().run).toBe("idle");
    expect(() => resident.machine.readPhysical(addressOf(0), 1)).toThrow(page.hash);
  });

  test("is not told of more than there is", async () => {
    const { root } = capture(
      await factory().create({ kind: "config", config: testConfig({ memoryBytes: 64 << 20 }) }, 0),
    );
    const ahead = Uint32Array.of(0, 5, 1 << 24, 0xffff_ffff);
    expect(capture(await factory().create({ kind: "snapshot", root, ahead }, 0)).root).toBe(root);
  });
});

describe("what is known of snapshots", () => {
  test("is bounded, and the longest unused goes first", () => {
    const sets = new WorkingSets();
    const note = (origin: string | null, root: string, workingSet: Uint32Array) =>
      sets.note({ origin, root, workingSet }, []);
    const pages = Uint32Array.of(1);
    note(null, "first", pages);
    note("from", "to", pages);
    for (let number = 0; number < 2046; number++) {
      expect(sets.of("from")).toBe(pages);
      note(null, `s${number}`, pages);
    }
    expect([sets.of("first"), sets.of("from")]).toEqual([undefined, pages]);
    note("none", "none", new Uint32Array(0));
    expect(sets.of("none")).toBeUndefined();
  });
});

describe("a machine that hibernated", () => {
  let bench: TestHosting;
  afterEach(() => bench.close());

  test.each([
    ["is brought what it used when it was awake before", async () => {}],
    ["is brought it by a server that was started anew, too", () => bench.restart()],
  ])("%s", async (_, between) => {
    bench = await startHosting({ workers: 1 });
    const { store } = bench;
    const { id } = await bench.machine();
    const neighbour = await bench.machine();
    const use = async (look: (page: number) => Promise<unknown>) => {
      for (const page of eachPage) await look(page);
    };
    const read = async (page: number) =>
      (await bench.hosting.use(id)).query({ kind: "readPhysical", address: addressOf(page), length: 1 });
    await use(async (page) => (await bench.hosting.use(id)).apply(written(page)));
    await bench.hosting.hibernate(id);
    await use(read);
    await (await bench.hosting.use(id)).apply(written(0));
    await bench.hosting.hibernate(id);
    await between();
    // With the worker goes what it had at hand.
    const { worker } = await bench.hosting.use(neighbour.id);
    await worker.kill();

    await bench.hosting.use(id);
    let asked = 0;
    const { look } = store.blobs;
    store.blobs.look = (hashes) => {
      asked += 1;
      return look(hashes);
    };
    await use(read);
    expect(asked).toBe(0);
  });
});
