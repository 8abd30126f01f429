// What is particular to streams over REST: server-sent events, WebSockets, and how they end.
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { createRestServer } from "../../../api/rest/index.ts";
import { allLines, ask, expectProblem } from "./answers.ts";
import { type Bench, limitBytes, linesOf, readSocket, startBench } from "./clients.ts";
import { createProbe, eventually, glueOperations, probePipeline } from "./service.ts";

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

describe("event streams", () => {
  const events = { accept: "text/event-stream" };

  it("events with ids, and an end", async () => {
    const response = await fetch(`${base}/v1/count?count=2`, { headers: events });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const lines = await allLines(response);
    expect(lines.slice(0, 2)).toEqual([
      "id: 1",
      `data: ${JSON.stringify({ number: 1, resumeToken: "1", padding: "" })}`,
    ]);
    expect(lines.slice(-2)).toEqual(["event: end", "data: {}"]);
  });

  it("Last-Event-ID goes on where it stopped", async () => {
    const response = await fetch(`${base}/v1/count?count=5`, { headers: { ...events, "last-event-id": "4" } });
    const lines = await allLines(response);
    expect(lines.filter((line) => line.startsWith("id"))).toEqual(["id: 5"]);
  });

  it("a failure in mid-stream is an event", async () => {
    const response = await fetch(`${base}/v1/count?failAt=2`, { headers: events });
    const lines = await allLines(response);
    expect(lines.at(-2)).toBe("event: error");
    expect(JSON.parse(lines.at(-1)!.slice("data: ".length))).toMatchObject({
      status: 429,
      reason: "TOO_MANY_MACHINES",
    });
  });

  it("a failure at the start has its status", async () => {
    expectProblem(await ask(`${base}/v1/count?failAt=1`, { headers: events }), 429, "TOO_MANY_MACHINES");
  });

  it("a quiet stream opens soon and has a heartbeat", async () => {
    const controller = new AbortController();
    const response = await fetch(`${base}/v1/count?delayMs=3600000`, { headers: events, signal: controller.signal });
    const first = await linesOf(response).next();
    expect(first.value).toBe(": alive");
    controller.abort();
    await eventually(() => bench.probe.released === 1, "finally");
  });

  it("lines are the default", async () => {
    const response = await fetch(`${base}/v1/count?count=1`);
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    expect(await response.json()).toEqual({ number: 1, resumeToken: "1", padding: "" });
  });
});

