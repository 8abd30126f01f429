import { join } from "node:path";
import process from "node:process";
import { defineConfig } from "vitest/config";
import { postgresqlPrograms } from "./test/support/postgresql.ts";

/** Workers of servers that tests start, and processes, load the sources from here: most start for the length of one test. */
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, ".cache/compile");

const everything = ["test/**/*.test.ts"];
/** What touches the database in its own way: these run on both. OSTLER_TEST_STORE=postgresql runs everything on it. */
const ofTheStore = ["test/store/{append,blobs,journal,machines,rows,sharing}.test.ts"];

const onPostgresql = { env: { OSTLER_TEST_STORE: "postgresql" }, globalSetup: ["test/support/cluster-setup.ts"] };
const main = { extends: true as const, test: { name: "main", include: everything } };
const second = { extends: true as const, test: { name: "postgresql", include: ofTheStore, ...onPostgresql } };
const whole = { extends: true as const, test: { name: "postgresql", include: everything, ...onPostgresql } };

function projects() {
  if (process.env["OSTLER_TEST_STORE"] === "postgresql") return [whole];
  return postgresqlPrograms === null ? [main] : [main, second];
}

export default defineConfig({
  test: {
    setupFiles: ["test/support/seed.ts", "test/support/equality.ts"],
    // Far beyond what anything takes on a busy host: only what hangs meets it.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: "forks",
    maxWorkers: 3,
    reporters: ["default"],
    projects: projects(),
  },
});
