/** The console as programs have it that the host starts one by one: it is called something, and belongs to their user. */
import { describe, expect, it } from "vitest";
import { guest, hasCompiler } from "../guest/compile.ts";
import { consoleOf, fileOf, mustApply, runOn, runProgram, startInput, testMachine } from "../support/machine.ts";

const ways = ["/dev/fd/0", "/dev/fd/1", "/dev/fd/2", "/dev/stderr", "/dev/tty", "/dev/console"];
const plain = "settings 0 0 0\n";
const console = (fd: number): string =>
  `${fd}: terminal 1, /dev/console, /dev/console, the same 1, mode 20620, of 1000:5, device 5,1\n`;

describe.skipIf(!hasCompiler)("the console of a program that the host starts (needs riscv64-linux-gnu-gcc)", () => {
  it("has a name, belongs to its user, and is its terminal, though it stays a plain line of bytes", () => {
    const { console: shown } = runProgram(guest("own-console"));
    const open = ways.map((path) => `${path}: open, terminal 1\n`).join("");
    const own = "number 0x501, foreground 1 1, session 1 1\n";
    expect(shown).toBe([0, 1, 2].map(console).join("") + open + own + plain);
  });

  it("is root's where there is a first program: it is called the same, and nobody else opens it", () => {
    const files = [fileOf("/bin/jobs", guest("jobs")), fileOf("/bin/own", guest("own-console"))];
    const machine = testMachine({ files, init: { paths: ["/bin/jobs"], arguments: [] } });
    runOn(machine);
    machine.drainOutputs();
    mustApply(machine, startInput("/bin/own"));
    runOn(machine);
    const shown = consoleOf(machine.drainOutputs()).replaceAll("\r", "");
    expect(shown).toContain("0: terminal 1, /dev/console, /dev/console, the same 1, mode 20600, of 0:0, device 5,1\n");
    expect(shown).toContain("/dev/console: EACCES, terminal 0\n");
    expect(shown).toContain("number 0, foreground 0 0, session 1 0\n");
  });

  it("is known beside an input that is none", () => {
    const { console: shown } = runProgram(guest("own-console"), { stdin: "" });
    expect(shown).toContain("0: terminal 0, ENOTTY, ");
    expect(shown).toContain(console(1) + console(2));
  });
});
