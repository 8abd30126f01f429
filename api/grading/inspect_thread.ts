/** Entry of the inspection thread: answers inquiries in the order in which they arrive. */
import { parentPort } from "node:worker_threads";
import { type Inquiry, inspect } from "./inspect.ts";

const port = parentPort!;
port.on("message", ({ id, inquiry }: { id: number; inquiry: Inquiry }) => {
  try {
    port.postMessage({ id, findings: inspect(inquiry) });
  } catch (error) {
    port.postMessage({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
