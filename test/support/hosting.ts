/** Hosting over a real store in a temporary directory, with places where a test can make the store slow or fail. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { OstlerError } from "../../api/errors.ts";
import { Hosting } from "../../api/hosting/hosting.ts";
import { newId } from "../../api/hosting/ids.ts";
import type { HostingOptions } from "../../api/hosting/options.ts";
import { newMachineRow } from "../../api/services/machines.ts";
import { configOfRow } from "../../api/services/spec.ts";
import { type CommitBatch, CorruptBlobError, type MachineRow, type Store } from "../../api/store/types.ts";
import type { Input } from "../../kernel/index.ts";
import { MachineSpecSchema } from "../../proto/gen/ostler/v1/machines_pb.js";
import { sha256Hex } from "./machine.ts";
import { openTestStore } from "./store.ts";

type Before<Arguments extends unknown[]> = ((...args: Arguments) => Promise<void> | void) | null;

/** Each is called before (or, where the name says so, after) the store does it; what it throws, the store throws. */
export interface Faults {
  commit: Before<[CommitBatch]>;
  putBlobs: Before<[]>;
  acquire: Before<[string]>;
  createSnapshot: Before<[]>;
  snapshotCreated: Before<[]>;
  saveAnswer: Before<[]>;
  /** Content that is found damaged when it is read. */
  damaged: Set<string>;
}

export interface TestHosting {
  store: Store;
  hosting: Hosting;
  faults: Faults;
  /** What went wrong in the background. */
  errors: { error: unknown; machineId: string }[];
  dataDir: string;
  /** Puts all machines away, for so long at most, and begins anew on the same data. */
  restart(graceMs?: number): Promise<void>;
  /** Lets go of the data, which stay until `close`. */
  shut(): Promise<void>;
  /** A machine that has these files, not awake yet. */
  machine(files?: Record<string, Uint8Array<ArrayBuffer>>, ownerId?: string): Promise<MachineRow>;
  close(): Promise<void>;
}

export const OWNER = "owner";
export const NEIGHBOUR = "neighbour";

export async function startHosting(options: Partial<HostingOptions> = {}): Promise<TestHosting> {
  const dataDir = mkdtempSync(join(tmpdir(), "ostler-hosting-"));
  const real = await openTestStore(dataDir);
  for (const id of [OWNER, NEIGHBOUR]) await real.users.create({ id, name: id, role: "user" });
  const faults: Faults = {
    commit: null,
    putBlobs: null,
    acquire: null,
    createSnapshot: null,
    snapshotCreated: null,
    saveAnswer: null,
    damaged: new Set(),
  };
  const store = withFaults(real, faults);
  const errors: TestHosting["errors"] = [];
  const onError = (error: unknown, machineId: string) => void errors.push({ error, machineId });
  const memoryCeilingBytes = Number.MAX_SAFE_INTEGER;
  const defaults = { workers: 2, maxResident: 16, memoryCeilingBytes, hibernateAfterMs: 3_600_000, onError };
  const open = () => new Hosting(store, { ...defaults, ...options }, configOfRow);
  const bench: TestHosting = {
    store,
    hosting: open(),
    faults,
    errors,
    dataDir,
    async restart(graceMs) {
      await bench.hosting.close(graceMs);
      bench.hosting = open();
    },
    machine: (files = {}, ownerId = OWNER) => newMachine(store, files, ownerId),
    async shut() {
      await bench.hosting.close();
      await real.close();
    },
    async close() {
      await bench.shut();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  return bench;
}

function withFaults(store: Store, faults: Faults): Store {
  const { journal, blobs, machines, snapshots, idempotency } = store;
  return {
    ...store,
    journal: {
      ...journal,
      async commit(batch) {
        await faults.commit?.(batch);
        return journal.commit(batch);
      },
    },
    blobs: {
      ...blobs,
      async put(content, hold) {
        await faults.putBlobs?.();
        return blobs.put(content, hold);
      },
      async get(hashes) {
        const damaged = hashes.find((hash) => faults.damaged.has(hash));
        if (damaged !== undefined) throw new CorruptBlobError(damaged);
        return blobs.get(hashes);
      },
      async look(hashes) {
        const damaged = hashes.find((hash) => faults.damaged.has(hash));
        if (damaged !== undefined) throw new CorruptBlobError(damaged);
        return blobs.look(hashes);
      },
    },
    machines: {
      ...machines,
      async acquire(id) {
        await faults.acquire?.(id);
        return machines.acquire(id);
      },
    },
    snapshots: {
      ...snapshots,
      async create(...row) {
        await faults.createSnapshot?.();
        const created = await snapshots.create(...row);
        await faults.snapshotCreated?.();
        return created;
      },
    },
    idempotency: {
      ...idempotency,
      async save(row) {
        await faults.saveAnswer?.();
        return idempotency.save(row);
      },
    },
  };
}

async function newMachine(
  store: Store,
  files: Record<string, Uint8Array<ArrayBuffer>>,
  ownerId: string,
): Promise<MachineRow> {
  const contents = Object.entries(files).map(([path, data]) => ({ path, data, hash: sha256Hex(data) }));
  await store.holds.during(async (hold) => {
    await store.blobs.put(contents, hold);
    for (const { path, hash, data } of contents)
      await store.programs.put({ ownerId, hash, name: path.replaceAll("/", "-"), size: data.length });
  });
  const spec = create(MachineSpecSchema, {
    files: contents.map(({ path, data, hash }) => ({ path, contentHash: hash, size: BigInt(data.length) })),
  });
  return store.machines.create(
    newMachineRow(newId("m"), { ownerId }, { displayName: "", labels: {} }, toBinary(MachineSpecSchema, spec)),
  );
}

export const typed = (text: string): Input => ({ kind: "console", bytes: new TextEncoder().encode(text) });
export const resume: Input = { kind: "resume", untilInstructions: null, untilTimeNs: null };
export const pause: Input = { kind: "pause" };
export const startOf = (path: string): Input => ({
  kind: "startProgram",
  path,
  arguments: [path],
  environment: null,
  input: { kind: "console" },
  limits: { instructions: 0, memoryBytes: 0, outputBytes: 0 },
});

/** Where a test holds somebody up: `reached` when one has come to `stop`, who goes on when it is opened. */
export function barrier(): { stop(): Promise<void>; reached: Promise<void>; open(): void } {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const stop = () => {
    reached.resolve();
    return opened.promise;
  };
  return { stop, reached: reached.promise, open: () => opened.resolve() };
}

/** Polls until it holds; fails after `patienceMs`. */
export async function eventually(holds: () => boolean | Promise<boolean>, patienceMs = 240_000): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${holds} did not come true`);
    await sleep(10);
  }
}

/** What a promise came to, without throwing. */
export const outcome = <T>(promise: Promise<T>): Promise<{ value: T } | { error: Error }> =>
  promise.then(
    (value) => ({ value }),
    (error: Error) => ({ error }),
  );

/** The reason of a typed error, the text of another, or "ok". */
export function reasonOf(result: { value: unknown } | { error: Error }): string {
  if (!("error" in result)) return "ok";
  return result.error instanceof OstlerError ? result.error.reason : String(result.error);
}
