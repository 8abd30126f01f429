/** Sitting at a machine: run until it has printed something, type, look at what came. */
import type { Machine } from "../../kernel/index.ts";
import { consoleOf } from "../support/machine.ts";

const sliceInstructions = 20_000_000;

export class Session {
  readonly machine: Machine;
  /** All that it has printed. */
  text = "";
  #seen = 0;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** Runs until this is printed, behind what was waited for before; what was printed up to there. */
  expect(wanted: string, mostInstructions = 6e9): string {
    const last = this.machine.position().instructions + mostInstructions;
    for (;;) {
      const at = this.text.indexOf(wanted, this.#seen);
      if (at >= 0) {
        const before = this.text.slice(this.#seen, at);
        this.#seen = at + wanted.length;
        return before;
      }
      const { instructions } = this.machine.position();
      const stop = this.machine.run({
        instructions: instructions + sliceInstructions,
        timeNs: Number.MAX_SAFE_INTEGER,
      });
      const printed = consoleOf(this.machine.drainOutputs());
      this.text += printed;
      const isOver = stop.kind !== "limit" && printed === "";
      if (isOver || instructions > last)
        throw new Error(
          `"${wanted}" did not come (${stop.kind}); the end of the console is\n${this.text.slice(-2000)}`,
        );
    }
  }

  type(text: string): void {
    const result = this.machine.apply({ kind: "console", bytes: new TextEncoder().encode(text) });
    if (!result.ok) throw new Error(result.error.message);
  }

  /** A command at a shell's prompt, and what it printed. */
  command(line: string, prompt = "~ # "): string {
    this.type(`${line}\n`);
    this.expect(`${line}\r\n`);
    return this.expect(prompt).replaceAll("\r", "");
  }

  /** Runs until the machine has switched itself off. */
  untilOff(): void {
    for (let i = 0; i < 500; i++) {
      const stop = this.machine.run({
        instructions: this.machine.position().instructions + sliceInstructions,
        timeNs: Number.MAX_SAFE_INTEGER,
      });
      this.text += consoleOf(this.machine.drainOutputs());
      if (stop.kind === "idle") return;
    }
    throw new Error("the machine does not switch itself off");
  }
}
