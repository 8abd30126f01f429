/**
 * A typed gRPC client made from the generated descriptors: `connection.service(MachineService).getMachine({…})`.
 *
 * What it adds to grpc-js: requests that create something carry an idempotency key, so that they can be repeated
 * when the server is away (UNAVAILABLE); those that are refused for a moment (RESOURCE_EXHAUSTED, with a time to come back)
 * are sent again then; errors come with their field, reason and retry time; streams are async
 * iterables that cancel the call when they are left.
 */
import { randomUUID } from "node:crypto";
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import {
  Client,
  type ClientDuplexStream,
  credentials,
  type CallOptions as GrpcOptions,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { Code, OstlerError } from "../errors.ts";
import { fromServiceError } from "../grpc/status.ts";
import { CommandError, optionOf, UsageError } from "./failure.ts";
import { pause } from "./pause.ts";

const DEFAULT_DEADLINE_MS = 60_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 1_000;
/** A server that is being started is waited for without a word at first. */
const QUIET_MS = 1_000;
/** Large enough for every answer that the server limits by itself. */
const RECEIVE_LIMIT_BYTES = 64 * 1024 * 1024;
/** Methods whose repetition would do the work twice and that take no idempotency key. */
const NOT_REPEATABLE = new Set(["StepMachine", "CreateUser", "CreateKey", "CreateCourse", "EnrolMembers"]);

export interface CallOptions {
  /** 0: none. */
  deadlineMs?: number;
  signal?: AbortSignal | undefined;
}

type Unary<I extends DescMessage, O extends DescMessage> = (
  request: MessageInitShape<I>,
  options?: CallOptions,
) => Promise<MessageShape<O>>;
type Streaming<I extends DescMessage, O extends DescMessage> = (
  request: MessageInitShape<I>,
  options?: CallOptions,
) => AsyncIterable<MessageShape<O>>;
type Bidirectional<I extends DescMessage, O extends DescMessage> = (
  requests: AsyncIterable<MessageInitShape<I>>,
  options?: CallOptions,
) => AsyncIterable<MessageShape<O>>;

type MethodClient<M> = M extends {
  methodKind: infer Kind;
  input: infer I extends DescMessage;
  output: infer O extends DescMessage;
}
  ? Kind extends "unary"
    ? Unary<I, O>
    : Kind extends "server_streaming"
      ? Streaming<I, O>
      : Bidirectional<I, O>
  : never;

export type ServiceClient<S> =
  S extends GenService<infer M extends GenServiceMethods>
    ? { readonly [Name in keyof M]: MethodClient<M[Name]> }
    : never;

export interface ConnectionOptions {
  /** host:port, or https://host:port for TLS. */
  address: string;
  key: string | undefined;
  /** The course of requests that name none. */
  course?: string | undefined;
  /** How long calls are repeated while the server cannot be reached. */
  retryForMs: number;
  /** Called once, when a server that refuses connections has been tried again for a while. */
  onWaiting?: (() => void) | undefined;
  /** Of calls that do not say otherwise. */
  deadlineMs?: number | undefined;
}

export class Connection {
  readonly options: ConnectionOptions;
  readonly #client: Client;
  readonly #services = new Map<DescService, unknown>();
  #toldWaiting = false;

  constructor(options: ConnectionOptions) {
    this.options = options;
    const secure = options.address.startsWith("https://");
    const target = options.address.replace(/^https?:\/\//, "").replace(/\/$/, "");
    this.#client = new Client(target, secure ? credentials.createSsl() : credentials.createInsecure(), {
      "grpc.max_receive_message_length": RECEIVE_LIMIT_BYTES,
      "grpc.initial_reconnect_backoff_ms": FIRST_DELAY_MS,
      "grpc.max_reconnect_backoff_ms": LONGEST_DELAY_MS,
      "grpc.enable_retries": 0,
    });
  }

  service<S extends DescService>(service: S): ServiceClient<S> {
    let made = this.#services.get(service);
    if (made === undefined) {
      made = Object.fromEntries(service.methods.map((method) => [method.localName, this.#method(method)]));
      this.#services.set(service, made);
    }
    return made as ServiceClient<S>;
  }

  close(): void {
    this.#client.close();
  }

  #tellWaiting(): void {
    if (!this.#toldWaiting) this.options.onWaiting?.();
    this.#toldWaiting = true;
  }

  #method(method: DescMethod) {
    if (method.methodKind === "unary")
      return (request: MessageInitShape<DescMessage>, options?: CallOptions) => this.#unary(method, request, options);
    if (method.methodKind === "server_streaming") {
      return (request: MessageInitShape<DescMessage>, options?: CallOptions) =>
        this.#serverStream(method, request, options);
    }
    return (requests: AsyncIterable<MessageInitShape<DescMessage>>, options?: CallOptions) =>
      this.#bidi(method, requests, options);
  }

  async #unary(method: DescMethod, init: MessageInitShape<DescMessage>, options: CallOptions = {}): Promise<Message> {
    const request = encode(method.input, withIdempotencyKey(method, create(method.input, init)));
    const startedAt = Date.now();
    const giveUpAt = startedAt + this.options.retryForMs;
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(LONGEST_DELAY_MS, delayMs * 2)) {
      try {
        return await this.#unaryOnce(method, request, options);
      } catch (error) {
        const waitMs = isRefusedForNow(error)
          ? error.retryAfterMs
          : Math.max(delayMs, Math.min(LONGEST_DELAY_MS, (error as OstlerError).retryAfterMs ?? 0));
        const again =
          isRefusedForNow(error) ||
          (isUnavailable(error) && !isOtherProtocol(error) && isRepeatable(method, error as OstlerError));
        if (!again || Date.now() + waitMs > giveUpAt || options.signal?.aborted) throw error;
        if (isUnreachable(error) && Date.now() - startedAt > QUIET_MS) this.#tellWaiting();
        await pause(waitMs, options.signal, error);
      }
    }
  }

  #unaryOnce(method: DescMethod, request: Buffer, { deadlineMs, signal }: CallOptions): Promise<Message> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        path(method),
        asIs,
        deserializer(method.output),
        request,
        this.#metadata(),
        callOptions(deadlineMs ?? this.options.deadlineMs ?? DEFAULT_DEADLINE_MS),
        (error, response) => {
          signal?.removeEventListener("abort", cancel);
          if (error) reject(fromServiceError(error));
          else resolve(response as Message);
        },
      );
      const cancel = () => call.cancel();
      if (signal?.aborted) cancel();
      else signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  async *#serverStream(
    method: DescMethod,
    init: MessageInitShape<DescMessage>,
    { deadlineMs, signal }: CallOptions = {},
  ): AsyncGenerator<Message> {
    const stream = this.#client.makeServerStreamRequest(
      path(method),
      asIs,
      deserializer(method.output),
      encode(method.input, create(method.input, init)),
      this.#metadata(),
      callOptions(deadlineMs ?? 0),
    );
    yield* messagesOf(stream, signal);
  }

  async *#bidi(
    method: DescMethod,
    requests: AsyncIterable<MessageInitShape<DescMessage>>,
    { deadlineMs, signal }: CallOptions = {},
  ): AsyncGenerator<Message> {
    const stream: ClientDuplexStream<Message, Message> = this.#client.makeBidiStreamRequest(
      path(method),
      serializer(method.input),
      deserializer(method.output),
      this.#metadata(),
      callOptions(deadlineMs ?? 0),
    );
    const sending = send(stream, method, requests);
    let unsent: unknown;
    sending.catch((error) => {
      unsent = error;
      stream.cancel();
    });
    try {
      yield* messagesOf(stream, signal);
    } catch (error) {
      // What could not be read here is the reason, not that the call was given up then.
      throw unsent instanceof CommandError ? unsent : error;
    }
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    if (this.options.key !== undefined) metadata.set("authorization", `Bearer ${this.options.key}`);
    if (this.options.course) metadata.set("ostler-course", this.options.course);
    return metadata;
  }
}

