/** The state of a real machine is plain data, whatever it is doing: what the codec cannot save must not be in it. */
import { describe, expect, test } from "vitest";
import { PageFlag } from "../../kernel/hardware/cpu/core.ts";
import { decodePlain, encodePlain } from "../../kernel/lib/codec.ts";
import type { CallId, TaskId } from "../../kernel/lib/ids.ts";
import { assertPlain } from "../../kernel/lib/plain.ts";
import { applyInput } from "../../kernel/machine/apply.ts";
import { addressMap } from "../../kernel/machine/catalogue.ts";
import { assembleKernel, type Kernel } from "../../kernel/machine/kernel.ts";
import { runKernel } from "../../kernel/machine/run.ts";
import { initState } from "../../kernel/machine/state.ts";
import type { Input } from "../../kernel/machine/types.ts";
import { mountAll } from "../../kernel/vfs/first-tree.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { fileOf, int, noLimits, startInput, testConfig, testPorts } from "../support/machine.ts";

/** A machine whose inside can be seen. */
function openMachine(): Kernel {
  const config = testConfig();
  const core = testPorts().createCore({ ramPages: config.memoryBytes / 4096, ramBase: addressMap.ram.base });
  core.pageFlags.fill(PageFlag.present);
  const kernel = assembleKernel(initState(config), core, testPorts());
  mountAll(kernel, null);
  return kernel;
}

function apply(k: Kernel, input: Input): TaskId | undefined {
  const result = applyInput(k, input, () => true);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.task;
}

function check(k: Kernel): void {
  k.state.hardware.harts = [k.core.saveHart()];
  assertPlain(k.state, "state");
  expect(decodePlain(encodePlain(k.state))).toStrictEqual(k.state);
}

describe("plain", () => {
  test("is a new machine, and one whose clients' calls wait", () => {
    const k = openMachine();
    check(k);
    apply(k, { kind: "addFile", file: fileOf("/data/file.txt", new TextEncoder().encode("text\n"), 0o644) });
    const task = apply(k, { kind: "createRemoteTask", name: "client", limits: noLimits })!;
    check(k);
    const call = (id: number, number: number, ...args: Extract<Input, { kind: "call" }>["arguments"]) => {
      apply(k, { kind: "call", call: id as CallId, task, number, arguments: args });
      check(k);
    };
    call(1, 56, int(-100), { kind: "string", value: "/data/file.txt" }, int(0), int(0));
    call(2, 222, int(0), int(65536), int(3), int(0x22), int(-1), int(0));
    call(3, 63, int(0), { kind: "buffer", size: 16 }, int(16));
    apply(k, { kind: "console", bytes: new Uint8Array([104, 10]) });
    check(k);
    apply(k, { kind: "pause" });
    check(k);
  });

  test.skipIf(!hasCompiler)("is one that runs programs: threads, waits, sleeps, input that has not been read", () => {
    const k = openMachine();
    for (const name of ["threads", "echo", "files"]) {
      apply(k, { kind: "addFile", file: fileOf(`/bin/${name}`, guest(name)) });
      apply(k, startInput(`/bin/${name}`));
      check(k);
    }
    apply(k, { kind: "console", bytes: new TextEncoder().encode("one\ntwo\nthr") });
    for (let step = 0; step < 60; step++) {
      runKernel(k, { instructions: k.state.clock.instructions + 40_000, timeNs: Number.MAX_SAFE_INTEGER });
      check(k);
    }
    apply(k, { kind: "consoleEnd" });
    runKernel(k, { instructions: 400_000_000, timeNs: Number.MAX_SAFE_INTEGER });
    check(k);
    expect(k.threads.exited.length).toBeGreaterThan(1);
  });
});
