// Debian packages that compile and check guest programs, and the second database. The server runs without them; compiling C
// submissions and parts of the tests need them, and are skipped by name where they are missing.
import { spawnSync } from "node:child_process";
import process from "node:process";

const TOOLS = [
  {
    command: "riscv64-linux-gnu-gcc",
    packages: ["gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross"],
    why: "compiles C programs for the guest",
  },
  { command: "qemu-riscv64", packages: ["qemu-user"], why: "the oracle of the CPU's differential tests" },
  {
    command: "grpc_python_plugin",
    packages: ["python3-grpcio", "python3-protobuf", "protobuf-compiler", "protobuf-compiler-grpc"],
    why: "the foreign gRPC client in the tests",
  },
  { command: "pg_ctlcluster", packages: ["postgresql"], why: "the second database that the store's tests run on" },
];

const found = (command) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;

/** Installs what is missing when this is a Debian-like system and we are root; otherwise says what to do. */
export function installTools() {
  const missing = TOOLS.filter((tool) => !found(tool.command));
  if (missing.length === 0) return;
  const packages = missing.flatMap((tool) => tool.packages);
  if (found("apt-get") && process.getuid?.() === 0) {
    const script = `apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${packages.join(" ")}`;
    for (let attempt = 0; attempt < 3 && TOOLS.some((tool) => !found(tool.command)); attempt++) {
      spawnSync("sh", ["-c", script], { stdio: ["ignore", "ignore", "inherit"] });
    }
  }
  const still = TOOLS.filter((tool) => !found(tool.command));
  for (const tool of still)
    console.error(`ostler: ${tool.command} is missing (${tool.why}); tests that need it are skipped by name`);
  if (still.length > 0)
    console.error(`ostler: to have them: sudo apt-get install ${still.flatMap((tool) => tool.packages).join(" ")}`);
}
