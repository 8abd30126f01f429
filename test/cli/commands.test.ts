/** The command line as a process, against a real server. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileC, hasCompiler, sources } from "../support/guest.ts";
import { startServer, type TestServer } from "../support/server.ts";

const cli = join(import.meta.dirname, "../../api/cli/ostler.mjs");
let server: TestServer;
let work: string;

beforeAll(async () => {
  server = await startServer();
  work = mkdtempSync(join(tmpdir(), "ostler-cli-"));
  if (!hasCompiler) return;
  for (const name of ["hello", "echo", "crash", "spin"] as const) {
    writeFileSync(join(work, `${name}.elf`), compileC(sources[name]));
  }
});

afterAll(async () => {
  await server.stop();
  rmSync(work, { recursive: true, force: true });
});

interface Done {
  status: number | null;
  out: string;
  err: string;
}

const { OSTLER_KEY: _, ...environment } = process.env;

function ostler(args: string[], input: string | null = null, env: Record<string, string> = {}): Promise<Done> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [cli, ...args], {
      cwd: work,
      env: { ...environment, OSTLER_SERVER: server.grpc, OSTLER_DATA: server.dataDir, ...env },
      stdio: [input === null ? "ignore" : "pipe", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout!.on("data", (chunk) => (out += chunk));
    child.stderr!.on("data", (chunk) => (err += chunk));
    child.stdin?.end(input);
    child.on("close", (status) => resolve({ status, out, err }));
  });
}

describe("a command", () => {
  it("finds the key that the server left on this machine", async () => {
    expect((await ostler(["user", "self"])).out).toContain("admin");
  });

  it("serve ends when a port is taken, says which, and leaves the data directory to the next", async () => {
    const port = new URL(`http://${server.grpc}`).port;
    const data = join(work, "second");
    const taken = await ostler(["serve", "--http-port", "0", "--grpc-port", port, "--data", data]);
    expect(taken).toMatchObject({ status: 1, err: expect.stringContaining(`port ${port} is taken`) });
    expect(existsSync(join(data, "server.pid"))).toBe(false);
  });

  it("prints one JSON document with --json, as REST would", async () => {
    const made = await ostler([
      "machine",
      "create",
      "--name",
      "one",
      "--memory",
      "16M",
      "--label",
      "course=os1",
      "--json",
    ]);
    const { machine } = JSON.parse(made.out);
    expect(machine).toMatchObject({ displayName: "one", labels: { course: "os1" }, runState: "RUN_STATE_PAUSED" });
    const listed = JSON.parse((await ostler(["machine", "list", "--json", "--label", "course=os1"])).out);
    expect(listed.machines.map((item: { machineId: string }) => item.machineId)).toEqual([machine.machineId]);
    await ostler(["machine", "delete", machine.machineId]);
  });

  it("shows how a machine's RAM is divided, and who has it", async () => {
    const made = ["machine", "create", "-q", "--memory", "16M", "--allocator", "buddy", "--dma", "4M"];
    const id = (await ostler([...made, "--set-aside", "firmware=1M", "--set-aside", "persistent=64K@end"])).out.trim();
    const map = (await ostler(["memory", "map", id])).out;
    expect(map).toMatch(/allocator +buddy\n/);
    expect(map).toMatch(/accounting +strict: 0 B promised of 14\.9 MiB; 0 B used\n/);
    expect(map).toMatch(/^firmware +0x80000000 +1 MiB +ram$/m);
    expect(map).toMatch(/^dma +0x80100000 +3 MiB +3 MiB +2 MiB +0\.333 +1x1 MiB, 1x2 MiB$/m);
    expect(map).toMatch(/^persistent +0x80ff0000 +64 KiB +64 KiB +64 KiB +0\.000 +1x64 KiB$/m);
    expect((await ostler(["memory", "map", id, "--dot"])).out).toMatch(/^digraph memory_map \{\n/);
    expect((await ostler(["memory", "map", id, "--svg"])).out).toContain("</svg>");
    const json = JSON.parse((await ostler(["memory", "map", id, "--json"])).out);
    expect(json).toMatchObject({ allocator: "FRAME_ALLOCATOR_BUDDY", frames: "4096" });
    const frames = (await ostler(["memory", "frames", id, "--owner", "firmware"])).out;
    expect(frames).toMatch(/^0x80000000 +0x80100000 +256 +firmware +1$/m);
    const loose = (await ostler(["machine", "create", "-q", "--memory", "16M", "--overcommit"])).out.trim();
    expect((await ostler(["memory", "map", loose])).out).toMatch(
      /accounting +overcommit: 0 B used of 16 MiB; 0 B prom/,
    );
    const none = await ostler([...made, "--set-aside", "device=1M"]);
    expect(none.err).toContain("for example firmware=1M");
    const large = await ostler([...made, "--set-aside", "kernel=15M"]);
    expect(large.err).toMatch(/leaves less than 4194304.*\(option --set-aside\)/);
  });

  it("is a root task, and shows what became of its capabilities", async () => {
    const id = (await ostler(["machine", "create", "-q", "--memory", "16M"])).out.trim();
    const task = (await ostler(["task", "create", id, "--capabilities", "-q"])).out.trim();
    const invoke = (...args: string[]) => ostler(["capability", "invoke", id, task, ...args]);
    const made = await invoke("16", "UntypedRetype", "2", "0", "0", "0", "100", "1", "--with", "2");
    expect(made).toEqual({ status: 0, out: "done\n", err: "" });
    expect(await invoke("2", "CNodeMint", "101", "64", "100", "64", "15", "7", "--with", "2")).toMatchObject({
      status: 0,
    });
    const again = await invoke("2", "CNodeMint", "101", "64", "100", "64", "15", "7", "--with", "2");
    expect(again).toMatchObject({ status: 1, out: "DeleteFirst: the destination holds something: delete it first\n" });
    expect((await invoke("2", "Nothing")).err).toContain("has no method");
    const graph = (await ostler(["capability", "graph", id, "--type", "endpoint"])).out;
    expect(graph).toMatch(
      /^cnode 0x[0-9a-f]+\[101\] +endpoint +endpoint@0x[0-9a-f]+ +rwgp badge 0x7 +cnode 0x[0-9a-f]+\[100\] +- +1$/m,
    );
    expect((await ostler(["capability", "graph", id, "--dot"])).out).toMatch(/^digraph capabilities \{\n/);
    expect((await ostler(["capability", "graph", id, "--svg"])).out).toContain("</svg>");
    const json = JSON.parse((await ostler(["capability", "graph", id, "--all", "--page-size", "5", "--json"])).out);
    expect(json.slots).toHaveLength(Number(json.total));
    const space = (await ostler(["memory", "space", id, task, "0x3000000000"])).out;
    expect(space).toMatch(/^ +0 +4 KiB +0x[0-9a-f]+ +0x[0-9a-f]+ +page +0x[0-9a-f]+ +rw-$/m);
    expect(space).toMatch(/^0x3000000000 +0x3000002000 +2 +4 KiB +0x[0-9a-f]+ +rw-$/m);
    expect((await ostler(["memory", "space", id])).err).toContain("give a task");
    const drawn = (await ostler(["memory", "space", id, task, "0x3000000000", "--dot"])).out;
    expect(drawn).toMatch(/^digraph address_space \{\n[\s\S]*walk for 0x3000000000/);
    const rest = (await ostler(["memory", "space", id, task, "--svg", "--from", "0x3000001000"])).out;
    expect(rest).toContain("0x3000001000 to 0x3000002000");
    expect((await ostler(["memory", "space", id, task, "--from", "0x1000"])).err).toContain("--from needs --svg");
    await ostler(["machine", "delete", id]);
  });

  it("goes through all pages with --all", async () => {
    for (const name of ["p1", "p2", "p3"])
      await ostler(["machine", "create", "--name", name, "--label", "page=x", "-q"]);
    const first = await ostler(["machine", "list", "--label", "page=x", "--page-size", "2"]);
    expect(first.out).not.toContain("p3");
    expect(first.err).toContain("--page-token");
    const all = await ostler(["machine", "list", "--label", "page=x", "--page-size", "2", "--all"]);
    expect(all.out).toMatch(/p1[\s\S]*p2[\s\S]*p3/);
  });

  it("says what is wrong, with the option that was meant, and ends with 1", async () => {
    const { status, err } = await ostler(["machine", "create", "--memory", "5M"]);
    expect(status).toBe(1);
    expect(err).toMatch(/spec\.memory_bytes: must be a multiple of 1048576.*\(option --memory\)/);
  });

  it("gives the error as JSON with --json", async () => {
    const { status, err } = await ostler(["machine", "get", "m-none", "--json"]);
    expect(status).toBe(1);
    expect(JSON.parse(err).error).toMatchObject({ code: "NOT_FOUND", reason: "MACHINE_NOT_FOUND" });
  });

  it("ends with 2 when it is used wrongly, and says what would be right", async () => {
    const unknown = await ostler(["machine", "craete"]);
    expect(unknown).toMatchObject({ status: 2 });
    expect(unknown.err).toContain("Did you mean create?");
    expect(await ostler(["machine", "step", "m-1", "soon"])).toMatchObject({ status: 2 });
    expect(await ostler(["machine", "get"])).toMatchObject({ status: 2 });
  });

  it("says how to reach a server when none answers", async () => {
    const { status, err } = await ostler([
      "machine",
      "list",
      "--server",
      "127.0.0.1:1",
      "--key",
      "x",
      "--retry-for",
      "0",
    ]);
    expect(status).toBe(1);
    expect(err).toMatch(/no Ostler server answers at 127\.0\.0\.1:1 [\s\S]*npm start/);
  });

  it("says that REST's port is not gRPC's", async () => {
    const { status, err } = await ostler(["machine", "list", "--server", server.http, "--key", server.adminKey]);
    expect(status).toBe(1);
    expect(err).toMatch(/does not speak gRPC[\s\S]*--server wants the gRPC address/);
  });

  it("waits for a server that is being started, and says so", async () => {
    const { err } = await ostler(["health", "--server", "127.0.0.1:1", "--key", "x", "--retry-for", "3s"]);
    expect(err).toMatch(/^ostler: waiting for the server at 127\.0\.0\.1:1\nostler: no Ostler server answers/);
  });

  it.each([
    [["machine", "list", "--key-file", "/nope"], 1, "/nope: there is no such file"],
    [["machine", "create", "--spec", "/nope"], 1, "/nope: there is no such file"],
    [["program", "upload", "/etc"], 1, "/etc: it is a directory"],
    [["machine", "start", "m-1", "/nope"], 1, "/nope: there is no such file"],
    [["machine", "step", "m-1", "-3"], 2, "<count> -3: Give a number"],
    [["memory", "read", "m-1", "-5"], 2, "<address> -5: Give an address"],
    [["machine", "task", "m-1", "x"], 2, "<task> x: Give a task number"],
    [["call", "m-1", "1", "99999999999"], 2, "number 99999999999: too large, it may be at most 4294967295"],
    [["call", "m-1", "1", "read", "buffer:99999999999"], 2, "buffer 99999999999: too large"],
    [["memory", "read", "m-1", "0x80000000", "99999999999"], 2, "length 99999999999: too large"],
    [
      ["machine", "create", "--quantum", "99999999999"],
      2,
      "too large, it may be at most 4294967295 (option --quantum)",
    ],
  ])("names what is wrong with %j", async (args, status, message) => {
    const done = await ostler(args);
    expect(done.err.split("\n")[0]).toContain(message);
    expect(done).toMatchObject({ status, out: "" });
  });

  it("tells that a console is full, and gives up at the deadline", async () => {
    const machineId = (await ostler(["machine", "create", "-q"])).out.trim();
    expect((await ostler(["console", "write", machineId], "x".repeat(65_536))).status).toBe(0);
    const { status, err } = await ostler(["console", "write", machineId, "--deadline", "3s"], "x");
    expect(status).toBe(1);
    expect(err).toMatch(
      /the console is full; waiting for the program to read\nostler: the console is still full; 0 of 1 bytes/,
    );
  });

  it("exports to standard output with -o -, and says why it cannot write a file", async () => {
    const machineId = (await ostler(["machine", "create", "-q"])).out.trim();
    const chrome = ["trace", "export", machineId, "--format", "chrome", "-o"];
    expect(JSON.parse((await ostler([...chrome, "-"])).out)).toBeTruthy();
    expect(existsSync(join(work, "-"))).toBe(false);
    expect(await ostler([...chrome, "/nope/file"])).toMatchObject({
      status: 1,
      err: "ostler: /nope/file: there is no such directory\n",
    });
  });

  it("seeks a view of a machine, and says where two moments differ by its status", async () => {
    const machineId = (await ostler(["machine", "create", "-q"])).out.trim();
    const view = (await ostler(["machine", "seek", machineId, "0", "-q"])).out.trim();
    expect(await ostler(["machine", "compare", `${machineId}@0`, machineId, "--trace"])).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^the states are equal .*\nall 0 events /),
    });
    const other = (await ostler(["machine", "create", "-q", "--seed", "5"])).out.trim();
    const unlike = await ostler(["machine", "compare", view, other]);
    expect(unlike).toMatchObject({ status: 1, out: expect.stringContaining("config.seed: 0x0 | 0x5") });
    expect(await ostler(["machine", "seek", machineId, "0", "--view", machineId])).toMatchObject({
      status: 1,
      err: expect.stringContaining(`must be a view of ${machineId}`),
    });
  });

  it("says how to give a key when the server wants one", async () => {
    const { status, err } = await ostler(["machine", "list", "--key", "wrong"]);
    expect(status).toBe(1);
    expect(err).toContain("OSTLER_KEY");
  });

  it.each([
    [["--help"]],
    [["run", "--help"]],
    [["machine", "--help"]],
    [["grade", "submit", "--help"]],
    [["serve", "--help"]],
  ])("has help with examples: %j", async (args) => {
    const { status, out } = await ostler(args);
    expect(status).toBe(0);
    expect(out).toContain("Examples:");
  });
});

describe.skipIf(!hasCompiler)("`ostler run` (needs riscv64-linux-gnu-gcc)", () => {
  it.each([["on the server"], ["--local"]])(
    "%s gives the program's output and status, and the same counts",
    async (where) => {
      const options = where === "--local" ? ["--local"] : [];
      const { status, out, err } = await ostler(["run", ...options, "--stats", "hello.elf", "there"]);
      expect(out).toBe("hello, there\n");
      expect(status).toBe(1);
      const counts = /(\d+) instructions/.exec(err)![1];
      counted.add(counts!);
      expect(counted.size).toBe(1);
    },
  );
  const counted = new Set<string>();

  it.each([["on the server"], ["--local"]])("%s types a pipe into the console, and its end", async (where) => {
    const options = where === "--local" ? ["--local"] : [];
    const { status, out } = await ostler(["run", ...options, "echo.elf"], "one\ntwo\n");
    expect(out).toBe("ready\ngot one\ngot two\nend\n");
    expect(status).toBe(0);
  });

  it.each([["on the server"], ["--local"]])(
    "%s waits for a program that reads more slowly than a pipe gives",
    async (where) => {
      const options = where === "--local" ? ["--local"] : [];
      const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`);
      const { status, out, err } = await ostler(
        ["run", ...options, "echo.elf"],
        lines.map((line) => `${line}\n`).join(""),
      );
      expect(err).toBe("");
      expect(status).toBe(0);
      expect(out.split("\n")).toEqual(["ready", ...lines.map((line) => `got ${line}`), "end", ""]);
    },
  );

  it("can use the same machine again, also after its console has ended", async () => {
    const machineId = (await ostler(["machine", "create", "-q"])).out.trim();
    const first = await ostler(["run", "--machine", machineId, "echo.elf"], "one\n");
    expect(first.out).toBe("ready\ngot one\nend\n");
    const second = await ostler(["run", "--machine", machineId, "echo.elf"], "");
    expect(second).toEqual({ status: 0, out: "ready\nend\n", err: "" });
  });

  it("gives a file as known input", async () => {
    writeFileSync(join(work, "in.txt"), "a\n");
    expect((await ostler(["run", "--stdin", "in.txt", "echo.elf"])).out).toBe("ready\ngot a\nend\n");
  });

  it.each([["on the server"], ["--local"]])("%s ends with 128 + signal, and says where it crashed", async (where) => {
    const options = where === "--local" ? ["--local"] : [];
    const { status, err } = await ostler(["run", ...options, "--trace", "crash.elf"]);
    expect(status).toBe(139);
    expect(err).toMatch(/ostler: killed by SIGSEGV: write to 0x0/);
    expect(err).toContain("fault.fatal");
  });

  it("ends a program at its limit of instructions, and at a limit of time", async () => {
    expect(await ostler(["run", "--instructions", "100k", "spin.elf"])).toMatchObject({ status: 152 });
    expect(await ostler(["run", "--timeout", "500ms", "spin.elf"])).toMatchObject({ status: 124 });
  });

  it("leaves no machine behind, unless asked to keep it", async () => {
    const before = JSON.parse((await ostler(["machine", "list", "--all", "--json"])).out).machines.length;
    await ostler(["run", "hello.elf"]);
    const kept = await ostler(["run", "--keep", "hello.elf"]);
    const machineId = /machine kept: (\S+)/.exec(kept.err)![1]!;
    const after = JSON.parse((await ostler(["machine", "list", "--all", "--json"])).out).machines.length;
    expect(after).toBe(before + 1);
    expect((await ostler(["console", "read", machineId])).out).toBe("hello, world\n");
  });

  it("gives NDJSON with --json", async () => {
    const { out } = await ostler(["run", "--json", "hello.elf"]);
    const events = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map(({ event }) => event)).toEqual(["started", "output", "exited"]);
    expect(events[2]).toMatchObject({ code: 0, description: "exited with 0" });
  });

  it("explains a file that cannot run", async () => {
    writeFileSync(join(work, "text.elf"), "not a program");
    const { status, err } = await ostler(["run", "text.elf"]);
    expect(status).toBe(1);
    expect(err).toMatch(/not an ELF executable[\s\S]*riscv64-linux-gnu-gcc -static/);
  });
});

describe.skipIf(!hasCompiler)("a machine that stays (needs riscv64-linux-gnu-gcc)", () => {
  it("is created, started, waited for, traced, copied and ended", async () => {
    const machineId = (await ostler(["machine", "create", "-q"])).out.trim();
    const task = (await ostler(["machine", "start", "-q", machineId, "echo.elf"])).out.trim();
    expect(await ostler(["machine", "wait", machineId, "--console", "ready"])).toMatchObject({ status: 0 });
    const snapshotId = (await ostler(["snapshot", "create", machineId, "-q"])).out.trim();
    const forkId = (await ostler(["snapshot", "fork", snapshotId, "-q"])).out.trim();
    await ostler(["machine", "run", forkId]);
    await ostler(["console", "write", machineId, "original"]);
    await ostler(["console", "write", forkId, "copy", "--end"]);
    await ostler(["console", "write", machineId, "--end"], "");
    expect((await ostler(["console", "follow", machineId, "--task", task])).out).toBe("ready\ngot original\nend\n");
    expect((await ostler(["console", "follow", forkId, "--task", task])).out).toBe("ready\ngot copy\nend\n");
    expect((await ostler(["machine", "tasks", machineId])).out).toContain("exited with 0");
    const queried = await ostler(["trace", "query", machineId, "--expression", 'fields.name == "read"']);
    expect(queried.out).toMatch(/read\(0, [\s\S]*"original\\n"/);
    await ostler(["trace", "export", machineId, "--format", "chrome", "-o", "trace.json"]);
    expect(JSON.parse(readFileSync(join(work, "trace.json"), "utf8"))).toBeTruthy();
    expect(await ostler(["machine", "delete", machineId, forkId])).toMatchObject({ status: 0 });
  });

  it("takes system calls from outside", async () => {
    const machineId = (await ostler(["machine", "create", "-q"])).out.trim();
    const task = (await ostler(["task", "create", machineId, "-q"])).out.trim();
    const written = await ostler(["call", machineId, task, "write", "1", "hello", "5"]);
    expect(written).toMatchObject({ status: 0, out: 'write(1, "hello", 5) = 5\n' });
    const failed = await ostler(["call", machineId, task, "close", "77"]);
    expect(failed.status).toBe(1);
    expect(failed.out).toContain("EBADF");
  });
});

describe.skipIf(!hasCompiler)("a run that is left alone", () => {
  const leftMachines = async () =>
    JSON.parse((await ostler(["machine", "list", "--json", "--all"])).out).machines ?? [];
  const start = () =>
    spawn(process.execPath, [cli, "run", "flood.elf"], {
      cwd: work,
      env: { ...environment, OSTLER_SERVER: server.grpc, OSTLER_DATA: server.dataDir },
      stdio: ["ignore", "pipe", "ignore"],
    });

  it.each(["its reader goes away", "it is asked to end"])("takes its machine with it when %s", async (how) => {
    writeFileSync(join(work, "flood.elf"), compileC('#include <stdio.h>\nint main(void) { for (;;) puts("flood"); }'));
    const before = (await leftMachines()).length;
    const child = start();
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    await new Promise<void>((resolve) => child.stdout!.once("data", () => resolve()));
    expect((await leftMachines()).length).toBe(before + 1);
    if (how === "it is asked to end") child.kill("SIGTERM");
    child.stdout!.destroy();
    await ended;
    expect((await leftMachines()).length).toBe(before);
  });
});
