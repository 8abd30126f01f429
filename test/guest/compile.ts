/** Compiles guest programs for tests: static riscv64 Linux executables, kept in .cache/guest by the content of their source. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const compiler = "riscv64-linux-gnu-gcc";
const include = fileURLToPath(new URL("../../kernel/user/include", import.meta.url));
const cache = fileURLToPath(new URL("../../.cache/guest/", import.meta.url));

export const hasCompiler: boolean = spawnSync(compiler, ["--version"]).status === 0;

/** A source and the headers beside it: what an executable is known by. */
function withHeaders(source: string): string {
  const folder = dirname(source);
  const headers = readdirSync(folder).filter((name) => name.endsWith(".h"));
  return [source, ...headers.map((name) => join(folder, name))].map((path) => readFileSync(path, "utf8")).join("\0");
}

/** Programs for seL4's interface: the tests' and the samples. */
const usesSel4 = (name: string): boolean => name.startsWith("sel4/") || name.startsWith("../../kernel/user/");

/** Programs without a kernel, for the start of RAM: one piece that begins with its first instruction. */
const isBare = (name: string): boolean => name.startsWith("bare/");
const bareFlags = [
  ...["-static", "-O2", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-nostdlib", "-ffreestanding", "-fno-pic"],
  ...["-Wall", "-Wextra", "-Werror", "-Wl,-N,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments"],
];

/** What they are made of besides: a change in any of it makes all anew. */
function sel4Headers(): Uint8Array {
  const hash = createHash("sha256");
  for (const file of globSync("**/*.h", { cwd: include }).sort())
    hash.update(file).update(readFileSync(join(include, file)));
  return hash.digest();
}

/** The path of the same program made for this host, or null where that is no Linux or has no compiler. */
export function hostProgram(name: string): string | null {
  if (process.platform !== "linux") return null;
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  const key = createHash("sha256").update(withHeaders(source)).digest("hex").slice(0, 20);
  const file = `${cache}host-${name.replace(/\W/g, "-")}-${key}`;
  if (existsSync(file)) return file;
  mkdirSync(cache, { recursive: true });
  const temporary = `${file}.${process.pid}`;
  const made = spawnSync("gcc", ["-static", "-O2", "-pthread", "-w", "-o", temporary, source, "-lm"]);
  if (made.status !== 0) return null;
  renameSync(temporary, file);
  return file;
}

/** The executable of test/guest/<name>.c, or of assembler with ".S"; in sel4/ with the headers for seL4's calls, in bare/ for no kernel at all. */
export function guest(name: string, ...options: string[]): Uint8Array {
  const source = fileURLToPath(new URL(/\.[cS]$/.test(name) ? name : `${name}.c`, import.meta.url));
  const hosted = [...(options.includes("-pie") ? [] : ["-static"]), "-O2", "-pthread"];
  const flags = [...(isBare(name) ? bareFlags : hosted), ...options];
  const hash = createHash("sha256").update(withHeaders(source)).update(flags.join(" "));
  if (usesSel4(name)) {
    hash.update(sel4Headers());
    flags.push("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", include);
  }
  const key = hash.digest("hex").slice(0, 20);
  const file = `${cache}${name.replace(/\W/g, "-")}-${key}`;
  if (!existsSync(file)) {
    mkdirSync(cache, { recursive: true });
    const temporary = `${file}.${process.pid}`;
    execFileSync(compiler, [...flags, "-o", temporary, source, ...(isBare(name) ? [] : ["-lm"])], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    renameSync(temporary, file);
  }
  return new Uint8Array(readFileSync(file));
}

/** A bare program of test/guest/privileged: an executable at the beginning of RAM, with nothing below it. */
export function bareGuest(name: string, ...options: string[]): string {
  const folder = fileURLToPath(new URL("privileged/", import.meta.url));
  const source = join(folder, `${name}.c`);
  const script = join(folder, "link.ld");
  const start = join(folder, "start.S");
  const hash = createHash("sha256").update(withHeaders(source)).update(options.join(" "));
  for (const file of [script, start]) hash.update(readFileSync(file));
  const path = `${cache}bare-${name}-${hash.digest("hex").slice(0, 20)}`;
  if (existsSync(path)) return path;
  mkdirSync(cache, { recursive: true });
  const machine = ["-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany"];
  const alone = [
    "-nostdlib",
    "-nostartfiles",
    "-ffreestanding",
    "-static",
    "-no-pie",
    "-fno-pic",
    "-Wl,--build-id=none",
  ];
  const temporary = `${path}.${process.pid}`;
  const warnings = ["-Wall", "-Wextra", "-Werror"];
  execFileSync(compiler, [
    "-O2",
    ...machine,
    ...alone,
    ...warnings,
    ...options,
    "-T",
    script,
    "-o",
    temporary,
    start,
    source,
  ]);
  renameSync(temporary, path);
  return path;
}
