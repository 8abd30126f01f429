/**
 * TraceService: the catalogue, live streams, and stretches of the past by re-execution.
 *
 * A live stream that resumes at an earlier event is two things joined: a re-execution up to the moment at which
 * the subscription began, then the subscription. Sequence numbers are the same in both, so nothing is missing
 * and nothing comes twice.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { TaskId } from "../../kernel/index.ts";
import { catalogue, categories, recordFormat } from "../../kernel/trace/index.ts";
import {
  type ExportTraceRequest,
  type FollowTraceRequest,
  type FollowTraceResponseSchema,
  type QueryTraceRequest,
  type QueryTraceResponseSchema,
  TraceEncoding,
  type TraceFilter,
  TraceFilterSchema,
  TraceFormat,
  type TraceService,
} from "../../proto/gen/ostler/v1/traces_pb.js";
import { callerOf } from "../auth/identity.ts";
import { invalid, notFound, outOfRange } from "../errors.ts";
import type { TraceItem } from "../hosting/feeds.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import type { Stretch } from "../hosting/routes.ts";
import type { Context, ServiceImplementation } from "../operation.ts";
import { startWatch } from "../processor-time.ts";
import { createChromeExport } from "../tracing/chrome.ts";
import { piecesOf, selectEvents, selectPacked, wireRecord } from "../tracing/decode.ts";
import { type CompiledFilter, compileFilter } from "../tracing/filter.ts";
import { createPerfettoExport } from "../tracing/perfetto.ts";
import { createTextFormatter, type TextFormatter } from "../tracing/text.ts";
import { type Deps, holding, resumeNumber, toNumber } from "./common.ts";
import { Door } from "./door.ts";

type Follow = MessageInitShape<typeof FollowTraceResponseSchema>;
type Query = MessageInitShape<typeof QueryTraceResponseSchema>;
type Event = ReturnType<typeof selectEvents>[number];

const DEFAULT_QUERY_LIMIT = 10_000;
const UNLIMITED = Number.MAX_SAFE_INTEGER;
/** What is decoded, matched and sent at a time: large enough for throughput, small enough for a receive limit of 4 MB. */
const PIECE_BYTES = 32 * 1024;
/** The same where nothing is decoded. */
const PACKED_PIECE_BYTES = 1024 * 1024;
/** Other clients get a turn after so long. */
const TURN_MS = 10;

/** Each holds a machine of its own in memory. */
const REPLAYS = { reason: "TOO_MANY_REPLAYS", what: "re-executions", most: 64, mostPerUser: 8 };
/** Each may have some MiB waiting for a slow reader. */
const FOLLOWERS = { reason: "TOO_MANY_FOLLOWERS", what: "followed traces", most: 512, mostPerUser: 64 };

/** What the streams of one server share. */
interface Shared {
  deps: Deps;
  replays: Door;
}

export const replayDoor = (): Door => new Door(REPLAYS);

export function traceService(deps: Deps, replays: Door): ServiceImplementation<typeof TraceService> {
  const followers = new Door(FOLLOWERS);
  const shared = { deps, replays };
  return {
    getTraceCatalogue: () => ({
      categories: [...categories],
      events: catalogue.map(({ id, name, category, brief, fields }) => ({
        id,
        name,
        category,
        brief,
        fields: Object.entries(fields).map(([field, kind]) => ({ name: field, kind })),
      })),
      recordFormat,
    }),

    async *followTrace(request, context) {
      const filter = toFilter(request.filter);
      const machine = await deps.hosting.use(request.machineId);
      const work = () => follow(shared, machine, request, filter, context);
      yield* followers.within(callerOf(context).id, () =>
        holding(machine, () => metered(deps, machine, context, work)),
      );
    },

    async *queryTrace(request, context) {
      const filter = toFilter(request.filter);
      const machine = await deps.hosting.use(request.machineId);
      const work = () => query(deps, machine, request, filter, context);
      yield* replays.within(callerOf(context).id, () => holding(machine, () => metered(deps, machine, context, work)));
    },

    async *exportTrace(request, context) {
      const filter = toFilter(request.filter);
      const machine = await deps.hosting.use(request.machineId);
      const work = () => exportFile(deps, machine, request, filter, context);
      yield* replays.within(callerOf(context).id, () => holding(machine, () => metered(deps, machine, context, work)));
    },
  };
}

