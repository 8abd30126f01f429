/** Ends of `ostler run` that are not its program's: clients that vanish, programs that can never go on. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { compileC, hasCompiler } from "../support/guest.ts";
import { startServer, type TestServer } from "../support/server.ts";

const cli = join(import.meta.dirname, "../../api/cli/ostler.mjs");
const FLOOD = '#include <stdio.h>\nint main(void) { for (;;) puts("flood"); }';
let server: TestServer;
let work: string;

beforeAll(async () => {
  server = await startServer({ unattendedMs: 2_000 });
  work = mkdtempSync(join(tmpdir(), "ostler-run-"));
});

afterAll(async () => {
  await server.stop();
  rmSync(work, { recursive: true, force: true });
});

function start(args: string[]) {
  const env = { ...process.env, OSTLER_SERVER: server.grpc, OSTLER_KEY: server.adminKey };
  return spawn(process.execPath, [cli, "run", ...args], { cwd: work, env, stdio: ["pipe", "pipe", "pipe"] });
}

const machines = async () => (await server.client("grpc").call(MachineService, "listMachines", {})).machines;

describe.skipIf(!hasCompiler)("a run whose client is killed (needs riscv64-linux-gnu-gcc)", () => {
  it("takes its machine with it, unless it was to be kept", async () => {
    writeFileSync(join(work, "flood.elf"), compileC(FLOOD));
    const children = [start(["flood.elf"]), start(["--keep", "flood.elf"])];
    await Promise.all(children.map((child) => new Promise((resolve) => child.stdout.once("data", resolve))));
    // Longer than an unattended machine lives: these are attended.
    await sleep(3_000);
    expect(await machines()).toHaveLength(2);
    for (const child of children) child.kill("SIGKILL");
    await expect.poll(machines, { timeout: 15_000, interval: 200 }).toMatchObject([{ ephemeral: false }]);
    await sleep(3_000);
    expect(await machines()).toHaveLength(1);
  }, 60_000);
});
