// The same cases through gRPC and REST, from one table.
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Code, OstlerError } from "../../../api/errors.ts";
import { type Bench, type GlueClient, limitBytes, startBench } from "./clients.ts";
import { createProbe, eventually, settled } from "./service.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());
beforeEach(() => {
  bench.probe = createProbe();
});

async function collect(messages: AsyncIterable<JsonObject>): Promise<JsonObject[]> {
  const all: JsonObject[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

async function failureOf(work: Promise<unknown>): Promise<OstlerError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(OstlerError);
  return error as OstlerError;
}

const hourMs = 3_600_000;

/** With a deadline that is not over before the call has come to its function: how long that takes is the host's affair. */
async function withDeadline(attempt: (deadlineMs: number) => Promise<void>): Promise<void> {
  for (let deadlineMs = 100; bench.probe.begun === 0; deadlineMs *= 4) await attempt(deadlineMs);
}

const echoRequest = {
  text: "hello",
  large: "9007199254740993",
  small: 7,
  flag: true,
  data: "AAEC",
  colour: "COLOUR_GREEN",
  words: ["a", "b"],
  filter: { title: "t", colours: ["COLOUR_RED"] },
  weights: { x: 1 },
  time: "2026-01-31T12:00:00Z",
  delay: "1.500s",
  right: "18446744073709551615",
};

type Case = (client: GlueClient) => Promise<void>;

const unaryCases: Record<string, Case> = {
  "every kind of field survives the way there and back": async (client) => {
    const { request } = await client.unary("echo", echoRequest);
    expect(request).toMatchObject(echoRequest);
  },
  "the caller is who the key says": async (client) => {
    expect(await client.unary("echo", {}, { key: "ada" })).toMatchObject({ caller: "ada" });
  },
  "a wrong key is refused before the function runs": async (client) => {
    const error = await failureOf(client.unary("slow", { delayMs: 1 }, { key: "wrong" }));
    expect(error).toMatchObject({ code: Code.UNAUTHENTICATED, reason: "KEY_INVALID" });
    expect(bench.probe.released).toBe(0);
  },
  "each call is told to onFinish once, with its code": async (client) => {
    await client.unary("echo", {});
    await failureOf(client.unary("fail", { kind: "denied" }));
    await eventually(() => bench.probe.finished.length === 2, "two records");
    expect(bench.probe.finished).toMatchObject([
      { method: "glue.v1.GlueService/Echo", code: "OK", transport: client.transport },
      { method: "glue.v1.GlueService/Fail", code: "PERMISSION_DENIED", transport: client.transport },
    ]);
  },
  "an idempotency key beside the message becomes its field": async (client) => {
    const { request } = await client.unary("echo", {}, { idempotencyKey: "k1" });
    expect(request).toMatchObject({ idempotencyKey: "k1" });
  },
  "an idempotency key in the message wins": async (client) => {
    const { request } = await client.unary("echo", { idempotencyKey: "own" }, { idempotencyKey: "k1" });
    expect(request).toMatchObject({ idempotencyKey: "own" });
  },
  "a method without a function is not implemented": async (client) => {
    expect(await failureOf(client.unary("missing", {}))).toMatchObject({ code: Code.UNIMPLEMENTED });
  },
  "a deadline ends a call whose function does not look": async (client) => {
    const error = await failureOf(client.unary("slow", { delayMs: hourMs }, { deadlineMs: 100 }));
    expect(error.code).toBe(Code.DEADLINE_EXCEEDED);
    expect(bench.probe.released).toBe(0);
    bench.probe.alarm.abort();
  },
  "a deadline aborts the signal of the function": async (client) => {
    await withDeadline(async (deadlineMs) => {
      await failureOf(client.unary("slow", { delayMs: hourMs, obedient: true }, { deadlineMs }));
    });
    await eventually(() => bench.probe.released === 1, "finally");
    expect(bench.probe.signalReason?.code).toBe(Code.DEADLINE_EXCEEDED);
  },
  "a client that vanishes aborts the signal of the function": async (client) => {
    const controller = new AbortController();
    const call = client.unary("slow", { delayMs: hourMs, obedient: true }, { signal: controller.signal });
    await eventually(() => bench.probe.begun === 1, "the call's arrival");
    controller.abort();
    await call.catch(() => undefined);
    await eventually(() => bench.probe.released === 1, "finally");
    expect(bench.probe.signalReason?.code).toBe(Code.CANCELLED);
  },
  "an answer or header that cannot be sent is a fault of ours": async (client) => {
    for (const name of ["shelves/bad/books/answer", "shelves/bad/books/header"]) {
      expect(await failureOf(client.unary("getBook", { name }))).toMatchObject({ code: Code.INTERNAL });
    }
    expect(bench.probe.finished.map(({ code }) => code)).toEqual(["INTERNAL", "INTERNAL"]);
  },
  "a request that is too large is refused": async (client) => {
    const data = Buffer.alloc(limitBytes + 1).toString("base64");
    expect(await failureOf(client.unary("echo", { data }))).toMatchObject({ code: Code.RESOURCE_EXHAUSTED });
    expect(await client.unary("echo", { text: "still here" })).toBeDefined();
  },
};

const errorCases: Record<string, { kind: string; expected: object }> = {
  "not found": {
    kind: "not_found",
    expected: { code: Code.NOT_FOUND, reason: "MACHINE_NOT_FOUND", metadata: { machine: "m1" } },
  },
  "already exists": { kind: "exists", expected: { code: Code.ALREADY_EXISTS, reason: "USER_ALREADY_EXISTS" } },
  "fields that are wrong": {
    kind: "fields",
    expected: {
      code: Code.INVALID_ARGUMENT,
      message: "spec.memory_bytes: must be a multiple of 4096, for example 67108864 (and 1 more)",
      violations: [
        { field: "spec.memory_bytes", description: "must be a multiple of 4096, for example 67108864" },
        { field: "spec.harts", description: "must be at least 1" },
      ],
    },
  },
  "a precondition with facts": {
    kind: "precondition",
    expected: { code: Code.FAILED_PRECONDITION, reason: "MACHINE_RUNNING", metadata: { machine: "m1" } },
  },
  "when to come back": { kind: "exhausted", expected: { code: Code.RESOURCE_EXHAUSTED, retryAfterMs: 1500 } },
  "when to come back, unavailable": { kind: "unavailable", expected: { code: Code.UNAVAILABLE, retryAfterMs: 250 } },
  "lost a race": { kind: "aborted", expected: { code: Code.ABORTED, reason: "LEASE_LOST" } },
  "half a surrogate pair in the message": {
    kind: "surrogate",
    expected: { reason: "ODD_NAME", message: "\ufffd 50% ✓" },
  },
};

const validationCases: Record<string, { request: JsonObject; field: string }> = {
  "a text that is too long": { request: { text: "0123456789x" }, field: "text" },
  "a number that is too high": { request: { small: 101 }, field: "small" },
  "an element of a list": { request: { words: ["a", ""] }, field: "words[1]" },
  "a member of a oneof": { request: { right: "4" }, field: "right" },
  "too many elements": { request: { words: ["a", "b", "c", "d"] }, field: "words" },
};

const streamCases: Record<string, Case> = {
  "a stream comes whole and in order": async (client) => {
    const numbers = (await collect(client.count({ count: 300 }))).map((message) => message["number"]);
    expect(numbers).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  },
  "an empty stream ends well": async (client) => {
    expect(await collect(client.count({ count: 1, resumeToken: "1" }))).toEqual([]);
  },
  "messages that are encoded already pass": async (client) => {
    const messages = await collect(client.count({ count: 3, encoded: true, sizeBytes: 2 }));
    expect(messages).toMatchObject([{ number: 1, padding: "AAA=" }, { number: 2 }, { number: 3 }]);
  },
  "a failure at the start of a stream is the failure of the call": async (client) => {
    const error = await failureOf(collect(client.count({ failAt: 1 })));
    expect(error).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, reason: "TOO_MANY_MACHINES", retryAfterMs: 1500 });
  },
  "a failure in mid-stream comes after the messages before it": async (client) => {
    const seen: JsonObject[] = [];
    const work = (async () => {
      for await (const message of client.count({ failAt: 4 })) seen.push(message);
    })();
    expect(await failureOf(work)).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, retryAfterMs: 1500 });
    expect(seen).toHaveLength(3);
    await eventually(() => bench.probe.released === 1, "finally");
  },
  "a stream checks its request": async (client) => {
    const error = await failureOf(collect(client.count({ count: 1_000_001 })));
    expect(error).toMatchObject({ code: Code.INVALID_ARGUMENT, violations: [{ field: "count" }] });
  },
  "a client that cancels releases the function": async (client) => {
    const stream = client.count({ delayMs: 5 });
    let seen = 0;
    await (async () => {
      for await (const _ of stream) if ((seen += 1) === 3) stream.cancel();
    })().catch(() => undefined);
    await eventually(() => bench.probe.released === 1, "finally");
    expect(bench.probe.signalReason?.code).toBe(Code.CANCELLED);
    await eventually(() => bench.probe.finished.length === 1, "onFinish");
    expect(bench.probe.finished[0]?.code).toBe("CANCELLED");
  },
  "a deadline ends a stream": async (client) => {
    await withDeadline(async (deadlineMs) => {
      const error = await failureOf(collect(client.count({ delayMs: 10 }, { deadlineMs })));
      expect(error.code).toBe(Code.DEADLINE_EXCEEDED);
    });
    await eventually(() => bench.probe.released === 1, "finally");
  },
  "a reader that does not read stops the function": async (client) => {
    const stream = client.count({ sizeBytes: 65_536 });
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    expect(await settled(() => bench.probe.produced, 400)).toBeLessThan(400);
    stream.cancel();
    await eventually(() => bench.probe.released === 1, "finally");
  },
};

