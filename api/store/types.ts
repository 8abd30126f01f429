/**
 * What the rest of the server knows of the database: plain records in and out, no Prisma types.
 *
 * Contract:
 * - Content (pages, tree nodes, state blobs, programs) is stored once, by SHA-256, in `blobs`. What no row leads to is
 *   collected some time later, unless somebody holds it (`holds`): who stores content, or takes up what a row names, and
 *   then writes a row of his own, holds it in between.
 * - `journal.commit` is the only durable gate: it resolves after the transaction that holds the batch is on
 *   disk; concurrent calls are gathered into one transaction (group commit) in call order.
 * - Every write that belongs to a machine carries the machine's epoch; a stale epoch is refused (StaleEpochError).
 * - Lists are keyset-paged, ordered by (createdAt, id) or by the key named at the method.
 * - Instruction counts, times and sequence numbers are JavaScript numbers (safe integers), times in ns;
 *   wall-clock times are `Date`.
 */

import type { Audit, Courses, Owner, QuotaRows, Scope, SomeOwner, Users } from "./people.ts";

export * from "./people.ts";

export type Bytes = Uint8Array<ArrayBuffer>;
/** Lower-case hexadecimal SHA-256, 64 characters. */
export type Hash = string;

export interface Page<T> {
  items: T[];
  /** Opaque; empty when there is nothing more. */
  nextPageToken: string;
}
export interface PageQuery {
  pageSize: number;
  pageToken: string;
}

/** Where a machine stands in its own history. Both numbers only grow. */
export interface Position {
  instructions: number;
  timeNs: number;
}

export interface MachineRow extends Owner {
  id: string;
  displayName: string;
  labels: Record<string, string>;
  /** ostler.v1.MachineSpec, protobuf binary. */
  spec: Bytes;
  createdAt: Date;
  updatedAt: Date;
  /** The snapshot that this machine's journal starts from; null: from its spec. Journal seq counts on from there. */
  originSnapshotId: string | null;
  /** Lease: every hosting write carries it. Raised each time a process takes the machine. */
  epoch: number;
  /** The newest entry and the furthest position that any client may have seen. */
  lastSequence: number;
  reached: Position;
  /** Summary for lists while the machine is not resident. */
  status: MachineStatus;
  /** Deleted when no client has followed it for a while. */
  ephemeral: boolean;
  /** How often its worker ended while it was executing, since it was made or thawed. */
  workersEnded: number;
}

export interface MachineStatus {
  /** As of the last commit. "frozen": it broke an invariant of ours and is kept for inspection. */
  run: "running" | "paused" | "idle" | "frozen";
  reason: string;
  /** Of a row: how much is stored. What a commit says here is ignored; its console chunks count. */
  consoleLength: number;
  taskCount: number;
  /** Number of the latest trace event. */
  traceSequence: number;
}

export interface JournalEntryRow {
  machineId: string;
  /** 1, 2, 3, … without holes within one machine (continuing its origin snapshot's sequence). */
  sequence: number;
  at: Position;
  /** Encoded kernel Input. */
  payload: Bytes;
}

/** One machine's part of a group commit. All of it becomes durable, or none. */
export interface CommitBatch {
  machineId: string;
  epoch: number;
  entries: { sequence: number; at: Position; payload: Bytes }[];
  console: { offset: number; bytes: Bytes }[];
  /** Answers that become known together with these entries; a repeated request finds them. */
  idempotency: IdempotencyRow[];
  reached: Position;
  status: MachineStatus;
  /** Told what of this thread's time it took to write the batch, about, in milliseconds. */
  took?(ms: number): void;
}

export interface SnapshotRow extends Owner {
  id: string;
  machineId: string;
  displayName: string;
  labels: Record<string, string>;
  /** Root hash: names state and memory whole. */
  root: Hash;
  at: Position;
  /** Last journal entry that the state includes. */
  sequence: number;
  traceSequence: number;
  consoleLength: number;
  createdAt: Date;
  /** "user": asked for; "automatic": hibernation and seek points, may be collected. */
  kind: "user" | "automatic";
  /** Bytes that this snapshot added to the store, and its whole size; for display. */
  newBytes: number;
  totalBytes: number;
  /** Its machine's, for forks when the machine is gone; null where an old release did not keep it. */
  spec: Bytes | null;
}

