/**
 * The same executables here and under qemu-riscv64, which passes system calls on to a real Linux: standard output and
 * the way they end must be equal. The programs leave out what differs by design (docs/LIMITS.md) and what qemu's
 * user mode itself does otherwise than Linux (it takes advice without looking, knows no MAP_FIXED_NOREPLACE, and
 * refuses some calls with another number).
 *
 * Every call of the table is made by one of them at least, with success, or is named in `withoutOracle` with the reason.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { getuid } from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemCallCatalogue } from "../../kernel/catalogue.ts";
import { maskOf } from "../../kernel/trace/index.ts";
import { guest, hasCompiler, hostProgram } from "../guest/compile.ts";
import { CallsMade } from "../support/calls-made.ts";
import { exitOf, fileOf, type ProgramRun, runOn, runProgram, testMachine } from "../support/machine.ts";

const QEMU = "/usr/bin/qemu-riscv64";

interface Row {
  program: string;
  /** What qemu's user mode does otherwise than Linux is compared with the same source, compiled for this host's Linux. */
  natively?: true;
  /** Says by its status whether the host forbids it, when it is asked so. */
  mayBeForbidden?: true;
  /** Runs as root, and is compared where the tests do. */
  superuser?: boolean;
  arguments?: string[];
  stdin?: string | undefined;
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
  { program: "users", natively: true, mayBeForbidden: true },
  { program: "shares", arguments: [itself], natively: true, mayBeForbidden: true },
  { program: "ptrace", arguments: [itself], natively: true, mayBeForbidden: true },
  { program: "limits", arguments: [directory], natively: true },
  { program: "resident", natively: true },
  { program: "executes", arguments: [file, itself], natively: true },
  { program: "busy", arguments: [directory], natively: true },
  { program: "large", arguments: [directory], natively: true },
  { program: "refused" },
  { program: "content", arguments: [directory] },
  { program: "events" },
  { program: "edges", natively: true },
  { program: "inotify", arguments: [directory], natively: true },
  { program: "locks", arguments: [directory] },
  { program: "names", arguments: [directory] },
  { program: "openhow", arguments: [directory], natively: true, mayBeForbidden: true },
  { program: "lost", arguments: [directory], natively: true },
  { program: "lending", arguments: [directory], natively: true },
  { program: "pipes" },
  { program: "pipes", arguments: ["broken"] },
  { program: "ptys", natively: true },
  { program: "sockets", arguments: [directory], natively: true },
  { program: "time" },
  { program: "synchronise" },
  { program: "transfer", arguments: [directory] },
  { program: "attributes", arguments: [directory], natively: true, mayBeForbidden: true },
  { program: "durable", arguments: [directory], natively: true },
  { program: "waiting", natively: true },
  { program: "placed", natively: true },
  { program: "scheduling", natively: true },
  { program: "compare", natively: true, mayBeForbidden: true },
  { program: "memfd", natively: true, mayBeForbidden: true },
  { program: "scheduling", arguments: ["root"], natively: true, mayBeForbidden: true, superuser: true },
  { program: "sysv", natively: true },
  { program: "superuser", arguments: [directory], natively: true, mayBeForbidden: true, superuser: true },
  { program: "math" },
  { program: "integers" },
  ...seeds.map((seed) => ({ program: "floats", arguments: [seed] })),
  ...ends.map((end) => ({ program: "signals", arguments: [end] })),
];

/** What no oracle can tell of. */
const withoutOracle: Readonly<Record<string, string>> = {
  umount2: "recorded: mounts.test.ts",
  pivot_root: "recorded: mounts.test.ts",
  restart_syscall: "made by a program it only ever fails; waiting.c does it",
  rt_sigsuspend: "always ends in EINTR; waiting.c does it",
  riscv_flush_icache: "RISC-V's own, and not in qemu's user mode; test/guest/storm.c makes it",
  riscv_hwprobe:
    "RISC-V's own, and not in qemu's user mode of 7.2; asked for what the processor can do in test/abi/programs.test.ts",
  rseq: "always fails here",
};

interface Ran {
  stdout: string[];
  code: number | null;
  signal: number | null;
}

const lines = (bytes: Uint8Array): string[] => Buffer.from(bytes).toString("latin1").split("\n");

/** As an ordinary user, which programs are here: the superuser may do more. */
const isRoot = getuid?.() === 0;
const ordinary = isRoot ? { uid: 1000, gid: 1000 } : {};

