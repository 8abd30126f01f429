/** Which system calls programs have made with success, read from the trace of their runs. */
import { catalogue, decodeRecords } from "../../kernel/trace/index.ts";

export class CallsMade {
  readonly #entered = new Map<string, number>();
  readonly #failed = new Map<string, number>();

  /** Takes up packed records of the category "syscall". */
  add(records: Uint8Array): void {
    for (const { name: event, values } of decodeRecords(records, catalogue)) {
      const name = String(values["name"]);
      if (event === "syscall.enter" && values["restarted"] === false) count(this.#entered, name);
      if (event === "syscall.exit" && values["error"] !== "") count(this.#failed, name);
    }
  }

  /** Whether one did not fail; calls that do not return (exit, execve) leave no second record. */
  succeeded = (name: string): boolean => (this.#entered.get(name) ?? 0) > (this.#failed.get(name) ?? 0);
}

const count = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1);
};
