/**
 * `npm run faults`: what may happen to a server, longer than in `npm test`, and on both databases: a hundred times kill -9
 * under load and in the middle of collections, storms of workers that die and stores that fail, a database that restarts, a
 * disk that fills up, pages that are torn, clocks that jump. Ends with a table of what was done, and how often it went well.
 * Takes a quarter of an hour; `OSTLER_FAULTS_STORES` names one of sqlite and postgresql.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { printTable } from "../bench/table.ts";
import { postgresqlPrograms, withoutPostgresql } from "../support/postgresql.ts";

const root = join(import.meta.dirname, "../..");
const KILLS = "100";
const STORES = new Set((process.env["OSTLER_FAULTS_STORES"] ?? "sqlite,postgresql").split(","));
const tests = ["test/faults", "test/crash", "test/store/crash", "test/hosting/storm", "test/hosting/worker-loss"];

interface Done {
  store: string;
  "what happened": string;
  outcome: string;
  seconds: number;
}

/** Vitest's own report of a run: what was tested, in each file. */
interface Report {
  testResults: { assertionResults: { fullName: string; status: string; duration?: number }[] }[];
}

function run(store: "sqlite" | "postgresql", folder: string): Done[] {
  console.log(`\n== ${store}`);
  const report = join(folder, `${store}.json`);
  const project = store === "sqlite" ? "main" : "postgresql";
  const reporters = ["--reporter=verbose", "--reporter=json", `--outputFile=${report}`];
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { status } = spawnSync(process.execPath, [vitest, "run", "--project", project, ...reporters, ...tests], {
    cwd: root,
    env: { ...process.env, OSTLER_FAULTS: "long", OSTLER_KILLS: KILLS, OSTLER_TEST_STORE: store },
    stdio: "inherit",
  });
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  const done = testResults.flatMap(({ assertionResults }) => assertionResults.map((each) => rowOf(store, each)));
  // A file that could not be loaded has no tests that failed.
  if (status !== 0 && !done.some(({ outcome }) => outcome === "failed"))
    done.push({ store, "what happened": "the run itself", outcome: "failed", seconds: 0 });
  return done;
}

const rowOf = (store: string, test: Report["testResults"][number]["assertionResults"][number]): Done => ({
  store,
  "what happened": test.fullName.slice(0, 110),
  outcome: test.status,
  seconds: Math.round((test.duration ?? 0) / 100) / 10,
});

const folder = mkdtempSync(join(tmpdir(), "ostler-faults-"));
try {
  const done = STORES.has("sqlite") ? run("sqlite", folder) : [];
  if (STORES.has("postgresql") && postgresqlPrograms !== null) done.push(...run("postgresql", folder));
  console.log();
  printTable(done.map((row) => ({ ...row })));
  if (postgresqlPrograms === null) console.log(`postgresql is left out: it ${withoutPostgresql}`);
  const of = (outcome: string) => done.filter((each) => each.outcome === outcome).length;
  const failed = of("failed");
  console.log(`${of("passed")} passed, ${failed} failed, ${done.length - of("passed") - failed} skipped`);
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
