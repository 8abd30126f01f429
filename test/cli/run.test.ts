/** Ends of `ostler run` that are not its program's: clients that vanish, programs that can never go on. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { freePort } from "../support/ports.ts";
import { ServerProcess } from "../support/process.ts";
import { startServer, type TestServer } from "../support/server.ts";

const cli = join(import.meta.dirname, "../../api/cli/ostler.mjs");
const FLOOD = '#include <stdio.h>\nint main(void) { for (;;) puts("flood"); }';
let server: TestServer;
let work: string;

beforeAll(async () => {
  server = await startServer({ unattendedMs: 4_000 });
  work = mkdtempSync(join(tmpdir(), "ostler-run-"));
});

afterAll(async () => {
  await server.stop();
  rmSync(work, { recursive: true, force: true });
});

function start(args: string[], access: Record<string, string> = {}) {
  const env = { ...process.env, OSTLER_SERVER: server.grpc, OSTLER_KEY: server.adminKey, ...access };
  return spawn(process.execPath, [cli, "run", ...args], { cwd: work, env, stdio: ["pipe", "pipe", "pipe"] });
}

const machines = async () => (await server.client("grpc").call(MachineService, "listMachines", {})).machines;

describe.skipIf(!hasCompiler)("a run whose client is killed (needs riscv64-linux-gnu-gcc)", () => {
  it("takes its machine with it, unless it was to be kept", async () => {
    writeFileSync(join(work, "flood.elf"), compileC(FLOOD));
    const children = [start(["flood.elf"]), start(["--keep", "flood.elf"])];
    await Promise.all(children.map((child) => new Promise((resolve) => child.stdout.once("data", resolve))));
    // Longer than an unattended machine lives: these are attended.
    await sleep(4_500);
    expect(await machines()).toHaveLength(2);
    for (const child of children) child.kill("SIGKILL");
    await expect.poll(machines, { timeout: 240_000, interval: 200 }).toMatchObject([{ ephemeral: false }]);
    await sleep(1_000);
    expect(await machines()).toHaveLength(1);
  });
});

describe.skipIf(!hasCompiler)("a run whose server is killed", () => {
  it("goes on when the server is back, and says once that it was away", async () => {
    const dataDir = join(work, "killed");
    const ports = { OSTLER_GRPC_PORT: String(await freePort()), OSTLER_UNATTENDED_MS: "60000" };
    writeFileSync(join(work, "count.elf"), compileC(sources.count));
    const first = await ServerProcess.start(dataDir, ports);
    const env = { OSTLER_SERVER: first.grpc, OSTLER_KEY: first.adminKey };
    const child = start(["--stdin", "/dev/null", "--output-limit", "1000", "count.elf"], env);
    const ending = ended(child);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    await first.kill("SIGKILL");
    await sleep(1_000);
    const second = await ServerProcess.start(dataDir, ports);
    const { out, err } = await ending;
    await second.kill("SIGTERM");
    expect(err.match(/connection lost|the server is back/g)).toEqual(["connection lost", "the server is back"]);
    const numbers = out
      .trimEnd()
      .split("\n")
      .map((line) => Number(line.split(" ")[0]));
    expect(numbers.length).toBeGreaterThan(50);
    expect(numbers).toEqual(numbers.map((_, index) => index));
  });
});

describe.skipIf(!hasCompiler)("a program that can never go on", () => {
  const PAUSE = `#include <stdio.h>
#include <unistd.h>
int main(void) { puts("before"); fflush(stdout); while (getchar() != EOF); pause(); return 0; }`;

  it.each([
    ["on the server", []],
    ["--local", ["--local"]],
  ])("ends with 1 when its input has ended, and says why: %s", async (_, options) => {
    writeFileSync(join(work, "pause.elf"), compileC(PAUSE));
    writeFileSync(join(work, "empty"), "");
    const known = await ended(start([...options, "--trace", "--stdin", "empty", "pause.elf"]));
    expect(known).toMatchObject({ status: 1, out: "before\n" });
    expect(known.err).toMatch(/rt_sig|ppoll|pause[\s\S]*every thread waits for something that never comes/);
    expect(await ended(start([...options, "pause.elf"]), "typed\n")).toMatchObject({
      status: 1,
      out: "before\n",
      err: expect.stringContaining("every thread waits for something that never comes"),
    });
  });
});

function ended(
  child: ReturnType<typeof start>,
  input = "",
): Promise<{ status: number | null; out: string; err: string }> {
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  child.stdin.end(input);
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, out, err })));
}
