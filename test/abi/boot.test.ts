/** Machines that boot into a first program: the console as its terminal, job control, orphans, the end of everything. */
import { describe, expect, it } from "vitest";
import type { Machine, MachineConfig } from "../../kernel/index.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import {
  consoleOf,
  exitOf,
  fileOf,
  mustApply,
  restoreMachine,
  runOn,
  testMachine,
  testPorts,
} from "../support/machine.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const booted = (change: Partial<MachineConfig> = {}): Machine =>
  testMachine({
    files: [fileOf("/sbin/init", guest("jobs"))],
    init: { paths: ["/no/such/init", "/sbin/init"], arguments: [] },
    ...change,
  });

/** What is seen until nobody has anything to do. */
function seen(machine: Machine): string {
  runOn(machine);
  expect(brokenInvariants(machine)).toEqual([]);
  return consoleOf(machine.drainOutputs());
}

function type(machine: Machine, text: string): string {
  mustApply(machine, { kind: "console", bytes: encode(text) });
  return seen(machine);
}

describe.skipIf(!hasCompiler)("a machine with a first program (needs riscv64-linux-gnu-gcc)", () => {
  it("starts it as root, with the terminal, and ends with it", () => {
    const machine = booted();
    expect(seen(machine)).toBe("init 1 of session 1, group 1, user 0, 24x80\r\n> ");
    expect(type(machine, "what\r")).toBe("what\r\n? what\r\n> ");
    mustApply(machine, { kind: "console", bytes: encode("\x04") });
    runOn(machine);
    const outputs = machine.drainOutputs();
    expect(consoleOf(outputs)).toBe("bye\r\n");
    expect(exitOf(outputs)?.status).toEqual({ kind: "exited", code: 5 });
  });

  it("has /dev/console open, which is what its terminal is called", () => {
    const machine = booted();
    seen(machine);
    const file = "/dev/console 1 20600 0";
    expect(type(machine, "tty\r")).toBe(`tty\r\ntty /dev/console, ${file}, ${file}, ${file}\r\n> `);
  });

  it("has job control: keys reach the foreground, and what is stopped goes on", () => {
    const machine = booted();
    seen(machine);
    expect(type(machine, "run\r")).toBe("run\r\n");
    expect(type(machine, "one\r")).toBe("one\r\njob got one\r\n");
    expect(type(machine, "\x1a")).toBe("^Zstopped by 20\r\n> ");
    expect(type(machine, "fg\r")).toBe("fg\r\n");
    expect(type(machine, "two\r")).toBe("two\r\njob got two\r\n");
    expect(type(machine, "\x03")).toBe("^Cended by 2\r\n> ");
    type(machine, "run\r");
    expect(type(machine, "\x1c")).toBe("^\\ended by 3\r\n> ");
    type(machine, "run\r");
    expect(type(machine, "\x04")).toBe("job end\r\nexited 3\r\n> ");
  });

  it("stops what reads in the background", () => {
    const machine = booted();
    seen(machine);
    expect(type(machine, "back\r")).toBe("back\r\nstopped by 21\r\n> ");
    expect(type(machine, "fg\rx\r")).toBe("fg\r\nx\r\nback got x\r\n");
  });

  it("gives it orphans", () => {
    const machine = booted();
    seen(machine);
    expect(type(machine, "orphan\r")).toBe("orphan\r\nexited 7\r\norphan of 1\r\nreaped 1\r\n> ");
  });

  it("has raw terminals, which wait as VMIN and VTIME say", () => {
    const machine = booted();
    seen(machine);
    expect(type(machine, "raw\r")).toBe("raw\r\ntimed 0\r\n");
    expect(type(machine, "a\x03")).toBe("");
    expect(type(machine, "\r")).toBe("raw 3: 61 03 0d\r\n> ");
  });

  it("kills what it has started when it ends", () => {
    const machine = booted();
    seen(machine);
    type(machine, "run\r");
    type(machine, "\x1a");
    expect(type(machine, "\x04")).toBe("bye\r\n");
    expect(machine.summary().taskCount).toBe(0);
  });

  it("says on the console that there is none", () => {
    const machine = testMachine({ init: { paths: ["/sbin/init"], arguments: [] } });
    expect(machine.drainOutputs()).toEqual([]);
    runOn(machine, 1);
    expect(seen(machine)).toBe("no init: the machine has no file /sbin/init\r\n");
  });

  it("goes on after a restore in the middle of a job that is stopped", () => {
    const machine = booted();
    seen(machine);
    type(machine, "run\r");
    type(machine, "\x1a");
    const pages = Array.from({ length: machine.memory.pages }, (_, page) => machine.memory.page(page).slice());
    const ports = testPorts({ fetchPages: (wanted) => wanted.map((page) => pages[page]!) });
    const again = restoreMachine(machine.encodeState(), ports, () => true);
    for (const [page, bytes] of pages.entries()) again.memory.page(page).set(bytes);
    for (const each of [machine, again]) expect(type(each, "fg\rhello\r")).toBe("fg\r\nhello\r\njob got hello\r\n");
    expect(again.encodeState()).toEqual(machine.encodeState());
  });
});
