/**
 * How to come to a state: from which snapshot, along which entries of the journal, to where. What a route starts from is
 * held from the moment that it is chosen.
 *
 * A snapshot whose content was found damaged is avoided from then on: the journal leads to the same state from an older
 * one, or from the beginning. Only where nothing else leads there is it tried again.
 */
import { notFound } from "../errors.ts";
import type { Hash, Hold, MachineRow, Owner, SnapshotRow, Store } from "../store/types.ts";
import { snapshotRoot } from "./collection/references.ts";
import { Walk } from "./collection/walk.ts";
import type { Route, StoredEntry } from "./protocol.ts";
import { WorkingSets } from "./working-sets.ts";

const JOURNAL_PAGE = 1_000;

/** A stretch of a machine's past. */
export interface Stretch {
  /** Who wants it, and pays with turns. */
  payer: Owner;
  mask: number;
  fromInstructions: number;
  /** With `fromInstructions`: the re-execution begins at a seek point that is past neither. */
  fromSequence: number;
  /** Sequence number of the last journal entry that belongs to it. */
  throughEntry: number;
  end: Route["end"];
}

export interface PlannedRoute extends Route {
  machineId: string;
  /** The machine's lease when it was planned. */
  epoch: number;
  /** Where it starts. */
  start: number;
  snapshotId: string | null;
}

export type ConfigOf = (row: MachineRow) => Extract<Route["origin"], { kind: "config" }>["config"];
/** A snapshot that lies beyond any of these includes what the route must not. */
type RouteStart = SnapshotLimit & { sequence: number };
type SnapshotLimit = Parameters<Store["snapshots"]["latestBefore"]>[1];
type RouteStop = Pick<Stretch, "throughEntry" | "end">;

export class Routes {
  readonly #store: Store;
  readonly #configOf: ConfigOf;
  readonly workingSets = new WorkingSets();
  readonly #damaged = new Set<string>();
  /** By machine: who looks which other snapshots have the damaged content. */
  readonly #surveys = new Map<string, Promise<void>>();

  constructor(store: Store, configOf: ConfigOf) {
    this.#store = store;
    this.#configOf = configOf;
  }

