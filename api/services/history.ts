/**
 * HistoryService: seeks, and comparisons of two moments.
 *
 * What a seek answers is a view: a fork of the seek point that was laid where the caller wanted to look. So everything
 * that can be asked of a machine can be asked of its past, and nothing has to be built twice. A view knows its machine by
 * a label, and can be moved along that machine's history.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { DecodedEvent } from "../../kernel/trace/index.ts";
import type {
  CompareMachinesRequest,
  CompareMachinesResponseSchema,
  HistoryService,
  Moment as MomentMessage,
  SeekMachineRequest,
  SeekMachineResponseSchema,
  StateComparisonSchema,
} from "../../proto/gen/ostler/v1/history_pb.js";
import { TraceFilterSchema } from "../../proto/gen/ostler/v1/traces_pb.js";
import { may } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import { invalid, outOfRange } from "../errors.ts";
import type { ReplayBatch } from "../hosting/feeds.ts";
import type { HostedMachine } from "../hosting/hosted.ts";
import type { Moment } from "../hosting/past.ts";
import type { Comparison } from "../hosting/protocol.ts";
import type { Context, ServiceImplementation } from "../operation.ts";
import type { MachineRow, Owner, SnapshotRow } from "../store/types.ts";
import { firstDifference, type TraceDifference } from "../tracing/compare.ts";
import { selectEvents, wireRecord } from "../tracing/decode.ts";
import type { CompiledFilter } from "../tracing/filter.ts";
import { type Deps, holding, idFor, machineRow, toNumber, toPosition } from "./common.ts";
import type { Door } from "./door.ts";
import { assertRoomForMachine, machineOnce, toMachine } from "./machines.ts";
import { forkFrom, moveTo, toSnapshot } from "./snapshots.ts";
import { toFilter } from "./traces.ts";

type Seek = MessageInitShape<typeof SeekMachineResponseSchema>;
type Compare = MessageInitShape<typeof CompareMachinesResponseSchema>;

/** On a view: whose it is. */
const VIEW_LABEL = "view-of";
const DEFAULT_DIFFERENCES = 20;
const PROGRESS_EVERY_MS = 250;

export function historyService(deps: Deps, replays: Door): ServiceImplementation<typeof HistoryService> {
  return {
    async *seekMachine(request, context) {
      // Awake, it keeps its lease until the seek point is laid.
      const machine = await deps.hosting.use(request.machineId);
      yield* replays.within(callerOf(context).id, () => holding(machine, () => seek(deps, request, context)));
    },

    async *compareMachines(request, context) {
      yield* replays.within(callerOf(context).id, () => compare(deps, request, context));
    },
  };
}

/** Where a machine stands, as far as clients may know. */
function presentOf(deps: Deps, context: Context, row: MachineRow): Moment {
  const visible = deps.hosting.peek(row.id)?.visible;
  const position = visible?.summary.position ?? row.reached;
  const { instructions } = position;
  return {
    machineId: row.id,
    payer: { courseId: row.courseId, ownerId: callerOf(context).id },
    instructions,
    throughEntry: visible?.sequence ?? row.lastSequence,
    end: { kind: "position", position },
  };
}

/** The moment at an instruction count; the present when the machine has not come so far. */
async function momentAt(
  deps: Deps,
  context: Context,
  row: MachineRow,
  instructions: number,
  journalSequence: bigint | undefined,
  prefix: string,
): Promise<{ moment: Moment; isPast: boolean }> {
  const present = presentOf(deps, context, row);
  const throughEntry = journalSequence === undefined ? null : toNumber(journalSequence, `${prefix}journal_sequence`);
  const isPast =
    instructions < present.instructions ||
    (instructions === present.instructions && throughEntry !== null && throughEntry < present.throughEntry);
  if (!isPast) return { moment: present, isPast };
  const moment = await momentBefore(deps, context, present, instructions, `${prefix}instructions`);
  if (throughEntry === null || throughEntry >= moment.throughEntry) return { moment, isPast };
  const [next] = await deps.store.journal.read(moment.machineId, throughEntry, throughEntry + 1, 1);
  if (next !== undefined && next.at.instructions < instructions) {
    const why = `entry ${next.sequence} was given at ${next.at.instructions} instructions, before that`;
    throw invalid(`${prefix}journal_sequence`, `must not leave out what led to ${instructions} instructions: ${why}`);
  }
  return { moment: { ...moment, throughEntry }, isPast };
}

