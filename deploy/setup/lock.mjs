// One preparation of a checkout at a time: `npm start` in one terminal and `npx ostler` or `npm test` in another
// would otherwise install over each other.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";

const POLL_MS = 200;

/**
 * Holds the lock until this process ends, or what is returned is called; waits, and says so, while another living process
 * has it.
 */
export function takeLock(file, waiting = "ostler: another process prepares this checkout; waiting for it") {
  mkdirSync(dirname(file), { recursive: true });
  for (let told = false; !tryLock(file); told = true) {
    if (!told) console.error(waiting);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
  const release = () => rmSync(file, { force: true });
  process.on("exit", release);
  return () => {
    process.off("exit", release);
    release();
  };
}

function tryLock(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  // A process that was killed leaves its lock behind.
  if (!isAlive(file)) rmSync(file, { force: true });
  return false;
}

function isAlive(file) {
  try {
    process.kill(Number(readFileSync(file, "utf8")), 0);
    return true;
  } catch (error) {
    // Of a lock that is gone by now there is nothing to remove: what is there next is another's.
    return error.code !== "ESRCH";
  }
}
