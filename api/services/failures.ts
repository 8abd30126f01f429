/** What the store and the kernel's codec may throw, as clients should hear it. Everything unknown stays a fault of ours. */
import { alreadyExists, dataLoss, failedPrecondition, invalid, unavailable } from "../errors.ts";
import { isResponseStream, type Operation } from "../operation.ts";
import { asUnavailable, isTextRefused } from "../store/failures.ts";
import {
  AlreadyExistsError,
  BackupElsewhereError,
  CorruptBlobError,
  InvalidPageTokenError,
  MissingReferenceError,
  StaleEpochError,
  StoreBusyError,
  StoreSucceededError,
  StoreUnavailableError,
} from "../store/types.ts";

const STORE_AWAY_MS = 1_000;
const STORE_FULL_MS = 10_000;
const SUCCESSOR_MS = 5_000;
const TAKEN = "another server has taken the database of this one";

/** The same operation, its errors translated. */
export function withKindErrors(operation: Operation): Operation {
  const { handler, method } = operation;
  if (isResponseStream(method)) {
    return {
      ...operation,
      handler: async function* (request, context) {
        try {
          yield* handler(request, context) as AsyncIterable<unknown>;
        } catch (error) {
          throw kind(error);
        }
      },
    };
  }
  return {
    ...operation,
    handler: async (request, context) => {
      try {
        return await handler(request, context);
      } catch (error) {
        throw kind(error);
      }
    },
  };
}

function kind(error: unknown): unknown {
  if (error instanceof BackupElsewhereError)
    return failedPrecondition("BACKUP_ELSEWHERE", error.message, { cause: error });
  if (error instanceof InvalidPageTokenError)
    return invalid("page_token", "must be a next_page_token of the page before, unchanged");
  if (error instanceof AlreadyExistsError) return alreadyExists("resource", error.message, { cause: error });
  if (error instanceof CorruptBlobError)
    return dataLoss("CONTENT_DAMAGED", `stored content ${error.hash} is damaged`, { cause: error });
  if (error instanceof MissingReferenceError)
    return failedPrecondition("REFERENCE_GONE", `${error.message}; it may have been deleted meanwhile`, {
      cause: error,
    });
  if (error instanceof StaleEpochError)
    return unavailable("MACHINE_MOVED", "the machine was taken elsewhere; try again", 200, { cause: error });
  if (isTextRefused(error)) return invalid("", "text must not contain NUL characters", { cause: error });
  return storeFailure(error);
}

/** A database that is away or full for a while is nobody's fault: it is said when to come back. */
export function storeFailure(error: unknown): unknown {
  const known = asUnavailable(error);
  if (known instanceof StoreSucceededError || known instanceof StoreBusyError)
    return unavailable("STORE_TAKEN", TAKEN, SUCCESSOR_MS, { cause: error });
  if (!(known instanceof StoreUnavailableError)) return error;
  const [reason, retryAfterMs] =
    known.failure === "away" ? (["STORE_AWAY", STORE_AWAY_MS] as const) : (["STORE_FULL", STORE_FULL_MS] as const);
  return unavailable(reason, `${known.message}; try again`, retryAfterMs, { cause: error });
}
