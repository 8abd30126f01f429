// The OpenAPI document: whole in itself, and true to the descriptors. Checked on the test's contract and on Ostler's.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { createFileRegistry, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPipeline, implement } from "../../../api/operation.ts";
import { createRestServer, openApiDocument } from "../../../api/rest/index.ts";
import { commentsOf } from "../../../api/rest/openapi/comments.ts";
import { type Bench, startBench } from "./clients.ts";
import { descriptorSet, glueService } from "./service.ts";

const root = join(import.meta.dirname, "../../..");
const buf = join(root, "node_modules/.bin/buf");

interface OperationObject {
  operationId: string;
  summary: string;
  description?: string;
  security?: unknown[];
  parameters: { name: string; in: string; required?: boolean; schema: Record<string, unknown> }[];
  requestBody?: { content: Record<string, { schema: Record<string, unknown> }> };
  responses: Record<string, { content?: Record<string, unknown> }>;
}
interface DocumentObject {
  openapi: string;
  paths: Record<string, Record<string, OperationObject>>;
  components: {
    schemas: Record<string, { properties: Record<string, Record<string, unknown>>; [key: string]: unknown }>;
  };
}

const options = { title: "glue", version: "1", comments: commentsOf(descriptorSet) };
const glue = openApiDocument([glueService], options) as unknown as DocumentObject;

function ostlerServices(): { services: DescService[]; bytes: Buffer } {
  const built = spawnSync(buf, ["build", "proto", "-o", "-"], { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  if (built.status !== 0) throw new Error(String(built.stderr));
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, built.stdout));
  const all = [...registry].filter((desc) => desc.kind === "service");
  return { services: all.filter(({ typeName }) => typeName.startsWith("ostler.")), bytes: built.stdout };
}

const contract = ostlerServices();
const ostler = openApiDocument(contract.services, {
  title: "Ostler",
  version: "1",
  comments: commentsOf(contract.bytes),
}) as unknown as DocumentObject;

function* nodes(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const child of Object.values(value)) yield* nodes(child);
}

function resolve(document: DocumentObject, reference: string): unknown {
  expect(reference.startsWith("#/")).toBe(true);
  return reference
    .slice(2)
    .split("/")
    .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], document);
}

function operationsOf(document: DocumentObject): [path: string, operation: OperationObject][] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.values(item).map((operation): [string, OperationObject] => [path, operation]),
  );
}

const jsonTypes = new Set(["string", "number", "integer", "boolean", "object", "array", "null"]);

describe.each([
  ["the test's contract", glue],
  ["Ostler's contract", ostler],
])("of %s", (_name, document) => {
  it("is of version 3.1 and has operations", () => {
    expect(document.openapi).toBe("3.1.0");
    expect(operationsOf(document).length).toBeGreaterThan(5);
  });

  it("every reference resolves", () => {
    for (const { $ref } of nodes(document)) {
      if (typeof $ref === "string") expect(resolve(document, $ref), $ref).toBeTypeOf("object");
    }
  });

  it("every parameter of a path is declared once, and nothing else is", () => {
    for (const [path, operation] of operationsOf(document)) {
      const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name).sort();
      const declared = operation.parameters.filter((parameter) => parameter.in === "path");
      expect(declared.map(({ name }) => name).sort(), path).toEqual(inPath);
      expect(declared.every(({ required }) => required === true)).toBe(true);
    }
  });

  it("operation ids and parameters are unique", () => {
    const ids = operationsOf(document).map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, { parameters }] of operationsOf(document)) {
      const keys = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });

  it("types are types of JSON schema", () => {
    for (const schema of Object.values(document.components.schemas).flatMap((each) => [...nodes(each)])) {
      if (typeof schema["type"] === "string") expect(jsonTypes.has(schema["type"])).toBe(true);
    }
  });

  it("every operation has a summary and an answer", () => {
    for (const [path, operation] of operationsOf(document)) {
      expect(operation.summary, path).not.toBe("");
      expect(operation.responses["200"] ?? operation.responses["101"], path).toBeDefined();
      expect(operation.responses["default"], path).toBeDefined();
    }
  });
});