export interface ProgramRow extends Owner {
  hash: Hash;
  name: string;
  size: number;
  createdAt: Date;
}

export interface AssignmentRow extends Owner {
  id: string;
  displayName: string;
  /** ostler.v1.AssignmentSpec, protobuf binary. */
  spec: Bytes;
  /** Raised with each update; a submission is graded against one version. */
  version: number;
  createdAt: Date;
}

export interface SubmissionRow extends Owner {
  id: string;
  assignmentId: string;
  assignmentVersion: number;
  /** Blob of the ELF, or of the C source. */
  contentHash: Hash;
  contentKind: "elf" | "c";
  state: "queued" | "grading" | "graded" | "failed" | "cancelled";
  /** ostler.v1.GradeReport, protobuf binary; empty until graded. */
  report: Bytes;
  error: string;
  createdAt: Date;
}

export interface IdempotencyRow {
  ownerId: string;
  method: string;
  key: string;
  requestHash: Hash;
  /** Protobuf binary of the response. */
  response: Bytes;
}

/** Content that is stored in pieces, each of which is content by itself. All have the same length but the last. */
export interface Pieces {
  size: number;
  pieceBytes: number;
  hashes: Hash[];
}

export interface Blobs {
  /**
   * Stores what is not there yet; resolves when durable (large calls in several transactions). Returns how many bytes
   * were new. All of it is held from now on until the hold is let go. Large content is stored in pieces (pieces.ts).
   */
  put(blobs: readonly { hash: Hash; data: Bytes }[], hold: Hold): Promise<{ newBytes: number }>;
  /** The same for content whose pieces have been put under the same hold. */
  putPieces(hash: Hash, pieces: Pieces, hold: Hold): Promise<void>;
  /** Missing hashes are absent from the result. Throws CorruptBlobError. What is in pieces is read whole. */
  get(hashes: readonly Hash[]): Promise<Map<Hash, Bytes>>;
  /** As `get`, but what is in pieces is not read: they are named. */
  look(hashes: readonly Hash[]): Promise<Map<Hash, Bytes | Pieces>>;
  has(hashes: readonly Hash[]): Promise<Set<Hash>>;
  /** Reads what is stored of these; returns those whose bytes are not what the hash names. */
  damaged(hashes: readonly Hash[]): Promise<Hash[]>;
}

/** What a blob is to the one who names it; it decides what it refers to in turn (kernel/content.ts). */
export type ContentKind = "root" | "state" | "node" | "leaf";
export interface Reference {
  kind: ContentKind;
  hash: Hash;
}

/** Keeps content, and all that it refers to, from being collected. Lives in memory: with the process goes its work. */
export interface Hold {
  /** Whoever has it from a row looks afterwards whether the row is still there. */
  add(references: Iterable<Reference>): void;
  release(): void;
}

export interface Holds {
  open(): Hold;
  /** A hold for as long as the work takes. */
  during<T>(work: (hold: Hold) => Promise<T>): Promise<T>;
  /** From now on `listener` is told, in the same turn, what is held newly; `held`: all that is held then. One at a time. */
  watch(listener: (reference: Reference) => void): { held(): Reference[]; end(): void };
}

/** A row that names content: a hash, or bytes in which hashes stand (specs, journal entries). */
export type Naming =
  | { kind: "machine"; id: string; spec: Bytes; labels: string }
  | { kind: "snapshot"; id: string; root: Hash; spec: Bytes | null }
  | { kind: "program"; id: string; content: Hash }
  | { kind: "submission"; id: string; content: Hash }
  | { kind: "assignment"; id: string; spec: Bytes }
  | { kind: "entry"; id: string; sequence: number; payload: Bytes };

/** What is stored of a machine's history, and what its row says that there is. */
export interface HistoryFigures {
  machineId: string;
  /** Of the snapshot that its journal starts from; 0: from the beginning. Null: that snapshot is not there. */
  originSequence: number | null;
  lastSequence: number;
  entries: number;
  firstSequence: number;
  newestSequence: number;
  /** Entries at a position before that of the entry before them. */
  misplaced: number;
  consoleStart: number;
  consoleLength: number;
  /** Of the stored blocks. */
  consoleFirst: number;
  consoleBytes: number;
}