const uploadCases: Record<string, Case> = {
  "a stream of requests gets one answer": async (client) => {
    expect(await client.sum([{ value: 1 }, { value: 2 }, { value: 3 }])).toMatchObject({ sum: 6, messages: 3 });
  },
  "no requests at all": async (client) => {
    expect(await client.sum([])).toBeDefined();
  },
  "text that chunks cut in two stays whole": async (client) => {
    const note = "ü€😀".repeat(9000);
    expect(await client.sum([{ note }, { note: "!" }])).toMatchObject({ note: `${note}!` });
  },
  "each message is checked": async (client) => {
    const error = await failureOf(client.sum([{ value: 1 }, { value: -1 }]));
    expect(error).toMatchObject({ code: Code.INVALID_ARGUMENT, violations: [{ field: "value" }] });
    await eventually(() => bench.probe.released === 1, "finally");
  },
  "half an upload does not pass for a whole one": async (client) => {
    for (let attempt = 1; attempt <= 20; attempt += 1) {
      const controller = new AbortController();
      async function* broken() {
        yield { value: 1 };
        await eventually(() => bench.probe.consumed === attempt, "first message");
        controller.abort();
        await sleep(60_000, undefined, { signal: controller.signal });
      }
      await failureOf(client.sum(broken(), { signal: controller.signal }));
      await eventually(() => bench.probe.finished.length === attempt, "onFinish");
      expect(bench.probe.finished.at(-1)?.code).toBe("CANCELLED");
    }
    await eventually(() => bench.probe.released === 20, "finally of all");
  },
  "the function may answer before the end": async (client) => {
    async function* endless() {
      for (let index = 0; index < 1000; index += 1) {
        yield { value: 1, note: index === 2 ? "stop" : "" };
        await sleep(1);
      }
    }
    expect(await client.sum(endless())).toMatchObject({ messages: 3 });
  },
};

