/**
 * The README's commands, run as a new user would copy them: in order, in one shell, against a real server that is
 * killed and started again where the README says so. Only places are replaced: ports, the data directory, /tmp.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasCompiler } from "../support/guest.ts";
import { freePort } from "../support/ports.ts";
import { ServerProcess } from "../support/process.ts";

const root = join(import.meta.dirname, "../..");
const BLOCK_MS = 600_000;
const blocks = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) =>
  text!.trim(),
);

/** Somebody's own key is no part of it. */
const { OSTLER_KEY: _, ...environment } = process.env;

let work: string;
let data: string;
let ports: { http: number; grpc: number };
let server: ServerProcess | undefined;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "ostler-readme-"));
  data = join(work, "data");
  symlinkSync(join(root, "docs"), join(work, "docs"));
  ports = { http: await freePort(), grpc: await freePort() };
});

afterAll(async () => {
  await server?.kill();
  rmSync(work, { recursive: true, force: true });
});

const here = (text: string): string =>
  text.replaceAll("/tmp/", `${work}/`).replaceAll("127.0.0.1:8080", `127.0.0.1:${ports.http}`);

/** Runs a block in a shell that remembers the variables of those before. */
function shell(block: string): string {
  const prelude = `npx() { shift; ${process.execPath} ${root}/api/cli/ostler.mjs "$@"; }; [ -f .state ] && . ./.state; set -eo pipefail`;
  const epilogue = "declare -p M S F T A G KEY 2>/dev/null > .state || true";
  const done = spawnSync("bash", ["-c", `${prelude}\n${here(block)}\n${epilogue}`], {
    cwd: work,
    encoding: "utf8",
    timeout: BLOCK_MS,
    input: "",
    env: { ...environment, OSTLER_SERVER: `127.0.0.1:${ports.grpc}`, OSTLER_DATA: data, NO_COLOR: "1" },
  });
  if (done.status !== 0)
    throw new Error(`status ${done.status} (${done.signal}) of\n${block}\n${done.stdout}\n${done.stderr}`);
  return done.stdout + done.stderr;
}

async function startServer(): Promise<string> {
  server = await ServerProcess.start(data, {
    OSTLER_HTTP_PORT: String(ports.http),
    OSTLER_GRPC_PORT: String(ports.grpc),
  });
  return "";
}

const run = async (block: string): Promise<string> =>
  block === "npm start" ? startServer() : block === "npm test" ? "" : shell(block);

/** What matters in the output of the block that has this in it. */
const expectations: [string, (output: string) => void][] = [
  [
    "ostler run --trace",
    (output) => {
      expect(output).toMatch(/^round 2: [0-9a-f]{16}$/m);
      expect(output).toContain('write(1, "round 1: ');
      expect(output).toMatch(/\d+ instructions/);
    },
  ],
  ["console follow", (output) => expect(output).toMatch(/round 1: [\s\S]*round 2: [\s\S]*write\(1, "round /)],
  ["snapshot fork", (output) => expect(output).toMatch(/demo +running[\s\S]*copy +running/)],
  [
    'grep "round 40:"',
    (output) => {
      expect(output).toMatch(/demo +running/);
      expect(output).toContain("early on");
      const lines = output.match(/^round 40: [0-9a-f]{16}$/gm);
      expect(lines).toHaveLength(2);
      expect(lines![0]).toBe(lines![1]);
    },
  ],
  [
    "trace query",
    (output) => {
      expect(output).toMatch(/\[task 1\].*brk\(NULL\)/);
      expect(output).toContain(".pftrace");
    },
  ],
  [
    "hello from outside",
    (output) => {
      expect(output).toContain('write(1, "hello from outside", 18) = 18');
      expect(output).toMatch(/4c 69 6e 75 78/);
      expect(output).toContain("SUPPORT");
    },
  ],
  [
    "--capabilities",
    (output) => {
      expect(output).toMatch(/\[101\] +endpoint +endpoint@0x[0-9a-f]+ +rwgp badge 0x7/);
      expect(output).toMatch(/^0x3000000000 +0x3000002000 +2 +4 KiB/m);
    },
  ],
  [
    "create-assignment",
    (output) => {
      expect(output).toContain("10 of 10 points");
      expect(output).toContain("4 of 10 points");
      expect(output).toContain("calls read at most 4 times");
      expect(output).toMatch(/"score": *10/);
    },
  ],
  [
    "curl",
    (output) => {
      expect(output).toMatch(/"displayName": ?"by curl"/);
      expect(output).toMatch(/"consoleLength": ?"\d+"/);
    },
  ],
];

describe("the README", () => {
  it("has a block for each thing that is checked here", () => {
    for (const [text] of expectations)
      expect(
        blocks.filter((block) => block.includes(text)),
        text,
      ).toHaveLength(1);
  });

  it.skipIf(!hasCompiler)(
    "can be followed line by line (needs riscv64-linux-gnu-gcc)",
    async () => {
      for (const block of blocks) {
        const output = await run(block);
        for (const [text, check] of expectations) if (block.includes(text)) check(output);
      }
    },
    blocks.length * BLOCK_MS,
  );

  it("may call the command line as `npx ostler` in a checkout", () => {
    const done = spawnSync("npx", ["ostler", "--version"], { cwd: root, encoding: "utf8", input: "" });
    expect(done.stdout.trim()).toBe(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version);
  });
});
