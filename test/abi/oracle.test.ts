/**
 * The same executables here and under qemu-riscv64, which passes system calls on to a real Linux: standard output and
 * the way they end must be equal. The programs leave out what differs by design (docs/LIMITS.md) and what qemu's
 * user mode itself does otherwise than Linux (it takes advice without looking, knows no MAP_FIXED_NOREPLACE, and
 * refuses some calls with another number).
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { getuid } from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guest, hasCompiler, hostProgram } from "../guest/compile.ts";
import { fileOf, runProgram } from "../support/machine.ts";

const QEMU = "/usr/bin/qemu-riscv64";

interface Row {
  program: string;
  /** What qemu's user mode does otherwise than Linux is compared with the same source, compiled for this host's Linux. */
  natively?: true;
  /** Says by its status whether the host forbids it, when it is asked so. */
  mayBeForbidden?: true;
  arguments?: string[];
  stdin?: string;
}

/** Arguments that stand for the path of a regular file, the same for both, and of an empty directory of each. */
const file = "<file>";
/** That of the program. */
const itself = "<itself>";
const directory = "<directory>";
const text = Array.from({ length: 500 }, (_, i) => `line ${String(i).padStart(4, "0")} of the file\n`).join("");

const seeds = process.env["OSTLER_SEED"] === undefined ? ["1", "2", "3", "4"] : [process.env["OSTLER_SEED"]];
const ends = ["exit", "abort", "segv", "illegal", "breakpoint", "term", "user", "kill", "blocked"];

const rows: Row[] = [
  { program: "print" },
  { program: "scan", stdin: "5 10 -20 30\n40 9223372036854775807\nthe rest\nof it" },
  { program: "library", arguments: ["-v", "--size=3", "rest", "-x", "-s", "4", "-q"], stdin: "one\ntwo" },
  { program: "allocator" },
  { program: "mappings", arguments: [file] },
  { program: "descriptors", arguments: [file] },
  { program: "processes", arguments: [file], natively: true },
  { program: "handlers", natively: true },
  { program: "identity", natively: true },
  { program: "capabilities", natively: true },
  { program: "look", arguments: [itself, directory], natively: true },
  { program: "robust", natively: true },
  { program: "self", natively: true },
  { program: "pidfd", natively: true, mayBeForbidden: true },
  { program: "shares", arguments: [itself], natively: true, mayBeForbidden: true },
  { program: "ptrace", arguments: [itself], natively: true, mayBeForbidden: true },
  { program: "limits", arguments: [directory], natively: true },
  { program: "resident", natively: true },
  { program: "executes", arguments: [file, itself], natively: true },
  { program: "refused" },
  { program: "content", arguments: [directory] },
  { program: "events" },
  { program: "inotify", arguments: [directory], natively: true },
  { program: "locks", arguments: [directory] },
  { program: "names", arguments: [directory] },
  { program: "lost", arguments: [directory], natively: true },
  { program: "lending", arguments: [directory], natively: true },
  { program: "pipes" },
  { program: "pipes", arguments: ["broken"] },
  { program: "ptys", natively: true },
  { program: "sockets", arguments: [directory], natively: true },
  { program: "time" },
  { program: "synchronise" },
  { program: "transfer", arguments: [directory] },
  { program: "math" },
  { program: "integers" },
  ...seeds.map((seed) => ({ program: "floats", arguments: [seed] })),
  ...ends.map((end) => ({ program: "signals", arguments: [end] })),
];

interface Ran {
  stdout: string[];
  code: number | null;
  signal: number | null;
}

const lines = (bytes: Uint8Array): string[] => Buffer.from(bytes).toString("latin1").split("\n");

/** As an ordinary user, which programs are here: the superuser may do more. */
const user = getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {};

function theirs(command: string, args: string[], input: string): Ran {
  const options = { ...user, input, env: { ORACLE: "yes" }, cwd: "/", maxBuffer: 2 ** 26 };
  const { stdout, status, signal } = spawnSync(command, args, options);
  return { stdout: lines(stdout), code: status, signal: signal === null ? null : constants.signals[signal] };
}

function here(path: string, program: Uint8Array, args: string[], stdin: string, given: string): Ran {
  const { outputs, exit } = runProgram(program, {
    arguments: [path, ...args],
    environment: ["ORACLE=yes"],
    stdin,
    instructions: 2e9,
    config: { memoryBytes: 64 * 2 ** 20, files: [fileOf(given, new TextEncoder().encode(text), 0o644)] },
  });
  const stdout = lines(Buffer.concat(outputs.flatMap((output) => (output.kind === "console" ? [output.bytes] : []))));
  const { status } = exit!;
  return status.kind === "exited"
    ? { stdout, code: status.code, signal: null }
    : { stdout, code: null, signal: status.signal };
}

describe.skipIf(!hasCompiler || !existsSync(QEMU))(
  "programs do here what they do under qemu-riscv64 (needs it, and riscv64-linux-gnu-gcc)",
  () => {
    let folder: string;
    let room: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "oracle-"));
      chmodSync(folder, 0o755);
      // A file system in memory, as it is here.
      room = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "oracle-"));
      if (user.uid !== undefined) chownSync(room, user.uid, user.gid);
    });
    afterAll(() => {
      for (const made of [folder, room]) rmSync(made, { recursive: true });
    });

    const titled = rows.map((row) => [[row.program, ...(row.arguments ?? [])].join(" "), row] as const);
    it.for(titled)("%s", ([_title, row], { skip }) => {
      const { program, arguments: wanted = [], stdin = "", natively = false, mayBeForbidden = false } = row;
      const made = natively ? hostProgram(`oracle/${program}`) : null;
      if (natively && made === null) skip("needs gcc for this host, which has to be Linux");
      // Where an ordinary user may come, too.
      const native = made === null ? null : join(folder, `host-${program}`);
      if (native !== null) writeFileSync(native, readFileSync(made!), { mode: 0o755 });
      if (native !== null && mayBeForbidden && theirs(native, ["forbidden"], "").code !== 0)
        skip("this host does not let its processes do that");
      const binary = guest(`oracle/${program}`);
      const path = join(folder, program);
      const given = join(folder, "file.txt");
      writeFileSync(path, binary, { mode: 0o755 });
      writeFileSync(given, text, { mode: 0o644 });
      const args = (place: string, program: string): string[] => {
        const meant = new Map([
          [file, given],
          [directory, place],
          [itself, program],
        ]);
        return wanted.map((argument) => meant.get(argument) ?? argument);
      };
      const expected =
        native === null ? theirs(QEMU, [path, ...args(room, path)], stdin) : theirs(native, args(room, native), stdin);
      expect(expected.stdout.length, "it ran").toBeGreaterThan(1);
      expect(here(path, binary, args("/tmp", "/bin/program"), stdin, given)).toEqual(expected);
    });
  },
);
