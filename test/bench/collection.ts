/**
 * A collection of a store of snapshots, half of them deleted: how fast it goes, and how long it keeps others waiting
 * (commits of a machine that is at work beside it). The baseline is the same commits with no collection beside them.
 */

import { randomFillSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Check } from "../../api/hosting/collection/check.ts";
import { Collector } from "../../api/hosting/collection/collector.ts";
import { Pacer } from "../../api/hosting/collection/pace.ts";
import { type MachineRow, type MachineStatus, openStore, type Store } from "../../api/store/index.ts";
import { PageTree } from "../../kernel/index.ts";
import { encodePlain } from "../../kernel/lib/codec.ts";
import { encodeRoot } from "../../kernel/snapshot/root.ts";
import { sha256, sha256Hex } from "../support/machine.ts";

const SNAPSHOTS = 64;
/** Of a machine of 64 MiB: pages that each snapshot has and no other. */
const PAGES = 16_384;
const CHANGED = 1_024;
const COMMITS = 400;
const idle: MachineStatus = { run: "idle", reason: "", consoleLength: 0, taskCount: 0, traceSequence: 0 };
const start = { instructions: 0, timeNs: 0 };
const spec = new Uint8Array(0);
const named = { ownerId: "", displayName: "", labels: {} };
const never = new AbortController().signal;

export async function bench(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "collection-bench-"));
  const store = await openStore({ dataDir: folder });
  try {
    await fill(store);
    const rows: Record<string, Record<string, string>> = {};
    rows["commits alone"] = { "ms p50 / p99 / max": await commits(store, "m-alone") };
    for (const share of [1, 0.2]) {
      const running = timed(() => new Collector(store).collect({ share, signal: never }));
      const beside = await commits(store, `m-${share}`);
      const { result, ms } = await running;
      rows[`collection at ${share * 100} %`] = {
        blobs: String(result.examinedBlobs),
        deleted: String(result.deletedBlobs),
        "blobs/s": (result.examinedBlobs / (ms / 1000)).toFixed(0),
        "longest step (ms)": result.longestStepMs.toFixed(1),
        "ms p50 / p99 / max": beside,
      };
    }
    const checked = await timed(async () => {
      const check = new Check(store, { share: 1, pacer: new Pacer({ share: 1, signal: never }) });
      for await (const finding of check.run()) throw new Error(finding.text);
      return check.figures;
    });
    rows["check of everything"] = {
      blobs: String(checked.result.blobs),
      "blobs/s": (checked.result.blobs / (checked.ms / 1000)).toFixed(0),
    };
    console.table(rows);
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const startedMs = performance.now();
  const result = await work();
  return { result, ms: performance.now() - startedMs };
}

const newMachine = (id: string) =>
  ({ id, ...named, spec, originSnapshotId: null, lastSequence: 0, reached: start, status: idle }) as const;

const newSnapshot = ({ id: machineId }: MachineRow, id: string, root: string) => {
  const size = { newBytes: 0, totalBytes: 0 };
  const stands = { at: start, sequence: 0, traceSequence: 0, consoleLength: 0 };
  return { id, machineId, ...named, root, ...stands, kind: "user" as const, ...size };
};

/** Snapshots of one machine, each of which shares most with the one before; every other one is deleted. */
async function fill(store: Store): Promise<void> {
  const machine = (await store.machines.acquire((await store.machines.create(newMachine("m-filled"))).id))!;
  let tree = PageTree.empty(PAGES);
  const state = encodePlain({ version: 7 });
  for (let index = 0; index < SNAPSHOTS; index++) {
    const blobs: { hash: string; data: Uint8Array<ArrayBuffer> }[] = [{ hash: sha256Hex(state), data: state }];
    const changed = new Map<number, Uint8Array>();
    for (let count = 0; count < CHANGED; count++) {
      const data = randomFillSync(new Uint8Array(4096));
      blobs.push({ hash: sha256Hex(data), data });
      changed.set((index * 509 + count) % PAGES, sha256(data));
    }
    tree = tree.update(
      changed,
      sha256,
      (hash, data) => void blobs.push({ hash: Buffer.from(hash).toString("hex"), data }),
    );
    const root = encodeRoot(PAGES * 4096, tree.root, sha256Hex(state));
    blobs.push({ hash: sha256Hex(root), data: root });
    await store.holds.during(async (hold) => {
      await store.blobs.put(blobs, hold);
      await store.snapshots.create(newSnapshot(machine, `s-${index}`, sha256Hex(root)), machine.epoch);
    });
    if (index % 2 === 1) await store.snapshots.delete(`s-${index}`);
  }
}

/** How long each of a machine's commits took. */
async function commits(store: Store, id: string): Promise<string> {
  const { epoch } = (await store.machines.acquire((await store.machines.create(newMachine(id))).id))!;
  const times: number[] = [];
  for (let sequence = 1; sequence <= COMMITS; sequence++) {
    const at = { instructions: sequence, timeNs: sequence };
    const entries = [{ sequence, at, payload: new Uint8Array(64) }];
    const batch = { machineId: id, epoch, entries, console: [], idempotency: [], reached: at, status: idle };
    times.push((await timed(() => store.journal.commit(batch))).ms);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))]!.toFixed(1);
  return `${at(0.5)} / ${at(0.99)} / ${at(1)}`;
}
