/** What several services share: owners, paging, idempotency, and the wire forms of common values. */
import { createHash } from "node:crypto";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Timestamp, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { signalName } from "../../kernel/catalogue.ts";
import type { FaultInfo, ExitStatus as KernelExit } from "../../kernel/index.ts";
import type { ExitStatusSchema } from "../../proto/gen/ostler/v1/machines_pb.js";
import type { Quotas } from "../admission/quotas.ts";
import type { Lookup } from "../auth/authorise.ts";
import { chooseCourse } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import { Code, invalid, notFound, OstlerError, outOfRange } from "../errors.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import type { Hosting } from "../hosting/hosting.ts";
import { newId } from "../hosting/ids.ts";
import type { Context } from "../operation.ts";
import type { Bytes, MachineRow, Owner, PageQuery, Position, SnapshotRow, Store } from "../store/types.ts";

export interface Deps {
  readonly store: Store;
  readonly hosting: Hosting;
  readonly quotas: Quotas;
  /** Of one uploaded file, at most. */
  readonly uploadBytes: number;
  /** What a key, a user or a member may do has changed: from now on it is so. */
  rolesChanged(): void;
}

/** Numbers of the kernel are safe integers; the wire has 64 bits. */
export function toNumber(value: bigint, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw outOfRange(field, "must be at most 9007199254740991 (2^53 - 1)");
  return Number(value);
}

/** Where a stream goes on that ended; null: no token was given. */
export function resumeNumber(token: string): number | null {
  if (token === "") return null;
  if (!/^[0-9]{1,15}$/.test(token)) throw invalid("resume_token", "must be a resume_token of an earlier message");
  return Number(token);
}

export const toPosition = (at: Position) => ({ instructions: BigInt(at.instructions), timeNs: BigInt(at.timeNs) });
export const toTimestamp = (date: Date) => timestampFromDate(date);

const YEAR_10000 = Date.UTC(10_000);

/** Over gRPC it may be any number of seconds. */
export function toDate(timestamp: Timestamp, field: string): Date {
  const date = timestampDate(timestamp);
  if (date.getTime() >= 0 && date.getTime() < YEAR_10000) return date;
  throw invalid(field, "must be a time in the years 1970 to 9999");
}

export const sha256Hex = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export function pageQuery(request: { pageSize: number; pageToken: string }, defaultSize = 50): PageQuery {
  return { pageSize: request.pageSize === 0 ? defaultSize : request.pageSize, pageToken: request.pageToken };
}

/** How the things that requests name are found, so that calls can be authorised before their functions run. */
export const lookupOf = ({ store, hosting }: Pick<Deps, "store" | "hosting">): Lookup => ({
  machine: async (id) => hosting.peek(id)?.row ?? store.machines.get(id),
  snapshot: (id) => store.snapshots.get(id),
  assignment: (id) => store.assignments.get(id),
  submission: (id) => store.submissions.get(id),
  // A course is nobody's own.
  course: async (id) => ((await store.courses.get(id)) === null ? null : { courseId: id, ownerId: "" }),
  member: (courseId, userId) => store.courses.member(courseId, userId),
});

/** Whose what the caller makes is, in the course that is named or in the caller's only one. */
export function ownerIn(context: Context, courseId: string): Owner {
  const caller = callerOf(context);
  return { courseId: chooseCourse(caller, courseId), ownerId: caller.id };
}

export async function machineRow(deps: Deps, machineId: string): Promise<MachineRow> {
  const row = await deps.store.machines.get(machineId);
  if (row === null) throw notFound("machine", machineId);
  return row;
}

/** Runs `work` with the machine marked as in use, so that it does not hibernate under a stream. */
export async function* holding<T, Result>(
  machine: HostedMachine,
  work: () => AsyncGenerator<T, Result>,
): AsyncGenerator<T, Result> {
  machine.users += 1;
  machine.followers += 1;
  try {
    return yield* work();
  } finally {
    machine.users -= 1;
    machine.followers -= 1;
    machine.lastUsedAt = performance.now();
  }
}

