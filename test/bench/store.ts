/**
 * Speed of the store beside the bare driver doing the same work in the same run: rounds are interleaved, each figure
 * is a median. The bare driver keeps its statements prepared, checks nothing and knows no types: it is the floor.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import Driver from "libsql";
import { openStore, type Store } from "../../api/store/index.ts";
import { readMigrations } from "../../api/store/migrate.ts";
import { migrateFile } from "../../api/store/sqlite/migrate.ts";

const COMMITTERS = [1, 16, 128] as const;
const COMMITS = 1536;
const PAGES = 2048;
const PAGE_BYTES = 4096;
const ROUNDS = 5;
const payload = new Uint8Array(64).fill(1);

interface Subject {
  /** Each committer in turn puts one entry of its own machine on disk, `count` times. */
  commit(committers: number, count: number): Promise<void>;
  put(pages: Page[]): Promise<void>;
  get(pages: Page[]): Promise<void>;
  close(): Promise<void>;
}

interface Page {
  hash: string;
  data: Uint8Array<ArrayBuffer>;
}

export async function bench(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "store-bench-"));
  const ours = await storeSubject(await openStore({ dataDir: join(folder, "store") }));
  const floor = await driverSubject(join(folder, "driver"));
  try {
    const rows: [string, Record<string, number | string>][] = [];
    for (const committers of COMMITTERS) {
      const work = (subject: Subject) => subject.commit(committers, COMMITS / committers);
      rows.push([`commit, ${committers} at once (entries/s)`, await compare(ours, floor, COMMITS, () => work)]);
    }
    let batch: Page[] = [];
    const put = () => {
      batch = randomPages();
      return (subject: Subject) => subject.put(batch);
    };
    rows.push(["put 4 KiB pages (pages/s)", await compare(ours, floor, PAGES, put)]);
    rows.push(["get 4 KiB pages (pages/s)", await compare(ours, floor, PAGES, () => (subject) => subject.get(batch))]);
    console.table(Object.fromEntries(rows));
  } finally {
    await ours.close();
    await floor.close();
    rmSync(folder, { recursive: true });
  }
}

async function compare(
  ours: Subject,
  floor: Subject,
  items: number,
  prepare: () => (subject: Subject) => Promise<void>,
) {
  const times: [number[], number[]] = [[], []];
  let pause = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const work = prepare();
    const watch = watchPauses();
    times[0].push(await milliseconds(() => work(ours)));
    pause = Math.max(pause, await watch());
    times[1].push(await milliseconds(() => work(floor)));
  }
  const [our, theirs] = [median(times[0]), median(times[1])];
  return {
    store: Math.round((items / our) * 1000),
    "bare driver": Math.round((items / theirs) * 1000),
    "driver : store": (our / theirs).toFixed(1),
    "longest pause, ms": pause.toFixed(1),
  };
}

/** How long the event loop was held at a stretch while the store worked. */
function watchPauses(): () => Promise<number> {
  let longest = 0;
  let last = performance.now();
  let stopped = false;
  const turns = (async () => {
    while (!stopped) {
      await nextTurn();
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }
  })();
  return async () => {
    stopped = true;
    await turns;
    return longest;
  };
}

async function storeSubject(store: Store): Promise<Subject> {
  const status = { run: "running", reason: "", consoleLength: 0, taskCount: 1, traceSequence: 0 } as const;
  const sequences = new Map<string, number>();
  const hold = store.holds.open();
  for (let index = 0; index < 128; index++) {
    const at = { instructions: 0, timeNs: 0 };
    const row = { id: `m${index}`, ownerId: "", displayName: "", labels: {}, spec: payload, originSnapshotId: null };
    await store.machines.create({ ...row, lastSequence: 0, reached: at, status });
  }
  const commitOne = (machineId: string) => {
    const sequence = (sequences.get(machineId) ?? 0) + 1;
    sequences.set(machineId, sequence);
    const at = { instructions: sequence, timeNs: sequence };
    const entries = [{ sequence, at, payload }];
    return store.journal.commit({ machineId, epoch: 0, entries, console: [], idempotency: [], reached: at, status });
  };
  return {
    async commit(committers, count) {
      const run = async (machineId: string) => {
        for (let i = 0; i < count; i++) await commitOne(machineId);
      };
      await Promise.all(Array.from({ length: committers }, (_, index) => run(`m${index}`)));
    },
    put: async (pages) => void (await store.blobs.put(pages, hold)),
    async get(pages) {
      const found = await store.blobs.get(pages.map(({ hash }) => hash));
      if (found.size !== pages.length) throw new Error("pages are missing");
    },
    close: () => store.close(),
  };
}

async function driverSubject(folder: string): Promise<Subject> {
  mkdirSync(folder);
  const file = join(folder, "driver.db");
  await migrateFile(file, readMigrations("sqlite"));
  const driver = new Driver(file);
  driver.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
  const time = new Date().toISOString();
  for (let index = 0; index < 128; index++) {
    driver.exec(
      `INSERT INTO "Machine" VALUES ('m${index}', '', '', '', '{}', X'00', '${time}', '${time}', NULL, 0, 0, 0, 0, 'running', '', 1, 0, 0)`,
    );
  }
  const select = driver.prepare(`SELECT "epoch", "lastSequence" FROM "Machine" WHERE "id" = ?`).raw();
  const insert = driver.prepare(`INSERT INTO "JournalEntry" VALUES (?, ?, ?, ?, ?)`);
  const update = driver.prepare(`UPDATE "Machine" SET "lastSequence" = ?, "updatedAt" = ? WHERE "id" = ?`);
  const insertBlob = driver.prepare(`INSERT INTO "Blob" ("hash", "data") VALUES (?, ?) ON CONFLICT DO NOTHING`);
  const selectBlob = driver.prepare(`SELECT "data" FROM "Blob" WHERE "hash" = ?`).raw();
  const commitAll = driver.transaction((committers: number) => {
    for (let index = 0; index < committers; index++) {
      const [[, last]] = select.all([`m${index}`]) as [[number, number]];
      insert.run([`m${index}`, last + 1, last + 1, last + 1, payload]);
      update.run([last + 1, new Date().toISOString(), `m${index}`]);
    }
  });
  const putAll = driver.transaction((pages: Page[]) => {
    for (const { hash, data } of pages) insertBlob.run([Buffer.from(hash, "hex"), data]);
  });
  return {
    async commit(committers, count) {
      for (let i = 0; i < count; i++) commitAll(committers);
    },
    put: async (pages) => void putAll(pages),
    async get(pages) {
      for (const { hash } of pages)
        if (selectBlob.all([Buffer.from(hash, "hex")]).length !== 1) throw new Error("a page is missing");
    },
    close: async () => void driver.close(),
  };
}

const randomPages = (): Page[] =>
  Array.from({ length: PAGES }, () => {
    const data = crypto.getRandomValues(new Uint8Array(PAGE_BYTES));
    return { hash: createHash("sha256").update(data).digest("hex"), data };
  });

async function milliseconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

if (import.meta.main) await bench();
