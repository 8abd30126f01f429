/** What goes wrong with machines in memory, and whose doing it is. */
import { Code, failedPrecondition, OstlerError, unavailable } from "../errors.ts";
import { StoreUnavailableError } from "../store/types.ts";
import { WorkerCommandError, WorkerHungError } from "./pool.ts";

export class WorkerBrokeError extends Error {
  override readonly name = "WorkerBrokeError";
}

/** `machineId`: whom the worker was executing; null where nobody knows. */
export function workerBroke(machineId: string | null, cause: Error): WorkerBrokeError {
  const what = cause instanceof WorkerHungError ? "a worker hung" : "a worker broke";
  return new WorkerBrokeError(machineId === null ? what : `${what} while it was executing machine ${machineId}`, {
    cause,
  });
}

/** The worker was lost while it executed this very run. */
export class RunEndedWorkerError extends WorkerCommandError {
  override readonly name = "RunEndedWorkerError";
}

/** What an execution failed with, as the one that it is to blame for if it is. */
export function blamed(error: unknown, job: string): unknown {
  const isCulprit = error instanceof WorkerCommandError && error.culprit === `job ${job}`;
  return isCulprit ? new RunEndedWorkerError("workerLost", error.message, { cause: error }) : error;
}

export class DamagedSnapshotError extends Error {
  override readonly name = "DamagedSnapshotError";
}

export const isDamage = (error: unknown): error is WorkerCommandError =>
  error instanceof WorkerCommandError && error.code === "corrupt";

/** Nothing that the machine itself did, as far as one can tell. */
export const isFromOutside = (error: unknown): boolean =>
  error instanceof StoreUnavailableError || (error instanceof WorkerCommandError && error.code === "workerLost");

/** Failures of hosting as clients see them: what they can do about it, nothing of our insides. */
export function toClientError(error: Error, machineId: string): Error {
  if (error instanceof OstlerError) return error;
  if (!(error instanceof WorkerCommandError)) return error;
  const metadata = { machine: machineId };
  switch (error.code) {
    case "workerLost":
    case "notResident":
      return unavailable("MACHINE_MOVED", "the machine is being brought back; try again", 200, {
        metadata,
        cause: error,
      });
    case "corrupt":
    case "diverged":
      return new OstlerError(
        Code.DATA_LOSS,
        "MACHINE_DAMAGED",
        `machine ${machineId} cannot be brought back: ${error.message}`,
        { metadata },
      );
    case "incompatible":
      return failedPrecondition("MACHINE_INCOMPATIBLE", error.message, { metadata });
    default:
      return error;
  }
}
