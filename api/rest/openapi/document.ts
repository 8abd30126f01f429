// The OpenAPI 3.1 document, from the same descriptors and bindings that the routes come from.
import { type DescField, type DescMessage, type DescMethod, type DescService, ScalarType } from "@bufbuild/protobuf";
import { Code } from "../../errors.ts";
import { type Binding, bindingsOf } from "../bindings.ts";
import { problemMediaType } from "../problem.ts";
import type { Comments } from "./comments.ts";
import { isWellKnown, type Schema, SchemaCollection } from "./schema.ts";

export interface DocumentOptions {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
  readonly comments?: Comments;
  /** Methods that need no key. */
  readonly isPublic?: (method: DescMethod) => boolean;
}

export type Document = Record<string, unknown>;
type PathItem = Record<string, Schema>;

const queryDepthMax = 4;

export function openApiDocument(services: readonly DescService[], options: DocumentOptions): Document {
  const builder = new DocumentBuilder(options);
  const paths: Record<string, PathItem> = {};
  for (const method of services.flatMap((service) => service.methods)) {
    bindingsOf(method).forEach((binding, index) => {
      paths[binding.openApiPath] ??= {};
      paths[binding.openApiPath]![binding.verb.toLowerCase()] = builder.operation(binding, index);
    });
  }
  return {
    openapi: "3.1.0",
    info: { title: options.title, version: options.version, description: options.description ?? "" },
    security: [{ bearer: [] }],
    tags: services.map((service) => builder.tag(service)),
    paths,
    components: {
      schemas: { Problem: problemSchema(), ...builder.collection.schemas },
      responses: { Problem: problemResponse() },
      securitySchemes: { bearer: { type: "http", scheme: "bearer", description: "An API key." } },
    },
  };
}

class DocumentBuilder {
  readonly collection: SchemaCollection;
  private readonly options: DocumentOptions;
  private readonly comments: Comments;

  constructor(options: DocumentOptions) {
    this.options = options;
    this.comments = options.comments ?? new Map();
    this.collection = new SchemaCollection(this.comments);
  }

  tag(service: DescService): Schema {
    const description = this.comments.get(service.typeName);
    return { name: service.name, ...(description !== undefined && { description }) };
  }

  operation(binding: Binding, index: number): Schema {
    const { method } = binding;
    const comment = this.comments.get(`${method.parent.typeName}.${method.name}`);
    const socket = method.methodKind === "bidi_streaming";
    const description = [comment, socket ? socketDescription : undefined]
      .filter((text) => text !== undefined)
      .join("\n\n");
    return {
      operationId: `${method.parent.name}_${method.name}${index === 0 ? "" : `_${index + 1}`}`,
      tags: [method.parent.name],
      summary: comment?.split(/(?<=\.)\s|\n\n/, 1)[0]?.replaceAll("\n", " ") ?? spaced(method.name),
      ...(description !== "" && { description }),
      ...(this.options.isPublic?.(method) && { security: [] }),
      parameters: this.parameters(binding),
      ...this.requestBody(binding),
      ...(socket && { "x-websocket": this.socketFrames(method) }),
      responses: { ...this.success(binding), ...problemReferences() },
    };
  }

  private parameters(binding: Binding): Schema[] {
    const { method } = binding;
    const parameters = [...this.pathParameters(binding), ...this.queryParameters(binding)];
    if (hasField(method.input, "idempotency_key")) parameters.push(headerParameter("Idempotency-Key", idempotencyText));
    if (method.methodKind === "server_streaming" && hasField(method.input, "resume_token")) {
      parameters.push(headerParameter("Last-Event-ID", "For event streams: goes on after the event with this id."));
    }
    return parameters;
  }

  private pathParameters(binding: Binding): Schema[] {
    return binding.variables.flatMap((variable) =>
      variable.segments.flatMap((segment) => {
        if (segment.kind === "literal") return [];
        const schema = this.pathSchema(binding.method.input, variable.field);
        return [{ name: segment.label, in: "path", required: true, schema }];
      }),
    );
  }

  private pathSchema(desc: DescMessage, path: string): Schema {
    const [head, ...rest] = path.split(".");
    const field = desc.fields.find((each) => each.name === head);
    if (field === undefined) return { type: "string" };
    if (rest.length > 0 && field.fieldKind === "message") return this.pathSchema(field.message, rest.join("."));
    return this.collection.field(field);
  }

