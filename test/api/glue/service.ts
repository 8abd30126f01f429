// The service that both transports are tested with: descriptors built by buf when the test starts, functions, and a
// record of what happened inside.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { create, createFileRegistry, type DescService, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  aborted,
  alreadyExists,
  Code,
  failedPrecondition,
  invalidFields,
  notFound,
  type OstlerError,
  permissionDenied,
  resourceExhausted,
  unauthenticated,
  unavailable,
} from "../../../api/errors.ts";
import { type Context, callRecord, implement, type Operation, type Pipeline } from "../../../api/operation.ts";

const root = join(import.meta.dirname, "../../..");

function buildDescriptorSet(): Buffer {
  const buf = join(root, "node_modules/.bin/buf");
  const built = spawnSync(buf, ["build", ".", "--config", "test/api/glue/buf.yaml", "-o", "-"], {
    cwd: root,
    maxBuffer: 16 * 1024 * 1024,
  });
  if (built.status !== 0) throw new Error(`buf build failed: ${built.stderr}`);
  return built.stdout;
}

export const descriptorSet = buildDescriptorSet();
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));

function requireService(name: string): DescService {
  const service = registry.getService(name);
  if (service === undefined) throw new Error(`no ${name} in the descriptor set`);
  return service;
}

export const glueService = requireService("glue.v1.GlueService");

/** What the functions did, for tests to look at. */
export interface Probe {
  /** How many calls of Slow and Count have begun. */
  begun: number;
  /** Messages that Count made. */
  produced: number;
  /** Messages that Sum and Chat took. */
  consumed: number;
  /** How many functions reached their `finally`. */
  released: number;
  signalReason: OstlerError | undefined;
  /** Wakes those who sleep without looking at their signal. */
  alarm: AbortController;
  finished: { method: string; code: string; transport: string; error: OstlerError | undefined }[];
}

export function createProbe(): Probe {
  return {
    begun: 0,
    produced: 0,
    consumed: 0,
    released: 0,
    signalReason: undefined,
    alarm: new AbortController(),
    finished: [],
  };
}

/** Functions look up the probe of the present test when they start: what an earlier test left running has its own. */
export type CurrentProbe = () => Probe;

export function probePipeline(current: CurrentProbe): Pipeline {
  return {
    authenticate(context) {
      const key = context.requestHeaders.get("authorization")?.replace("Bearer ", "");
      if (key === "wrong") throw unauthenticated("This key is not valid.", "KEY_INVALID");
      context.caller = key;
    },
    onFinish(context, code, durationMs, error) {
      const record = callRecord(context, code, durationMs, error);
      current().finished.push({ method: record.method, code: record.code, transport: record.transport, error });
    },
  };
}

interface CountRequest {
  count: number;
  sizeBytes: number;
  delayMs: number;
  failAt: number;
  resumeToken: string;
  encoded: boolean;
}
interface ChatRequest {
  message: { case: "open"; value: { room: string } } | { case: "text"; value: string };
}

export function glueOperations(current: CurrentProbe): Operation[] {
  const functions = {
    echo(request: { text: string }, context: Context) {
      context.responseHeaders.set("x-echo", "yes");
      context.responseTrailers.set("x-echo-trailer", "yes");
      return { request, caller: String(context.caller ?? "") };
    },
    getBook(request: { name: string }, context: Context) {
      if (request.name === "shelves/bad/books/header") context.responseHeaders.set("x-bad", "line\nbreak");
      return {
        get name() {
          if (request.name === "shelves/bad/books/answer") throw new Error("secret: cannot be encoded");
          return request.name;
        },
      };
    },
    renameThing: (request: { title: string }) => ({ title: request.title }),
    deleteThing: () => ({}),
    fail: (request: { kind: string }) => fail(request.kind),
    slow: (request: { delayMs: number; obedient: boolean }, context: Context) => slow(request, context, current()),
    upload(request: { content: Uint8Array; comment: string }) {
      const sha256 = createHash("sha256").update(request.content).digest("hex");
      return { length: BigInt(request.content.length), sha256, comment: request.comment };
    },
    count: (request: CountRequest, context: Context) => count(request, context, current()),
    sum: (requests: AsyncIterable<{ value: number; note: string }>) => sum(requests, current()),
    chat: (requests: AsyncIterable<ChatRequest>, context: Context) => chat(requests, context, current()),
  };
  return implement(glueService, functions as never);
}

