/** What a worker says of a command that it could not carry out. */
import { SnapshotFormatError } from "../../../kernel/index.ts";
import type { WorkerFailure } from "../protocol.ts";
import { ContentMissingError } from "./content.ts";
import { DivergedError } from "./replay.ts";

export class WorkerError extends Error {
  readonly code: WorkerFailure["code"];
  constructor(code: WorkerFailure["code"], message: string) {
    super(message);
    this.code = code;
  }
}

export function failureOf(error: unknown): WorkerFailure {
  if (error instanceof WorkerError) return { code: error.code, message: error.message };
  if (error instanceof DivergedError) return { code: "diverged", message: error.message };
  if (error instanceof SnapshotFormatError) {
    const code = error.code === "incompatible" ? "incompatible" : "corrupt";
    return { code, message: error.message, content: error.hash };
  }
  if (error instanceof ContentMissingError) return { code: "corrupt", message: error.message, content: error.hash };
  return { code: "internal", message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
