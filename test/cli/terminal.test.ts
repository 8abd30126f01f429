/** Sitting at a terminal of a machine, from a terminal of this host: what a person types and sees. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { TerminalService } from "../../proto/gen/ostler/v1/terminals_pb.js";
import { guest, hasCompiler } from "../guest/compile.ts";
import type { Client } from "../support/client.ts";
import { startServer, type TestServer } from "../support/server.ts";

const cli = join(import.meta.dirname, "../../api/cli/ostler.mjs");
const CTRL_C = "\x03";
const CTRL_BRACKET = "\x1d";
const has = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;
const hasTerminals = has("script") && has("stty");

let server: TestServer;
let client: Client;
beforeAll(async () => {
  server = await startServer();
  client = server.client("grpc");
});
afterAll(() => server.stop());

/** The command at a terminal of this host, which `script` makes; its first line is the terminal's name. */
class Seat {
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  seen = "";
  #looked = 0;
  #changed: () => void = () => {};

  constructor(at: { machineId: string; task: number }) {
    const attach = `"${process.execPath}" "${cli}" terminal attach ${at.machineId} ${at.task}`;
    const env = { ...process.env, SHELL: "/bin/sh", OSTLER_SERVER: server.grpc, OSTLER_KEY: server.adminKey };
    const command = `tty; stty rows 31 cols 101; exec ${attach}`;
    this.#child = spawn("script", ["-qefc", command, "/dev/null"], { env, stdio: ["pipe", "pipe", "pipe"] });
    this.ended = new Promise((resolve) => this.#child.once("exit", resolve));
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on("data", (chunk: Buffer) => {
        this.seen += chunk.toString();
        this.#changed();
      });
    void this.ended.then(() => this.#changed());
  }

  type(text: string): void {
    this.#child.stdin!.write(text);
  }

  /** Waits until this has been shown, behind what was waited for before. */
  async until(wanted: string): Promise<void> {
    let ended = false;
    void this.ended.then(() => (ended = true));
    while (!this.seen.includes(wanted, this.#looked)) {
      if (ended) expect(this.seen).toContain(wanted);
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
    this.#looked = this.seen.indexOf(wanted, this.#looked) + wanted.length;
  }

  resize(rows: number, columns: number): void {
    const device = /^\S+/.exec(this.seen)![0];
    execFileSync("stty", ["-F", device, "rows", String(rows), "cols", String(columns)]);
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }
}

async function start(): Promise<{ machineId: string; task: number }> {
  const { machineId } = (await client.call(MachineService, "createMachine", {})).machine!;
  const data = new Uint8Array(guest("host-terminal"));
  const { program } = await client.call(ProgramService, "uploadProgram", { name: "prog", data });
  const chosen = { case: "programHash", value: program!.programHash } as const;
  const terminal = { rows: 24, columns: 80 };
  const started = await client.call(MachineService, "startProgram", {
    machineId,
    program: chosen,
    terminal,
    run: true,
  });
  return { machineId, task: started.task };
}

describe.skipIf(!hasCompiler || !hasTerminals)("ostler terminal attach (needs the compiler, script and stty)", () => {
  test("takes keys and the window there, leaves by Ctrl-], and comes back to what was shown", async () => {
    const at = await start();
    const first = new Seat(at);
    await first.until("window 31x101");
    first.type("hello\r");
    await first.until("got hello");
    first.resize(40, 120);
    await first.until("window 40x120");
    first.type(CTRL_BRACKET);
    expect(await first.ended).toBe(0);
    expect((await client.call(TerminalService, "listTerminals", at)).terminals).toMatchObject([{ ended: false }]);

    const second = new Seat(at);
    await second.until("got hello");
    await second.until("window 40x120");
    await second.until("window 31x101");
    second.type("quit\r");
    expect(await second.ended).toBe(0);
    expect((await client.call(TerminalService, "listTerminals", at)).terminals).toMatchObject([{ ended: true }]);
  });

  test("Ctrl-C is the machine's, and the end of its program ends the sitting", async () => {
    const at = await start();
    const seat = new Seat(at);
    await seat.until("window 31x101");
    seat.type(CTRL_C);
    expect(await seat.ended).toBe(0);
    expect(seat.seen).toContain("^C");
    const waited = client.stream(MachineService, "waitMachine", { machineId: at.machineId, taskExited: at.task });
    for await (const { exitStatus } of waited)
      if (exitStatus) expect(exitStatus.status).toMatchObject({ case: "signal", value: 2 });
    seat.close();
  });
});
