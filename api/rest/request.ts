// An HTTP request → the request message of its method: path variables, query, body.
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import type { FastifyRequest } from "fastify";
import { Code, invalid, malformed, OstlerError } from "../errors.ts";
import { acceptRequest, type Call, fillFromHeader } from "../operation.ts";
import { type Binding, fieldNamed, type PathVariable, type Segment } from "./bindings.ts";
import { isObject, messageFromJson } from "./json.ts";

/** The whole request of a method that takes one message. */
export function readRequest(binding: Binding, request: FastifyRequest, call: Call): Message {
  const bytes = Buffer.isBuffer(request.body) ? request.body : undefined;
  const json = bytes === undefined ? bodyJson(binding, request.body as JsonValue | undefined) : {};
  addUrl(binding, request, json);
  const message = messageFromJson(binding.method.input, json);
  if (bytes !== undefined) setBytes(bytesField(binding), message, bytes);
  fillFromHeader(binding.method.input, message, "resume_token", "last-event-id", call);
  return acceptRequest(binding.method, message, call);
}

/**
 * What the URL says about a stream of messages: it makes the first message, so that
 * /v1/consoles/{open.machine_id} opens what later messages write to. Undefined when the URL says nothing.
 */
export function readFirstMessage(binding: Binding, request: FastifyRequest, call: Call): Message | undefined {
  const json: JsonObject = {};
  addUrl(binding, request, json);
  if (Object.keys(json).length === 0) return undefined;
  return acceptRequest(binding.method, messageFromJson(binding.method.input, json), call);
}

function bodyJson({ body: bound, method }: Binding, body: JsonValue | undefined): JsonObject {
  if (body === undefined) return {};
  if (bound.kind === "field") return { [bound.field.name]: body };
  if (bound.kind === "whole") {
    if (!isObject(body)) throw invalid("", `the body must be a JSON object: a ${method.input.typeName}`);
    // A copy by spread: assigning "__proto__" would lose it, and then nobody refuses it.
    return { ...body };
  }
  if (body === null || (isObject(body) && Object.keys(body).length === 0)) return {};
  throw malformed("BODY_NOT_ALLOWED", "This operation takes no body; its fields go into the path and the query.");
}

function addUrl(binding: Binding, request: FastifyRequest, json: JsonObject): void {
  for (const [name, value] of Object.entries(request.query as Record<string, string | string[]>)) {
    if (binding.body.kind === "whole") throw invalid(name, "goes into the body: this operation takes no query");
    addParameter(binding.method.input, json, name, name, Array.isArray(value) ? value : [value]);
  }
  const parameters = request.params as Record<string, string>;
  for (const variable of binding.variables) {
    const text = variableText(variable, parameters);
    dropRepeated(binding.method.input, json, variable.field, text);
    addParameter(binding.method.input, json, variable.field, variable.field, [text]);
  }
}

/** A field that the path gives may come once more from the body or query, if it says the same. */
function dropRepeated(desc: DescMessage, json: JsonObject, path: string, text: string): void {
  const field = fieldNamed(desc, path);
  if (field === undefined) return;
  for (const name of [field.name, field.jsonName]) {
    const given = json[name] ?? "";
    if (given !== "" && String(given) !== text) {
      throw invalid(path, `is ${JSON.stringify(text)} in the path, but ${JSON.stringify(given)} elsewhere`);
    }
    delete json[name];
  }
}

function variableText(variable: PathVariable, parameters: Record<string, string>): string {
  const text = (segment: Segment) => (segment.kind === "literal" ? segment.text : (parameters[segment.name] ?? ""));
  return variable.segments.map(text).join("/");
}

/** Puts the texts of one parameter, named like spec.memory_bytes, at its place in the JSON form of the message. */
function addParameter(desc: DescMessage, json: JsonObject, path: string, whole: string, texts: string[]): void {
  const [head = "", ...rest] = path.split(".");
  const field = fieldNamed(desc, head);
  if (field === undefined) throw invalid(whole, `is not a parameter; there are ${parameterNames(desc)}`);
  if (rest.length > 0) {
    if (field.fieldKind !== "message") throw invalid(whole, `has no fields: ${head} is not a message`);
    const inner = (json[field.jsonName] ??= {}) as JsonObject;
    addParameter(field.message, inner, rest.join("."), whole, texts);
    return;
  }
  if (field.fieldKind === "map") throw invalid(whole, "is a map, which cannot be given in a query");
  if (field.fieldKind === "list") {
    json[field.jsonName] = texts.map((text) => parameterJson(field, text));
  } else {
    if (texts.length > 1) throw invalid(whole, "is given more than once");
    json[field.jsonName] = parameterJson(field, texts[0]!);
  }
}

function parameterNames(desc: DescMessage): string {
  return desc.fields.map((field) => field.name).join(", ") || "none";
}

/** A query knows only text: booleans, and enums that are given by number, must become what JSON has for them. */
function parameterJson(field: DescField, text: string): JsonValue {
  if (isBoolean(field) && (text === "true" || text === "false")) return text === "true";
  const desc: DescEnum | undefined = field.enum;
  if (desc !== undefined && /^-?\d{1,10}$/.test(text)) return Number(text);
  return text;
}

function isBoolean(field: DescField): boolean {
  return field.scalar === ScalarType.BOOL || field.message?.typeName === "google.protobuf.BoolValue";
}

function bytesField(binding: Binding): DescField {
  const { body } = binding;
  if (body.kind === "field" && body.field.fieldKind === "scalar" && body.field.scalar === ScalarType.BYTES) {
    return body.field;
  }
  throw unsupportedMediaType("application/octet-stream", "application/json");
}

export function unsupportedMediaType(given: string, wanted: string): OstlerError {
  const message = `This operation does not take ${given}; send the header content-type: ${wanted}.`;
  return new OstlerError(Code.INVALID_ARGUMENT, "UNSUPPORTED_MEDIA_TYPE", message, { httpStatus: 415 });
}

/** One message of a stream that is sent as raw bytes. */
export function messageWithBytes(binding: Binding, bytes: Buffer): Message {
  const message = messageFromJson(binding.method.input, {});
  setBytes(bytesField(binding), message, bytes);
  return message;
}

function setBytes(field: DescField, message: Message, buffer: Buffer): void {
  const values = message as unknown as Record<string, unknown>;
  const value = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  if (field.oneof === undefined) values[field.localName] = value;
  else values[field.oneof.localName] = { case: field.localName, value };
}
