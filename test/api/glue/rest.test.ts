// What is particular to REST: routes, JSON, headers. Its streams are in rest-streams.test.ts.
import { createHash } from "node:crypto";
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Pipeline } from "../../../api/operation.ts";
import { createRestServer } from "../../../api/rest/index.ts";
import { type Answer, ask, expectProblem } from "./answers.ts";
import { type Bench, limitBytes, startBench } from "./clients.ts";
import { createProbe, glueOperations, probePipeline } from "./service.ts";

let bench: Bench;
let base: string;
beforeAll(async () => {
  bench = await startBench();
  base = `http://127.0.0.1:${bench.restPort}`;
});
afterAll(() => bench.close());
beforeEach(() => {
  bench.probe = createProbe();
});

const request = (method: string, url: string, init: RequestInit = {}): Promise<Answer> =>
  ask(base + url, { method, ...init });

function post(url: string, body: unknown): Promise<Answer> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return request("POST", url, { body: text, headers: { "content-type": "application/json" } });
}

describe("routes", () => {
  it("a path variable of several segments", async () => {
    expect((await request("GET", "/v1/shelves/a%20b/books/7")).json).toEqual({ name: "shelves/a b/books/7" });
  });

  it("a custom verb, and a field of the answer as the body", async () => {
    expect((await post("/v1/things/t1:rename", { title: "new" })).json).toBe("new");
  });

  it("a second binding of the same method", async () => {
    const { json } = await request("GET", "/v1/echo/hi?small=3");
    expect(json["request"]).toMatchObject({ text: "hi", small: 3 });
  });

  it("a field that the path gives may be repeated by the body, but not contradicted", async () => {
    expect((await post("/v1/things/t1:rename", { thing_id: "t1", title: "x" })).status).toBe(200);
    const problem = expectProblem(
      await post("/v1/things/t1:rename", { thingId: "t2", title: "x" }),
      400,
      "INVALID_ARGUMENT",
    );
    expect(problem.violations?.[0]?.field).toBe("thing_id");
  });

  it("a delete without body or content type", async () => {
    expect(await request("DELETE", "/v1/things/t1")).toMatchObject({ status: 200, json: {} });
  });

  it("no such route, wrong method, unknown verb", async () => {
    expectProblem(await request("GET", "/v1/nothing"), 404, "ROUTE_NOT_FOUND");
    expectProblem(await post("/v1/things/t1:explode", {}), 404, "ROUTE_NOT_FOUND");
    const answer = await request("PATCH", "/v1/echo");
    expectProblem(answer, 405, "METHOD_NOT_ALLOWED");
    expect(answer.headers.get("allow")).toBe("POST");
  });

  it("a path with a broken escape", async () => {
    expectProblem(await request("GET", "/v1/fail/%zz"), 400, "MALFORMED_REQUEST");
  });

  it("no CORS", async () => {
    const { headers } = await request("GET", "/v1/echo/hi", { headers: { origin: "https://elsewhere.example" } });
    expect(headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("query parameters", () => {
  it("every kind that a query can have", async () => {
    const query =
      "large=-5&flag=true&colour=COLOUR_RED&words=a&words=b&filter.title=t&filter.colours=1&filter.colours=COLOUR_GREEN" +
      "&time=2026-01-31T12:00:00Z&delay=2s&data=AAEC&ratio=0.5&right=7";
    const { json } = await request("GET", `/v1/echo/x?${query}`);
    expect(json["request"]).toMatchObject({
      large: "-5",
      flag: true,
      colour: "COLOUR_RED",
      words: ["a", "b"],
      filter: { title: "t", colours: ["COLOUR_RED", "COLOUR_GREEN"] },
      time: "2026-01-31T12:00:00Z",
      delay: "2s",
      data: "AAEC",
      ratio: 0.5,
      right: "7",
    });
  });

  it("an enum by its number", async () => {
    expect((await request("GET", "/v1/echo/x?colour=2")).json["request"]).toMatchObject({ colour: "COLOUR_GREEN" });
  });

  it.each([
    ["unknown=1", "unknown", "is not a parameter"],
    ["filter.none=1", "filter.none", "is not a parameter"],
    ["small=1&small=2", "small", "more than once"],
    ["small=many", "small", "a whole number from 0 to 4294967295"],
    ["flag=yes", "flag", "true or false"],
    ["colour=BLUE", "colour", "one of COLOUR_UNSPECIFIED, COLOUR_RED, COLOUR_GREEN"],
    ["time=noon", "time", "2026-01-31T12:00:00Z"],
    ["weights=1", "weights", "map"],
  ])("%s is refused", async (query, field, words) => {
    const problem = expectProblem(await request("GET", `/v1/echo/x?${query}`), 400, "INVALID_ARGUMENT");
    expect(problem.violations?.[0]?.field).toBe(field);
    expect(problem.violations?.[0]?.description).toContain(words);
  });

  it("a method that takes a body takes no query", async () => {
    expectProblem(await post("/v1/echo?small=1", {}), 400, "INVALID_ARGUMENT");
  });
});

describe("bodies", () => {
  it("JSON that does not parse says where", async () => {
    const problem = expectProblem(await post("/v1/echo", '{"text": }'), 400, "MALFORMED_JSON");
    expect(problem.detail).toContain("Unexpected token '}'");
  });

  it("every wrong field is named with its path and what would be right", async () => {
    const body = {
      txet: 1,
      flag: "yes",
      large: "1.5",
      colour: "BLUE",
      words: ["a", 2],
      filter: { Title: "x" },
      filters: [{}, { colours: ["COLOUR_RED", "PINK"] }],
      weights: { a: "b" },
      time: "noon",
    };
    const problem = expectProblem(await post("/v1/echo", body), 400, "INVALID_ARGUMENT");
    const violations = new Map(problem.violations?.map(({ field, description }) => [field, description]));
    expect([...violations.keys()]).toEqual([
      "txet",
      "flag",
      "large",
      "colour",
      "words[1]",
      "filter.Title",
      "filters[1].colours[1]",
      'weights["a"]',
      "time",
    ]);
    expect(violations.get("filter.Title")).toContain("do you mean title?");
    expect(violations.get("words[1]")).toBe("must be a string, but is 2");
    expect(violations.get("flag")).toBe('must be true or false, but is "yes"');
  });

  it.each([
    ["a oneof set twice", { left: "a", right: "7" }],
    ["a field by both its names", { idempotencyKey: "a", idempotency_key: "b" }],
    ["an array", [1]],
    ["a __proto__", '{"__proto__": {"text": "x"}}'],
  ])("%s is refused", async (_name, body) => {
    expectProblem(await post("/v1/echo", body), 400, "INVALID_ARGUMENT");
  });

  it("no body at all is an empty message", async () => {
    expect((await request("POST", "/v1/echo")).status).toBe(200);
    expect((await post("/v1/echo", "")).status).toBe(200);
  });

  it("a body for a method that takes none", async () => {
    const init = { body: '{"a":1}', headers: { "content-type": "application/json" } };
    expectProblem(await request("DELETE", "/v1/things/t1", init), 400, "BODY_NOT_ALLOWED");
  });

  it("media types that nobody takes", async () => {
    const form = { body: "a=1", headers: { "content-type": "application/x-www-form-urlencoded" } };
    expectProblem(await request("POST", "/v1/echo", form), 415, "UNSUPPORTED_MEDIA_TYPE");
    const raw = { body: "x", headers: { "content-type": "application/octet-stream" } };
    expectProblem(await request("POST", "/v1/echo", raw), 415, "UNSUPPORTED_MEDIA_TYPE");
    const lines = { body: "{}\n", headers: { "content-type": "application/x-ndjson" } };
    expectProblem(await request("POST", "/v1/echo", lines), 415, "UNSUPPORTED_MEDIA_TYPE");
  });

  it("too large", async () => {
    expectProblem(await post("/v1/echo", { text: "x".repeat(limitBytes) }), 413, "MESSAGE_TOO_LARGE");
  });

  it("a line of an upload that never ends", async () => {
    const init = { body: "x".repeat(limitBytes * 2), headers: { "content-type": "application/x-ndjson" } };
    for (let attempt = 0; attempt < 5; attempt += 1) {
      expectProblem(await request("POST", "/v1/sum", init), 413, "MESSAGE_TOO_LARGE");
      // The rest of that body must not stand before this.
      expect((await post("/v1/echo", {})).status).toBe(200);
    }
  });

  it("bytes of a field as they are, larger than JSON may be, with other fields from the URL", async () => {
    const bytes = Buffer.alloc(limitBytes * 2, "\u00ff{");
    const init = { body: bytes, headers: { "content-type": "application/octet-stream" } };
    const { json } = await request("PUT", "/v1/uploads/program?comment=mine", init);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    expect(json).toEqual({ length: String(bytes.length), sha256, comment: "mine" });
  });

  it("bytes of a field as base64", async () => {
    const init = { body: '"AAEC"', headers: { "content-type": "application/json" } };
    expect((await request("PUT", "/v1/uploads/program", init)).json).toMatchObject({ length: "3" });
  });

  it("the rules hold for raw bytes too", async () => {
    const init = { body: Buffer.alloc(1_048_577), headers: { "content-type": "application/octet-stream" } };
    const problem = expectProblem(await request("PUT", "/v1/uploads/program", init), 400, "INVALID_ARGUMENT");
    expect(problem.violations?.[0]?.field).toBe("content");
  });
});

describe("headers", () => {
  it("Retry-After in seconds, rounded up", async () => {
    const answer = await request("GET", "/v1/fail/exhausted?");
    expect(expectProblem(answer, 429, "TOO_MANY_MACHINES")).toMatchObject({
      title: "Resource exhausted",
      code: "RESOURCE_EXHAUSTED",
      instance: "/v1/fail/exhausted",
      retryAfterMs: 1500,
    });
    expect(answer.headers.get("retry-after")).toBe("2");
  });

  it("what an unknown caller should do", async () => {
    const answer = await request("GET", "/v1/slow", { headers: { authorization: "Bearer wrong" } });
    expectProblem(answer, 401, "KEY_INVALID");
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  });

  it("headers that the function sets", async () => {
    expect((await request("GET", "/v1/echo/hi")).headers.get("x-echo")).toBe("yes");
  });

  it("a timeout that is no number", async () => {
    const answer = await request("GET", "/v1/slow", { headers: { "x-request-timeout-ms": "soon" } });
    expectProblem(answer, 400, "INVALID_ARGUMENT");
  });

  const exchange = (sent: string) =>
    new Promise<string>((resolve) => {
      let received = "";
      const socket = connect(bench.restPort, "127.0.0.1", () => socket.write(sent));
      socket.on("data", (data) => {
        received += data;
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(received));
    });

  it("a request that is not HTTP", async () => {
    const text = await exchange("HELLO THERE\r\n\r\n");
    expect(text).toContain("400 Bad Request");
    expect(text).toContain("MALFORMED_REQUEST");
  });

  it("headers that are too large", async () => {
    const text = await exchange(`GET /v1/echo/hi HTTP/1.1\r\nhost: x\r\nx-a: ${"a".repeat(20_000)}\r\n\r\n`);
    expect(text).toContain("431 Request Header Fields Too Large");
    expect(text).toContain("HEADERS_TOO_LARGE");
  });

  it.each([
    ["half a line", "GET /v1/ec"],
    ["half a head", "GET /v1/echo/hi HTTP/1.1\r\nhost: x\r\nx-a: b"],
    ["nothing at all", ""],
  ])("a head that does not come, from one who does not hang up: %s", async (_, sent) => {
    const { app, drain } = await createRestServer({
      operations: glueOperations(() => bench.probe),
      pipeline: probePipeline(() => bench.probe),
      headTimeoutMs: 20,
    });
    const gone = new Promise<unknown[]>((resolve) => {
      app.server.once("connection", (socket: Socket) => {
        const end = vi.spyOn(socket, "end");
        socket.once("close", () => resolve(end.mock.calls.map(([text]) => text)));
      });
    });
    const address = await app.listen({ host: "127.0.0.1", port: 0 });
    const socket = connect({ port: Number(new URL(address).port), host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => undefined);
    socket.write(sent);
    expect((await gone)[0]).toMatch(/^HTTP\/1\.1 408 .*REQUEST_TIMEOUT/s);
    socket.destroy();
    await drain(0);
  });

  it("a body that is too large, also to a client that sends on", async () => {
    const answer = await request("POST", "/v1/echo", {
      headers: { "content-type": "application/json" },
      body: `{"text":"${"x".repeat(30_000_000)}"}`,
    });
    expectProblem(answer, 413, "MESSAGE_TOO_LARGE");
  });

  describe("large bodies", () => {
    const large = (size: number, key: string, path = "/v1/echo") => {
      const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
      return fetch(`${address}${path}`, { method: "POST", headers, body: `{"text":"x"}${" ".repeat(size)}` });
    };
    let address = "";
    let counted = 0;
    let close: () => Promise<void>;
    beforeEach(async () => {
      const current = () => bench.probe;
      const options = { bodyLimitBytes: 8_000_000, uploadLimitBytes: 8_000_000, uploadBudgetBytes: 10_000_000 };
      const operations = glueOperations(current);
      const probe = probePipeline(current);
      const authenticate: Pipeline["authenticate"] = (context) => {
        if (!context.isCounted) counted += 1;
        context.isCounted = true;
        return probe.authenticate(context);
      };
      counted = 0;
      const pipeline = { ...probe, authenticate };
      const { app, drain } = await createRestServer({ operations, pipeline, ...options });
      address = await app.listen({ host: "127.0.0.1", port: 0 });
      close = () => drain(0);
    });
    afterEach(() => close());

    it("are not read from those without a key, nor where nothing is", async () => {
      expect((await large(3_000_000, "wrong")).status).toBe(401);
      expect(bench.probe.finished).toMatchObject([{ code: "UNAUTHENTICATED" }]);
      expect((await large(3_000_000, "ada", "/v1/nowhere")).status).toBe(404);
      expect((await large(3_000_000, "ada")).status).toBe(200);
    });

    it("are one call each, though their senders are looked at twice", async () => {
      for (const size of [10, 3_000_000, 3_000_000]) expect((await large(size, "ada")).status).toBe(200);
      expect(counted).toBe(3);
    });

    it("are under way up to a number of bytes, then the sender is told to come again", async () => {
      const halves = Array.from({ length: 3 }, () => {
        const socket = connect(Number(new URL(address).port), "127.0.0.1");
        socket.on("error", () => undefined);
        const head = "POST /v1/echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer ada";
        socket.write(`${head}\r\ncontent-length: 3000000\r\n\r\n{"text":`);
        return socket;
      });
      let refused = await large(3_000_000, "ada");
      while (refused.status === 200) refused = await large(3_000_000, "ada");
      expect(refused.status).toBe(429);
      expect(refused.headers.get("retry-after")).toBe("1");
      expect(await refused.json()).toMatchObject({ reason: "TOO_MANY_UPLOADS" });
      expect((await large(1_000, "ada")).status).toBe(200);
      for (const socket of halves) socket.destroy();
      let answer = await large(3_000_000, "ada");
      while (answer.status === 429) answer = await large(3_000_000, "ada");
      expect(answer.status).toBe(200);
    });
  });

  it("JSON that nests deeper than the stack", async () => {
    const depth = 10_000;
    const answer = await request("POST", "/v1/echo", {
      headers: { "content-type": "application/json" },
      body: `{"text":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}`,
    });
    const problem = await expectProblem(answer, 400, "INVALID_ARGUMENT");
    expect(problem).toMatchObject({ violations: [{ field: "text", description: expect.stringContaining("nests") }] });
  });
});