  private queryParameters({ body, method, variables }: Binding): Schema[] {
    if (body.kind === "whole") return [];
    const skip = new Set(variables.map((variable) => variable.field));
    if (body.kind === "field") skip.add(body.field.name);
    return this.queryFields(method.input, skip, "", 0);
  }

  private queryFields(desc: DescMessage, skip: ReadonlySet<string>, prefix: string, depth: number): Schema[] {
    return desc.fields.flatMap((field) => {
      const name = prefix + field.name;
      if (skip.has(name) || field.fieldKind === "map" || depth > queryDepthMax) return [];
      if (field.fieldKind === "list" && field.listKind === "message") return [];
      if (field.fieldKind === "message" && !isWellKnown(field.message)) {
        return this.queryFields(field.message, skip, `${name}.`, depth + 1);
      }
      return [{ name, in: "query", schema: this.collection.field(field) }];
    });
  }

  private requestBody(binding: Binding): Schema {
    const { body, method } = binding;
    if (method.methodKind === "bidi_streaming") return {};
    if (method.methodKind === "client_streaming") {
      const raw = body.kind === "field" && isBytes(body.field) ? { "application/octet-stream": { schema: {} } } : {};
      const lines = { "application/x-ndjson": this.content(method.input) };
      return { requestBody: { required: true, content: { ...raw, ...lines } } };
    }
    if (body.kind === "none") return {};
    if (body.kind === "whole") {
      return { requestBody: { required: true, content: { "application/json": this.content(method.input) } } };
    }
    const json = { "application/json": { schema: this.collection.field(body.field) } };
    const raw = isBytes(body.field) ? { "application/octet-stream": { schema: {} } } : {};
    return { requestBody: { required: true, content: { ...raw, ...json } } };
  }

  private success({ method, responseField }: Binding): Schema {
    if (method.methodKind === "bidi_streaming") return { 101: { description: "The WebSocket is open." } };
    const answer = responseField ? { schema: this.collection.field(responseField) } : this.content(method.output);
    if (method.methodKind !== "server_streaming") {
      return { 200: { description: "OK", content: { "application/json": answer } } };
    }
    const content = { "application/x-ndjson": answer, "text/event-stream": answer };
    return { 200: { description: "A stream: each line, or the data of each event, is one of these.", content } };
  }

  private content(desc: DescMessage): Schema {
    return { schema: this.collection.refer(desc) };
  }

  private socketFrames(method: DescMethod): Schema {
    return { clientFrame: this.collection.refer(method.input), serverFrame: this.collection.refer(method.output) };
  }
}

const idempotencyText =
  "A call that is repeated with the same key is done once. Becomes idempotencyKey of the request.";
const socketDescription =
  "A WebSocket: text frames, each one message in JSON; an empty frame ends the client's side. " +
  "Browsers may send the key as the subprotocol ostler.bearer.<key>.";

function hasField(desc: DescMessage, name: string): boolean {
  return desc.fields.some((field) => field.name === name);
}

function isBytes(field: DescField): boolean {
  return field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES;
}

function headerParameter(name: string, description: string): Schema {
  return { name, in: "header", required: false, description, schema: { type: "string" } };
}

/** GetMachine → Get machine */
function spaced(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function problemReferences(): Schema {
  const reference = { $ref: "#/components/responses/Problem" };
  return { 400: reference, 401: reference, 404: reference, 429: reference, default: reference };
}

function problemResponse(): Schema {
  return {
    description: "What was wrong, and what would be right.",
    headers: { "Retry-After": { description: "Seconds, when it is worth trying again.", schema: { type: "integer" } } },
    content: { [problemMediaType]: { schema: { $ref: "#/components/schemas/Problem" } } },
  };
}

function problemSchema(): Schema {
  const text = { type: "string" };
  const codes = Object.values(Code).filter((name) => typeof name === "string" && name !== "OK");
  const violation = {
    type: "object",
    properties: { field: text, description: text },
    required: ["field", "description"],
  };
  return {
    type: "object",
    description: "RFC 9457. `reason` is stable: programs may rely on it.",
    properties: {
      type: { type: "string", format: "uri", examples: ["urn:ostler:problem:MACHINE_NOT_FOUND"] },
      title: text,
      status: { type: "integer" },
      detail: text,
      instance: text,
      code: { type: "string", enum: codes },
      reason: { type: "string", examples: ["MACHINE_NOT_FOUND"] },
      violations: { type: "array", items: violation },
      retryAfterMs: { type: "number" },
      metadata: { type: "object", additionalProperties: text },
    },
    required: ["type", "title", "status", "detail", "instance", "code", "reason"],
  };
}
