import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { openStore } from "../../api/store/index.ts";
import { idle, newMachine, temporaryFolder } from "./fixtures.ts";

const folder = temporaryFolder();
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
});

/** A store in another process, once it has it open. */
async function startProcess(dataDir: string, machines: number) {
  const child = spawn(process.execPath, [join(import.meta.dirname, "process.ts"), dataDir, String(machines)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  let printed = "";
  child.stdout.on("data", (data: Buffer) => (printed += data.toString()));
  while (!printed.includes("ready")) await sleep(5);
  return {
    pid: child.pid,
    /** Until it has acknowledged so many commits. */
    async acknowledged(count: number): Promise<void> {
      while (printed.split("\n").length - 2 < count) await sleep(1);
    },
    async kill(): Promise<string[]> {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
      children.delete(child);
      const lines = printed.split("\n");
      return lines.slice(1, -1);
    },
  };
}

describe("a server that is killed", () => {
  it("has every commit that it acknowledged, without holes", async () => {
    const dataDir = join(folder.path, "killed");
    const machines = 12;
    const first = await openStore({ dataDir });
    for (let index = 0; index < machines; index++)
      await first.machines.create(newMachine({ id: `m${index}`, status: idle }));
    await first.close();
    const acknowledged = new Map<string, { sequence: number; length: number }>();
    for (let round = 0; round < 10; round++) {
      const server = await startProcess(dataDir, machines);
      // Rounds by commits, so that a busy host has as many; the kill itself at any moment.
      await server.acknowledged(machines + round * 5);
      await sleep(Math.random() * 50);
      for (const line of await server.kill()) {
        const [id = "", sequence, length] = line.split(" ");
        acknowledged.set(id, { sequence: Number(sequence), length: Number(length) });
      }
      await assertWhole(dataDir, acknowledged);
    }
    expect(acknowledged.size).toBe(machines);
  });

  async function assertWhole(dataDir: string, acknowledged: ReadonlyMap<string, { sequence: number; length: number }>) {
    const store = await openStore({ dataDir });
    for (const [id, { sequence, length }] of acknowledged) {
      const row = (await store.machines.get(id))!;
      const entries = await store.journal.read(id, 0, Number.MAX_SAFE_INTEGER, 1_000_000);
      expect(row.lastSequence).toBeGreaterThanOrEqual(sequence);
      expect(entries.map((entry) => entry.sequence)).toEqual(Array.from({ length: row.lastSequence }, (_, i) => i + 1));
      const wrong = entries.filter((entry) => Buffer.from(entry.payload).toString() !== `${id} ${entry.sequence}`);
      expect(wrong).toEqual([]);
      expect(row.reached.instructions).toBe(row.lastSequence);
      const console = await store.journal.readConsole(id, 0, Number.MAX_SAFE_INTEGER);
      expect(console.offset + console.bytes.length).toBe(row.status.consoleLength);
      expect(row.status.consoleLength).toBeGreaterThanOrEqual(length);
      expect(console.bytes.findIndex((byte, at) => byte !== (console.offset + at) % 251)).toBe(-1);
    }
    await store.close();
  }
});

describe("the data directory", () => {
  const busy = (dataDir: string) =>
    openStore({ dataDir }).then(
      () => "opened",
      (error: Error) => `${error.name}: ${error.message}`,
    );

  it("is held by one process, and free at once when that is killed", async () => {
    const dataDir = join(folder.path, "held");
    const holder = await startProcess(dataDir, 0);
    expect(await busy(dataDir)).toMatch(new RegExp(`^StoreBusyError: .*process ${holder.pid}.*${dataDir}`));
    await holder.kill();
    const store = await openStore({ dataDir });
    await store.close();
  });

  it("is held by one store of a process", async () => {
    const dataDir = join(folder.path, "twice");
    const store = await openStore({ dataDir });
    expect(await busy(dataDir)).toContain(`process ${process.pid}`);
    expect(await busy(dataDir)).toContain("StoreBusyError");
    expect(readFileSync(join(dataDir, "ostler.pid"), "utf8")).toBe(`${process.pid}\n`);
    await store.close();
    await store.close();
    const again = await openStore({ dataDir });
    await again.close();
  });

  it("stays held against other processes after a failed attempt in its own", async () => {
    const dataDir = join(folder.path, "three");
    const store = await openStore({ dataDir });
    await busy(dataDir);
    const child = spawn(process.execPath, [join(import.meta.dirname, "process.ts"), dataDir, "0"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    children.add(child);
    let printed = "";
    child.stderr.on("data", (data: Buffer) => (printed += data.toString()));
    const [code] = await once(child, "close");
    expect(code).not.toBe(0);
    expect(printed).toContain("StoreBusyError");
    await store.close();
    folder.remove();
  });
});
