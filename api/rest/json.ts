// Strict JSON ↔ messages, by protobuf's own mapping. A message that does not fit is refused with the path of every
// field that is wrong and what would be right: protobuf's parser stops at the first and does not say where it was, so
// after a failure the value is walked once more to find them all.
import {
  create,
  createRegistry,
  type DescField,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "../../proto/gen/google/rpc/error_details_pb.js";
import { type FieldViolation, invalid, invalidFields, malformed } from "../errors.ts";
import type { Outcome } from "../operation.ts";
import { fieldNamed } from "./bindings.ts";

/** For google.protobuf.Any in answers. */
const registry = createRegistry(file_google_rpc_error_details);
const violationsMax = 32;
const depthMax = 100;

/** JSON.parse with an error that can be shown. */
export function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw malformed("MALFORMED_JSON", `The request body is not valid JSON: ${(error as Error).message}.`);
  }
}

export function messageFromJson(desc: DescMessage, json: JsonValue): Message {
  try {
    return fromJson(desc, json);
  } catch (error) {
    const violations: FieldViolation[] = [];
    locate(desc, json, "", violations, 0);
    if (violations.length > 0) throw invalidFields(violations);
    throw invalid("", lastWords(error));
  }
}

/** For what the walk does not find, such as a oneof set twice: protobuf's own words. */
function lastWords(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error
    ? `${String((cause as { field?: () => unknown }).field?.() ?? "")} ${cause.message}`
    : message;
}

export function jsonFromOutcome(desc: DescMessage, outcome: Outcome): JsonValue {
  const message = outcome instanceof Uint8Array ? fromBinary(desc, outcome) : create(desc, outcome);
  return toJson(desc, message, { alwaysEmitImplicit: true, registry });
}

// ---- Where is it wrong ----------------------------------------------------------------------------------------

function locate(desc: DescMessage, json: JsonValue, path: string, found: FieldViolation[], depth: number): void {
  if (desc.typeName.startsWith("google.protobuf.")) {
    if (!fits(desc, json)) found.push({ field: path, description: mismatch(wellKnownForm(desc), json) });
    return;
  }
  if (!isObject(json)) {
    found.push({ field: path, description: mismatch("an object", json) });
    return;
  }
  if (depth > depthMax) return;
  for (const [key, value] of Object.entries(json)) {
    if (found.length >= violationsMax) return;
    const field = fieldNamed(desc, key);
    const fieldPath = path === "" ? (field?.name ?? key) : `${path}.${field?.name ?? key}`;
    if (field === undefined) found.push({ field: fieldPath, description: unknownField(desc, key) });
    else if (value !== null) locateInField(desc, field, value, fieldPath, found, depth);
  }
}

function locateInField(
  desc: DescMessage,
  field: DescField,
  value: JsonValue,
  path: string,
  found: FieldViolation[],
  depth: number,
): void {
  if (field.fieldKind === "list") {
    if (!Array.isArray(value)) {
      found.push({ field: path, description: mismatch("an array", value) });
      return;
    }
    for (const [index, item] of value.entries()) {
      if (found.length >= violationsMax) return;
      locateInItem(desc, field, item, `${path}[${index}]`, [item], found, depth);
    }
  } else if (field.fieldKind === "map") {
    if (!isObject(value)) {
      found.push({ field: path, description: mismatch("an object", value) });
      return;
    }
    for (const [key, item] of Object.entries(value)) {
      if (found.length >= violationsMax) return;
      locateInItem(desc, field, item, `${path}[${JSON.stringify(key)}]`, { [key]: item }, found, depth);
    }
  } else {
    locateInItem(desc, field, value, path, value, found, depth);
  }
}

/** `wrapped` is the item in the form that the field as a whole takes. */
function locateInItem(
  desc: DescMessage,
  field: DescField,
  item: JsonValue,
  path: string,
  wrapped: JsonValue,
  found: FieldViolation[],
  depth: number,
): void {
  if (field.message !== undefined) locate(field.message, item, path, found, depth + 1);
  else if (!fits(desc, { [field.name]: wrapped }))
    found.push({ field: path, description: mismatch(form(field), item) });
}

function fits(desc: DescMessage, json: JsonValue): boolean {
  try {
    fromJson(desc, json);
    return true;
  } catch {
    return false;
  }
}

export function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

// ---- What would be right --------------------------------------------------------------------------------------

function mismatch(wanted: string, json: JsonValue): string {
  const text = shown(json);
  const given = text.length <= 60 ? text : `${text.slice(0, 57)}…`;
  return `must be ${wanted}, but is ${given}`;
}

/** JSON.stringify gives up, unlike JSON.parse, on what nests deeper than the stack. */
function shown(json: JsonValue): string {
  try {
    return JSON.stringify(json);
  } catch {
    return Array.isArray(json) ? "an array that nests too deep" : "an object that nests too deep";
  }
}

function unknownField(desc: DescMessage, key: string): string {
  const similar = desc.fields.find((field) => plain(field.name) === plain(key));
  if (similar !== undefined) return `is not a field of ${desc.typeName}; do you mean ${similar.jsonName}?`;
  const names = desc.fields.map((field) => field.jsonName);
  if (names.length === 0) return `is not a field of ${desc.typeName}, which has none`;
  return `is not a field of ${desc.typeName}; it has ${names.join(", ")}`;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}

function form(field: DescField): string {
  if (field.enum !== undefined) {
    const names = field.enum.values.map((value) => value.name);
    return `one of ${names.slice(0, 16).join(", ")}${names.length > 16 ? ", …" : ""}`;
  }
  return field.scalar === undefined ? "a value" : scalarForm(field.scalar);
}

function scalarForm(type: ScalarType): string {
  switch (type) {
    case ScalarType.STRING:
      return "a string";
    case ScalarType.BOOL:
      return "true or false";
    case ScalarType.BYTES:
      return "bytes as base64 text";
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return "a number";
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return "a whole number from 0 to 4294967295";
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return "a whole number from -2147483648 to 2147483647";
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return 'a whole number from 0 to 18446744073709551615, as text, for example "42"';
    default:
      return 'a whole number of 64 bits, as text, for example "42"';
  }
}

function wellKnownForm(desc: DescMessage): string {
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
      return 'a time like "2026-01-31T12:00:00Z"';
    case "google.protobuf.Duration":
      return 'a duration in seconds like "1.5s"';
    case "google.protobuf.FieldMask":
      return 'field names like "title,spec.memoryBytes"';
    default:
      return `a ${desc.typeName} in its JSON form`;
  }
}
