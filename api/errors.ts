// Errors that a client sees, in one table.
//
// An OstlerError says what was wrong (message), in a word that programs can rely on (reason), which field
// (violations), and when to come back (retryAfterMs). It knows no transport: api/grpc turns it into a status with
// details, api/rest into a problem+json document, both from the same value.
// Everything else that is thrown is a fault of ours: `toOstlerError` makes it INTERNAL with an incident number and
// keeps the original as `cause` for the log. Nothing of it reaches the client.
import { randomUUID } from "node:crypto";
import { Code } from "../proto/gen/google/rpc/code_pb.js";

export { Code };

/** The domain of google.rpc.ErrorInfo: together with the reason it names an error for ever. */
export const errorDomain = "ostler.dev";

interface ErrorKind {
  readonly httpStatus: number;
  readonly title: string;
}

/** google.rpc.Code → HTTP status, as google/rpc/code.proto documents it, and the title of the problem document. */
const errorKinds: Readonly<Record<Code, ErrorKind>> = {
  [Code.OK]: { httpStatus: 200, title: "OK" },
  [Code.CANCELLED]: { httpStatus: 499, title: "Cancelled" },
  [Code.UNKNOWN]: { httpStatus: 500, title: "Unknown error" },
  [Code.INVALID_ARGUMENT]: { httpStatus: 400, title: "Invalid argument" },
  [Code.DEADLINE_EXCEEDED]: { httpStatus: 504, title: "Deadline exceeded" },
  [Code.NOT_FOUND]: { httpStatus: 404, title: "Not found" },
  [Code.ALREADY_EXISTS]: { httpStatus: 409, title: "Already exists" },
  [Code.PERMISSION_DENIED]: { httpStatus: 403, title: "Permission denied" },
  [Code.UNAUTHENTICATED]: { httpStatus: 401, title: "Not authenticated" },
  [Code.RESOURCE_EXHAUSTED]: { httpStatus: 429, title: "Resource exhausted" },
  [Code.FAILED_PRECONDITION]: { httpStatus: 400, title: "Failed precondition" },
  [Code.ABORTED]: { httpStatus: 409, title: "Aborted" },
  [Code.OUT_OF_RANGE]: { httpStatus: 400, title: "Out of range" },
  [Code.UNIMPLEMENTED]: { httpStatus: 501, title: "Not implemented" },
  [Code.INTERNAL]: { httpStatus: 500, title: "Internal error" },
  [Code.UNAVAILABLE]: { httpStatus: 503, title: "Unavailable" },
  [Code.DATA_LOSS]: { httpStatus: 500, title: "Data loss" },
};

export function httpStatus(code: Code): number {
  return errorKinds[code]?.httpStatus ?? 500;
}

export function errorTitle(code: Code): string {
  return errorKinds[code]?.title ?? "Unknown error";
}

/** The name of a code as it stands in the proto file, for example NOT_FOUND. */
export function codeName(code: Code): string {
  return Code[code] ?? String(code);
}

export interface FieldViolation {
  /** Path with the names of the proto file: spec.memory_bytes, runs[3].id, labels["a"]. */
  readonly field: string;
  readonly description: string;
}

export interface ErrorOptions {
  readonly violations?: readonly FieldViolation[];
  readonly retryAfterMs?: number;
  /** Facts for programs, for example { machine: "m1" }. Becomes ErrorInfo.metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
  /** HTTP status when HTTP has a finer word than the code's own (405, 413, 415). */
  readonly httpStatus?: number;
}

export class OstlerError extends Error {
  readonly code: Code;
  /** UPPER_SNAKE, stable: clients may switch on it. */
  readonly reason: string;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly httpStatus: number;

