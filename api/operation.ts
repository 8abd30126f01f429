// One operation, one function, two transports.
//
// `implement(Service, functions)` turns the methods of a service into a list of operations. api/grpc and api/rest
// mount the same list; both run every call through `perform`, so that the road of a call is written down once:
//
//     authenticate ─▶ read and validate the request ─▶ run the function ─▶ send what it gives ─▶ onFinish (one log line)
//
// What always holds: onFinish is called exactly once a call; `perform` throws nothing but OstlerError; when a call ends
// early (client gone, deadline, drain) its signal is aborted with the OstlerError that says why, and the function's
// `finally` blocks run.
import { randomUUID } from "node:crypto";
import type { Writable } from "node:stream";
import type { DescMessage, DescMethod, DescService, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import {
  Code,
  codeName,
  deadline as deadlineError,
  invalidFields,
  type OstlerError,
  toOstlerError,
  unavailable,
  unimplemented,
} from "./errors.ts";
import { patternSentence } from "./patterns.ts";
import { callerId, describeCall, spanOfCall } from "./telemetry/call-span.ts";
import { spanIds } from "./telemetry/spans.ts";

export type Transport = "grpc" | "rest";

export interface Context {
  readonly transport: Transport;
  readonly method: DescMethod;
  /** Aborted when the call is to end early (see abort): the reason is an OstlerError. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly deadline: number | undefined;
  /** Names in lower case. gRPC metadata or HTTP headers. */
  readonly requestHeaders: ReadonlyMap<string, string>;
  /** Sent before the first message; later changes are lost. */
  readonly responseHeaders: Map<string, string>;
  /** gRPC only: HTTP/1 clients do not read trailers. */
  readonly responseTrailers: Map<string, string>;
  readonly peer: string;
  /** Names the call in the log. */
  readonly requestId: string;
  /** Who calls; set by Pipeline.authenticate. */
  caller: unknown;
  /** It has been counted as a call of the caller's. */
  isCounted: boolean;
  /** What the call is about, as far as its authorisation has found out. Empty: the server, nothing that is named. */
  courseId: string;
  target: string;
  /** Ends the call early, with that error. One that has ended already stays as it is. */
  abort(reason: () => OstlerError): void;
}

type Input<Method> = Method extends { input: infer Desc extends DescMessage } ? MessageShape<Desc> : never;
/** A function gives an init object, a message, or the bytes of a message that is already encoded (hot streams). */
type Output<Method> = Method extends { output: infer Desc extends DescMessage }
  ? MessageInitShape<Desc> | Uint8Array
  : never;

export type Handler<Method> = Method extends { methodKind: "unary" }
  ? (request: Input<Method>, context: Context) => Promise<Output<Method>> | Output<Method>
  : Method extends { methodKind: "server_streaming" }
    ? (request: Input<Method>, context: Context) => AsyncIterable<Output<Method>>
    : Method extends { methodKind: "client_streaming" }
      ? (requests: AsyncIterable<Input<Method>>, context: Context) => Promise<Output<Method>>
      : (requests: AsyncIterable<Input<Method>>, context: Context) => AsyncIterable<Output<Method>>;

export type ServiceImplementation<Service> =
  Service extends GenService<infer Methods extends GenServiceMethods>
    ? { [Name in keyof Methods]: Handler<Methods[Name]> }
    : never;

/** What a function gives back, before it is encoded. */
export type Outcome = Message | Record<string, unknown> | Uint8Array;
export type ErasedHandler = (request: unknown, context: Context) => unknown;

export interface Operation {
  readonly service: DescService;
  readonly method: DescMethod;
  readonly handler: ErasedHandler;
}

export interface Pipeline {
  /** Throws unauthenticated(…), or sets context.caller. Decides itself which methods are public. */
  authenticate(context: Context): Promise<void> | void;
  onFinish(context: Context, code: Code, durationMs: number, error?: OstlerError): void;
}

/** The operations of a service. Methods without a function answer UNIMPLEMENTED. */
export function implement<Service extends DescService>(
  service: Service,
  implementation: Partial<ServiceImplementation<Service>>,
): Operation[] {
  const functions = implementation as unknown as Record<string, ErasedHandler | undefined>;
  return service.methods.map((method) => {
    const handler = functions[method.localName];
    return { service, method, handler: handler?.bind(implementation) ?? missingHandler };
  });
}

function missingHandler(_request: unknown, context: Context): never {
  throw unimplemented(`${methodPath(context.method)} is not implemented by this server.`);
}

/** ostler.v1.MachineService/GetMachine */
export function methodPath(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

export function isRequestStream(method: DescMethod): boolean {
  return method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
}

export function isResponseStream(method: DescMethod): boolean {
  return method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
}

// ---- One call -------------------------------------------------------------------------------------------------

export interface CallSetup {
  readonly transport: Transport;
  readonly method: DescMethod;
  readonly peer: string;
  readonly deadline?: number | undefined;
  /** Called at most once, and only if somebody looks. */
  readonly readHeaders: () => ReadonlyMap<string, string>;
}

const longestTimerMs = 2 ** 31 - 1;

/**
 * The context that the function sees, plus the means to end the call that only the transport has.
 * What most calls do not use (headers, the signal) is made when it is first asked for.
 */
export class Call implements Context {
  readonly transport: Transport;
  readonly method: DescMethod;
  readonly peer: string;
  readonly deadline: number | undefined;
  readonly startedMs = performance.now();
  caller: unknown = undefined;
  isCounted = false;
  courseId = "";
  target = "";
  private readonly readHeaders: () => ReadonlyMap<string, string>;
  private headers: ReadonlyMap<string, string> | undefined;
  private id: string | undefined;
  private answerHeaders: Map<string, string> | undefined;
  private answerTrailers: Map<string, string> | undefined;
  private controller: AbortController | undefined;
  private timer: NodeJS.Timeout | undefined;
  private finished = false;

  constructor(setup: CallSetup) {
    this.transport = setup.transport;
    this.method = setup.method;
    this.peer = setup.peer;
    this.deadline = setup.deadline;
    this.readHeaders = setup.readHeaders;
    if (setup.deadline !== undefined) this.armDeadline(setup.deadline);
  }

  get signal(): AbortSignal {
    this.controller ??= new AbortController();
    return this.controller.signal;
  }

  get requestId(): string {
    this.id ??= givenId(this.requestHeaders) ?? randomUUID();
    return this.id;
  }

  get requestHeaders(): ReadonlyMap<string, string> {
    this.headers ??= this.readHeaders();
    return this.headers;
  }

  get responseHeaders(): Map<string, string> {
    this.answerHeaders ??= new Map();
    return this.answerHeaders;
  }

  get responseTrailers(): Map<string, string> {
    this.answerTrailers ??= new Map();
    return this.answerTrailers;
  }

  /** Undefined if nobody set any. */
  get setHeaders(): ReadonlyMap<string, string> | undefined {
    return this.answerHeaders;
  }

  get setTrailers(): ReadonlyMap<string, string> | undefined {
    return this.answerTrailers;
  }

  /**
   * When the client goes away, the deadline passes, the server drains or the caller may no longer. Transports report the
   * end of every call, well or badly: after `close` there is nothing to abort.
   */
  abort(reason: () => OstlerError): void {
    if (this.finished || this.controller?.signal.aborted) return;
    this.controller ??= new AbortController();
    this.controller.abort(reason());
  }

  throwIfAborted(): void {
    this.controller?.signal.throwIfAborted();
  }

  close(): void {
    this.finished = true;
    clearTimeout(this.timer);
  }

  private armDeadline(deadline: number): void {
    const delayMs = deadline - Date.now();
    if (delayMs > longestTimerMs) return;
    this.timer = setTimeout(() => this.abort(deadlineError), Math.max(0, delayMs));
  }
}

/** The calls under way in one server, so that a drain can end those that would never end by themselves. */
export class ActiveCalls {
  private readonly calls = new Set<Call>();
  private draining = false;

  add(call: Call): void {
    this.calls.add(call);
    if (this.draining && isResponseStream(call.method)) call.abort(drainError);
  }

  delete(call: Call): void {
    this.calls.delete(call);
  }

  get size(): number {
    return this.calls.size;
  }

  /** Ends streams now, so that their clients go to another node; other calls may finish. */
  drainStreams(): void {
    this.draining = true;
    for (const call of this.calls) if (isResponseStream(call.method)) call.abort(drainError);
  }

  abortAll(): void {
    for (const call of this.calls) call.abort(drainError);
  }
}

export function drainError(): OstlerError {
  return unavailable("SERVER_DRAINING", "This server is shutting down; call again to reach another.", 1000);
}

/**
 * Runs one call: `body` reads the request, runs the function and sends the answer.
 * Throws only OstlerError, and only after onFinish was told.
 */
export function perform<Result>(
  pipeline: Pipeline,
  active: ActiveCalls,
  call: Call,
  body: () => Promise<Result>,
): Promise<Result> {
  return spanOfCall(call, () => performInSpan(pipeline, active, call, body));
}

async function performInSpan<Result>(
  pipeline: Pipeline,
  active: ActiveCalls,
  call: Call,
  body: () => Promise<Result>,
): Promise<Result> {
  active.add(call);
  let failure: OstlerError | undefined;
  try {
    call.throwIfAborted();
    await pipeline.authenticate(call);
    echoId(call);
    return await body();
  } catch (error) {
    failure = toOstlerError(error, call.signal);
    throw failure;
  } finally {
    call.close();
    active.delete(call);
    finish(pipeline, call, failure);
  }
}

function finish(pipeline: Pipeline, call: Call, failure: OstlerError | undefined): void {
  const code = failure?.code ?? Code.OK;
  describeCall(call, code);
  try {
    pipeline.onFinish(call, code, performance.now() - call.startedMs, failure);
  } catch (error) {
    console.error("ostler: onFinish failed", error);
  }
}

/** Runs the function of a method that gives one answer. A call that is aborted does not wait for its function. */
export async function runForOne(operation: Operation, request: unknown, call: Call): Promise<Outcome> {
  const answer = operation.handler(request, call);
  if (!(answer instanceof Promise)) return answer as Outcome;
  return (await orAbort(answer, call.signal)) as Outcome;
}

/** Runs the function of a method that gives a stream of answers. */
export function runForMany(operation: Operation, request: unknown, call: Call): AsyncGenerator<Outcome> {
  return untilAborted(operation.handler(request, call) as AsyncIterable<Outcome>, call.signal);
}

function orAbort<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * Passes a stream on until the signal is aborted; then closes the source and throws the reason of the abort.
 * (Not Promise.race: a race against one long-lived promise keeps every message that ever won it.)
 */
export async function* untilAborted<Value>(source: AsyncIterable<Value>, signal: AbortSignal): AsyncGenerator<Value> {
  const iterator = source[Symbol.asyncIterator]();
  let rejectPending: ((reason: unknown) => void) | undefined;
  const onAbort = () => rejectPending?.(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await new Promise<IteratorResult<Value>>((resolve, reject) => {
        rejectPending = reject;
        iterator.next().then(resolve, reject);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    await closeSource(iterator, signal);
  }
}

/** An aborted source may be deep in an await: it is told to stop, but nobody waits for it. */
async function closeSource(iterator: AsyncIterator<unknown>, signal: AbortSignal): Promise<void> {
  const closed = iterator.return?.();
  if (signal.aborted) closed?.catch(() => undefined);
  else await closed;
}

/** Waits until the stream takes more, or throws the reason of the abort. */
export function untilDrained(stream: Writable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      stream.off("drain", settle);
      signal.removeEventListener("abort", settle);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    if (signal.aborted) return settle();
    stream.on("drain", settle);
    signal.addEventListener("abort", settle);
  });
}

const requestIdHeader = "x-request-id";
const longestRequestId = 128;

/** What the client calls the request, if it is fit for a log. */
function givenId(headers: ReadonlyMap<string, string>): string | undefined {
  const given = headers.get(requestIdHeader);
  return given !== undefined && given.length <= longestRequestId && /^[\w.:-]+$/.test(given) ? given : undefined;
}

/** A client that gave the request a name finds it in the answer, too. */
function echoId(call: Call): void {
  if (givenId(call.requestHeaders) !== undefined) call.responseHeaders.set(requestIdHeader, call.requestId);
}

// ---- The request ----------------------------------------------------------------------------------------------

const validator = createValidator();
const violationsMax = 32;
/** What protovalidate says of a text, bytes or a list that must not be empty. */
const EMPTY = /^must (be at least 1 (characters|bytes)|contain at least 1 item\(s\))$/;

/** Fills in what travels beside the message, then checks the rules of buf.validate. */
export function acceptRequest<Value extends Message>(method: DescMethod, request: Value, context: Context): Value {
  fillFromHeader(method.input, request, "idempotency_key", "idempotency-key", context);
  fillFromHeader(method.input, request, "course_id", "ostler-course", context);
  return validate(method.input, request);
}

/** Copies a header to the string field of that name, if the message has one and it is empty. */
export function fillFromHeader(
  desc: DescMessage,
  message: Message,
  fieldName: string,
  header: string,
  context: Context,
): void {
  const field = desc.fields.find((candidate) => candidate.name === fieldName);
  if (field?.fieldKind !== "scalar" || field.oneof !== undefined) return;
  const values = message as unknown as Record<string, unknown>;
  if (values[field.localName] !== undefined && values[field.localName] !== "") return;
  const value = context.requestHeaders.get(header);
  if (value !== undefined) values[field.localName] = value;
}

export function validate<Value extends Message>(desc: DescMessage, message: Value): Value {
  const result = validator.validate(desc, message);
  if (result.kind === "valid") return message;
  if (result.kind === "error") throw result.error;
  const violations = result.violations.slice(0, violationsMax).map((violation) => ({
    field: pathToString(violation.field),
    description: describeViolation(violation),
  }));
  throw invalidFields(violations);
}

function describeViolation({ message, forKey }: Violation): string {
  const pattern = /^does not match regex pattern `(.*)`$/s.exec(message)?.[1];
  const sentence =
    (pattern === undefined ? undefined : patternSentence(pattern)) ?? message.replace(EMPTY, "must not be empty");
  return forKey ? `its name ${sentence}` : sentence;
}

// ---- The log line ---------------------------------------------------------------------------------------------

export interface CallRecord {
  readonly time: string;
  readonly level: "info" | "error";
  readonly event: "call";
  readonly method: string;
  readonly transport: Transport;
  readonly peer: string;
  /** The client's name of the request (x-request-id), or one of our own. */
  readonly request: string;
  /** Who called, if that was found out. */
  readonly user?: string;
  readonly code: string;
  readonly durationMs: number;
  readonly reason?: string;
  readonly message?: string;
  /** Only of our own faults: incident number and stack. */
  readonly incident?: string;
  readonly stack?: string;
  /** The call's span, where traces are sent somewhere. */
  readonly trace_id?: string;
  readonly span_id?: string;
}

export interface PipelineOptions {
  authenticate?: (context: Context) => Promise<void> | void;
  log?: (record: CallRecord) => void;
}

/** A pipeline that logs one structured line a call. */
export function createPipeline({ authenticate, log = logLine }: PipelineOptions = {}): Pipeline {
  return {
    authenticate: authenticate ?? (() => undefined),
    onFinish: (context, code, durationMs, error) => log(callRecord(context, code, durationMs, error)),
  };
}

function logLine(record: CallRecord): void {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}

export function callRecord(context: Context, code: Code, durationMs: number, error?: OstlerError): CallRecord {
  const cause = error?.cause;
  const incident = error?.metadata["incident"];
  const user = callerId(context);
  return {
    time: new Date().toISOString(),
    level: error?.code === Code.INTERNAL ? "error" : "info",
    event: "call",
    method: methodPath(context.method),
    transport: context.transport,
    peer: context.peer,
    request: context.requestId,
    ...spanIds(),
    ...(user !== undefined && { user }),
    code: codeName(code),
    durationMs: Math.round(durationMs * 1000) / 1000,
    ...(error && { reason: error.reason, message: error.message }),
    ...(incident !== undefined && { incident }),
    ...(cause !== undefined && { stack: cause instanceof Error ? (cause.stack ?? String(cause)) : String(cause) }),
  };
}
