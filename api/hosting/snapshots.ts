/** What snapshots become in the store: content and rows. */
import { notFound } from "../errors.ts";
import type { Hold, SnapshotRow, Store } from "../store/types.ts";
import type { InUse } from "./collection/in-use.ts";
import { newId } from "./ids.ts";
import type { Captured } from "./protocol.ts";

/** What is laid without being asked for. */
export const automatic = () => ({ id: newId("s"), displayName: "", labels: {}, kind: "automatic" as const });

/** A seek point is laid when a machine has gone this far since the last one. */
const SNAPSHOT_EVERY_INSTRUCTIONS = 2_000_000_000;
const SNAPSHOT_EVERY_ENTRIES = 2_000;

type Moment = { sequence: number; instructions: number };

export const isFarFrom = (last: Moment, now: Moment): boolean =>
  now.instructions - last.instructions >= SNAPSHOT_EVERY_INSTRUCTIONS ||
  now.sequence - last.sequence >= SNAPSHOT_EVERY_ENTRIES;

type SnapshotFields = Pick<SnapshotRow, "id" | "machineId" | "ownerId" | "displayName" | "labels" | "kind">;

export function snapshotOf(
  fields: SnapshotFields,
  { root, summary, sequence, totalBytes }: Captured,
  newBytes: number,
) {
  const { position: at, traceSequence, consoleLength } = summary;
  return { ...fields, root, at, sequence, traceSequence, consoleLength, newBytes, totalBytes };
}

const BLOBS_PER_PUT = 2_000;

/** Returns how many bytes of it are new. */
export async function putBlobs(store: Store, blobs: Captured["blobs"], hold: Hold): Promise<number> {
  let newBytes = 0;
  for (let at = 0; at < blobs.length; at += BLOBS_PER_PUT)
    newBytes += (await store.blobs.put(blobs.slice(at, at + BLOBS_PER_PUT), hold)).newBytes;
  return newBytes;
}

/** Stores by `work` what takes as many bytes as `measure` says, or throws because there is no room for it. */
export type Reserve = (measure: () => Promise<number>, work: () => Promise<SnapshotRow>) => Promise<SnapshotRow>;

/**
 * Keeps a snapshot that was taken, as far as there is room for it. Where there is none it is kept as one that nobody asked
 * for: the worker takes its pages for stored, whatever becomes of it.
 */
export function keepWithin(
  store: Store,
  reserve: Reserve | null,
  { blobs }: Captured,
  keep: (kind: "as asked" | "automatic") => Promise<SnapshotRow>,
): Promise<SnapshotRow> {
  if (reserve === null) return keep("as asked");
  return store.holds.during(async (hold) => {
    // What is there already must not go while it is waited for room.
    hold.add(blobs.map(({ hash }) => ({ kind: "leaf", hash })));
    let isRoom = false;
    const work = () => {
      isRoom = true;
      return keep("as asked");
    };
    try {
      return await reserve(() => absentBytes(store, blobs), work);
    } catch (error) {
      if (!isRoom) await keep("automatic");
      throw error;
    }
  });
}

/** What of it would be new. */
async function absentBytes(store: Store, blobs: Captured["blobs"]): Promise<number> {
  const sizes = new Map(blobs.map(({ hash, data }) => [hash, data.length]));
  for (const hash of await store.blobs.has([...sizes.keys()])) sizes.delete(hash);
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** What was found at a moment of a machine's past, under the lease by which it was looked for. */
interface Visit {
  machineId: string;
  epoch: number;
  captured: Captured;
}

/** One that is there already will do: a lecture goes back to the same places. It is in use from now on. */
export async function keepVisited(
  store: Store,
  inUse: InUse,
  { machineId, epoch, captured }: Visit,
  hold: Hold,
): Promise<SnapshotRow> {
  const { instructions } = captured.summary.position;
  const { traceSequence } = captured.summary;
  const known = await store.snapshots.latestBefore(machineId, { instructions, traceSequence });
  if (known?.root === captured.root && inUse.hold(known.id)) {
    // It may have gone before it was held.
    if ((await store.snapshots.get(known.id)) !== null) return known;
    inUse.letGo(known.id);
  }
  const row = await store.machines.get(machineId);
  if (row === null) throw notFound("machine", machineId);
  const newBytes = await putBlobs(store, captured.blobs, hold);
  const snapshot = snapshotOf({ machineId, ownerId: row.ownerId, ...automatic() }, captured, newBytes);
  inUse.hold(snapshot.id);
  try {
    return await store.snapshots.create(snapshot, epoch);
  } catch (error) {
    inUse.letGo(snapshot.id);
    throw error;
  }
}