function fail(kind: string): never {
  switch (kind) {
    case "not_found":
      throw notFound("machine", "m1");
    case "exists":
      throw alreadyExists("user", "ada");
    case "fields":
      throw invalidFields([
        { field: "spec.memory_bytes", description: "must be a multiple of 4096, for example 67108864" },
        { field: "spec.harts", description: "must be at least 1" },
      ]);
    case "precondition":
      throw failedPrecondition("MACHINE_RUNNING", "Pause the machine first.", { metadata: { machine: "m1" } });
    case "exhausted":
      throw resourceExhausted("TOO_MANY_MACHINES", "You have 10 machines already.", 1500);
    case "unavailable":
      throw unavailable("NODE_LOST", "The node is gone.", 250);
    case "denied":
      throw permissionDenied("Only staff may do this.");
    case "aborted":
      throw aborted("LEASE_LOST", "Another node has the machine.");
    case "surrogate":
      throw aborted("ODD_NAME", "\ud800 50% ✓");
    case "long":
      throw invalidFields(
        Array.from({ length: 200 }, (_, index) => ({ field: `f${index}`, description: "x".repeat(200) })),
      );
    default:
      throw new Error(`secret path /etc/ostler, kind ${kind}`);
  }
}

async function slow({ delayMs, obedient }: { delayMs: number; obedient: boolean }, context: Context, probe: Probe) {
  try {
    probe.begun += 1;
    await sleep(delayMs, undefined, { signal: obedient ? context.signal : probe.alarm.signal });
    return {};
  } finally {
    probe.released += 1;
    probe.signalReason = context.signal.reason as OstlerError | undefined;
  }
}

async function* count(request: CountRequest, context: Context, probe: Probe) {
  const desc = context.method.output;
  try {
    probe.begun += 1;
    const start = Number(request.resumeToken || 0);
    for (let number = start + 1; request.count === 0 || number <= request.count; number += 1) {
      if (number === request.failAt) fail("exhausted");
      if (request.delayMs > 0) await sleep(request.delayMs, undefined, { signal: context.signal });
      probe.produced += 1;
      const message = { number, resumeToken: String(number), padding: new Uint8Array(request.sizeBytes) };
      yield request.encoded ? toBinary(desc, create(desc, message)) : message;
    }
  } finally {
    probe.released += 1;
    probe.signalReason = context.signal.reason as OstlerError | undefined;
  }
}

async function sum(requests: AsyncIterable<{ value: number; note: string }>, probe: Probe) {
  let total = 0;
  let messages = 0;
  let note = "";
  try {
    for await (const request of requests) {
      total += request.value;
      messages += 1;
      probe.consumed += 1;
      note += request.note;
      if (request.note === "stop") break;
    }
    return { sum: total, messages, note };
  } finally {
    probe.released += 1;
  }
}

async function* chat(requests: AsyncIterable<ChatRequest>, context: Context, probe: Probe) {
  try {
    for await (const { message } of requests) {
      probe.consumed += 1;
      if (message.case === "open") yield { text: `welcome to ${message.value.room}, ${context.caller ?? "stranger"}` };
      else if (message.value === "bye") return;
      else if (message.value === "fail") fail("precondition");
      else if (message.value === "nap") await sleep(60_000, undefined, { signal: context.signal });
      else yield { text: message.value.toUpperCase() };
    }
    yield { text: "you left" };
  } finally {
    probe.released += 1;
    probe.signalReason = context.signal.reason as OstlerError | undefined;
  }
}

/** Waits for something that happens soon, or on a busy host later. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  for (let attempt = 0; attempt < 24_000; attempt += 1) {
    if (condition()) return;
    await sleep(10);
  }
  throw new Error(`did not happen: ${what}`);
}

/** The number when it no longer changes although the event loop goes round, or when it is `most`. */
export async function settled(read: () => number, most: number): Promise<number> {
  let value = read();
  for (let quiet = 0; quiet < 200 && value < most; quiet += 1) {
    await sleep(1);
    const now = read();
    if (now !== value) quiet = 0;
    value = now;
  }
  return value;
}

export { Code };
