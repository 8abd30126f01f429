/** The fast path of IPC does what the whole way does: with a trace, which takes the whole way, the states are the same. */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Machine } from "../../../kernel/index.ts";
import { guest, hasCompiler } from "../../guest/compile.ts";
import { fileOf, mustApply, startInput, testMachine } from "../../support/machine.ts";
import { sel4Programs } from "./programs.ts";

const include = fileURLToPath(new URL("../../../kernel/user/include", import.meta.url));
const step = 1009;

function started(program: Uint8Array, args: string[], traced: boolean): Machine {
  const machine = testMachine({ memoryBytes: 16 * 2 ** 20, files: [fileOf("/bin/program", program)] });
  machine.setTraceMask(traced ? -1 : 0);
  mustApply(machine, startInput("/bin/program", { arguments: ["/bin/program", ...args] }));
  return machine;
}

function expectSame(program: Uint8Array, args: string[] = []): void {
  const [fast, whole] = [started(program, args, false), started(program, args, true)];
  for (let at = step, stop = "limit"; stop === "limit"; at += step) {
    const limit = { instructions: at, timeNs: Number.MAX_SAFE_INTEGER };
    stop = fast.run(limit).kind;
    expect(whole.run(limit).kind).toBe(stop);
    whole.drainTrace();
    // To compare takes longer than to run: now and then is enough, since nothing mends a difference.
    if (stop !== "limit" || (at / step) % 64 === 0) expect(whole.encodeState()).toEqual(fast.encodeState());
    if (fast.tasks().every(({ state }) => state === "exited")) return;
  }
}

describe.skipIf(!hasCompiler)("the fast path (needs riscv64-linux-gnu-gcc)", () => {
  const names = sel4Programs.filter(({ typed }) => typed === undefined).map(({ name }) => name);
  it.each(names)("is the whole way for %s", (name) => expectSame(guest(`sel4/${name}`)));
  it.each(["apart", "together", "retype", "mint"])("is the whole way for calls that are measured: %s", (what) =>
    expectSame(guest("../bench/guest/sel4.c", "-std=gnu11", "-I", include), [what, "300"]),
  );
});
