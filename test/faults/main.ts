/**
 * `npm run faults`: what may happen to a server, longer than in `npm test`, and on both databases: a hundred times kill -9
 * under load and in the middle of collections, storms of workers that die and stores that fail, a database that restarts, a
 * disk that fills up, pages that are torn, clocks that jump. Takes a quarter of an hour.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { postgresqlPrograms, withoutPostgresql } from "../support/postgresql.ts";

const root = join(import.meta.dirname, "../..");
const KILLS = "100";
const tests = ["test/faults", "test/crash", "test/store/crash", "test/hosting/storm", "test/hosting/worker-loss"];

function run(store: "sqlite" | "postgresql"): boolean {
  console.log(`\n== ${store}`);
  const done = spawnSync(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", ...tests], {
    cwd: root,
    env: { ...process.env, OSTLER_FAULTS: "long", OSTLER_KILLS: KILLS, OSTLER_TEST_STORE: store },
    stdio: "inherit",
  });
  return done.status === 0;
}

const passed = [run("sqlite")];
if (postgresqlPrograms === null) console.log(`\n== postgresql is left out: it ${withoutPostgresql}`);
else passed.push(run("postgresql"));
process.exit(passed.every(Boolean) ? 0 : 1);
