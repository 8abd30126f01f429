/**
 * System V's objects (sysvipc(7)) as data: shared memory, sets of semaphores, message queues, each kind in a table of each
 * IPC name space that has any.
 *
 * Must hold: an object is in one table, at the index that its id says; `held` adds up what all tables have, and `segments`
 * has each segment whose memory is there.
 */
import type { StoredId, TaskId } from "../../lib/ids.ts";

/** What all kinds have (struct ipc_perm). */
export interface IpcObject {
  id: number;
  /** 0 (IPC_PRIVATE): nobody finds it by a key. */
  key: number;
  uid: number;
  gid: number;
  creatorUid: number;
  creatorGid: number;
  mode: number;
  /** Seconds since the epoch. */
  changedAt: number;
}

export interface Segment extends IpcObject {
  size: number;
  /** Its memory: a file without a name, which goes with the last that shows it once the segment is removed. */
  file: StoredId;
  attachedAt: number;
  detachedAt: number;
  creator: number;
  /** Who attached or detached it last. */
  last: number;
}

export interface SemaphoreSet extends IpcObject {
  values: Uint16Array;
  /** Who changed each last. */
  pids: Int32Array;
  usedAt: number;
  /** By process: what its end adds to each semaphore that it has changed with SEM_UNDO. */
  undo: Map<TaskId, Map<number, number>>;
}

/** One of a set's operations that are done all at once (struct sembuf). */
export interface SemaphoreOperation {
  semaphore: number;
  change: number;
  noWait: boolean;
  undo: boolean;
}

export interface Message {
  type: bigint;
  bytes: Uint8Array;
}

export interface MessageQueue extends IpcObject {
  /** Oldest first. */
  messages: Message[];
  bytes: number;
  mostBytes: number;
  sentAt: number;
  receivedAt: number;
  lastSender: number;
  lastReceiver: number;
}

/** The objects of one kind in a name space, by index; ids are an index and, above it, a count of rounds. */
export interface IpcTable<T> {
  entries: Map<number, T>;
  round: number;
  lastIndex: number;
}

export interface IpcNamespace {
  segments: IpcTable<Segment>;
  sets: IpcTable<SemaphoreSet>;
  queues: IpcTable<MessageQueue>;
}

export interface SysvState {
  /** By number of the IPC name space, once something was made there. */
  spaces: Map<number, IpcNamespace>;
  /** Where each segment is, by its file. */
  segments: Map<StoredId, { space: number; id: number }>;
  /** In all name spaces together, which are bounded. */
  held: { objects: number; semaphores: number; adjustments: number; messages: number; messageBytes: number };
}

const emptyTable = <T>(): IpcTable<T> => ({ entries: new Map(), round: 0, lastIndex: -1 });

export const emptyNamespace = (): IpcNamespace => ({
  segments: emptyTable(),
  sets: emptyTable(),
  queues: emptyTable(),
});

export const initSysv = (): SysvState => ({
  spaces: new Map(),
  segments: new Map(),
  held: { objects: 0, semaphores: 0, adjustments: 0, messages: 0, messageBytes: 0 },
});
