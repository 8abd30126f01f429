// Builds what is generated and not committed: protobuf code, the Prisma client, the WebAssembly CPU.
// Each step runs only when one of its inputs is newer than its output. Run by Node 24 from node_modules.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const bin = (name) => join(root, "node_modules/.bin", name);

function newest(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(
    0,
    ...readdirSync(path)
      .filter((name) => name !== "gen" && name !== "build")
      .map((name) => newest(join(path, name))),
  );
}

function step({ name, inputs, stamp, commands, env = {}, prepare = () => {} }) {
  const stampFile = join(root, stamp);
  const wanted = Math.max(...[...inputs, "package-lock.json"].map((path) => newest(join(root, path))));
  if (existsSync(stampFile) && statSync(stampFile).mtimeMs >= wanted) return;
  mkdirSync(dirname(stampFile), { recursive: true });
  prepare();
  for (const [command, ...args] of commands) {
    const done = spawnSync(command, args, { cwd: root, encoding: "utf8", env: { ...process.env, ...env } });
    if (done.status !== 0) {
      console.error(`ostler: building ${name} failed: ${command} ${args.join(" ")}\n${done.stdout}${done.stderr}`);
      process.exit(1);
    }
  }
  writeFileSync(stampFile, "");
  utimesSync(stampFile, new Date(), new Date(wanted));
}

step({
  name: "protobuf code",
  inputs: ["proto"],
  stamp: "proto/gen/.stamp",
  commands: [
    [bin("buf"), "generate", "--template", "proto/buf.gen.yaml"],
    // With the comments, for the OpenAPI document.
    [bin("buf"), "build", "proto", "-o", "proto/gen/descriptors.binpb"],
  ],
});
/** The provider is baked into a client: the schema is written for SQLite, and PostgreSQL's is the same but for two words. */
function deriveSchema() {
  const schema = readFileSync(join(root, "prisma/schema.prisma"), "utf8");
  const derived = schema
    .replace('provider = "sqlite"', 'provider = "postgresql"')
    .replace('"./gen/sqlite"', '"./postgresql"');
  mkdirSync(join(root, "prisma/gen"), { recursive: true });
  writeFileSync(join(root, "prisma/gen/postgresql.prisma"), derived);
}

step({
  name: "the Prisma clients",
  inputs: ["prisma/schema.prisma", "deploy/setup/build.mjs"],
  stamp: "prisma/gen/.stamp",
  // Prisma looks for an engine that this generator does not need; any existing file satisfies it.
  env: { PRISMA_SCHEMA_ENGINE_BINARY: "/bin/true", PRISMA_HIDE_UPDATE_MESSAGE: "1", CHECKPOINT_DISABLE: "1" },
  prepare: deriveSchema,
  commands: [
    [bin("prisma"), "generate", "--schema", "prisma/schema.prisma"],
    [bin("prisma"), "generate", "--schema", "prisma/gen/postgresql.prisma"],
  ],
});
step({
  name: "the CPU",
  inputs: [
    "kernel/hardware/cpu/rv64/assembly",
    "kernel/hardware/cpu/rv64/instructions",
    "deploy/setup/interpreter.mjs",
  ],
  stamp: "kernel/hardware/cpu/rv64/build/.stamp",
  commands: [
    [process.execPath, "deploy/setup/interpreter.mjs"],
    [
      bin("asc"),
      "kernel/hardware/cpu/rv64/build/assembly/index.ts",
      "--config",
      "kernel/hardware/cpu/rv64/build/assembly/asconfig.json",
      "--target",
      "release",
    ],
    [
      bin("asc"),
      "kernel/hardware/cpu/rv64/build/assembly/index.ts",
      "--config",
      "kernel/hardware/cpu/rv64/build/assembly/asconfig.json",
      "--target",
      "timed",
    ],
  ],
});