/** A moment of the machine's history; what lies before a fork is in the machine that it was forked from. */
async function momentBefore(deps: Deps, context: Context, present: Moment, instructions: number, field: string) {
  let moment: Moment = { ...present, instructions, end: { kind: "instructions", instructions } };
  for (;;) {
    const row = await machineRow(deps, moment.machineId);
    const origin = await originOf(deps, row);
    if (origin === null || instructions >= origin.at.instructions) return moment;
    const parent = await deps.store.machines.get(origin.machineId);
    const goesOn =
      parent !== null &&
      may(callerOf(context), "machine.read", parent) &&
      (await deps.store.snapshots.line(parent.id)).some(({ id }) => id === origin.id);
    if (!goesOn) throw outOfRange(field, `the history begins at ${origin.at.instructions} instructions`);
    moment = { ...moment, machineId: parent.id, throughEntry: origin.sequence };
  }
}

async function originOf(deps: Deps, { originSnapshotId }: MachineRow): Promise<SnapshotRow | null> {
  return originSnapshotId === null ? null : deps.store.snapshots.get(originSnapshotId);
}

async function* seek(deps: Deps, request: SeekMachineRequest, context: Context): AsyncGenerator<Seek> {
  const { machineId } = request;
  const wanted = toNumber(request.instructions, "instructions");
  const row = await machineRow(deps, machineId);
  const owner = { courseId: row.courseId, ownerId: callerOf(context).id };
  const viewId = request.viewId || idFor("m", callerOf(context).id, request.idempotencyKey);
  const before = await viewBefore(deps, owner, viewId, request);
  const { moment, isPast } = await momentAt(deps, context, row, wanted, request.journalSequence, "");
  const show = async (point: SnapshotRow) => {
    await (before === null
      ? machineOnce(deps, owner, viewId, () => forkFrom(deps, point, { id: viewId, owner, ...fieldsOf(request) }))
      : moveTo(deps, before.id, point));
    return point;
  };
  const snapshot = yield* progressOf(deps.hosting.seek(moment, context.signal, show));
  const stopped = isPast ? "" : yield* runOn(deps, context, viewId, wanted);
  const view = toMachine(deps, await machineRow(deps, viewId));
  yield { progressInstructions: view.position!.instructions!, view, snapshot: toSnapshot(snapshot), stopped };
}

const fieldsOf = ({ machineId, instructions, ephemeral }: SeekMachineRequest) => ({
  displayName: `${machineId} at ${instructions}`,
  labels: { [VIEW_LABEL]: machineId },
  ephemeral,
});

/** The view that is to be moved; null when one has to be made. */
async function viewBefore(
  deps: Deps,
  owner: Owner,
  viewId: string,
  { machineId, viewId: given }: SeekMachineRequest,
): Promise<MachineRow | null> {
  const row = given === "" ? await deps.store.machines.get(viewId) : await machineRow(deps, given);
  if (row === null) await assertRoomForMachine(deps, owner);
  else if (row.labels[VIEW_LABEL] !== machineId || row.courseId !== owner.courseId)
    throw invalid(
      "view_id",
      `must be a view of ${machineId} as an earlier seek answered it; leave it out for a new one`,
    );
  return row;
}

/** Lets a view go on from its machine's present. Returns why it stopped before it was there, if it did. */
async function* runOn(deps: Deps, context: Context, viewId: string, wanted: number): AsyncGenerator<Seek, string> {
  const row = await machineRow(deps, viewId);
  if (row.reached.instructions >= wanted) return "";
  deps.quotas.assertMayExecute(row);
  const view = await deps.hosting.use(viewId);
  return yield* holding(view, () => runTo(deps, view, wanted, context.signal));
}

async function* runTo(
  { quotas }: Deps,
  view: HostedMachine,
  wanted: number,
  signal: AbortSignal,
): AsyncGenerator<Seek, string> {
  const stands = () => view.visible.summary;
  try {
    const until = { kind: "resume", untilInstructions: wanted, untilTimeNs: null } as const;
    await quotas.starting(view.row, false, () => view.apply(until));
    while (stands().run === "running") {
      view.assertUsable();
      signal.throwIfAborted();
      await view.bell.next(signal, PROGRESS_EVERY_MS);
      yield { progressInstructions: BigInt(stands().position.instructions) };
    }
    if (stands().position.instructions >= wanted) return "";
    return stands().run === "idle"
      ? "the machine waits for input"
      : `the machine is ${stands().run}: ${stands().reason}`;
  } finally {
    if (stands().run === "running" || stands().run === "idle") await view.apply({ kind: "pause" }).catch(() => {});
  }
}