describe("says what the contract says", () => {
  const schema = (name: string) => glue.components.schemas[`glue.v1.${name}`]!;

  it("comments", () => {
    expect(glue.paths["/v1/echo"]?.["post"]).toMatchObject({
      summary: "Gives back what it gets.",
      description: "Gives back what it gets. Says so twice.",
    });
    const failAt = glue.paths["/v1/count"]?.["get"]?.parameters.find(({ name }) => name === "fail_at");
    expect(failAt?.schema["description"]).toBe("Fails before this message, counted from 1.");
  });

  it("rules", () => {
    const { properties } = schema("EchoRequest");
    expect(properties["text"]).toMatchObject({ type: "string", maxLength: 10 });
    expect(properties["small"]).toMatchObject({ type: "integer", maximum: 100 });
    expect(properties["words"]).toMatchObject({ maxItems: 3, items: { type: "string", minLength: 1 } });
    expect(properties["right"]?.["description"]).toContain("at least 5");
    expect(schema("RenameThingRequest")["required"]).toEqual(["title"]);
    expect(schema("ChatRequest")["description"]).toContain("Exactly one of: open, text.");
  });

  it("types as JSON has them", () => {
    const { properties } = schema("EchoRequest");
    expect(properties["large"]).toMatchObject({ type: "string" });
    expect(properties["data"]).toMatchObject({ type: "string", contentEncoding: "base64" });
    expect(properties["time"]).toMatchObject({ format: "date-time" });
    expect(properties["weights"]).toMatchObject({ type: "object", additionalProperties: { type: "integer" } });
    expect(glue.components.schemas["glue.v1.Colour"]).toMatchObject({ type: "string" });
  });

  it("paths, verbs, query, bodies, streams", () => {
    expect(Object.keys(glue.paths)).toEqual(
      expect.arrayContaining([
        "/v1/shelves/{name_1}/books/{name_2}",
        "/v1/things/{thing_id}:rename",
        "/v1/rooms/{open.room}/chat:attach",
      ]),
    );
    const query = glue.paths["/v1/echo/{text}"]?.["get"]?.parameters.map(({ name }) => name);
    expect(query).toEqual(expect.arrayContaining(["large", "filter.title", "filter.colours", "Idempotency-Key"]));
    const upload = glue.paths["/v1/uploads/{name}"]?.["put"]?.requestBody?.content;
    expect(Object.keys(upload ?? {})).toEqual(["application/octet-stream", "application/json"]);
    const stream = glue.paths["/v1/count"]?.["get"]?.responses["200"]?.content;
    expect(Object.keys(stream ?? {})).toEqual(["application/x-ndjson", "text/event-stream"]);
    const sum = glue.paths["/v1/sum"]?.["post"]?.requestBody?.content;
    expect(Object.keys(sum ?? {})).toEqual(["application/x-ndjson"]);
  });

  it("public methods need no key", () => {
    const document = openApiDocument([glueService], { ...options, isPublic: ({ name }) => name === "Fail" });
    const { paths } = document as unknown as DocumentObject;
    expect(paths["/v1/fail/{kind}"]?.["get"]?.security).toEqual([]);
    expect(paths["/v1/slow"]?.["get"]?.security).toBeUndefined();
  });
});

describe("is served", () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await startBench();
  });
  afterAll(() => bench.close());

  it("as JSON", async () => {
    const response = await fetch(`http://127.0.0.1:${bench.restPort}/openapi.json`);
    const document = await response.json();
    expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "glue" } });
    expect(await (await fetch(`http://127.0.0.1:${bench.restPort}/docs/json`)).json()).toEqual(document);
  });

  it("as a page whose parts all come from here", async () => {
    const base = `http://127.0.0.1:${bench.restPort}`;
    const page = await (await fetch(`${base}/docs/`)).text();
    const parts = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url!);
    expect(parts.length).toBeGreaterThan(2);
    for (const part of parts) {
      expect(part).not.toMatch(/^(https?:)?\/\//);
      expect((await fetch(new URL(part, `${base}/docs/`))).status, part).toBe(200);
    }
  });
});

describe("Ostler's contract", () => {
  it("passes buf lint", () => {
    const linted = spawnSync(buf, ["lint", "proto"], { cwd: root, encoding: "utf8" });
    expect(linted.stdout + linted.stderr).toBe("");
    expect(linted.status).toBe(0);
  });

  it("mounts without two routes in each other's way", async () => {
    const operations = contract.services.flatMap((service) => implement(service, {}));
    const server = await createRestServer({ operations, pipeline: createPipeline({ log: () => undefined }) });
    await server.app.ready();
    await server.drain(0);
  });
});
