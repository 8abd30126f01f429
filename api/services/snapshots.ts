/** SnapshotService: take, look, list, delete, restore, fork. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  CreateSnapshotRequestSchema,
  CreateSnapshotResponseSchema,
  ForkMachineRequestSchema,
  ForkMachineResponseSchema,
  type SnapshotSchema,
  type SnapshotService,
} from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { type Arrival, countedTo } from "../admission/arrivals.ts";
import { scopeOf } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import { failedPrecondition, notFound } from "../errors.ts";
import { readArchive, writeArchive } from "../hosting/archive.ts";
import { snapshotRoot } from "../hosting/collection/references.ts";
import { newId } from "../hosting/ids.ts";
import type { Reserve } from "../hosting/snapshots.ts";
import type { ServiceImplementation } from "../operation.ts";
import type { Blobs, Hold, MachineRow, Owner, SnapshotRow } from "../store/types.ts";
import {
  type Deps,
  idFor,
  machineRow,
  once,
  ownerIn,
  pageQuery,
  snapshotRow,
  toPosition,
  toTimestamp,
} from "./common.ts";
import { machineOnce, newMachineRow, toMachine } from "./machines.ts";

/** Console history that a fork takes along. */
const FORKED_CONSOLE_BYTES = 64 * 1024;

export function toSnapshot(row: SnapshotRow): MessageInitShape<typeof SnapshotSchema> {
  return {
    snapshotId: row.id,
    machineId: row.machineId,
    courseId: row.courseId,
    ownerId: row.ownerId,
    displayName: row.displayName,
    labels: row.labels,
    rootHash: row.root,
    position: toPosition(row.at),
    journalSequence: BigInt(row.sequence),
    traceSequence: BigInt(row.traceSequence),
    consoleLength: BigInt(row.consoleLength),
    createdAt: toTimestamp(row.createdAt),
    automatic: row.kind === "automatic",
    newBytes: BigInt(row.newBytes),
    totalBytes: BigInt(row.totalBytes),
  };
}

export function snapshotService(deps: Deps): ServiceImplementation<typeof SnapshotService> {
  return {
    createSnapshot(request, context) {
      const schemas = { request: CreateSnapshotRequestSchema, response: CreateSnapshotResponseSchema };
      return once(deps, context, schemas, request, async () => {
        const machine = await machineRow(deps, request.machineId);
        const id = idFor("s", callerOf(context).id, request.idempotencyKey);
        const existing = await deps.store.snapshots.get(id);
        const { displayName, labels } = request;
        if (existing !== null) return { snapshot: toSnapshot(existing) };
        // How much it will add is known only when it is there.
        await deps.quotas.assertRoom(machine, 1);
        const reserve: Reserve = (measure, work) => deps.quotas.storingMeasured(machine, measure, work);
        const fields = { id, displayName, labels, kind: "user" as const };
        return { snapshot: toSnapshot(await deps.hosting.snapshot(machine.id, fields, reserve)) };
      });
    },

    async getSnapshot({ snapshotId }) {
      return { snapshot: toSnapshot(await snapshotRow(deps, snapshotId)) };
    },

    async listSnapshots(request, context) {
      const { courseIds, ownerId } = scopeOf(callerOf(context), "snapshot.read", { courseId: request.courseId });
      const { items, nextPageToken } = await deps.store.snapshots.list({
        ...pageQuery(request),
        courseIds,
        // A machine's snapshots are its owner's.
        ownerId: request.machineId === "" ? ownerId : null,
        machineId: request.machineId || null,
        kind: request.includeAutomatic ? null : "user",
      });
      return { snapshots: items.map(toSnapshot), nextPageToken };
    },

    async deleteSnapshot({ snapshotId }) {
      const outcome = await deps.store.snapshots.delete(snapshotId);
      if (outcome === "missing") throw notFound("snapshot", snapshotId);
      if (outcome === "inUse") {
        throw failedPrecondition(
          "SNAPSHOT_IN_USE",
          `Machines stand on snapshot ${snapshotId} (forks, or its own after a restore); delete them first.`,
        );
      }
      return {};
    },

    async restoreMachine({ machineId, snapshotId }) {
      const snapshot = await snapshotRow(deps, snapshotId);
      if (snapshot.machineId !== machineId) {
        throw failedPrecondition(
          "FOREIGN_SNAPSHOT",
          `Snapshot ${snapshotId} is of machine ${snapshot.machineId}; fork it to use it elsewhere.`,
        );
      }
      return { machine: toMachine(deps, await deps.hosting.restore(machineId, snapshot)) };
    },

    forkMachine(request, context) {
      const schemas = { request: ForkMachineRequestSchema, response: ForkMachineResponseSchema };
      return once(deps, context, schemas, request, async () => {
        const snapshot = await snapshotRow(deps, request.snapshotId);
        const owner = { courseId: snapshot.courseId, ownerId: callerOf(context).id };
        const id = idFor("m", owner.ownerId, request.idempotencyKey);
        const row = await machineOnce(deps, owner, id, () => forkFrom(deps, snapshot, { id, owner, ...request }));
        return { machine: toMachine(deps, row) };
      });
    },

    async *exportSnapshot({ snapshotId }) {
      const hold = deps.store.holds.open();
      try {
        hold.add([snapshotRoot((await snapshotRow(deps, snapshotId)).root)]);
        // Again, now that nothing of it can go.
        const snapshot = await snapshotRow(deps, snapshotId);
        for await (const data of writeArchive(deps.store, await withSpec(deps, snapshot))) yield { data };
      } finally {
        hold.release();
      }
    },

    async importSnapshot(requests, context) {
      const owner = ownerIn(context, "");
      const data = async function* () {
        for await (const request of requests) yield request.data;
      };
      const adopt = async (hold: Hold, arrival: Arrival) => {
        arrival.owner = owner;
        await deps.quotas.assertRoom(owner, 1, arrival);
        const archived = await readArchive({ blobs: roomFor(deps, owner, arrival) }, data(), hold);
        const store = () => deps.store.snapshots.adopt({ ...archived, id: newId("s"), ...owner });
        return deps.quotas.storing(owner, archived.newBytes, store, arrival);
      };
      const row = await deps.quotas.arrivals.during((arrival) =>
        deps.store.holds.during((hold) => adopt(hold, arrival)),
      );
      return { snapshot: toSnapshot(row) };
    },
  };
}

