/**
 * Large programs as Debian compiles them for riscv64, dynamically linked: under our kernel, under qemu-riscv64, and on
 * Debian's own kernel under qemu-system-riscv64, which is booted once and told what to run. Times are of the whole
 * program, its start included; instructions are those that our machine executed.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DEFAULT_QUANTUM } from "../../api/services/spec.ts";
import { createRv64Core, Translations } from "../../kernel/index.ts";
import { rv64Modules } from "../hardware/cpu/machine.ts";
import { characterDevice, directory, file, link, packCpio } from "../real/cpio.ts";
import { packageFolder, realImages } from "../real/packages.ts";
import { fileOf, forever, mustApply, startInput, testMachine } from "../support/machine.ts";
import { isInstalled, milliseconds, SYSTEM, USER } from "./emulators.ts";
import { type Cost, costRow, type Measured, median, progress, rounds } from "./table.ts";

const LIBRARIES = "usr/lib/riscv64-linux-gnu";
const library = (name: string, of: string) => [`lib/${name}`, of, `${LIBRARIES}/${name}`] as const;
/** Where it is for the program, of which package, and where it is in the package. */
const FILES: readonly (readonly [path: string, of: string, at: string])[] = [
  ["usr/bin/dash", "dash", "usr/bin/dash"],
  ["usr/bin/lua5.4", "lua5.4", "usr/bin/lua5.4"],
  ["usr/bin/xz", "xz-utils", "usr/bin/xz"],
  ["usr/bin/sqlite3", "sqlite3", "usr/bin/sqlite3"],
  ...["ld-linux-riscv64-lp64d.so.1", "libc.so.6", "libm.so.6"].map((name) => library(name, "libc6")),
  library("libreadline.so.8", "libreadline8t64"),
  library("libtinfo.so.6", "libtinfo6"),
  library("libz.so.1", "zlib1g"),
  library("liblzma.so.5", "liblzma5"),
  library("libsqlite3.so.0", "libsqlite3-0"),
];

const LUA = `local t, x = {}, 42
for i = 1, 150000 do x = (x * 1103515245 + 12345) % 2147483648; t[i] = ("%08x"):format(x) end
table.sort(t)
local n = 0
for _, s in ipairs(t) do if s:find("ab[0-9]+") then n = n + #s:gsub("a", "bb") end end
print(n)`;
const SQL = `CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO t SELECT i, printf('%06d', (i * 7919) % 60000), i * 0.5 FROM n;
CREATE INDEX b ON t (b);
SELECT count(*), sum(x.c) FROM t x JOIN t y ON x.b = printf('%06d', y.a) WHERE y.a % 3 = 0;`;
const PROGRAMS: readonly (readonly [name: string, argv: readonly string[]])[] = [
  ["lua: sort, strings", ["/usr/bin/lua5.4", "-e", LUA]],
  ["xz: compress", ["/usr/bin/xz", "-c", "-k", "-6", "/data/text"]],
  ["sqlite3: insert, join", ["/usr/bin/sqlite3", ":memory:", SQL]],
];

/** Words in no order, as a text to be compressed. */
function text(): Uint8Array {
  const words: string[] = [];
  for (let i = 0, x = 1; i < 60_000; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    words.push(((x >>> 16) % 3000).toString(36) + (i % 11 === 0 ? "\n" : ""));
  }
  return new TextEncoder().encode(words.join(" "));
}

function contents(): Map<string, Uint8Array> {
  const files = FILES.map(
    ([path, of, at]) => [path, new Uint8Array(readFileSync(join(packageFolder(of), at)))] as const,
  );
  return new Map([...files, ["data/text", text()]]);
}

const firstLine = (error: unknown): string => String(error).split("\n")[0]!;

function contentsOrReason(): Map<string, Uint8Array> | string {
  try {
    return contents();
  } catch (error) {
    return firstLine(error);
  }
}

function machineWith(files: ReadonlyMap<string, Uint8Array>, translations: Translations | undefined) {
  return testMachine(
    {
      memoryBytes: 256 * 2 ** 20,
      quantumInstructions: DEFAULT_QUANTUM,
      files: [...files].map(([path, bytes]) => fileOf(`/${path}`, bytes)),
    },
    { createCore: (options) => createRv64Core({ ...rv64Modules, translations }, options) },
  );
}

/** A program writes what it compressed to no terminal. */
const toNowhere = (argv: readonly string[]): string[] => [
  "/usr/bin/dash",
  "-c",
  'exec "$@" > /dev/null',
  "sh",
  ...argv,
];

/** Runs it to its end; the instructions. */
function here(files: ReadonlyMap<string, Uint8Array>, argv: readonly string[], use: Translations | undefined): number {
  const machine = machineWith(files, use);
  mustApply(machine, startInput("/usr/bin/dash", { arguments: toNowhere(argv) }));
  while (machine.run(forever).kind === "limit") machine.drainOutputs();
  const { status } = machine.tasks()[0]!;
  if (status?.kind !== "exited" || status.code !== 0) throw new Error(`${argv[0]}: ${JSON.stringify(status)}`);
  return machine.position().instructions;
}

