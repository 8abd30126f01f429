/** A program that drives the serial port: restored anywhere it goes on the same, and others get the console back. */
import { describe, expect, it } from "vitest";
import type { Machine, Output } from "../../../kernel/index.ts";
import { guest, hasCompiler } from "../../guest/compile.ts";
import { brokenInvariants } from "../../support/invariants.ts";
import {
  consoleOf,
  fileOf,
  mustApply,
  noLimits,
  restoreMachine,
  runOn,
  startInput,
  testMachine,
  testPorts,
} from "../../support/machine.ts";

const lines = ["one", "two and more than a FIFO has room for", "three"];
const typed = (line: string) => ({ kind: "console", bytes: new TextEncoder().encode(`${line}\n`) }) as const;

function started(limits = {}): Machine {
  const machine = testMachine({ files: [fileOf("/bin/driver", guest("sel4/driver"))] });
  mustApply(machine, startInput("/bin/driver", { limits }));
  return machine;
}

function restored(machine: Machine): Machine {
  const copy = restoreMachine(machine.encodeState(), testPorts(), () => false);
  for (let page = 0; page < machine.memory.pages; page++) copy.providePage(page, machine.memory.page(page).slice());
  return copy;
}

/** Runs to the end, typing whenever nothing goes on; another machine after each `step` instructions. */
function drive(step: number): { outputs: Output[]; state: Uint8Array } {
  let machine = started();
  const left = [...lines];
  const outputs: Output[] = [];
  for (;;) {
    const last = machine.position().instructions + step;
    const stop = machine.run({ instructions: last, timeNs: Number.MAX_SAFE_INTEGER });
    outputs.push(...machine.drainOutputs());
    if (machine.tasks().every(({ state }) => state === "exited")) return { outputs, state: machine.encodeState() };
    if (stop.kind === "idle") mustApply(machine, typed(left.shift()!));
    else machine = restored(machine);
  }
}

describe.skipIf(!hasCompiler)("a driver for the serial port (needs riscv64-linux-gnu-gcc)", () => {
  it("does the same when it is restored anywhere", () => {
    const whole = drive(1e9);
    const parts = drive(1999);
    expect(consoleOf(parts.outputs)).toBe(consoleOf(whole.outputs));
    expect(parts.state).toEqual(whole.state);
  });

  it("counts as output what it sends", () => {
    const machine = started({ outputBytes: 5 });
    runOn(machine);
    expect(machine.tasks()).toMatchObject([{ status: { kind: "signaled", signal: 25 } }]);
    expect(consoleOf(machine.drainOutputs())).toHaveLength(6);
    expect(brokenInvariants(machine)).toEqual([]);
  });

  it("has the port alone, and leaves it to the kernel and to the next one", () => {
    const machine = started();
    runOn(machine);
    const other = mustApply(machine, { kind: "createRemoteTask", name: "other", limits: noLimits, capabilities: true });
    const devices = () =>
      machine
        .capabilities(null, 10_000, { task: null, types: ["untyped"], object: 0x1000_0000 })
        .slots.map(({ holders }) => holders[0]?.task);
    expect(devices()).toEqual([machine.tasks()[0]!.task]);
    mustApply(machine, { kind: "killTask", task: machine.tasks()[0]!.task, signal: 9 });
    mustApply(machine, { kind: "killTask", task: other!, signal: 9 });
    machine.drainOutputs();
    mustApply(machine, startInput("/bin/driver"));
    runOn(machine);
    expect(devices()).toHaveLength(1);
    expect(consoleOf(machine.drainOutputs())).toBe("ok registers\nok ready\n");
    expect(brokenInvariants(machine)).toEqual([]);
  });
});