  constructor(code: Code, reason: string, message: string, options: ErrorOptions = {}) {
    super(wellFormed(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "OstlerError";
    this.code = code;
    this.reason = reason;
    this.violations = options.violations ?? [];
    this.retryAfterMs = options.retryAfterMs;
    this.metadata = options.metadata ?? {};
    this.httpStatus = options.httpStatus ?? httpStatus(code);
  }
}

/** Messages quote what clients sent; half a surrogate pair in one would make grpc-js throw while it encodes the status. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

/** "remote task" → REMOTE_TASK */
function upperSnake(words: string): string {
  return words.replace(/[^A-Za-z0-9]+/g, "_").toUpperCase();
}

function metadataKey(words: string): string {
  return words.replace(/[^A-Za-z0-9]+/g, "_").toLowerCase();
}

export function notFound(kind: string, id: string, options: ErrorOptions = {}): OstlerError {
  const message = `There is no ${kind} ${JSON.stringify(id)}, or you may not see it.`;
  const metadata = { [metadataKey(kind)]: id, ...options.metadata };
  return new OstlerError(Code.NOT_FOUND, `${upperSnake(kind)}_NOT_FOUND`, message, { ...options, metadata });
}

export function alreadyExists(kind: string, id: string, options: ErrorOptions = {}): OstlerError {
  const message = `There is already a ${kind} ${JSON.stringify(id)}.`;
  const metadata = { [metadataKey(kind)]: id, ...options.metadata };
  return new OstlerError(Code.ALREADY_EXISTS, `${upperSnake(kind)}_ALREADY_EXISTS`, message, { ...options, metadata });
}

/** One field is wrong: invalid("spec.memory_bytes", "must be a multiple of 4096, for example 67108864"). */
export function invalid(field: string, description: string, options: ErrorOptions = {}): OstlerError {
  return invalidFields([{ field, description }], options);
}

/** Several fields are wrong; the message names the first. */
export function invalidFields(violations: readonly FieldViolation[], options: ErrorOptions = {}): OstlerError {
  const [first] = violations;
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  const message = first === undefined ? "The request is not valid." : `${describeViolation(first)}${more}`;
  return new OstlerError(Code.INVALID_ARGUMENT, "INVALID_ARGUMENT", message, { ...options, violations });
}

function describeViolation({ field, description }: FieldViolation): string {
  return field === "" ? description : `${field}: ${description}`;
}

/** The request could not be read at all: bad JSON, bad protobuf, wrong content type. */
export function malformed(reason: string, message: string, options: ErrorOptions = {}): OstlerError {
  return new OstlerError(Code.INVALID_ARGUMENT, reason, message, options);
}

export function outOfRange(field: string, description: string, options: ErrorOptions = {}): OstlerError {
  const violation = { field, description };
  const details = { ...options, violations: [violation] };
  return new OstlerError(Code.OUT_OF_RANGE, "OUT_OF_RANGE", describeViolation(violation), details);
}

export function failedPrecondition(reason: string, message: string, options?: ErrorOptions): OstlerError {
  return new OstlerError(Code.FAILED_PRECONDITION, reason, message, options);
}

export function aborted(reason: string, message: string, options?: ErrorOptions): OstlerError {
  return new OstlerError(Code.ABORTED, reason, message, options);
}

/** Too much is asked for; `retryAfterMs` says when it is worth asking again. */
export function resourceExhausted(
  reason: string,
  message: string,
  retryAfterMs?: number,
  options: ErrorOptions = {},
): OstlerError {
  return new OstlerError(Code.RESOURCE_EXHAUSTED, reason, message, withRetry(options, retryAfterMs));
}

export function unavailable(
  reason: string,
  message: string,
  retryAfterMs?: number,
  options: ErrorOptions = {},
): OstlerError {
  return new OstlerError(Code.UNAVAILABLE, reason, message, withRetry(options, retryAfterMs));
}

function withRetry(options: ErrorOptions, retryAfterMs: number | undefined): ErrorOptions {
  return retryAfterMs === undefined ? options : { ...options, retryAfterMs };
}

export function unauthenticated(
  message = "Send an API key: authorization: Bearer <key>.",
  reason = "UNAUTHENTICATED",
  options?: ErrorOptions,
): OstlerError {
  return new OstlerError(Code.UNAUTHENTICATED, reason, message, options);
}

export function permissionDenied(message: string, reason = "PERMISSION_DENIED", options?: ErrorOptions): OstlerError {
  return new OstlerError(Code.PERMISSION_DENIED, reason, message, options);
}

export function unimplemented(message: string, reason = "UNIMPLEMENTED", options?: ErrorOptions): OstlerError {
  return new OstlerError(Code.UNIMPLEMENTED, reason, message, options);
}

export function deadline(message = "The deadline passed before the work was done.", options?: ErrorOptions) {
  return new OstlerError(Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", message, options);
}

export function cancelled(message = "The client cancelled the call.", options?: ErrorOptions): OstlerError {
  return new OstlerError(Code.CANCELLED, "CANCELLED", message, options);
}

export function dataLoss(reason: string, message: string, options?: ErrorOptions): OstlerError {
  return new OstlerError(Code.DATA_LOSS, reason, message, options);
}

/** A fault of ours. The client gets the incident number, the log gets the cause. */
export function internal(cause: unknown): OstlerError {
  const incident = randomUUID();
  const message = `Internal error; tell us incident ${incident} and we can find it in our log.`;
  return new OstlerError(Code.INTERNAL, "INTERNAL", message, { cause, metadata: { incident } });
}

/** What streams throw when they are torn down under a reader or writer. */
const tornStreamCodes = new Set(["ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED", "ECONNRESET", "EPIPE"]);

/**
 * Makes any thrown value fit for a client. `signal` is the call's: what an aborted call throws on its way out
 * (AbortError, torn streams) stands for the reason of the abort.
 */
export function toOstlerError(error: unknown, signal?: AbortSignal): OstlerError {
  if (error instanceof OstlerError) return error;
  if (signal?.aborted && isConsequenceOfAbort(error)) {
    return signal.reason instanceof OstlerError ? signal.reason : cancelled();
  }
  return internal(error);
}

function isConsequenceOfAbort(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === "AbortError" || error.name === "TimeoutError") return true;
  return tornStreamCodes.has((error as NodeJS.ErrnoException).code ?? "");
}