/** For those who go through all that is stored: the collector, and who checks it. */
export interface Contents {
  /**
   * Rows of a kind that name content, in the order of their keys, from `cursor` (null: the first) on. Journal entries
   * only where the payload has `mark` in it; all of them with an empty one.
   */
  namings(
    kind: Naming["kind"],
    cursor: string | null,
    mark: Bytes,
  ): Promise<{ items: Naming[]; cursor: string | null }>;
  /** Of machines by id, after the given one. */
  histories(after: string, limit: number): Promise<HistoryFigures[]>;
  /** What the database itself finds wrong with its file. Holds up everything for as long as that takes. */
  integrity(): Promise<string[]>;
  /** Rows that cannot be right, whatever else is stored: see soundness.ts. `rest` is called between two statements. */
  unsound(rest: () => Promise<void>): AsyncGenerator<{ subject: string; text: string }>;
  /** Hashes of what is stored, ascending, after the given one. */
  hashes(after: Hash | null, limit: number): Promise<Hash[]>;
  /** All content that is stored in pieces. */
  inPieces(): Promise<Set<Hash>>;
  /**
   * Compresses those that nobody has tried to compress yet and where it pays, step by step: how many, and the bytes that
   * this saves. Nothing where the database compresses by itself.
   */
  compress(hashes: readonly Hash[]): AsyncIterable<{ blobs: number; savedBytes: number }>;
  /** Deletes, in one transaction, those for which `isGarbage` holds when it is asked there. */
  delete(hashes: readonly Hash[], isGarbage: (hash: Hash) => boolean): Promise<{ blobs: number; bytes: number }>;
}

export interface Journal {
  /**
   * Refuses a batch alone: StaleEpochError (also when the machine is gone), JournalGapError (a sequence that does not
   * continue, console output beyond a hole). Console bytes that are stored already are skipped; reached is a maximum.
   */
  commit(batch: CommitBatch): Promise<void>;
  /** Entries with sequence in (after, upTo], ascending, at most `limit`. */
  read(machineId: string, after: number, upTo: number, limit: number): Promise<JournalEntryRow[]>;
  /** Console bytes from `offset` on, at most `limit` bytes; `offset` of the result may be later if history was trimmed. */
  readConsole(machineId: string, offset: number, limit: number): Promise<{ offset: number; bytes: Bytes }>;
}

export interface MachineQuery extends PageQuery, ScopeQuery {
  labels: Record<string, string>;
  nameContains: string;
  run: MachineStatus["run"] | null;
}

/** What of a row is known when it is made. Where no course is named it is the default one. */
type New<Row extends Owner, Later extends keyof Row> = Omit<Row, Later | "courseId"> & { courseId?: string };
/** The same for queries: no course named is any. */
export type ScopeQuery = Pick<Scope, "ownerId"> & Partial<Scope>;

export type NewSubmission = New<SubmissionRow, "createdAt">;
export type NewMachine = New<MachineRow, "createdAt" | "updatedAt" | "epoch" | "ephemeral" | "workersEnded"> & {
  ephemeral?: boolean;
};

export interface Machines {
  create(row: NewMachine): Promise<MachineRow>;
  get(id: string): Promise<MachineRow | null>;
  list(query: MachineQuery): Promise<Page<MachineRow>>;
  /** How many there are in a scope, but for those whose id begins with one of the prefixes. */
  count(scope: ScopeQuery, exceptPrefixes: readonly string[]): Promise<number>;
  /** Ids of all that are ephemeral. */
  ephemeral(): Promise<string[]>;
  /** Those whose id begins with the prefix and that nothing was written of since `before`; by id, after the given one. */
  unused(prefix: string, before: Date, after: string, limit: number): Promise<MachineRow[]>;
  /**
   * Its worker ended while it was executing: counts that, and says on the row that it is frozen, and why, if that makes
   * it `most`. Null: there is no such machine.
   */
  blame(id: string, most: number, reason: string): Promise<MachineRow | null>;
  /** Forgets what it was blamed for; it is paused then. */
  thaw(id: string): Promise<MachineRow | null>;
  /** Of one that runs: it is paused from now on, whoever had it. False: it does not run, or there is none. */
  pause(id: string, reason: string): Promise<boolean>;
  /** Takes the lease: raises the epoch and returns the row. */
  acquire(id: string): Promise<MachineRow | null>;
  /** Deletes machine, journal, console and automatic snapshots. Those that a user asked for or that a fork stands on stay. */
  delete(id: string): Promise<boolean>;
  /**
   * Restore: the machine goes back to a snapshot; its later journal and console are dropped, in one transaction, and
   * later snapshots are off its line (automatic ones go). A snapshot that is off its line, or another machine's,
   * becomes its origin. Raises the epoch, so that commits still under way are refused; the row has the new one.
   */
  rewind(id: string, epoch: number, snapshot: SnapshotRow): Promise<MachineRow>;
  /** Copies the last `maxBytes` of console history up to `length` from one machine to another (fork). */
  copyConsole(fromId: string, toId: string, length: number, maxBytes: number): Promise<void>;
}