const chatCases: Record<string, Case> = {
  "both directions interleave": async (client) => {
    const chat = client.chat({ key: "ada" });
    const answers = chat[Symbol.asyncIterator]();
    chat.send({ open: { room: "lobby" } });
    expect((await answers.next()).value).toEqual({ text: "welcome to lobby, ada" });
    chat.send({ text: "one" });
    expect((await answers.next()).value).toEqual({ text: "ONE" });
    chat.send({ text: "two" });
    expect((await answers.next()).value).toEqual({ text: "TWO" });
    chat.end();
    expect((await answers.next()).value).toEqual({ text: "you left" });
    expect((await answers.next()).done).toBe(true);
  },
  "the function may end first": async (client) => {
    const chat = client.chat();
    chat.send({ text: "one" });
    chat.send({ text: "bye" });
    expect(await collect(chat)).toEqual([{ text: "ONE" }]);
  },
  "a failure of the function": async (client) => {
    const chat = client.chat();
    chat.send({ text: "fail" });
    const error = await failureOf(collect(chat));
    expect(error).toMatchObject({ reason: "MACHINE_RUNNING", metadata: { machine: "m1" } });
  },
  "a message that breaks a rule": async (client) => {
    const chat = client.chat();
    chat.send({});
    expect(await failureOf(collect(chat))).toMatchObject({ code: Code.INVALID_ARGUMENT });
    await eventually(() => bench.probe.released === 1, "finally");
  },
  "a wrong key": async (client) => {
    const chat = client.chat({ key: "wrong" });
    chat.send({ text: "one" });
    expect(await failureOf(collect(chat))).toMatchObject({ code: Code.UNAUTHENTICATED, reason: "KEY_INVALID" });
  },
  "a client that vanishes releases a function that waits for it": async (client) => {
    const chat = client.chat();
    const answers = chat[Symbol.asyncIterator]();
    chat.send({ text: "one" });
    await answers.next();
    chat.cancel();
    await eventually(() => bench.probe.released === 1, "finally");
    expect(bench.probe.signalReason?.code).toBe(Code.CANCELLED);
  },
  "a client that vanishes releases a function that sleeps": async (client) => {
    const chat = client.chat();
    const answers = chat[Symbol.asyncIterator]();
    chat.send({ text: "one" });
    await answers.next();
    chat.send({ text: "nap" });
    await eventually(() => bench.probe.consumed === 2, "nap");
    chat.cancel();
    await eventually(() => bench.probe.released === 1, "finally");
  },
};