async function send(
  stream: ClientDuplexStream<Message, Message>,
  method: DescMethod,
  requests: AsyncIterable<MessageInitShape<DescMessage>>,
): Promise<void> {
  for await (const init of requests) {
    if (!stream.write(create(method.input, init))) await new Promise((resolve) => stream.once("drain", resolve));
  }
  stream.end();
}

/** Leaving the loop cancels the call; errors arrive as OstlerError. */
async function* messagesOf(
  stream: AsyncIterable<Message> & { cancel(): void },
  signal: AbortSignal | undefined,
): AsyncGenerator<Message> {
  const cancel = () => stream.cancel();
  if (signal?.aborted) cancel();
  else signal?.addEventListener("abort", cancel, { once: true });
  try {
    yield* stream;
  } catch (error) {
    throw isServiceError(error) ? fromServiceError(error) : error;
  } finally {
    signal?.removeEventListener("abort", cancel);
    cancel();
  }
}

const path = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;
const serializer = (schema: DescMessage) => (message: Message) => Buffer.from(toBinary(schema, message));
const asIs = (bytes: Buffer) => bytes;

const GREATEST: Record<string, bigint> = {
  int32: 2n ** 31n - 1n,
  uint32: 2n ** 32n - 1n,
  int64: 2n ** 63n - 1n,
  uint64: 2n ** 64n - 1n,
};

