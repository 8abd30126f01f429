/** The processor time of the thread that asks: what it waits for, and what others take from it, does not count. */
import process from "node:process";

const US_PER_MS = 1_000;

function spentMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / US_PER_MS;
}

/** Returns what tells how many milliseconds the thread has spent since. */
export function startWatch(): () => number {
  const started = spentMs();
  return () => spentMs() - started;
}