describe.each(["grpc", "rest"] as const)("through %s", (transport) => {
  const groups = { unary: unaryCases, streams: streamCases, uploads: uploadCases, conversations: chatCases };
  for (const [group, cases] of Object.entries(groups)) {
    describe(group, () => {
      for (const [name, run] of Object.entries(cases)) it(name, () => run(bench.clients[transport]));
    });
  }

  describe("errors", () => {
    it.each(Object.entries(errorCases))("%s", async (_name, { kind, expected }) => {
      const error = await failureOf(bench.clients[transport].unary("fail", { kind }));
      expect(error).toMatchObject(expected);
    });

    it("a fault of ours shows nothing but its number", async () => {
      const error = await failureOf(bench.clients[transport].unary("fail", { kind: "bug" }));
      expect(error).toMatchObject({ code: Code.INTERNAL, reason: "INTERNAL" });
      expect(JSON.stringify([error.message, error.metadata])).not.toContain("secret");
      await eventually(() => bench.probe.finished.length === 1, "onFinish");
      const logged = bench.probe.finished[0]?.error;
      expect(logged?.metadata["incident"]).toBe(error.metadata["incident"]);
      expect(logged?.cause).toMatchObject({ message: expect.stringContaining("secret path") });
    });

    it("a status with very many details still arrives", async () => {
      const error = await failureOf(bench.clients[transport].unary("fail", { kind: "long" }));
      expect(error.code).toBe(Code.INVALID_ARGUMENT);
      expect(error.violations.length).toBeGreaterThan(3);
    });
  });

  describe("validation", () => {
    it.each(Object.entries(validationCases))("%s", async (_name, { request, field }) => {
      const error = await failureOf(bench.clients[transport].unary("echo", request));
      expect(error).toMatchObject({ code: Code.INVALID_ARGUMENT, violations: [{ field }] });
    });
  });
});
