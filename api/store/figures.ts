/** How large and how busy the store is. Machines by state are counted anew only now and then: that looks at every row. */
import type { Database } from "./database.ts";
import { isInScope } from "./scope.ts";
import type { ScopeQuery, StoreFigures } from "./types.ts";

const COUNTED_FOR_MS = 10_000;
const counted = new WeakMap<Database, { at: number; machinesByRun: StoreFigures["machinesByRun"] }>();

export async function readFigures(database: Database, waitingCommits: number): Promise<StoreFigures> {
  return {
    machinesByRun: await machinesByRun(database),
    ...(await database.provider.sizes()),
    waitingWrites: database.waiting,
    waitingCommits,
  };
}

async function machinesByRun(database: Database): Promise<StoreFigures["machinesByRun"]> {
  const known = counted.get(database);
  if (known !== undefined && performance.now() - known.at < COUNTED_FOR_MS) return known.machinesByRun;
  const rows = await database.client.$queryRaw<{ run: keyof StoreFigures["machinesByRun"]; count: bigint }[]>`
    SELECT "run", COUNT(*) AS "count" FROM "Machine" GROUP BY "run"`;
  const none = { running: 0, paused: 0, idle: 0, frozen: 0 };
  const counts = { ...none, ...Object.fromEntries(rows.map(({ run, count }) => [run, Number(count)])) };
  counted.set(database, { at: performance.now(), machinesByRun: counts });
  return counts;
}

export async function readUsage(database: Database, scope: ScopeQuery): Promise<number> {
  const [row] = await database.client.$queryRaw<{ bytes: bigint }[]>`
    SELECT CAST(COALESCE((SELECT SUM("size") FROM "Program" WHERE ${isInScope(scope)}), 0)
      + COALESCE((SELECT SUM("newBytes") FROM "Snapshot" WHERE ${isInScope(scope)} AND "kind" = 'user'), 0)
      AS BIGINT) AS "bytes"`;
  return Number(row?.bytes ?? 0);
}
