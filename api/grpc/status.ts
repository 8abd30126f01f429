// OstlerError ↔ gRPC status with details: google.rpc.Status in the trailer grpc-status-details-bin.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../proto/gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "../../proto/gen/google/rpc/status_pb.js";
import { type Code, errorDomain, type FieldViolation, OstlerError } from "../errors.ts";

const detailsKey = "grpc-status-details-bin";
/** Clients limit headers and trailers to 8 KiB or 16 KiB; a longer status would be lost whole. */
const messageLengthMax = 1024;
const violationsBytesMax = 2048;

export function toStatus(error: OstlerError): Status {
  return create(StatusSchema, { code: error.code, message: shorten(error.message), details: statusDetails(error) });
}

function statusDetails(error: OstlerError): Any[] {
  const info = { reason: error.reason, domain: errorDomain, metadata: { ...error.metadata } };
  const details = [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, info))];
  if (error.violations.length > 0) {
    const fieldViolations = fittingViolations(error.violations);
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  if (error.retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(error.retryAfterMs);
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  return details;
}

function fittingViolations(violations: readonly FieldViolation[]): FieldViolation[] {
  let bytes = 0;
  return violations.filter(({ field, description }) => {
    bytes += Buffer.byteLength(field) + Buffer.byteLength(description);
    return bytes <= violationsBytesMax;
  });
}

function shorten(message: string): string {
  return message.length <= messageLengthMax ? message : `${message.slice(0, messageLengthMax - 1)}…`;
}

/** The form that grpc-js wants to be thrown or emitted. */
export function toServiceError(error: OstlerError): ServiceError {
  const metadata = new Metadata();
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, toStatus(error))));
  const message = shorten(error.message);
  return Object.assign(new Error(message), { code: error.code as number, details: message, metadata });
}

export function textHeaders(metadata: Metadata): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(metadata.getMap())) {
    if (typeof value === "string") headers.set(name, value);
  }
  return headers;
}

export function toMetadata(headers: ReadonlyMap<string, string>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of headers) metadata.set(name, value);
  return metadata;
}

/** The way back, for clients: reads the details that toServiceError wrote. */
export function fromServiceError(error: ServiceError): OstlerError {
  const [packed] = error.metadata?.get(detailsKey) ?? [];
  const details = Buffer.isBuffer(packed) ? fromBinary(StatusSchema, packed).details : [];
  const info = firstDetail(details, (any) => anyUnpack(any, ErrorInfoSchema));
  const bad = firstDetail(details, (any) => anyUnpack(any, BadRequestSchema));
  const retry = firstDetail(details, (any) => anyUnpack(any, RetryInfoSchema));
  return new OstlerError(error.code as number as Code, info?.reason ?? "UNKNOWN", error.details, {
    metadata: info?.metadata ?? {},
    violations: (bad?.fieldViolations ?? []).map(({ field, description }) => ({ field, description })),
    ...(retry?.retryDelay && { retryAfterMs: durationMs(retry.retryDelay) }),
  });
}

function firstDetail<Detail>(details: readonly Any[], unpack: (any: Any) => Detail | undefined): Detail | undefined {
  for (const any of details) {
    const detail = unpack(any);
    if (detail !== undefined) return detail;
  }
  return undefined;
}
