/** Batches that PostgreSQL is given in one statement leave behind what SQLite's transactions do, and are refused alike. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore, openStoreOn, type Store } from "../../api/store/index.ts";
import { openPostgresql } from "../../api/store/postgresql/provider.ts";
import type { Append, Provider } from "../../api/store/provider.ts";
import type { CommitBatch, MachineRow } from "../../api/store/types.ts";
import { locationOf, onPostgresql } from "../support/store.ts";
import { batch, bytes, freshId, idle, newMachine, outcome, sha256, temporaryFolder, text } from "./fixtures.ts";

const MACHINES = 3;

/** What happens to a machine; commits that follow one another in a list are made at once. */
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("commit" as const),
      machine: fc.nat(MACHINES - 1),
      entries: fc.nat(2),
      /** How far from where it belongs. */
      off: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, -1),
      printed: fc.constantFrom(0, 0, 1, 7, 4095, 4096, 5000),
      /** Of the console, said again. */
      again: fc.nat(3),
      answers: fc.nat(1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("acquire" as const), machine: fc.nat(MACHINES - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("copy" as const), machine: fc.nat(MACHINES - 1) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** One store, and what its machines' clients believe. */
class Run {
  readonly #store: Store;
  readonly #machines: MachineRow[] = [];
  readonly outcomes: string[] = [];
  readonly #answers: string[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  async play(ids: readonly string[], steps: readonly Step[]): Promise<void> {
    for (const id of ids) {
      await this.#store.machines.create(newMachine({ id }));
      this.#machines.push((await this.#store.machines.acquire(id))!);
    }
    const sent = this.#machines.map(() => ({ sequence: 0, printed: 0 }));
    let commits: Promise<void>[] = [];
    for (const [number, step] of steps.entries()) {
      if (step.kind === "commit") {
        commits.push(this.#store.journal.commit(this.#batchOf(step, number, sent[step.machine]!)));
        continue;
      }
      await this.#settle(commits, sent);
      commits = [];
      await this.#change(step);
    }
    await this.#settle(commits, sent);
  }

  /** After a refusal a client looks again where things stand. */
  async #settle(commits: readonly Promise<void>[], sent: { sequence: number; printed: number }[]): Promise<void> {
    this.outcomes.push(...outcome(await Promise.allSettled(commits)));
    for (const [at, machine] of this.#machines.entries()) {
      const row = (await this.#store.machines.get(machine.id))!;
      sent[at] = { sequence: row.lastSequence, printed: row.status.consoleLength };
    }
  }

  async #change({ kind, machine }: Exclude<Step, { kind: "commit" }>): Promise<void> {
    const { id } = this.#machines[machine]!;
    if (kind === "copy") {
      // Refused where there is console output already.
      const copied = this.#store.machines.copyConsole(this.#machines[0]!.id, id, 6, 100);
      this.outcomes.push(...outcome(await Promise.allSettled([copied])));
    }
    // Every other one notices that it was taken.
    const taken = kind === "acquire" ? await this.#store.machines.acquire(id) : null;
    if (taken !== null && taken.epoch % 2 === 1) this.#machines[machine] = taken;
  }

  #batchOf(step: Step & { kind: "commit" }, number: number, sent: { sequence: number; printed: number }): CommitBatch {
    const machine = this.#machines[step.machine]!;
    const first = sent.sequence + 1 + step.off;
    sent.sequence += step.entries;
    const from = Math.max(0, sent.printed - step.again);
    sent.printed += step.printed;
    // The same bytes at the same place, whoever prints them.
    const said = Array.from({ length: sent.printed - from }, (_, at) => (from + at) % 251);
    const key = `${machine.id} ${Math.floor(number / 2)}`;
    if (step.answers > 0) this.#answers.push(key);
    return batch(machine, first, first + step.entries - 1, {
      console: said.length === 0 ? [] : [{ offset: from, bytes: new Uint8Array(said) }],
      idempotency: Array.from({ length: step.answers }, () => ({
        ownerId: "u",
        method: "M",
        key,
        requestHash: sha256(bytes(key)),
        response: bytes(`answer ${number}`),
      })),
      reached: { instructions: first * 10, timeNs: first * 100 },
      status: { ...idle, reason: `'${number}' {"\\`, taskCount: number, traceSequence: number },
    });
  }

  async leftBehind() {
    const rows = [];
    for (const { id } of this.#machines) {
      const { createdAt: _, updatedAt: __, ...row } = (await this.#store.machines.get(id))!;
      const console = await this.#store.journal.readConsole(id, 0, 1_000_000);
      const entries = await this.#store.journal.read(id, 0, 1_000_000, 1_000_000);
      rows.push({
        row: { ...row, spec: text(row.spec) },
        console: Buffer.from(console.bytes).toString("hex"),
        entries,
      });
    }
    const answers = await Promise.all(this.#answers.map((key) => this.#store.idempotency.find("u", "M", key)));
    return { rows, answers: answers.map((found) => (found === null ? null : text(found.response))) };
  }
}

describe.skipIf(!onPostgresql)("a group of batches in one statement", () => {
  const folders = [temporaryFolder(), temporaryFolder()] as const;
  let provider: Provider;
  let stores: Store[] = [];
  /** What becomes of the statements; and how many machines they were for. */
  let between: (append: Append) => Append = (append) => append;
  let appended = 0;

  beforeAll(async () => {
    const { databaseUrl } = await locationOf(folders[0].path);
    provider = await openPostgresql(databaseUrl);
    const append: Append = async (queries, accepted) => {
      const written = await between(provider.append!)(queries, accepted);
      appended += written.size;
      return written;
    };
    stores = [await openStore({ dataDir: folders[1].path }), await openStoreOn({ ...provider, append })];
  });
  afterAll(async () => {
    for (const store of stores) await store.close();
    for (const folder of folders) folder.remove();
  });

  it("does what transactions do", async () => {
    appended = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const ids = Array.from({ length: MACHINES }, () => freshId("append"));
        const [model, tried] = stores.map((store) => new Run(store));
        for (const run of [model!, tried!]) await run.play(ids, steps);
        expect(tried!.outcomes).toEqual(model!.outcomes);
        expect(await tried!.leftBehind()).toEqual(await model!.leftBehind());
      }),
      { numRuns: 15 },
    );
    expect(appended).toBeGreaterThan(0);
  });

  const broken = Object.assign(new Error("Connection terminated unexpectedly"), { code: "ECONNRESET" });
  const lastOf = async (id: string) => (await stores[1]!.machines.get(id))!.lastSequence;

  async function committedOnce(): Promise<MachineRow> {
    const machine = (await stores[1]!.machines.acquire((await stores[1]!.machines.create(newMachine())).id))!;
    await stores[1]!.journal.commit(batch(machine, 1, 1));
    return machine;
  }

  it("goes on in a transaction when the connection breaks before it", async () => {
    const machine = await committedOnce();
    between = () => () => Promise.reject(broken);
    await stores[1]!.journal.commit(batch(machine, 2, 2));
    between = (append) => append;
    expect(await lastOf(machine.id)).toBe(2);
  });

  it("tells that nobody knows when the connection breaks behind it, and writes nothing twice", async () => {
    const machine = await committedOnce();
    between = (append) => async (queries, accepted) => {
      await append(queries, accepted);
      throw broken;
    };
    await expect(stores[1]!.journal.commit(batch(machine, 2, 2))).rejects.toMatchObject({
      name: "StoreUnavailableError",
      failure: "away",
    });
    between = (append) => append;
    expect(await lastOf(machine.id)).toBe(2);
    expect(await stores[1]!.journal.read(machine.id, 0, 10, 10)).toHaveLength(2);
  });
});
