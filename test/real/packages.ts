/**
 * Debian's riscv64 packages, fetched by the host's own apt from wherever it is set up to fetch from, and kept unpacked in
 * .cache/real. Nothing of them is ours, and nothing of them is committed.
 */
import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { takeLock } from "../../deploy/setup/lock.mjs";
import { fileOf } from "../support/machine.ts";

const release = "trixie";
const cache = fileURLToPath(new URL("../../.cache/real/", import.meta.url));
const lists = join(cache, "apt/lists");
const patienceMs = 120_000;

const run = (command: string, args: readonly string[], cwd?: string): string =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: patienceMs });

/** Where the host's apt gets Debian from. */
function mirror(): string {
  for (const file of globSync("/etc/apt/sources.list.d/*.sources").concat("/etc/apt/sources.list")) {
    if (!existsSync(file)) continue;
    const found = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(\S+\/debian\/?)(?:\s|$)/m.exec(readFileSync(file, "utf8"));
    if (found !== null) return found[1]!;
  }
  throw new Error("apt is not set up to fetch from Debian");
}

/** An apt of its own, for another architecture and release than the host's. */
function apt(...args: string[]): void {
  const options = {
    "Dir::Etc::sourcelist": join(cache, "apt/sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Dir::State::Lists": lists,
    "Dir::Cache": join(cache, "apt/cache"),
    "APT::Architecture": "riscv64",
    "APT::Architectures": "riscv64",
    "APT::Sandbox::User": "root",
    "Acquire::Retries": "2",
    "Acquire::http::Timeout": "20",
    "Acquire::https::Timeout": "20",
  };
  const flags = Object.entries(options).map(([name, value]) => `-o${name}=${value}`);
  try {
    run("apt-get", [...flags, ...args], join(cache, "new"));
  } catch (error) {
    throw new Error(
      `apt-get ${args.join(" ")}: ${String((error as { stderr?: string }).stderr)
        .trim()
        .split("\n")
        .at(-1)}`,
    );
  }
}

function updateLists(): void {
  for (const folder of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(cache, "apt", folder), { recursive: true });
  writeFileSync(join(cache, "apt/sources.list"), `deb [arch=riscv64 trusted=yes] ${mirror()} ${release} main\n`);
  apt("update");
}

const hasLists = (): boolean => existsSync(lists) && readdirSync(lists).some((name) => name.includes("Packages"));

/** Into an empty folder, `new`. Lists that were fetched long ago may name what the mirror has no more. */
function download(name: string): void {
  if (hasLists()) {
    try {
      apt("download", name);
      return;
    } catch {
      // As if there were none.
    }
  }
  updateLists();
  apt("download", name);
}

/** A package's files and what it depends on, fetched if need be: whole, or not there at all. */
function fetched(name: string): { folder: string; depends: string } {
  const folder = join(cache, name);
  const noted = join(cache, `${name}.depends`);
  if (existsSync(noted)) return { folder, depends: readFileSync(noted, "utf8") };
  const fresh = join(cache, "new");
  for (const left of [fresh, folder]) rmSync(left, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  download(name);
  const archive = globSync(`${name}_*.deb`, { cwd: fresh })[0];
  if (archive === undefined) throw new Error(`apt did not download ${name}`);
  run("dpkg", ["-x", archive, "files"], fresh);
  const depends = run("dpkg", ["-f", archive, "Depends"], fresh);
  renameSync(join(fresh, "files"), folder);
  writeFileSync(join(fresh, "depends"), depends);
  renameSync(join(fresh, "depends"), noted);
  return { folder, depends };
}

/**
 * The folder into which a package is unpacked, and what it depends on. One process fetches at a time; where one of a run of
 * the tests could not, the others do not wait for the mirror again.
 */
export function unpacked(name: string): { folder: string; depends: string } {
  const failed = join(cache, "failed");
  const run = `run ${process.ppid}: `;
  const release = takeLock(join(cache, "lock"), "another process fetches Debian's packages; waiting for it");
  try {
    const failure = existsSync(failed) ? readFileSync(failed, "utf8") : "";
    if (failure.startsWith(run)) throw new Error(failure.slice(run.length));
    try {
      return fetched(name);
    } catch (error) {
      writeFileSync(failed, `${run}${error instanceof Error ? error.message : error}`);
      throw error;
    }
  } finally {
    release();
  }
}

/** The folder with what a package has. Throws when it cannot be had. */
export const packageFolder = (name: string): string => unpacked(name).folder;

const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(path));

/** Where a file is in the machine, and which package has it where. */
export type Wanted = readonly (readonly [path: string, of: string, at: string])[];

/** Files for a machine; a text says why they cannot be had. */
export function filesOrReason(wanted: Wanted) {
  try {
    return wanted.map(([path, of, at]) => fileOf(path, bytesOf(join(unpacked(of).folder, at))));
  } catch (error) {
    return String(error).split("\n")[0]!;
  }
}

export interface RealImages {
  openSbi: Uint8Array;
  /** For S mode. */
  uBoot: Uint8Array;
  /** For M mode: it needs no other firmware. */
  uBootAlone: Uint8Array;
  linux: Uint8Array;
  linuxVersion: string;
  busybox: Uint8Array;
  /** A module of Linux by its path, without its suffix. */
  module(path: string): Uint8Array;
}

/** Throws when a package cannot be had. */
export function realImages(): RealImages {
  const openSbi = join(unpacked("opensbi").folder, "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin");
  const uBoot = join(unpacked("u-boot-qemu").folder, "usr/lib/u-boot");
  const kernel = /linux-image-([^ ,(]*riscv64)/.exec(unpacked("linux-image-riscv64").depends);
  if (kernel === null) throw new Error("linux-image-riscv64 does not say which kernel it is");
  const linux = unpacked(kernel[0]).folder;
  const modules = join(linux, "usr/lib/modules", kernel[1]!, "kernel");
  return {
    openSbi: bytesOf(openSbi),
    uBoot: bytesOf(join(uBoot, "qemu-riscv64_smode/u-boot.bin")),
    uBootAlone: bytesOf(join(uBoot, "qemu-riscv64/u-boot.bin")),
    linux: bytesOf(join(linux, "boot", `vmlinux-${kernel[1]}`)),
    linuxVersion: kernel[1]!,
    busybox: bytesOf(join(unpacked("busybox-static").folder, "usr/bin/busybox")),
    module: (path) =>
      new Uint8Array(execFileSync("xz", ["-dc", join(modules, `${path}.ko.xz`)], { maxBuffer: 2 ** 26 })),
  };
}
