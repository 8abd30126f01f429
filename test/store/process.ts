/**
 * A server's store in a process of its own, to be killed: node process.ts <data directory> <machines>.
 * Prints "ready", then "<machine> <sequence> <console length>" for each commit that was acknowledged.
 */
import { writeSync } from "node:fs";
import { openStore } from "../../api/store/index.ts";

const [dataDir = "", machines = "0"] = process.argv.slice(2);
const store = await openStore({ dataDir });
writeSync(1, "ready\n");
// Held open until it is killed, also without machines.
setInterval(() => {}, 1000);
await Promise.all(Array.from({ length: Number(machines) }, (_, index) => run(`m${index}`)));

async function run(id: string): Promise<void> {
  const { epoch, lastSequence, status } = (await store.machines.acquire(id))!;
  let sequence = lastSequence;
  let length = status.consoleLength;
  for (;;) {
    const entries = Array.from({ length: 1 + (sequence % 3) }, () => ({
      sequence: ++sequence,
      at: { instructions: sequence, timeNs: sequence },
      payload: new Uint8Array(Buffer.from(`${id} ${sequence}`)),
    }));
    const bytes = new Uint8Array(1 + (sequence % 50)).map((_, at) => (length + at) % 251);
    await store.journal.commit({
      machineId: id,
      epoch,
      entries,
      console: [{ offset: length, bytes }],
      idempotency: [],
      reached: { instructions: sequence, timeNs: sequence },
      status: { run: "running", reason: "", consoleLength: 0, taskCount: 1, traceSequence: 0 },
    });
    length += bytes.length;
    writeSync(1, `${id} ${sequence} ${length}\n`);
  }
}