interface Sized {
  packed?: Uint8Array;
  data?: Uint8Array;
  text?: string;
  records?: readonly unknown[];
}

/** What a decoded event takes in a message, about. */
const DECODED_EVENT_BYTES = 64;

const sizeOf = ({ packed, data, text, records }: Sized): number =>
  (packed ?? data)?.length ?? text?.length ?? (records?.length ?? 0) * DECODED_EVENT_BYTES;

/** Who reads a trace pays for it, in the machine's course. */
function metered<T extends object>(
  { quotas }: Deps,
  { row }: HostedMachine,
  context: Context,
  work: () => AsyncGenerator<T>,
): AsyncGenerator<T> {
  const payer = { courseId: row.courseId, ownerId: callerOf(context).id };
  return quotas.tracing(payer, (message) => sizeOf(message as Sized), work());
}

export function toFilter(filter: TraceFilter | undefined): CompiledFilter {
  const result = compileFilter(filter ?? create(TraceFilterSchema));
  if (result.ok) return result.filter;
  const { field, message, position } = result.problem;
  throw invalid(`filter.${field}`, position === null ? message : `${message} (at character ${position})`);
}

/** A stretch of the machine's past, checked against how far it has come. */
function stretchOf(
  caller: string,
  machine: HostedMachine,
  filter: CompiledFilter,
  request: { fromInstructions: bigint; toInstructions: bigint },
): Stretch {
  const { sequence, summary } = machine.visible;
  const from = toNumber(request.fromInstructions, "from_instructions");
  const to = toNumber(request.toInstructions, "to_instructions");
  const { instructions } = summary.position;
  if (to !== 0 && from > to) throw invalid("from_instructions", "must not be greater than to_instructions");
  if (from > instructions || to > instructions) {
    const field = from > instructions ? "from_instructions" : "to_instructions";
    throw outOfRange(field, `the machine has executed ${instructions} instructions so far`);
  }
  const present = to === 0 || to === instructions;
  return {
    payer: { courseId: machine.row.courseId, ownerId: caller },
    mask: filter.mask,
    fromInstructions: from,
    fromSequence: UNLIMITED,
    throughEntry: sequence,
    end: present ? { kind: "position", position: summary.position } : { kind: "instructions", instructions: to },
  };
}

/** A batch in pieces, with turns for other clients in between. */
async function* unhurried(bytes: Uint8Array<ArrayBuffer>, pieceBytes: number) {
  let since = performance.now();
  for (const piece of piecesOf(bytes, pieceBytes)) {
    if (performance.now() - since > TURN_MS) {
      await nextTurn();
      since = performance.now();
    }
    yield piece;
  }
}

/** Turns what matches into messages of the encoding that was asked for. */
class Encoder {
  readonly #encoding: TraceEncoding;
  readonly #filter: CompiledFilter;
  readonly #text: TextFormatter = createTextFormatter();
  readonly #charge: (ms: number) => void;

  /** `charge`: told how long this thread took for it. */
  constructor(encoding: TraceEncoding, filter: CompiledFilter, charge: (ms: number) => void = () => {}) {
    this.#encoding = encoding;
    this.#filter = filter;
    this.#charge = charge;
  }

  async *batch(
    bytes: Uint8Array<ArrayBuffer>,
    keep: ((event: Event) => boolean) | null,
  ): AsyncGenerator<Query & Follow> {
    const isPassed = this.#encoding === TraceEncoding.PACKED && this.#filter.all && keep === null;
    for await (const piece of unhurried(bytes, isPassed ? PACKED_PIECE_BYTES : PIECE_BYTES)) {
      const watch = startWatch();
      const message = this.#encoding === TraceEncoding.PACKED ? this.#packed(piece, keep) : this.#decoded(piece, keep);
      this.#charge(watch());
      if (message !== null) yield message;
    }
  }

