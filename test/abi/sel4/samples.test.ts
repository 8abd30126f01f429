/** The programs that people start from: they compile as kernel/user/README.md says, and run. */
import { execFileSync, spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../../guest/compile.ts";
import { runProgram } from "../../support/machine.ts";
import { plain } from "./programs.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = join(root, "kernel/user/programs");

const outputs: Record<string, string[]> = {
  "hello-sel4": [
    "Hello from a root task with N empty slots.",
    "Untyped memory at slot 16: 2^N bytes.",
    "The server answers 2 words: 42 for the client with badge 7.",
    "Dumping all tcbs!",
    "Name State IP Prio Core",
    "-".repeat(86),
    "server blocked on recv 0xN 100 0",
    "rootserver running 0xN 255 0",
  ],
  "lecture-capabilities": [
    "A frame, a page table and a page directory, derived from untyped memory.",
    "The frame is mapped at 0xN of the new address space.",
    "Revoked: the frame's capability is of type 0, which is none.",
  ],
};

/** Without what depends on the memory of the machine. */
const lines = (console: string): string[] =>
  plain(console.replace(/with \d+ empty/, "with N empty").replace(/2\^\d+/g, "2^N")).filter(
    (line) => !/^Untyped memory at slot (?!16:)/.test(line),
  );

describe.skipIf(!hasCompiler)("samples for seL4's interface (need riscv64-linux-gnu-gcc)", () => {
  const temporary = mkdtempSync(join(tmpdir(), "ostler-samples-"));
  afterAll(() => rmSync(temporary, { recursive: true }));

  it("are all here", () => {
    const names = globSync("*.c", { cwd: folder }).map((file) => file.replace(".c", ""));
    expect(Object.keys(outputs).sort()).toEqual(names.sort());
  });

  it.each(Object.entries(outputs))("%s runs", (name, expected) => {
    const { console, exit } = runProgram(guest(`../../kernel/user/programs/${name}`));
    expect(lines(console)).toEqual(expected);
    expect(exit?.status).toEqual({ kind: "exited", code: 0 });
  });

  it("are compiled and run by the commands that the document gives", () => {
    const document = readFileSync(join(root, "kernel/user/README.md"), "utf8");
    const compile = /^riscv64-linux-gnu-gcc .*$/m.exec(document)?.[0].split(" ") ?? [];
    const program = join(temporary, "hello-sel4.elf");
    execFileSync(compile[0]!, [...compile.slice(1, -2), program, compile.at(-1)!], { cwd: root });
    const run = spawnSync("node", ["api/cli/ostler.mjs", "run", "--local", "--trace", program], {
      cwd: root,
      encoding: "utf8",
    });
    expect(lines(run.stdout)).toEqual(outputs["hello-sel4"]);
    expect(run.status).toBe(0);
    expect(run.stderr).toMatch(/seL4_Call\(0x\w+ untyped, \{label=Untyped_Retype, length=6, caps=1\}/);
    expect(run.stderr).toMatch(/seL4_Recv\(0x\w+ endpoint\) = \{badge=0x7, label=0, length=1\}, 0x15/);
  });
});
