/** The programs that check seL4's interface compile without a warning, and none is left out of the list. */
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../../guest/compile.ts";
import { sel4Programs } from "./programs.ts";

const folder = fileURLToPath(new URL("../../guest/sel4", import.meta.url));

/** Run by tests of their own. */
const others = ["descendants", "storm"];

describe.skipIf(!hasCompiler)("programs for seL4's interface (needs riscv64-linux-gnu-gcc)", () => {
  it.each(sel4Programs)("$name compiles", ({ name }) => {
    expect([...guest(`sel4/${name}`).subarray(0, 4)]).toEqual([0x7f, 0x45, 0x4c, 0x46]);
  });

  it("has each in the list", () => {
    const files = globSync("*.c", { cwd: folder }).map((file) => file.replace(".c", ""));
    expect([...sel4Programs.map(({ name }) => name), ...others].sort()).toEqual(files.sort());
  });
});
