// OstlerError → application/problem+json (RFC 9457); and fastify's own errors → OstlerError.
import type { FastifyError, FastifyReply } from "fastify";
import { Code, codeName, errorTitle, internal, malformed, OstlerError } from "../errors.ts";
import { requestTimeout } from "../patience.ts";

export interface Problem {
  /** urn:ostler:problem:MACHINE_NOT_FOUND */
  type: string;
  title: string;
  status: number;
  detail: string;
  /** Path of the request. */
  instance: string;
  code: string;
  reason: string;
  violations?: { field: string; description: string }[];
  retryAfterMs?: number;
  metadata?: Record<string, string>;
}

export const problemMediaType = "application/problem+json";

export function toProblem(error: OstlerError, url: string): Problem {
  return {
    type: `urn:ostler:problem:${error.reason}`,
    title: errorTitle(error.code),
    status: error.httpStatus,
    detail: error.message,
    // Without the query, which may hold what should not be repeated.
    instance: url.split("?", 1)[0] ?? "",
    code: codeName(error.code),
    reason: error.reason,
    ...(error.violations.length > 0 && { violations: error.violations.map((violation) => ({ ...violation })) }),
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
    ...(Object.keys(error.metadata).length > 0 && { metadata: { ...error.metadata } }),
  };
}

export function sendProblem(reply: FastifyReply, error: OstlerError): FastifyReply {
  if (error.retryAfterMs !== undefined) reply.header("retry-after", Math.ceil(error.retryAfterMs / 1000));
  if (error.code === Code.UNAUTHENTICATED) reply.header("www-authenticate", "Bearer");
  const text = JSON.stringify(toProblem(error, reply.request.url));
  return reply.code(error.httpStatus).type(problemMediaType).send(text);
}

/** What fastify itself refuses, before an operation is reached. */
export function fromFastifyError(error: unknown): OstlerError {
  if (error instanceof OstlerError) return error;
  const { code, statusCode, message } = error as FastifyError;
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new OstlerError(Code.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", "The request body is too large.", {
        httpStatus: 413,
      });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
    case "FST_ERR_CTP_INVALID_CONTENT_TYPE":
      return new OstlerError(Code.INVALID_ARGUMENT, "UNSUPPORTED_MEDIA_TYPE", `${message}: send application/json.`, {
        httpStatus: 415,
      });
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return malformed("MALFORMED_JSON", "The request says application/json, but its body is empty.");
    default:
      break;
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return malformed("MALFORMED_REQUEST", message, { httpStatus: statusCode });
  }
  return internal(error);
}

/** What Node's own parser refuses, before there is a request. */
export function unparsable(code: string | undefined): OstlerError {
  if (code === "HPE_HEADER_OVERFLOW") {
    const message = "The request's line and headers are too large: together at most 16 KiB.";
    return malformed("HEADERS_TOO_LARGE", message, { httpStatus: 431 });
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return requestTimeout();
  return malformed("MALFORMED_REQUEST", "This is not a valid HTTP request.");
}

export function routeNotFound(method: string, path: string): OstlerError {
  const message = `There is no ${method} ${path}; see /openapi.json for what there is.`;
  return new OstlerError(Code.NOT_FOUND, "ROUTE_NOT_FOUND", message);
}

export function methodNotAllowed(method: string, path: string, allowed: readonly string[]): OstlerError {
  const message = `${path} does not take ${method}, only ${allowed.join(", ")}.`;
  return new OstlerError(Code.UNIMPLEMENTED, "METHOD_NOT_ALLOWED", message, { httpStatus: 405 });
}

export function upgradeRequired(): OstlerError {
  const message = "This is a WebSocket; ask for it with the headers connection: upgrade and upgrade: websocket.";
  return new OstlerError(Code.FAILED_PRECONDITION, "UPGRADE_REQUIRED", message, { httpStatus: 426 });
}