  /** Packed bytes pass undecoded where nothing has to be decided about them. */
  #packed(piece: Uint8Array<ArrayBuffer>, keep: ((event: Event) => boolean) | null): (Query & Follow) | null {
    const filter =
      keep === null
        ? this.#filter
        : { ...this.#filter, all: false, matches: (event: Event) => this.#filter.matches(event) && keep(event) };
    const packed = selectPacked(piece, filter);
    return packed.length > 0 ? { packed } : null;
  }

  #decoded(piece: Uint8Array<ArrayBuffer>, keep: ((event: Event) => boolean) | null): (Query & Follow) | null {
    const selected = selectEvents(piece, this.#filter);
    const events = keep === null ? selected : selected.filter(keep);
    if (this.#encoding !== TraceEncoding.TEXT) return events.length > 0 ? { records: events.map(wireRecord) } : null;
    const text = this.#text.push(events);
    return text === "" ? null : { text };
  }

  /** What the text formatter held back, in case the call's end would come at once. */
  *flush(): Generator<Query & Follow> {
    const text = this.#text.flush();
    if (text !== "") yield { text };
  }
}

async function* follow(
  shared: Shared,
  machine: HostedMachine,
  request: FollowTraceRequest,
  filter: CompiledFilter,
  context: Context,
): AsyncGenerator<Follow> {
  const { signal } = context;
  const task = request.untilTaskExited as TaskId;
  if (task !== 0 && !(await machine.learnExit(task))) throw notFound("task", String(task));
  const after = resumePoint(request);
  const { subscription, from } = await machine.subscribe(filter.mask);
  // Of a trace that is followed the machine makes as much as it is let: what is done with it here is its turn, too.
  const encoder = new Encoder(request.encoding, filter, (ms) => machine.charge(ms));
  const start = from.summary.traceSequence;
  try {
    if (after !== null && after < start) {
      const caller = callerOf(context).id;
      const events = () => past(shared.deps, machine, filter, encoder, { caller, after, start, from }, signal);
      yield* numbered(start, shared.replays.within(caller, events));
    }
    // Tells the client that the stream is open, and from where it can resume.
    yield { sequence: BigInt(start), resumeToken: String(start) };
    for (;;) {
      signal.throwIfAborted();
      const ended = task !== 0 && machine.exit(task) !== undefined;
      const items = ended ? subscription.poll() : await subscription.take(signal);
      for (const item of items) yield* liveItem(item, encoder, start);
      if (items.length > 0) continue;
      if (ended) return;
      if (subscription.ended !== null) throw subscription.ended;
    }
  } finally {
    await machine.unsubscribe(subscription);
  }
}

function resumePoint(request: FollowTraceRequest): number | null {
  if (request.resumeToken !== "") return resumeNumber(request.resumeToken);
  return request.afterSequence === undefined ? null : toNumber(request.afterSequence, "after_sequence");
}

/** The events between the resume point and the beginning of the subscription, by re-execution. */
async function* past(
  deps: Deps,
  machine: HostedMachine,
  filter: CompiledFilter,
  encoder: Encoder,
  range: { caller: string; after: number; start: number; from: HostedMachine["visible"] },
  signal: AbortSignal,
): AsyncGenerator<Follow> {
  const stretch: Stretch = {
    payer: { courseId: machine.row.courseId, ownerId: range.caller },
    mask: filter.mask,
    fromInstructions: 0,
    fromSequence: range.after,
    throughEntry: range.from.sequence,
    end: { kind: "position", position: range.from.summary.position },
  };
  const keep = (event: Event) => event.sequence > range.after && event.sequence <= range.start;
  for await (const { trace } of deps.hosting.replay(machine.id, stretch, signal)) yield* encoder.batch(trace, keep);
}

/** Until the subscription begins a reader can only resume where it began itself. */
async function* numbered(start: number, messages: AsyncGenerator<Follow>): AsyncGenerator<Follow> {
  for await (const message of messages) {
    const last = message.records?.at(-1)?.sequence ?? undefined;
    yield last === undefined
      ? message
      : { ...message, sequence: last, resumeToken: String(last < BigInt(start) ? last : start) };
  }
}

async function* liveItem(item: TraceItem, encoder: Encoder, start: number): AsyncGenerator<Follow> {
  const last = { sequence: BigInt(item.lastSequence), resumeToken: String(item.lastSequence) };
  if (item.kind === "gap") {
    yield { gap: { firstSequence: BigInt(item.firstSequence), lastSequence: BigInt(item.lastSequence) }, ...last };
    return;
  }
  // Only the last message of a batch tells a resume point: before it the batch is not complete.
  let held: Follow | null = null;
  const keep = (event: Event) => event.sequence > start;
  for await (const message of encoder.batch(item.bytes as Uint8Array<ArrayBuffer>, keep)) {
    if (held !== null) yield held;
    held = message;
  }
  for (const message of encoder.flush()) {
    if (held !== null) yield held;
    held = message;
  }
  if (held !== null) yield { ...held, ...last };
}

async function* query(
  deps: Deps,
  machine: HostedMachine,
  request: QueryTraceRequest,
  filter: CompiledFilter,
  context: Context,
): AsyncGenerator<Query> {
  const limit = request.limit || DEFAULT_QUERY_LIMIT;
  const encoder = new Encoder(request.encoding, filter);
  const stretch = stretchOf(callerOf(context).id, machine, filter, request);
  let found = 0;
  for await (const batch of deps.hosting.replay(machine.id, stretch, context.signal)) {
    const progress = { progressInstructions: BigInt(batch.instructions) };
    const keep = (event: Event) => isIn(stretch, event) && ++found <= limit;
    let isSilent = true;
    for await (const message of encoder.batch(batch.trace, keep)) {
      isSilent = false;
      yield { ...message, ...progress };
    }
    if (found > limit) {
      for (const message of encoder.flush()) yield { ...message, ...progress };
      return yield { truncated: true, ...progress };
    }
    if (isSilent) yield progress;
  }
  yield* encoder.flush();
}

function isIn(stretch: Stretch, event: Event): boolean {
  const last = stretch.end.kind === "instructions" ? stretch.end.instructions : UNLIMITED;
  return event.instructions >= stretch.fromInstructions && event.instructions <= last;
}

async function* exportFile(
  deps: Deps,
  machine: HostedMachine,
  request: ExportTraceRequest,
  filter: CompiledFilter,
  context: Context,
) {
  const stretch = stretchOf(callerOf(context).id, machine, filter, request);
  const file = exporter(request.format);
  let progressInstructions = 0n;
  for await (const batch of deps.hosting.replay(machine.id, stretch, context.signal)) {
    progressInstructions = BigInt(batch.instructions);
    if (batch.trace.length === 0) yield { progressInstructions };
    for await (const piece of unhurried(batch.trace, PIECE_BYTES)) {
      const events = selectEvents(piece, filter).filter((event) => isIn(stretch, event));
      yield { data: file.push(events), progressInstructions };
    }
  }
  const data = file.end();
  if (data.length > 0) yield { data, progressInstructions };
}

interface FileExport {
  push(events: readonly Event[]): Uint8Array;
  end(): Uint8Array;
}

function exporter(format: TraceFormat): FileExport {
  if (format === TraceFormat.PERFETTO) {
    const perfetto = createPerfettoExport();
    return { push: (events) => perfetto.push(events), end: () => new Uint8Array(0) };
  }
  if (format === TraceFormat.CHROME_JSON) {
    const chrome = createChromeExport();
    return { push: (events) => Buffer.from(chrome.push(events)), end: () => Buffer.from(chrome.end()) };
  }
  const text = createTextFormatter();
  return { push: (events) => Buffer.from(text.push(events)), end: () => Buffer.from(text.flush()) };
}
