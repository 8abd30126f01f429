// Makes a fresh checkout runnable with nothing but Node >= 20 and npm: installs npm packages when the
// lockfile is newer than the install, then builds what is generated. Uses nothing from node_modules.
// With --tools it also installs the Debian packages that the tests use, where it can (apt and root),
// and says exactly what to install where it cannot.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { takeLock } from "./lock.mjs";
import { installTools } from "./tools.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

function run(command, args) {
  const done = spawnSync(command, args, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
  if (done.status !== 0) {
    console.error(`ostler: \`${command} ${args.join(" ")}\` failed; see its output above`);
    process.exit(done.status ?? 1);
  }
}

function installIsCurrent() {
  const marker = join(root, "node_modules/.package-lock.json");
  if (!existsSync(marker) || !existsSync(join(root, "node_modules/.bin/node"))) return false;
  return statSync(marker).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
}

if (Number(process.versions.node.split(".")[0]) < 20) {
  console.error(`ostler: Node.js 20 or newer is needed to begin, this is ${process.version}`);
  process.exit(1);
}
takeLock(join(root, ".cache/prepare.lock"));
if (!installIsCurrent()) {
  console.error("ostler: installing what is needed (once; about a minute)");
  // Only errors: npm would warn that some packages want a newer Node, which is among what it installs.
  run("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"]);
}
if (process.argv.includes("--tools")) installTools();
run(join(root, "node_modules/.bin/node"), [join(root, "deploy/setup/build.mjs")]);