function underUser(root: string, argv: readonly string[]): void {
  const { status, stderr } = spawnSync(USER, ["-L", root, join(root, argv[0]!), ...argv.slice(1)], {
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(`${argv[0]} under ${USER}: ${stderr}`);
}

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox stty -echo
echo ready
while read -r name; do /bin/busybox sh "/run/$name" > /dev/null; echo "ended $?"; done
`;

/** Linux under qemu-system, at a console that takes the numbers of programs. */
class Linux {
  readonly #child: ChildProcess;
  #text = "";
  #changed: () => void = () => {};

  constructor(folder: string, files: ReadonlyMap<string, Uint8Array>) {
    const { linux, busybox } = realImages();
    const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
    const scripts = PROGRAMS.map(([, argv], index) => file(`run/${index}`, argv.map(quoted).join(" ")));
    const folders = ["bin", "data", "dev", "lib", "run", "usr", "usr/bin"].map(directory);
    const entries = [file("bin/busybox", busybox), link("bin/sh", "busybox"), characterDevice("dev/console", 5, 1)];
    const programs = [...files].map(([path, bytes]) => file(path, bytes));
    const [kernel, initrd] = [join(folder, "linux"), join(folder, "initrd")];
    writeFileSync(kernel, linux);
    writeFileSync(initrd, packCpio([...folders, ...entries, ...programs, ...scripts, file("init", INIT)]));
    const board = ["-M", "virt", "-m", "512M", "-display", "none", "-monitor", "none", "-serial", "stdio"];
    this.#child = spawn(SYSTEM, [...board, "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet"]);
    this.#child.stdout!.on("data", (chunk: Buffer) => {
      this.#text += chunk;
      this.#changed();
    });
    this.#child.on("close", () => this.#changed());
  }

  /** Waits until this has been printed; what came behind it up to the end of the line. */
  async expect(wanted: string): Promise<string> {
    for (;;) {
      const line = new RegExp(`${wanted}([^\\r\\n]*)[\\r\\n]`).exec(this.#text);
      if (line !== null) {
        this.#text = this.#text.slice(line.index + line[0].length);
        return line[1]!;
      }
      if (this.#child.exitCode !== null) throw new Error(`${SYSTEM} ended: ${this.#text.slice(-500)}`);
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
  }

  /** Milliseconds. */
  async run(index: number): Promise<number> {
    const start = performance.now();
    this.#child.stdin!.write(`${index}\n`);
    const status = await this.expect("ended");
    if (status !== " 0") throw new Error(`${PROGRAMS[index]![0]} under ${SYSTEM} ended with${status}`);
    return performance.now() - start;
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

async function linuxOrNothing(folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<Linux | null> {
  if (!isInstalled(SYSTEM)) return null;
  try {
    const linux = new Linux(folder, files);
    await linux.expect("ready");
    return linux;
  } catch (error) {
    console.log(`large programs under ${SYSTEM}: left out, ${firstLine(error)}`);
    return null;
  }
}

export async function largePrograms(most: number): Promise<Measured[]> {
  const files = contentsOrReason();
  if (typeof files === "string") {
    console.log(`large programs: left out, Debian's packages cannot be had (${files})`);
    return [];
  }
  const root = mkdtempSync(join(tmpdir(), "large-bench-"));
  let linux: Linux | null = null;
  try {
    for (const [path, bytes] of files) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), bytes, { mode: 0o755 });
    }
    linux = await linuxOrNothing(root, files);
    const measured: Measured[] = [];
    for (const [index, [name, argv]] of PROGRAMS.entries()) {
      const times: Measured["times"] = {};
      const result = { name, instructions: 0, moduleBytes: 0, times };
      for (const _ of rounds(name, most)) {
        const note = (who: string, ms: number): void => void (times[who] ??= []).push(ms);
        const translations = new Translations();
        const run = (who: string, use: Translations | undefined): void =>
          note(
            who,
            milliseconds(() => (result.instructions = here(files, argv, use))),
          );
        run("interpreted", undefined);
        run("first", translations);
        run("translated", translations);
        result.moduleBytes = translations.bytes;
        if (isInstalled(USER))
          note(
            "qemu-user",
            milliseconds(() => underUser(root, argv)),
          );
        if (linux !== null) note("qemu-system", await linux.run(index));
      }
      measured.push(progress(result));
    }
    return measured;
  } finally {
    linux?.end();
    rmSync(root, { recursive: true });
  }
}

/** From nothing to the first million instructions of the largest one: machine, loading, linking, nothing translated yet. */
export function coldStart(): Cost[] {
  const files = contentsOrReason();
  if (typeof files === "string") return [];
  const argv = PROGRAMS.at(-1)![1];
  const times = Array.from({ length: 7 }, () =>
    milliseconds(() => {
      const machine = machineWith(files, new Translations());
      mustApply(machine, startInput(argv[0]!, { arguments: [...argv] }));
      machine.run({ instructions: 1e6, timeNs: Number.MAX_SAFE_INTEGER });
    }),
  );
  return [costRow("cold start: sqlite3 to its first million instructions", { ours: median(times) * 1e6 })];
}
