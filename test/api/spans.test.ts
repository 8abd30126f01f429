/** Spans as a collector gets them: a small one of our own, spoken to over OTLP/HTTP. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ConfigError } from "../../api/config.ts";
import { startTracing } from "../../api/telemetry/tracing.ts";
import { GradingService } from "../../proto/gen/ostler/v1/grading_pb.js";
import { MachineService, RunState } from "../../proto/gen/ostler/v1/machines_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import { compileC, hasCompiler } from "../support/guest.ts";
import { eventually, outcome } from "../support/hosting.ts";
import { startServer, type TestServer } from "../support/server.ts";

interface Span {
  links?: { traceId: string; spanId: string }[];
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  status: { code?: number; message?: string };
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[];
}

interface ExportRequest {
  resourceSpans: {
    resource: { attributes: Span["attributes"] };
    scopeSpans: { spans: Span[] }[];
  }[];
}

const attribute = (of: { attributes: Span["attributes"] }, key: string): string | number | undefined => {
  const value = of.attributes.find((each) => each.key === key)?.value;
  return value?.stringValue ?? value?.intValue;
};

let collector: Server;
let received: { type: string | undefined; body: Buffer; authorization: string | undefined }[];
let server: TestServer | null;

beforeEach(async () => {
  received = [];
  server = null;
  collector = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { "content-type": type, authorization } = request.headers;
    if (request.url === "/v1/traces") received.push({ type, authorization, body: Buffer.concat(chunks) });
    response.writeHead(200, { "content-type": type }).end(type === "application/json" ? "{}" : "");
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", `http://127.0.0.1:${port}`);
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
  // What is tested is waited for, however long a busy host takes: the end of a server waits for the collector for a moment only.
  vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "20");
  vi.stubEnv("OTEL_BSP_EXPORT_TIMEOUT", "240000");
  vi.stubEnv("OTEL_EXPORTER_OTLP_TIMEOUT", "240000");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await server?.stop();
  collector.closeAllConnections();
  await new Promise((resolve) => collector.close(resolve));
});

const exported = (): ExportRequest["resourceSpans"] =>
  received.flatMap(({ body }) => (JSON.parse(body.toString()) as ExportRequest).resourceSpans);
const spans = (): Span[] => exported().flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));

test("calls are children of the client's span on both transports, and what they wait for is below them", async () => {
  vi.stubEnv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20collector");
  vi.stubEnv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
  const lines: Record<string, unknown>[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation((line) => lines.push(JSON.parse(String(line))) > 0);
  server = await startServer({ log: "all" });
  const { http, adminKey } = server;
  const traceOf = { rest: "1".repeat(32), grpc: "2".repeat(32) };
  const parent = (transport: "rest" | "grpc") => `00-${traceOf[transport]}-${"a".repeat(16)}-01`;
  const made = await fetch(`${http}/v1/machines`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${adminKey}`,
      "content-type": "application/json",
      traceparent: parent("rest"),
    },
    body: "{}",
  });
  const { machine } = (await made.json()) as { machine: { machineId: string } };
  const { machineId } = machine;
  const grpc = server.client("grpc", adminKey, { traceparent: parent("grpc") });
  await grpc.call(SnapshotService, "createSnapshot", { machineId });
  await outcome(grpc.call(MachineService, "getMachine", { machineId: "m-none" }));
  await eventually(() => spans().some(({ name }) => name === "ostler.v1.MachineService/GetMachine"));
  await server.stop();
  server = null;

  const all = spans();
  const named = (name: string) => all.filter((span) => span.name === name);
  const [create] = named("ostler.v1.MachineService/CreateMachine");
  expect(create).toMatchObject({ traceId: traceOf.rest, parentSpanId: "a".repeat(16), kind: 2 });
  const [snapshotCall] = named("ostler.v1.SnapshotService/CreateSnapshot");
  expect(snapshotCall).toMatchObject({ traceId: traceOf.grpc, parentSpanId: "a".repeat(16), kind: 2 });
  expect(attribute(snapshotCall!, "ostler.transport")).toBe("grpc");
  expect(attribute(snapshotCall!, "ostler.code")).toBe("OK");
  expect(attribute(snapshotCall!, "user.id")).toBe("admin");
  for (const name of ["machine wake", "machine snapshot"]) {
    const [span] = named(name);
    expect(span).toMatchObject({ traceId: traceOf.grpc, parentSpanId: snapshotCall!.spanId });
    expect(attribute(span!, "ostler.machine")).toBe(machineId);
  }
  // Not found is no fault of the server's.
  const [missing] = named("ostler.v1.MachineService/GetMachine");
  expect(attribute(missing!, "ostler.code")).toBe("NOT_FOUND");
  expect(missing!.status.code ?? 0).toBe(0);

  const { resource } = exported()[0]!;
  expect(attribute(resource, "service.name")).toBe("ostler");
  expect(attribute(resource, "deployment.environment.name")).toBe("test");
  expect(received[0]).toMatchObject({ type: "application/json", authorization: "Bearer collector" });
  const line = lines.find(({ method }) => method === "ostler.v1.SnapshotService/CreateSnapshot");
  expect(line).toMatchObject({ trace_id: traceOf.grpc, span_id: snapshotCall!.spanId });
});

test("what a machine executes by itself is a trace of its own, with the commit below it", async () => {
  server = await startServer();
  const client = server.client("rest");
  const { machineId } = (await client.call(MachineService, "createMachine", {})).machine!;
  await client.call(MachineService, "runMachine", { machineId });
  await eventually(async () => {
    const { machine } = await client.call(MachineService, "getMachine", { machineId });
    return machine!.runState === RunState.IDLE;
  });
  const executed = (span: Span) => span.name === "machine slices" && Number(attribute(span, "ostler.slices")) >= 1;
  await eventually(() => spans().some(executed));
  await server.stop();
  server = null;
  const slices = spans().find(executed);
  expect(slices?.parentSpanId ?? "").toBe("");
  expect(attribute(slices!, "ostler.machine")).toBe(machineId);
  const commit = spans().find(({ name, parentSpanId }) => name === "commit" && parentSpanId === slices?.spanId);
  expect(commit).toMatchObject({ traceId: slices?.traceId });
});

test.skipIf(!hasCompiler)("a grading is a trace of its own, with a link to the call that asked for it", async () => {
  server = await startServer();
  const client = server.client("grpc");
  const test = { name: "t", points: 1, checks: [{ check: { case: "exitCode" as const, value: 0 } }] };
  const spec = { tests: [test] };
  const { assignment } = await client.call(GradingService, "createAssignment", { displayName: "a", spec });
  const { assignmentId } = assignment!;
  const content = compileC("int main(void) { return 0; }");
  const { submission } = await client.call(GradingService, "createSubmission", { assignmentId, content });
  const named = (name: string) => spans().filter((span) => span.name === name);
  await eventually(() => named("grade submission").length === 1 && named("run test").length === 1);
  await eventually(() => named("ostler.v1.GradingService/CreateSubmission").length === 1);
  const [[grading], [run], [call]] = ["grade submission", "run test", "ostler.v1.GradingService/CreateSubmission"].map(
    named,
  ) as [[Span], [Span], [Span]];
  expect(grading.parentSpanId ?? "").toBe("");
  expect(grading.traceId).not.toBe(call.traceId);
  expect(grading.links).toMatchObject([{ traceId: call.traceId, spanId: call.spanId }]);
  expect(attribute(grading, "ostler.submission")).toBe(submission!.submissionId);
  expect(attribute(grading, "ostler.assignment")).toBe(assignmentId);
  expect(grading.status.code ?? 0).toBe(0);
  expect(run).toMatchObject({ traceId: grading.traceId, parentSpanId: grading.spanId });
});

test("nothing is sent unless there is somewhere to send it, or when it is switched off", async () => {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } = process.env;
  const quiet = (complaint: string) => expect.fail(complaint);
  for (const environment of [
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: "true" },
    { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_EXPORTER: "none" },
  ]) {
    const end = await startTracing(environment, "1", quiet);
    await end();
  }
  vi.stubEnv("OTEL_SDK_DISABLED", "true");
  server = await startServer();
  await server.client("rest").call(MachineService, "listMachines", {});
  await server.stop();
  server = null;
  expect(received).toEqual([]);
});

test("protobuf is what is sent unless asked otherwise, and a share of the traces if that is asked", async () => {
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "");
  server = await startServer();
  await server.client("rest").call(MachineService, "listMachines", {});
  await eventually(() => received.some(({ body }) => body.includes("ostler.v1.MachineService/ListMachines")));
  expect(received[0]).toMatchObject({ type: "application/x-protobuf" });
  await server.stop();
  vi.stubEnv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
  vi.stubEnv("OTEL_TRACES_SAMPLER_ARG", "0");
  server = await startServer();
  await server.client("rest").call(UserService, "getSelf", {});
  await server.stop();
  server = null;
  // Of the first server something may still come.
  expect(received.filter(({ body }) => body.includes("ostler.v1.UserService/GetSelf"))).toEqual([]);
});

test("a collector that is away costs no call anything, and is complained of", async () => {
  const complaints: string[] = [];
  collector.closeAllConnections();
  await new Promise((resolve) => collector.close(resolve));
  vi.stubEnv("OTEL_EXPORTER_OTLP_TIMEOUT", "200");
  vi.spyOn(process.stderr, "write").mockImplementation((line) => complaints.push(String(line)) > 0);
  server = await startServer();
  expect(await server.client("rest").call(MachineService, "listMachines", {})).toMatchObject({ machines: [] });
  await eventually(() => complaints.some((line) => line.includes('"event":"telemetry"')));
});

test.each([
  ["OTEL_TRACES_SAMPLER", "often", "must be one of always_on"],
  ["OTEL_TRACES_SAMPLER_ARG", "2", "must be a number from 0 to 1"],
  ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "must be http/protobuf or http/json"],
  ["OTEL_TRACES_EXPORTER", "zipkin", "must be otlp or none"],
  ["OTEL_BSP_SCHEDULE_DELAY", "soon", "must be a number from 0"],
])("%s=%s is refused before anything starts", async (variable, value, why) => {
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318",
    OTEL_TRACES_SAMPLER: "traceidratio",
    [variable]: value,
  };
  const starting = startTracing(environment, "1", () => {});
  await expect(starting).rejects.toThrow(ConfigError);
  await expect(starting).rejects.toThrow(`${variable}=${value}: ${why}`);
});