/** Numbers of pages that a machine was brought since it went on from the snapshot `from` (null: from none that is known). */
export interface WorkingSet {
  from: string | null;
  pages: Uint32Array;
}

export interface Snapshots {
  /**
   * Refused when the machine has been taken or rewound since `epoch`, or is gone (StaleEpochError): the state may be of
   * a future that was dropped. Refused also when it is ahead of what its machine has committed (JournalGapError).
   */
  create(
    row: Omit<SnapshotRow, "createdAt" | "spec" | "courseId">,
    epoch: number,
    workingSet?: WorkingSet,
  ): Promise<SnapshotRow>;
  /** What is known of a machine that went on from it, or left it; null: nothing. */
  workingSet(id: string): Promise<Uint32Array | null>;
  /** One that no machine here has come by: it came in a file. Its content must be stored and held. */
  adopt(row: New<SnapshotRow, "createdAt" | "machineId" | "kind">): Promise<SnapshotRow>;
  get(id: string): Promise<SnapshotRow | null>;
  list(
    query: PageQuery & ScopeQuery & { machineId: string | null; kind: SnapshotRow["kind"] | null },
  ): Promise<Page<SnapshotRow>>;
  /** Newest snapshot of the machine's own line whose instructions and traceSequence are <= the given ones. */
  latestBefore(machineId: string, limit: { instructions: number; traceSequence: number }): Promise<SnapshotRow | null>;
  /** "inUse": a machine has it for its origin. */
  delete(id: string): Promise<"deleted" | "missing" | "inUse">;
  /** Machines whose line has more automatic snapshots than `most`, by id, after the given one. */
  crowded(most: number, after: string, limit: number): Promise<string[]>;
  /** The points of a machine's present history, oldest first. */
  line(machineId: string): Promise<SnapshotRow[]>;
  /** Deletes those of them that are automatic and that no fork stands on. Returns how many. */
  deleteAutomatic(ids: readonly string[]): Promise<number>;
  /** Deletes automatic ones that are off their machine's line and that no fork stands on any more. Returns how many. */
  deleteStray(): Promise<number>;
}

export interface Programs {
  /** The content must be in blobs (MissingReferenceError). Again with the same hash: takes the new name. */
  put(row: New<ProgramRow, "createdAt">): Promise<ProgramRow>;
  get(owner: SomeOwner, hash: Hash): Promise<ProgramRow | null>;
  list(query: PageQuery & ScopeQuery): Promise<Page<ProgramRow>>;
  delete(owner: SomeOwner, hash: Hash): Promise<boolean>;
}

export interface Assignments {
  create(row: New<AssignmentRow, "createdAt" | "version">): Promise<AssignmentRow>;
  update(id: string, change: { displayName: string; spec: Bytes }): Promise<AssignmentRow | null>;
  get(id: string): Promise<AssignmentRow | null>;
  list(query: PageQuery & Partial<Pick<Scope, "courseIds">>): Promise<Page<AssignmentRow>>;
  /** Submissions stay with their grades; unfinished ones are cancelled. */
  delete(id: string): Promise<boolean>;
}