describe("WebSockets", () => {
  const open = (path: string, protocols: string[] = []) =>
    new WebSocket(`ws://127.0.0.1:${bench.restPort}${path}`, protocols);
  const closeCode = (socket: WebSocket) => new Promise<number>((resolve) => socket.on("close", resolve));

  it("the key as a subprotocol; fields of the URL make the first message", async () => {
    const socket = open("/v1/rooms/attic/chat:attach", ["ostler.v1", "ostler.bearer.ada"]);
    const messages = readSocket(socket);
    expect((await messages.next()).value).toEqual({ text: "welcome to attic, ada" });
    expect(socket.protocol).toBe("ostler.v1");
    const closed = closeCode(socket);
    socket.send('{"text":"bye"}');
    expect(await closed).toBe(1000);
  });

  it("the key as the only subprotocol", async () => {
    const socket = open("/v1/rooms/attic/chat:attach", ["ostler.bearer.bob"]);
    expect((await readSocket(socket).next()).value).toEqual({ text: "welcome to attic, bob" });
    socket.terminate();
  });

  it("an error comes as a frame and as the close code", async () => {
    const socket = open("/v1/chat", ["ostler.bearer.wrong"]);
    const closed = closeCode(socket);
    await expect(readSocket(socket).next()).rejects.toMatchObject({ reason: "KEY_INVALID" });
    expect(await closed).toBe(4016);
  });

  it.each([
    ["JSON that does not parse", "{", "MALFORMED_JSON"],
    ["an unknown field", '{"txet":"x"}', "INVALID_ARGUMENT"],
    ["a binary frame", Buffer.from([1]), "MALFORMED_FRAME"],
  ])("%s", async (_name, frame, reason) => {
    const socket = open("/v1/chat");
    socket.on("open", () => socket.send(frame));
    await expect(readSocket(socket).next()).rejects.toMatchObject({ reason });
    await eventually(() => bench.probe.released === 1, "finally");
  });

  it("a frame that is too large ends the call", async () => {
    const socket = open("/v1/chat");
    socket.on("open", () => socket.send(JSON.stringify({ text: "x".repeat(limitBytes) })));
    socket.on("error", () => undefined);
    expect(await closeCode(socket)).toBe(1009);
    await eventually(() => bench.probe.released === 1, "finally");
  });

  it("a client that floods a busy function is made to wait", async () => {
    const socket = open("/v1/chat");
    const frame = JSON.stringify({ text: "y".repeat(60_000) });
    await new Promise((resolve) => socket.once("open", resolve));
    socket.send('{"text":"nap"}');
    for (let index = 0; index < 1000; index += 1) socket.send(frame);
    await sleep(500);
    expect(socket.bufferedAmount).toBeGreaterThan(10_000_000);
    socket.terminate();
    await eventually(() => bench.probe.released === 1, "finally");
  });

  it("few but large frames make it wait as well", async () => {
    const socket = open("/v1/chat");
    const frame = JSON.stringify({ text: "y".repeat(limitBytes - 1_000) });
    await new Promise((resolve) => socket.once("open", resolve));
    socket.send('{"text":"nap"}');
    for (let sent = 0; sent < 40_000_000; sent += frame.length) socket.send(frame);
    await sleep(500);
    expect(socket.bufferedAmount).toBeGreaterThan(27_000_000);
    socket.terminate();
    await eventually(() => bench.probe.released === 1, "finally");
  });

  it("a plain request is told to upgrade", async () => {
    expectProblem(await ask(`${base}/v1/chat`), 426, "UPGRADE_REQUIRED");
  });
});

describe("drain", () => {
  it("does not wait for ever for bodies that do not come, and as long as it takes for answers", async () => {
    const probe = createProbe();
    const { app, drain } = await createRestServer({
      operations: glueOperations(() => probe),
      pipeline: probePipeline(() => probe),
      patience: { lookEveryMs: 10, leastBytesPerLook: 1 },
    });
    const address = await app.listen({ host: "127.0.0.1", port: 0 });
    const answer = new Promise<string>((resolve) => {
      let received = "";
      const socket = connect(Number(new URL(address).port), "127.0.0.1");
      socket.write(
        "POST /v1/echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n{",
      );
      socket.on("data", (data) => (received += data));
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(received));
    });
    expect(await answer).toMatch(/^HTTP\/1\.1 408 .*REQUEST_TIMEOUT/s);
    expect((await fetch(`${address}/v1/slow?delayMs=100`)).status).toBe(200);
    await drain(0);
  });

  it("ends streams and sockets with a reason and lets other calls finish", async () => {
    const probe = createProbe();
    const current = () => probe;
    const { app, drain } = await createRestServer({
      operations: glueOperations(current),
      pipeline: probePipeline(current),
    });
    const address = await app.listen({ host: "127.0.0.1", port: 0 });
    const lines = fetch(`${address}/v1/count?delayMs=5`).then((response) => allLines(response));
    const socket = new WebSocket(`${address.replace("http", "ws")}/v1/chat`);
    const frames = readSocket(socket);
    const slow = fetch(`${address}/v1/slow?delayMs=300`);
    socket.on("open", () => socket.send('{"text":"hi"}'));
    expect((await frames.next()).value).toEqual({ text: "HI" });
    await eventually(() => probe.produced > 2 && probe.begun === 2, "messages");
    const drained = drain(240_000);
    await expect(frames.next()).rejects.toMatchObject({ reason: "SERVER_DRAINING" });
    expect(JSON.parse((await lines).at(-1)!)).toMatchObject({ error: { status: 503, reason: "SERVER_DRAINING" } });
    expect((await slow).status).toBe(200);
    await drained;
    expect(probe.released).toBe(3);
  });
});
