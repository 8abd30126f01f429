/** Machine rows: who owns them, who holds them, where they stand. Their history is in journal.ts and history.ts. */
import type { Machine as StoredMachine } from "../../prisma/gen/sqlite/client.ts";
import { labelsOf, labelsText } from "./convert.ts";
import { MachineCounts } from "./counts.ts";
import { type Database, Prisma, type Queries } from "./database.ts";
import { copyConsole, deleteMachine, rewindMachine } from "./history.ts";
import { decodeToken, idKey, pageOf, sizeOfPage } from "./paging.ts";
import { isInScope } from "./scope.ts";
import type { MachineQuery, MachineRow, MachineStatus, Machines, Page } from "./types.ts";

const LIST = "machines";

export const machinesIn = (database: Database, counts = new MachineCounts(database)): Machines => ({
  create: (row) => {
    const made = database.change((queries) => createMachine(queries, row), `machine ${row.id}`, { shares: true });
    return counts.following(made, 1, (machine) => machine);
  },

  async get(id) {
    const row = await database.client.machine.findUnique({ where: { id } });
    return row === null ? null : machineRow(row);
  },

  list: (query) => listMachines(database.client, query),
  count: (scope, exceptPrefixes) => counts.of(scope, exceptPrefixes),

  async ephemeral() {
    const rows = await database.client.machine.findMany({ where: { ephemeral: true }, select: { id: true } });
    return rows.map(({ id }) => id);
  },

  async unused(startsWith, before, after, take) {
    const where = { id: { startsWith, gt: after }, updatedAt: { lt: before } };
    const rows = await database.client.machine.findMany({ where, orderBy: { id: "asc" }, take });
    return rows.map(machineRow);
  },

  acquire: (id) => database.write((queries) => acquireMachine(queries, id), { shares: true }),

  blame: (id, most, reason) =>
    database.write(async (queries) => {
      const raised = await queries.machine.updateMany({ where: { id }, data: { workersEnded: { increment: 1 } } });
      if (raised.count === 0) return null;
      const frozen = { run: "frozen", reason, updatedAt: new Date() };
      await queries.machine.updateMany({ where: { id, workersEnded: { gte: most } }, data: frozen });
      return machineRow(await queries.machine.findUniqueOrThrow({ where: { id } }));
    }),

  thaw: (id) =>
    database.write(async (queries) => {
      const data = { workersEnded: 0, run: "paused", reason: "thawed", updatedAt: new Date() };
      // Not by how it stands: a commit that was on its way when it was blamed may have said since that it runs.
      await queries.machine.updateMany({ where: { id, workersEnded: { gt: 0 } }, data });
      const row = await queries.machine.findUnique({ where: { id } });
      return row === null ? null : machineRow(row);
    }),

  pause: (id, reason) =>
    database.write(async (queries) => {
      // What it still has to say from when it ran is not said any more.
      const data = { epoch: { increment: 1 }, run: "paused", reason, updatedAt: new Date() };
      return (await queries.machine.updateMany({ where: { id, run: "running" }, data })).count > 0;
    }),

  delete: async (id) => (await counts.following(deleteMachine(database, id), -1, (deleted) => deleted)) !== null,

  rewind: (id, epoch, snapshot) =>
    database.change(async (queries) => machineRow(await rewindMachine(queries, id, epoch, snapshot))),

  copyConsole: (fromId, toId, length, maxBytes) =>
    database.write((queries) => copyConsole(queries, fromId, toId, length, maxBytes)),
});

async function createMachine(queries: Queries, row: Parameters<Machines["create"]>[0]): Promise<MachineRow> {
  const { labels, reached, status, ...rest } = row;
  const now = new Date();
  const stored = await queries.machine.create({
    data: {
      ...rest,
      searchName: row.displayName.toLowerCase(),
      labels: labelsText(labels),
      createdAt: now,
      updatedAt: now,
      epoch: 0,
      reachedInstructions: reached.instructions,
      reachedTimeNs: reached.timeNs,
      run: status.run,
      reason: status.reason,
      taskCount: status.taskCount,
      traceSequence: status.traceSequence,
      consoleStart: status.consoleLength,
      consoleLength: status.consoleLength,
    },
  });
  const pairs = Object.entries(labels).map(([name, value]) => ({ machineId: row.id, name, value }));
  if (pairs.length > 0) await queries.machineLabel.createMany({ data: pairs });
  return machineRow(stored);
}

async function acquireMachine(queries: Queries, id: string): Promise<MachineRow | null> {
  const { count } = await queries.machine.updateMany({ where: { id }, data: { epoch: { increment: 1 } } });
  return count === 0 ? null : machineRow(await queries.machine.findUniqueOrThrow({ where: { id } }));
}

/** The filter is SQL of our own: Prisma's `contains` takes % and _ in the searched text for wildcards. */
async function listMachines(queries: Queries, query: MachineQuery): Promise<Page<MachineRow>> {
  const { labels, nameContains, run } = query;
  const key = decodeToken(LIST, 1, query);
  const conditions = [isInScope(query)];
  if (run !== null) conditions.push(Prisma.sql`m."run" = ${run}`);
  if (nameContains !== "") conditions.push(Prisma.sql`m."searchName" LIKE ${likePattern(nameContains)} ESCAPE '\\'`);
  for (const [name, value] of Object.entries(labels)) {
    conditions.push(Prisma.sql`EXISTS (SELECT 1 FROM "MachineLabel" l
      WHERE l."machineId" = m."id" AND l."name" = ${name} AND l."value" = ${value})`);
  }
  if (key !== null) conditions.push(Prisma.sql`(m."createdAt", m."id") > (${key.createdAt}, ${key.rest[0]})`);
  const ids = await queries.$queryRaw<{ id: string }[]>`
    SELECT m."id" FROM "Machine" m WHERE ${Prisma.join(conditions, " AND ")}
    ORDER BY m."createdAt", m."id" LIMIT ${sizeOfPage(query) + 1}`;
  const rows = await queries.machine.findMany({
    where: { id: { in: ids.map(({ id }) => id) } },
    orderBy: [{ createdAt: "asc" }, { id: "asc" }],
  });
  return pageOf(LIST, query, rows, idKey, machineRow);
}

const likePattern = (text: string): string => `%${text.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`;

export const machineRow = (row: StoredMachine): MachineRow => ({
  id: row.id,
  courseId: row.courseId,
  ownerId: row.ownerId,
  displayName: row.displayName,
  labels: labelsOf(row.labels),
  spec: row.spec,
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
  ephemeral: row.ephemeral,
  workersEnded: row.workersEnded,
  originSnapshotId: row.originSnapshotId,
  epoch: Number(row.epoch),
  lastSequence: Number(row.lastSequence),
  reached: { instructions: Number(row.reachedInstructions), timeNs: Number(row.reachedTimeNs) },
  status: {
    run: row.run as MachineStatus["run"],
    reason: row.reason,
    consoleLength: Number(row.consoleLength),
    taskCount: row.taskCount,
    traceSequence: Number(row.traceSequence),
  },
});
