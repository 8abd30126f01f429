/**
 * What a worker of a test executes: the real thing, but whoever has a file `/hang` never comes back from a step of the
 * kernel, for as long as there is the file that the environment names. A line in `<that>.hung` says that it is so far.
 */
import { appendFileSync, existsSync } from "node:fs";
import process from "node:process";
import { Resident } from "../../api/hosting/worker/resident.ts";

/** Of the environment that the worker is started in. */
const HANG_WHILE = "OSTLER_TEST_HANG_WHILE";

const planted = process.env[HANG_WHILE]!;
const { run } = Resident.prototype;

Resident.prototype.run = function (limit) {
  const isVictim = this.machine.config.files.some(({ path }) => path === "/hang");
  if (isVictim && existsSync(planted)) {
    appendFileSync(`${planted}.hung`, "hung\n");
    for (;;);
  }
  return run.call(this, limit);
};

await import("../../api/hosting/worker/thread.ts");