/** Stores content for as long as there is room for what of it is new. */
function roomFor(deps: Deps, owner: Owner, arrival: Arrival): Blobs {
  const blobs = countedTo(arrival, deps.store.blobs);
  return {
    ...blobs,
    async put(list, hold) {
      const outcome = await blobs.put(list, hold);
      await deps.quotas.assertRoom(owner, arrival.bytes, arrival);
      return outcome;
    },
  };
}

/** Whose machine is there still has its spec with the machine, where an old release made it. */
async function withSpec(deps: Deps, snapshot: SnapshotRow): Promise<SnapshotRow> {
  const spec = snapshot.spec ?? (await deps.store.machines.get(snapshot.machineId))?.spec;
  if (spec === undefined) throw specGone(snapshot);
  return { ...snapshot, spec };
}

const specGone = ({ id, machineId }: SnapshotRow) =>
  failedPrecondition(
    "PARENT_DELETED",
    `Machine ${machineId} of snapshot ${id} was deleted by an earlier release, and its spec with it.`,
  );

/** A machine that continues from a snapshot: a row, and some console history to look at. */
export async function forkFrom(
  deps: Deps,
  snapshot: SnapshotRow,
  fields: { id: string; owner: Owner; displayName: string; labels: Record<string, string>; ephemeral?: boolean },
): Promise<MachineRow> {
  const parent = await deps.store.machines.get(snapshot.machineId);
  const spec = snapshot.spec ?? parent?.spec;
  if (spec === undefined) throw specGone(snapshot);
  const bare = newMachineRow(fields.id, fields.owner, fields, spec);
  const row = await deps.store.machines.create({
    ...bare,
    originSnapshotId: snapshot.id,
    lastSequence: snapshot.sequence,
    reached: snapshot.at,
    status: {
      run: "paused",
      reason: `forked from ${snapshot.id}`,
      consoleLength: snapshot.consoleLength,
      taskCount: parent?.status.taskCount ?? 0,
      traceSequence: snapshot.traceSequence,
    },
  });
  await takeConsole(deps, snapshot, row.id);
  return row;
}

/** A fork goes on from another snapshot instead; what was done in it is dropped. */
export async function moveTo(deps: Deps, machineId: string, snapshot: SnapshotRow): Promise<void> {
  await deps.hosting.restore(machineId, snapshot);
  await takeConsole(deps, snapshot, machineId);
}

/** Console history of where the snapshot is from; if that machine is gone, its console went with it. */
async function takeConsole({ store }: Deps, snapshot: SnapshotRow, machineId: string): Promise<void> {
  if ((await store.machines.get(snapshot.machineId)) === null) return;
  await store.machines.copyConsole(snapshot.machineId, machineId, snapshot.consoleLength, FORKED_CONSOLE_BYTES);
}