function theirs(
  command: string,
  args: string[],
  { stdin = "", superuser = false }: Pick<Row, "stdin" | "superuser">,
): Ran {
  const options = {
    ...(superuser ? {} : ordinary),
    input: stdin,
    env: { ORACLE: "yes" },
    cwd: "/",
    maxBuffer: 2 ** 26,
  };
  const { stdout, status, signal } = spawnSync(command, args, options);
  return { stdout: lines(stdout), code: status, signal: signal === null ? null : constants.signals[signal] };
}

/** How a program is run elsewhere: by which command, behind which arguments, and where it finds itself. */
interface Reference {
  command: string;
  before: string[];
  path: string;
}

/** The first program of a machine is root's. */
function first(program: Uint8Array, args: string[]): Pick<ProgramRun, "machine" | "outputs" | "exit"> {
  const init = { paths: ["/bin/program"], arguments: args };
  const machine = testMachine({ memoryBytes: 64 * 2 ** 20, files: [fileOf("/bin/program", program)], init });
  machine.setTraceMask(maskOf(["syscall"]));
  runOn(machine, 2e9);
  const outputs = machine.drainOutputs();
  return { machine, outputs, exit: exitOf(outputs) };
}

const ordinarily = (path: string, program: Uint8Array, args: string[], stdin: string, given: string): ProgramRun =>
  runProgram(program, {
    trace: maskOf(["syscall"]),
    arguments: [path, ...args],
    environment: ["ORACLE=yes"],
    stdin,
    instructions: 2e9,
    config: { memoryBytes: 64 * 2 ** 20, files: [fileOf(given, new TextEncoder().encode(text), 0o644)] },
  });

function ranHere({ outputs, exit }: Pick<ProgramRun, "outputs" | "exit">): Ran {
  const stdout = lines(Buffer.concat(outputs.flatMap((output) => (output.kind === "console" ? [output.bytes] : []))));
  const { status } = exit!;
  return status.kind === "exited"
    ? { stdout, code: status.code, signal: null }
    : { stdout, code: null, signal: status.signal };
}

/** Without what the console makes of ends of lines. */
const plain = (ran: Ran): Ran => ({ ...ran, stdout: ran.stdout.map((line) => line.replace(/\r$/, "")) });

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
      if (ordinary.uid !== undefined) chownSync(room, ordinary.uid, ordinary.gid);
    });
    afterAll(() => {
      for (const made of [folder, room]) rmSync(made, { recursive: true });
    });

    /** What a row is compared with; skips it where this host has none. */
    function referenceOf(row: Row, path: string, skip: (note?: string) => void): Reference {
      if (!row.natively) return { command: QEMU, before: [path], path };
      const made = hostProgram(`oracle/${row.program}`);
      if (made === null) skip("needs gcc for this host, which has to be Linux");
      if (row.superuser && !isRoot) skip("needs root");
      // Where an ordinary user may come, too.
      const native = join(folder, `host-${row.program}`);
      writeFileSync(native, readFileSync(made!), { mode: 0o755 });
      const { superuser = false } = row;
      if (row.mayBeForbidden && theirs(native, ["forbidden"], { superuser }).code !== 0)
        skip("this host does not let its processes do that");
      return { command: native, before: [], path: native };
    }

    const calls = new CallsMade();
    const titled = rows.map((row) => [[row.program, ...(row.arguments ?? [])].join(" "), row] as const);

    it.for(titled)("%s", ([_title, row], { skip }) => {
      const { program, arguments: wanted = [], stdin = "", superuser = false } = row;
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
      const own = args("/tmp", "/bin/program");
      const run = superuser ? first(binary, own) : ordinarily(path, binary, own, stdin, given);
      calls.add(run.machine.drainTrace());
      const reference = referenceOf(row, path, skip);
      const expected = theirs(reference.command, [...reference.before, ...args(room, reference.path)], row);
      expect(expected.stdout.length, "it ran").toBeGreaterThan(1);
      expect(superuser ? plain(ranHere(run)) : ranHere(run)).toEqual(expected);
    });

    it("make every call of the table", () => {
      const names = systemCallCatalogue().map(({ name }) => name);
      const missing = names.filter((name) => !calls.succeeded(name) && !(name in withoutOracle));
      expect(missing, "an oracle program for each, or a reason in withoutOracle").toEqual([]);
      const unneeded = Object.keys(withoutOracle).filter((name) => !names.includes(name) || calls.succeeded(name));
      expect(unneeded, "no reason is needed for these").toEqual([]);
    });
  },
);
