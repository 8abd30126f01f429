/** The cross-compiler that is installed: which, which version, where its headers lie. */
import { existsSync, realpathSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { runChild } from "./process.ts";

export const DEFAULT_COMPILER = "riscv64-linux-gnu-gcc";

export interface Toolchain {
  /** Absolute path of the driver. */
  gcc: string;
  /** First line of --version. */
  version: string;
  /** Where system headers may come from, without symbolic links; in search order. */
  includeDirs: string[];
  /** What a contained compiler must see of the host, as absolute paths; symbolic links among them are kept as such. */
  hostDirs: string[];
}

const HOST_DIRS = ["/usr/bin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/bin", "/lib", "/lib64"];
/** The host's own headers are on the cross-compiler's search list, but a program for the machine needs none of them. */
const FOREIGN_INCLUDE_DIRS = new Set(["/usr/include", "/usr/local/include"]);

/** null: it is not installed. */
export async function findToolchain(name: string): Promise<Toolchain | null> {
  const gcc = pathOf(name);
  if (gcc === null) return null;
  const env = { PATH: `${dirname(gcc)}:/usr/bin:/bin`, LC_ALL: "C" };
  const ask = async (...args: string[]): Promise<string> => {
    const setup = { command: [gcc, ...args], cwd: "/", env, wallMs: 20_000, keptBytes: 64 * 1024 };
    const end = await runChild(setup, AbortSignal.timeout(30_000));
    if (end.code !== 0) throw new Error(`${gcc} ${args.join(" ")} failed: ${end.text}`);
    return end.text;
  };
  const version = (await ask("--version")).split("\n")[0]!;
  const triple = (await ask("-dumpmachine")).trim();
  const found = includeDirsIn(await ask("-E", "-v", "-x", "c", "/dev/null", "-o", "/dev/null"));
  const includeDirs = found
    .filter(existsSync)
    .map((dir) => realpathSync(dir))
    .filter((dir) => !FOREIGN_INCLUDE_DIRS.has(dir));
  const prefix = dirname(dirname(realpathSync(gcc)));
  const own = prefix === "/usr" || prefix === "/" ? [] : [prefix];
  const hostDirs = [...new Set([...HOST_DIRS, `/usr/${triple}`, ...own])].filter(existsSync);
  return { gcc, version, includeDirs, hostDirs };
}

function pathOf(name: string): string | null {
  if (isAbsolute(name)) return existsSync(name) ? name : null;
  const dirs = (process.env.PATH ?? "/usr/bin:/bin").split(delimiter).filter(isAbsolute);
  return dirs.map((dir) => join(dir, name)).find(existsSync) ?? null;
}

function includeDirsIn(verbose: string): string[] {
  const list = /#include <\.\.\.> search starts here:\n([\s\S]*?)End of search list/.exec(verbose)?.[1] ?? "";
  return list
    .split("\n")
    .map((line) => line.trim())
    .filter(isAbsolute);
}
