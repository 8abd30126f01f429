/**
 * Snapshots. One that is "on line" is a point of its machine's present history; a rewind takes those after it off
 * the line, since the machine will not come by there again.
 */
import type { Snapshot as StoredSnapshot } from "../../prisma/gen/sqlite/client.ts";
import { boundOf, hashBytes, hashText, labelsOf, labelsText, position } from "./convert.ts";
import type { Database, Queries } from "./database.ts";
import { afterKey, byKey, decodeToken, idKey, pageOf, sizeOfPage } from "./paging.ts";
import { inScope } from "./scope.ts";
import { JournalGapError, type SnapshotRow, type Snapshots, StaleEpochError, type WorkingSet } from "./types.ts";

const LIST = "snapshots";
/** Automatic ones that no fork stands on: nobody asked for them. */
export const collectable = { kind: "automatic", forks: { none: {} } };

export const snapshotsIn = (database: Database): Snapshots => ({
  create(row, epoch, workingSet) {
    const work = async (queries: Queries) => {
      const stored = await createSnapshot(queries, row, epoch);
      if (workingSet !== undefined && workingSet.pages.length > 0) await keepWorkingSet(queries, row.id, workingSet);
      return stored;
    };
    return database.change(work, `snapshot ${row.id}`, { shares: true });
  },

  async workingSet(id) {
    const row = await database.client.workingSet.findUnique({ where: { snapshotId: id } });
    return row === null ? null : pagesOf(row.pages);
  },

  async adopt({ root, at, labels, ...rest }) {
    const data = {
      ...rest,
      machineId: "",
      kind: "user",
      onLine: false,
      createdAt: new Date(),
      labels: labelsText(labels),
    };
    const whole = { ...data, root: hashBytes(root), instructions: at.instructions, timeNs: at.timeNs };
    return snapshotRow(
      await database.change((queries) => queries.snapshot.create({ data: whole }), `snapshot ${rest.id}`),
    );
  },

  async get(id) {
    const row = await database.client.snapshot.findUnique({ where: { id } });
    return row === null ? null : snapshotRow(row);
  },

  async list(query) {
    const { machineId, kind } = query;
    const rows = await database.client.snapshot.findMany({
      where: {
        ...inScope(query),
        ...(machineId === null ? {} : { machineId }),
        ...(kind === null ? {} : { kind }),
        ...afterKey(decodeToken(LIST, 1, query)),
      },
      orderBy: byKey,
      take: sizeOfPage(query) + 1,
    });
    return pageOf(LIST, query, rows, idKey, snapshotRow);
  },

  async latestBefore(machineId, limit) {
    const row = await database.client.snapshot.findFirst({
      where: {
        machineId,
        onLine: true,
        instructions: { lte: boundOf(limit.instructions) },
        traceSequence: { lte: boundOf(limit.traceSequence) },
      },
      orderBy: [{ instructions: "desc" }, { sequence: "desc" }, { traceSequence: "desc" }],
    });
    return row === null ? null : snapshotRow(row);
  },

  delete: (id) =>
    database.change(async (queries) => {
      if ((await queries.machine.count({ where: { originSnapshotId: id } })) > 0) return "inUse";
      const { count } = await queries.snapshot.deleteMany({ where: { id } });
      return count > 0 ? "deleted" : "missing";
    }),

  async crowded(most, after, limit) {
    const rows = await database.client.$queryRaw<{ machineId: string }[]>`
      SELECT "machineId" FROM "Snapshot"
      WHERE "machineId" > ${after} AND "kind" = 'automatic' AND "onLine" = ${true}
      GROUP BY "machineId" HAVING COUNT(*) > ${most} ORDER BY "machineId" LIMIT ${limit}`;
    return rows.map(({ machineId }) => machineId);
  },

  async line(machineId) {
    const rows = await database.client.snapshot.findMany({
      where: { machineId, onLine: true },
      orderBy: [{ instructions: "asc" }, { sequence: "asc" }, { traceSequence: "asc" }],
    });
    return rows.map(snapshotRow);
  },

  async deleteAutomatic(ids) {
    const where = { id: { in: [...ids] }, ...collectable };
    return (await database.write((queries) => queries.snapshot.deleteMany({ where }))).count;
  },

  async deleteStray() {
    const where = { onLine: false, ...collectable };
    return (await database.write((queries) => queries.snapshot.deleteMany({ where }))).count;
  },
});

async function createSnapshot(
  queries: Queries,
  row: Omit<SnapshotRow, "createdAt" | "spec" | "courseId">,
  epoch: number,
): Promise<SnapshotRow> {
  const machine = await queries.machine.findUnique({ where: { id: row.machineId } });
  if (machine?.epoch !== BigInt(epoch))
    throw new StaleEpochError(`snapshot ${row.id}: machine ${row.machineId} has been taken since epoch ${epoch}`);
  assertCommitted(row, machine);
  const { root, at, labels, ...rest } = row;
  const stored = await queries.snapshot.create({
    data: {
      ...rest,
      courseId: machine.courseId,
      spec: machine.spec,
      labels: labelsText(labels),
      root: hashBytes(root),
      instructions: at.instructions,
      timeNs: at.timeNs,
      createdAt: new Date(),
      onLine: true,
    },
  });
  return snapshotRow(stored);
}

/** The snapshot that it came from may be gone by now; what is known of it already stays. */
async function keepWorkingSet(queries: Queries, id: string, { from, pages }: WorkingSet): Promise<void> {
  const sorted = pages.toSorted();
  const bytes = new Uint8Array(sorted.buffer);
  await queries.$executeRaw`
    INSERT INTO "WorkingSet" ("snapshotId", "pages") SELECT "id", ${bytes} FROM "Snapshot"
    WHERE "id" IN (${id}, ${from ?? id}) ON CONFLICT DO NOTHING`;
}

const pagesOf = (stored: Uint8Array): Uint32Array =>
  new Uint32Array(stored.slice(0, stored.length - (stored.length % Uint32Array.BYTES_PER_ELEMENT)).buffer);

/** A machine that came back from a snapshot which is ahead of its journal could never go on writing it. */
function assertCommitted(
  row: Omit<SnapshotRow, "createdAt" | "spec" | "courseId">,
  machine: { lastSequence: bigint; consoleLength: bigint },
): void {
  const { lastSequence, consoleLength } = machine;
  if (BigInt(row.sequence) <= lastSequence && BigInt(row.consoleLength) <= consoleLength) return;
  throw new JournalGapError(
    `snapshot ${row.id} shows journal entry ${row.sequence} and ${row.consoleLength} bytes of console output, ` +
      `but machine ${row.machineId} has committed ${lastSequence} and ${consoleLength}`,
  );
}

export const snapshotRow = (row: StoredSnapshot): SnapshotRow => ({
  id: row.id,
  machineId: row.machineId,
  courseId: row.courseId,
  ownerId: row.ownerId,
  displayName: row.displayName,
  labels: labelsOf(row.labels),
  root: hashText(row.root),
  at: position(row),
  sequence: Number(row.sequence),
  traceSequence: Number(row.traceSequence),
  consoleLength: Number(row.consoleLength),
  createdAt: row.createdAt,
  kind: row.kind as SnapshotRow["kind"],
  newBytes: Number(row.newBytes),
  totalBytes: Number(row.totalBytes),
  spec: row.spec,
});