/** Passes on how far it has come; returns its result. */
async function* progressOf<T>(
  walk: AsyncGenerator<ReplayBatch, T>,
): AsyncGenerator<{ progressInstructions: bigint }, T> {
  try {
    for (;;) {
      const next = await walk.next();
      if (next.done) return next.value;
      yield { progressInstructions: BigInt(next.value.instructions) };
    }
  } finally {
    await walk.return(undefined as T);
  }
}

async function* compare(deps: Deps, request: CompareMachinesRequest, context: Context): AsyncGenerator<Compare> {
  const filter = toFilter(request.filter ?? create(TraceFilterSchema));
  const left = await momentOf(deps, context, request.left!, "left");
  const right = await momentOf(deps, context, request.right!, "right");
  const limit = request.limit || DEFAULT_DIFFERENCES;
  const found = yield* progressOf(deps.hosting.compare(left, right, limit, context.signal));
  yield { state: stateComparison(found) };
  if (!request.trace) return;
  const from =
    request.fromInstructions === undefined
      ? Math.max(await beginningOf(deps, left), await beginningOf(deps, right))
      : toNumber(request.fromInstructions, "from_instructions");
  for (const [name, { instructions }] of Object.entries({ left, right }))
    if (from > instructions)
      throw invalid("from_instructions", `must be at most ${instructions}, where ${name} stands`);
  const events = (moment: Moment) => eventsOf(deps, moment, from, filter, context.signal);
  const difference = await firstDifferenceOf(events(left), events(right), request.compareTimes);
  yield { trace: traceComparison(from, difference) };
}

async function momentOf(deps: Deps, context: Context, given: MomentMessage, field: string): Promise<Moment> {
  const row = await machineRow(deps, given.machineId);
  const present = presentOf(deps, context, row);
  const instructions =
    given.instructions === undefined ? present.instructions : toNumber(given.instructions, `${field}.instructions`);
  if (instructions > present.instructions)
    throw outOfRange(`${field}.instructions`, `the machine has executed ${present.instructions} instructions so far`);
  return (await momentAt(deps, context, row, instructions, given.journalSequence, `${field}.`)).moment;
}

async function beginningOf(deps: Deps, { machineId }: Moment): Promise<number> {
  const row = await deps.store.machines.get(machineId);
  return row === null ? 0 : ((await originOf(deps, row))?.at.instructions ?? 0);
}

/** What happened from an instruction count on, up to the moment. */
async function* eventsOf(
  deps: Deps,
  moment: Moment,
  fromInstructions: number,
  filter: CompiledFilter,
  signal: AbortSignal,
): AsyncGenerator<DecodedEvent> {
  const { machineId, instructions, ...rest } = moment;
  const stretch = { ...rest, mask: filter.mask, fromInstructions, fromSequence: Number.MAX_SAFE_INTEGER };
  for await (const { trace } of deps.hosting.replay(machineId, stretch, signal))
    for (const event of selectEvents(trace, filter))
      if (event.instructions >= fromInstructions && event.instructions <= instructions) yield event;
}

async function firstDifferenceOf(
  left: AsyncGenerator<DecodedEvent>,
  right: AsyncGenerator<DecodedEvent>,
  times: boolean,
): Promise<TraceDifference> {
  try {
    return await firstDifference(left, right, times);
  } finally {
    await Promise.all([left.return(undefined), right.return(undefined)]);
  }
}

function traceComparison(fromInstructions: number, { equalEvents, left, right }: TraceDifference) {
  return {
    fromInstructions: BigInt(fromInstructions),
    equalEvents: BigInt(equalEvents),
    equal: left === null && right === null,
    ...(left !== null && { left: wireRecord(left) }),
    ...(right !== null && { right: wireRecord(right) }),
  };
}

function stateComparison(found: Comparison): MessageInitShape<typeof StateComparisonSchema> {
  return {
    leftRoot: found.roots.left,
    rightRoot: found.roots.right,
    leftPosition: toPosition(found.positions.left),
    rightPosition: toPosition(found.positions.right),
    differences: found.state.map(({ path, left, right }) => ({
      path,
      ...(left !== null && { left }),
      ...(right !== null && { right }),
    })),
    truncated: found.more,
    differingPages: BigInt(found.differingPages),
    pages: found.pages.map(({ page, physicalAddress, offset, left, right }) => ({
      page: BigInt(page),
      ...(physicalAddress !== null && { physicalAddress: BigInt(physicalAddress + offset) }),
      offset,
      left,
      right,
    })),
  };
}