  /**
   * These snapshots are of no use any more, nor is any other of the machine that has this content in it. Tells of those of
   * which it is news. The machine's next route is planned when all have been looked at.
   */
  avoid(machineId: string, snapshotIds: readonly string[], content: Hash | null, tell: (id: string) => void): void {
    const avoidOne = (id: string) => {
      if (this.#damaged.has(id)) return;
      this.#damaged.add(id);
      tell(id);
    };
    for (const id of snapshotIds) avoidOne(id);
    if (content === null) return;
    const survey = this.#survey(machineId, content, avoidOne)
      .catch(() => {})
      .finally(() => this.#surveys.delete(machineId));
    this.#surveys.set(machineId, survey);
  }

  async #survey(machineId: string, content: Hash, avoidOne: (id: string) => void): Promise<void> {
    for (const { id, root } of await this.#store.snapshots.line(machineId))
      if (!this.#damaged.has(id) && (await leadsTo(this.#store, root, content))) avoidOne(id);
  }

  /** To where clients have seen the machine. */
  toPresent(row: MachineRow, hold: Hold): Promise<PlannedRoute> {
    const newest = { instructions: Number.MAX_SAFE_INTEGER, traceSequence: Number.MAX_SAFE_INTEGER };
    const end = { kind: "position", position: row.reached } as const;
    return this.#route(row, newest, { throughEntry: row.lastSequence, end }, hold);
  }

  /** A stretch's route. Read again if the machine was rewound meanwhile: row and journal must fit each other. */
  async toPast(machineId: string, fromInstructions: number, stretch: Stretch, hold: Hold): Promise<PlannedRoute> {
    const start = { instructions: fromInstructions, traceSequence: stretch.fromSequence };
    for (;;) {
      const row = await this.#store.machines.get(machineId);
      if (row === null) throw notFound("machine", machineId);
      const route = await this.#route(row, start, stretch, hold);
      if ((await this.#store.machines.get(machineId))?.epoch === row.epoch) return route;
    }
  }

  /** From the newest snapshot that is not past `start` to the end. */
  async #route(row: MachineRow, start: SnapshotLimit, stop: RouteStop, hold: Hold): Promise<PlannedRoute> {
    await this.#surveys.get(row.id);
    const snapshot = await this.#heldSnapshot(row, { ...start, sequence: stop.throughEntry }, hold);
    const origin: Route["origin"] =
      snapshot === null ? { kind: "config", config: this.#configOf(row) } : await this.#originAt(snapshot);
    const sequence = snapshot?.sequence ?? 0;
    const entries = await this.#entries(row.id, sequence, stop);
    return {
      machineId: row.id,
      epoch: row.epoch,
      origin,
      sequence,
      entries,
      end: stop.end,
      start: snapshot?.at.instructions ?? 0,
      snapshotId: snapshot?.id ?? null,
    };
  }

  async #originAt({ id, root }: SnapshotRow): Promise<Route["origin"]> {
    const sets = this.workingSets;
    const ahead = sets.of(root) ?? sets.learn(root, await this.#store.snapshots.workingSet(id));
    return { kind: "snapshot", root, ...(ahead !== undefined && { ahead }) };
  }

  async #entries(machineId: string, sequence: number, stop: RouteStop): Promise<StoredEntry[]> {
    const last = stop.end.kind === "instructions" ? stop.end.instructions : Number.MAX_SAFE_INTEGER;
    const entries: StoredEntry[] = [];
    for (let after = sequence; ; after = entries.at(-1)!.sequence) {
      const page = await this.#store.journal.read(machineId, after, stop.throughEntry, JOURNAL_PAGE);
      for (const entry of page) {
        if (entry.at.instructions > last) return entries;
        entries.push({ sequence: entry.sequence, at: entry.at, payload: entry.payload });
      }
      if (page.length < JOURNAL_PAGE) return entries;
    }
  }

  /** One that is deleted before it is held is not there any more for whoever looks again. */
  async #heldSnapshot(row: MachineRow, start: RouteStart, hold: Hold): Promise<SnapshotRow | null> {
    for (;;) {
      const snapshot = (await this.#soundSnapshot(row.id, start)) ?? (await this.#originOf(row));
      if (snapshot === null) return null;
      hold.add([snapshotRoot(snapshot.root)]);
      if ((await this.#store.snapshots.get(snapshot.id)) !== null) return snapshot;
    }
  }

  async #soundSnapshot(machineId: string, start: RouteStart): Promise<SnapshotRow | null> {
    const newest = await this.#store.snapshots.latestBefore(machineId, start);
    const isUsable = ({ id, at, sequence, traceSequence }: SnapshotRow) =>
      !this.#damaged.has(id) &&
      at.instructions <= start.instructions &&
      sequence <= start.sequence &&
      traceSequence <= start.traceSequence;
    if (newest === null || isUsable(newest)) return newest;
    const line = await this.#store.snapshots.line(machineId);
    return line.findLast(isUsable) ?? null;
  }

  async #originOf(row: MachineRow): Promise<SnapshotRow | null> {
    if (row.originSnapshotId === null) return null;
    return this.#store.snapshots.get(row.originSnapshotId);
  }
}

/** A snapshot that cannot be walked leads to who knows what. */
async function leadsTo(
  { blobs, contents }: Pick<Store, "blobs" | "contents">,
  root: Hash,
  content: Hash,
): Promise<boolean> {
  const walk = new Walk(blobs, await contents.inPieces());
  walk.add(snapshotRoot(root));
  try {
    while (!walk.isDone) await walk.step();
  } catch {
    return true;
  }
  return walk.marks.has(content);
}
