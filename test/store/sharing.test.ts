/** Writers that share a transaction, and so one wait for the disk: what each is told is as if it had been alone. */
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { Database, type Queries } from "../../api/store/database.ts";
import { openStoreOn, type Store } from "../../api/store/index.ts";
import type { Provider } from "../../api/store/provider.ts";
import { openSqlite } from "../../api/store/sqlite/provider.ts";
import { AlreadyExistsError, JournalGapError, StaleEpochError, StoreUnavailableError } from "../../api/store/types.ts";
import { batch, freshId, freshStore, heldMachine, newMachine, temporaryFolder } from "./fixtures.ts";

const nameOf = (error: Error): string => error.constructor.name;
const outcomeOf = (work: Promise<unknown>): Promise<string> => work.then(() => "done", nameOf);

type Request =
  | { kind: "create"; name: number }
  | { kind: "acquire"; name: number }
  | { kind: "commit"; name: number; epoch: number; sequence: number };

const name = fc.nat({ max: 3 });
const requests = fc.array(
  fc.oneof<fc.Arbitrary<Request>[]>(
    fc.record({ kind: fc.constant("create"), name }),
    fc.record({ kind: fc.constant("acquire"), name }),
    fc.record({
      kind: fc.constant("commit"),
      name,
      epoch: fc.nat({ max: 2 }),
      sequence: fc.integer({ min: 1, max: 3 }),
    }),
  ),
  { minLength: 1, maxLength: 12 },
);

interface Known {
  epoch: number;
  last: number;
}

/** What becomes of a request where one is done after the other. */
function modelled(known: Map<number, Known>, request: Request): string {
  const machine = known.get(request.name);
  if (request.kind === "create") {
    if (machine !== undefined) return nameOf(new AlreadyExistsError(""));
    known.set(request.name, { epoch: 0, last: 0 });
    return "done";
  }
  if (request.kind === "acquire") {
    if (machine !== undefined) machine.epoch += 1;
    return "done";
  }
  if (machine?.epoch !== request.epoch) return nameOf(new StaleEpochError(""));
  if (request.sequence !== machine.last + 1) return nameOf(new JournalGapError(""));
  machine.last += 1;
  return "done";
}

function ask(store: Store, prefix: string, request: Request): Promise<unknown> {
  const id = `${prefix}-${request.name}`;
  if (request.kind === "create") return store.machines.create(newMachine({ id }));
  if (request.kind === "acquire") return store.machines.acquire(id);
  const { epoch, sequence } = request;
  return store.journal.commit(batch({ id, epoch } as Parameters<typeof batch>[0], sequence, sequence));
}

describe("writers that share transactions", async () => {
  const store = await freshStore();

  it("are each answered, and leave behind, what they would one after another", async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (list) => {
        const prefix = freshId("share");
        const known = new Map<number, Known>();
        // Commits are gathered apart from the others: they come when those are through.
        const ordered = [
          ...list.filter(({ kind }) => kind !== "commit"),
          ...list.filter(({ kind }) => kind === "commit"),
        ];
        const expected = ordered.map((request) => modelled(known, request));
        const early = ordered
          .filter(({ kind }) => kind !== "commit")
          .map((each) => outcomeOf(ask(store, prefix, each)));
        const late = ordered.filter(({ kind }) => kind === "commit").map((each) => outcomeOf(ask(store, prefix, each)));
        expect(await Promise.all([...early, ...late])).toEqual(expected);
        for (const [machine, { epoch, last }] of known)
          expect(await store.machines.get(`${prefix}-${machine}`)).toMatchObject({ epoch, lastSequence: last });
      }),
      { numRuns: 40 },
    );
  });
});

describe("a crowd of writers on SQLite", async () => {
  const folder = temporaryFolder();
  const provider = await openSqlite(folder.path);
  const counted = { transactions: 0, failures: new Map<number, Error>() };
  const writer = new Proxy(provider.writer, {
    get(target, key) {
      if (key !== "$transaction") return Reflect.get(target, key);
      return (work: (queries: Queries) => Promise<unknown>) =>
        target.$transaction(async (queries) => {
          const number = ++counted.transactions;
          const result = await work(queries as Queries);
          const failure = counted.failures.get(number);
          if (failure !== undefined) throw failure;
          return result;
        });
    },
  });
  const watched: Provider = { ...provider, writer };
  const store = await openStoreOn(watched);
  afterAll(async () => {
    await store.close();
    folder.remove();
  });
  /** The next writer is the first one, and alone. */
  const begin = async (...failures: [number, Error][]) => {
    for (let turn = 0; turn < 2; turn++) await nextTurn();
    counted.transactions = 0;
    counted.failures = new Map(failures);
  };

  it("needs a transaction for the first, and one for each 32 of those that came meanwhile", async () => {
    await begin();
    await Promise.all(Array.from({ length: 65 }, () => store.machines.create(newMachine())));
    expect(counted.transactions).toBe(3);
  });

  it("goes through one by one when the transaction that it shares cannot be committed", async () => {
    const held = await heldMachine(store);
    await begin([2, new Error("the disk moved")]);
    const late = outcomeOf(store.journal.commit(batch(held, 1, 1)));
    const early = Array.from({ length: 4 }, () => outcomeOf(store.machines.create(newMachine())));
    expect(await Promise.all([...early, late])).toEqual(Array(5).fill("done"));
    expect((await store.machines.get(held.id))!.lastSequence).toBe(1);
  });

  it("is told when the connection broke during the commit, and is not written a second time", async () => {
    await begin([2, Object.assign(new Error("connection terminated"), { code: "ECONNRESET" })]);
    const outcomes = Array.from({ length: 4 }, () => outcomeOf(store.machines.create(newMachine())));
    expect(await Promise.all(outcomes)).toEqual([
      "done",
      ...Array(3).fill(nameOf(new StoreUnavailableError("away", ""))),
    ]);
    expect(counted.transactions).toBe(2);
  });
});

describe("one writer among others", () => {
  it("keeps its place: what it wrote is there for those behind it, and not for those before", async () => {
    const folder = temporaryFolder();
    const database = new Database(await openSqlite(folder.path));
    const count = (queries: Queries) => queries.heartbeat.count();
    const add = (queries: Queries) => queries.heartbeat.create({ data: { name: "a", at: new Date(0) } });
    const [, before, , after] = await Promise.all([
      database.write(count),
      database.write(count, { shares: true }),
      database.write(add, { shares: true }),
      database.write(count, { shares: true }),
    ]);
    expect(after).toBe(before + 1);
    await database.close();
    folder.remove();
  });
});