export async function snapshotRow(deps: Deps, snapshotId: string): Promise<SnapshotRow> {
  const row = await deps.store.snapshots.get(snapshotId);
  if (row === null) throw notFound("snapshot", snapshotId);
  return row;
}

/**
 * The id of a thing that is created under an idempotency key is made from the key, so that a repeated creation
 * meets the first one in the store itself, whatever happened in between.
 */
export function idFor(prefix: string, ownerId: string, key: string): string {
  if (key === "") return newId(prefix);
  return `${prefix}-k${createHash("sha256").update(`${prefix}\0${ownerId}\0${key}`).digest("hex").slice(0, 24)}`;
}

interface Keyed {
  idempotencyKey: string;
}

/** The hash of a request but for its key: what "the same request" means. */
export function requestHash<D extends DescMessage>(schema: D, request: MessageShape<D>): string {
  const bare = create(schema, { ...request, idempotencyKey: "" } as unknown as MessageInitShape<D>);
  return sha256Hex(toBinary(schema, bare));
}

/** The stored answer of an earlier request with this key, if there was one. */
export async function findAnswer<In extends DescMessage, Out extends DescMessage>(
  deps: Deps,
  context: Context,
  schemas: { request: In; response: Out },
  request: MessageShape<In> & Keyed,
): Promise<MessageShape<Out> | null> {
  if (request.idempotencyKey === "") return null;
  const row = await deps.store.idempotency.find(callerOf(context).id, context.method.name, request.idempotencyKey);
  if (row === null) return null;
  if (row.requestHash !== requestHash(schemas.request, request)) {
    throw new OstlerError(
      Code.ALREADY_EXISTS,
      "IDEMPOTENCY_KEY_REUSED",
      "This idempotency key was used for a different request.",
      {
        violations: [{ field: "idempotency_key", description: "use a new key for a new request" }],
      },
    );
  }
  return fromBinary(schemas.response, row.response);
}

/** The row that remembers an answer. */
export function answerRow<In extends DescMessage, Out extends DescMessage>(
  context: Context,
  schemas: { request: In; response: Out },
  request: MessageShape<In> & Keyed,
  response: MessageInitShape<Out>,
) {
  return {
    ownerId: callerOf(context).id,
    method: context.method.name,
    key: request.idempotencyKey,
    requestHash: requestHash(schemas.request, request),
    response: toBinary(schemas.response, create(schemas.response, response)) as Bytes,
  };
}

const underway = new Map<string, Promise<unknown>>();

/** Requests with the same key take turns, so that each finds what the one before it left. */
export async function inTurn<T>(context: Context, request: Keyed, work: () => Promise<T>): Promise<T> {
  if (request.idempotencyKey === "") return work();
  const name = `${callerOf(context).id}\0${context.method.name}\0${request.idempotencyKey}`;
  for (let before = underway.get(name); before !== undefined; before = underway.get(name)) {
    await before.catch(() => {});
    context.signal.throwIfAborted();
  }
  const running = work();
  underway.set(name, running);
  try {
    return await running;
  } finally {
    underway.delete(name);
  }
}

/** Runs a creation once per key: a repeated request gets the first answer, also while the first is under way. */
export async function once<In extends DescMessage, Out extends DescMessage>(
  deps: Deps,
  context: Context,
  schemas: { request: In; response: Out },
  request: MessageShape<In> & Keyed,
  work: () => Promise<MessageInitShape<Out>>,
): Promise<MessageInitShape<Out>> {
  return inTurn(context, request, async () => {
    const earlier = await findAnswer(deps, context, schemas, request);
    if (earlier !== null) return earlier as unknown as MessageInitShape<Out>;
    const response = await work();
    if (request.idempotencyKey !== "")
      await deps.store.idempotency.save(answerRow(context, schemas, request, response));
    return response;
  });
}

export function exitStatus(status: KernelExit, fault: FaultInfo | null): MessageInitShape<typeof ExitStatusSchema> {
  if (status.kind === "exited")
    return { status: { case: "code", value: status.code }, description: `exited with ${status.code}` };
  const why = fault === null ? "" : `: ${fault.description}`;
  return {
    status: { case: "signal", value: status.signal },
    description: `killed by ${signalName(status.signal)}${why}`,
  };
}