/** A number that the message has no room for is the user's, and so is its name. */
function encode(schema: DescMessage, message: Message): Buffer {
  try {
    return serializer(schema)(message);
  } catch (error) {
    const [, field, type, given] = /\.(\w+) to binary: invalid (\w+): (.*)$/s.exec((error as Error).message) ?? [];
    const greatest = GREATEST[type ?? ""];
    if (greatest === undefined) throw error;
    throw new UsageError(`${field} ${given}: too large, it may be at most ${greatest}${optionOf(field!)}`);
  }
}
const deserializer = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, bytes);
const callOptions = (deadlineMs: number): GrpcOptions =>
  deadlineMs === 0 ? {} : { deadline: Date.now() + deadlineMs };
const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && "code" in error && "metadata" in error;

/** Fills in a key where the request has room for one and the caller gave none. */
function withIdempotencyKey(method: DescMethod, request: Message): Message {
  const field = method.input.fields.find(({ name }) => name === "idempotency_key");
  const values = request as unknown as Record<string, unknown>;
  if (field !== undefined && values[field.localName] === "") values[field.localName] = randomUUID();
  return request;
}

export const isUnavailable = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === Code.UNAVAILABLE;

/** Nothing was done, and it is known when it is worth asking again. */
const isRefusedForNow = (error: unknown): error is OstlerError & { retryAfterMs: number } =>
  error instanceof OstlerError && error.code === Code.RESOURCE_EXHAUSTED && error.retryAfterMs !== undefined;

/** Nothing was sent when there was no connection. */
export const isUnreachable = (error: unknown): boolean =>
  isUnavailable(error) &&
  /No connection established|ECONNREFUSED|ENOTFOUND|Name resolution failed/.test((error as Error).message);

/** What answers there is no gRPC server. */
export const isOtherProtocol = (error: unknown): boolean =>
  isUnavailable(error) && /Protocol error/.test((error as Error).message);

function isRepeatable(method: DescMethod, error: OstlerError): boolean {
  return !NOT_REPEATABLE.has(method.name) || isUnreachable(error) || error.reason === "SERVER_DRAINING";
}

export interface ResumeOptions {
  /** How long to wait for the server to come back, from each loss of the connection on. */
  patienceMs: number;
  /** The same for one that asks to come again, as of other calls. */
  retryForMs?: number;
  signal?: AbortSignal | undefined;
  /** Called when the connection is lost, and when it is back. */
  onLost?(lost: boolean): void;
}

/**
 * A stream that outlives the server: when the connection is lost, or the server asks to come again, `open` is called again,
 * and continues from what its closure remembers of the last message.
 */
export async function* resuming<T>(open: () => AsyncIterable<T>, options: ResumeOptions): AsyncGenerator<T> {
  let lostAt: number | undefined;
  for (;;) {
    try {
      for await (const message of open()) {
        if (lostAt !== undefined) options.onLost?.(false);
        lostAt = undefined;
        yield message;
      }
      return;
    } catch (error) {
      const isRefused = isRefusedForNow(error);
      if (!(isRefused || isUnavailable(error)) || options.signal?.aborted) throw error;
      if (!isRefused && lostAt === undefined) options.onLost?.(true);
      lostAt ??= Date.now();
      const waitMs = isRefused ? error.retryAfterMs : 0;
      const patienceMs = isRefused ? (options.retryForMs ?? 0) : options.patienceMs;
      if (Date.now() + waitMs - lostAt > patienceMs) throw error;
      await pause(Math.max(FIRST_DELAY_MS * 3, waitMs), options.signal, error);
    }
  }
}