export interface Submissions {
  /** The content must be in blobs (MissingReferenceError). */
  create(row: NewSubmission): Promise<SubmissionRow>;
  get(id: string): Promise<SubmissionRow | null>;
  list(query: PageQuery & ScopeQuery & { assignmentId: string | null }): Promise<Page<SubmissionRow>>;
  update(id: string, change: Partial<Pick<SubmissionRow, "state" | "report" | "error">>): Promise<void>;
  /** Those that a crash left unfinished. */
  unfinished(): Promise<SubmissionRow[]>;
}

export interface Idempotency {
  find(ownerId: string, method: string, key: string): Promise<IdempotencyRow | null>;
  /** The first answer under a key stays. */
  save(row: IdempotencyRow): Promise<void>;
  /** Drops keys older than the given time. */
  prune(before: Date): Promise<number>;
}

/** How large and how busy it is. */
export interface StoreFigures {
  machinesByRun: Record<MachineStatus["run"], number>;
  databaseBytes: number;
  /** Of these: not used, to be used again. */
  freeBytes: number;
  /** Transactions that wait for their turn, and batches that wait for a transaction. */
  waitingWrites: number;
  waitingCommits: number;
}

export interface Store {
  readonly blobs: Blobs;
  readonly holds: Holds;
  readonly contents: Contents;
  readonly journal: Journal;
  readonly machines: Machines;
  readonly snapshots: Snapshots;
  readonly users: Users;
  readonly courses: Courses;
  readonly audit: Audit;
  readonly quotas: QuotaRows;
  readonly programs: Programs;
  readonly assignments: Assignments;
  readonly submissions: Submissions;
  readonly idempotency: Idempotency;
  figures(): Promise<StoreFigures>;
  /** Bytes of the programs in a scope, and of what the snapshots that were asked for there added. */
  usage(scope: ScopeQuery): Promise<number>;
  /** All that is stored, as it is at one moment, as the bytes of a database file. BackupElsewhereError on PostgreSQL. */
  backUp(signal: AbortSignal): AsyncGenerator<Bytes>;
  /** Cheap; throws when the database cannot be written. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface StoreLocation {
  dataDir: string;
  /** Of a PostgreSQL database; empty: SQLite in the data directory. */
  databaseUrl?: string;
}

/** What is to be copied into has rows already. */
export class StoreNotEmptyError extends Error {
  override readonly name = "StoreNotEmptyError";
}
/** Another server has the data directory or the database. */
export class StoreBusyError extends Error {
  override readonly name = "StoreBusyError";
}
/** Another server has had the database since: what this one knows is of the past. */
export class StoreSucceededError extends Error {
  override readonly name = "StoreSucceededError";
}
/** Nothing can be stored now: the database is away or its disk is full. Later it can. */
export class StoreUnavailableError extends Error {
  override readonly name = "StoreUnavailableError";
  readonly failure: "away" | "full";
  constructor(failure: "away" | "full", message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}
/** The store is not a file that this server could hand out. */
export class BackupElsewhereError extends Error {
  override readonly name = "BackupElsewhereError";
}
/** Another process has taken the machine since, it was rewound, or it is gone. */
export class StaleEpochError extends Error {
  override readonly name = "StaleEpochError";
}
/** The database was written by a newer release. */
export class SchemaTooNewError extends Error {
  override readonly name = "SchemaTooNewError";
}
/** A migration that the database was made with has another text now. */
export class SchemaChangedError extends Error {
  override readonly name = "SchemaChangedError";
}
/** A batch or snapshot does not continue what is stored: a hole or a duplicate in the sequence, a hole in the console. */
export class JournalGapError extends Error {
  override readonly name = "JournalGapError";
}
/** Stored bytes are not those that their hash names. */
export class CorruptBlobError extends Error {
  override readonly name = "CorruptBlobError";
  readonly hash: Hash;
  constructor(hash: Hash) {
    super(`the stored content of ${hash} is damaged: its SHA-256 is another`);
    this.hash = hash;
  }
}
/** A page token that this list did not give out. */
export class InvalidPageTokenError extends Error {
  override readonly name = "InvalidPageTokenError";
}
/** A row with this key exists already. */
export class AlreadyExistsError extends Error {
  override readonly name = "AlreadyExistsError";
}
/** A row names another one (content, snapshot, user) that is not stored. */
export class MissingReferenceError extends Error {
  override readonly name = "MissingReferenceError";
}
