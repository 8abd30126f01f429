#!/usr/bin/env node
// The launcher: works under any Node >= 20 and hands over to the command line under the pinned Node, which runs
// TypeScript by itself. A fresh checkout is prepared first, so `npx ostler --help` works before anything else has.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const main = join(root, "api/cli/main.ts");
const pinned = join(root, "node_modules/node/bin", process.platform === "win32" ? "node.exe" : "node");
const [major, minor] = process.versions.node.split(".").map(Number);

/** Node 24 runs the sources as they are; before 24.3 it warned about it. */
const canRunSources = major === 24 && minor >= 3;
/** The last file of each step: an installation that is under way does not count. */
const isPrepared = ["node_modules/.package-lock.json", "kernel/hardware/cpu/rv64/build/.stamp"].every((file) =>
  existsSync(join(root, file)),
);

if (!isPrepared) prepare();
if (canRunSources) await runHere();
else handOver([fileURLToPath(import.meta.url), ...process.argv.slice(2)]);

/** Stripped and compiled code is kept between runs: a command starts in a third of the time, and so do worker threads. */
async function runHere() {
  const cache = join(root, ".cache/compile");
  module.enableCompileCache(cache);
  process.env.NODE_COMPILE_CACHE ??= cache;
  await import(pathToFileURL(main).href);
}

/** What it says goes to standard error: standard output belongs to the command. */
function prepare() {
  process.stderr.write("ostler: preparing this checkout (once)\n");
  const done = spawnSync(process.execPath, [join(root, "deploy/setup/prepare.mjs")], { stdio: ["ignore", 2, 2] });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

/** Becomes the pinned Node where this Node can (22.15 and later); else runs it as a child and ends as it ends. */
function handOver(args) {
  if (typeof process.execve === "function") process.execve(pinned, [pinned, ...args], process.env);
  const child = spawn(pinned, args, { stdio: "inherit" });
  // A terminal sends SIGINT to both; the child decides what it means. The others come to one process only.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`ostler: cannot start ${pinned}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) return process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
