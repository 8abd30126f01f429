/** /proc/sysvipc (sysvipc(7)), of the name space of who reads it, and the bounds of System V's objects below /proc/sys/kernel. */

import { pageBytes } from "../../hal/types.ts";
import { namespaceOf } from "../../ipc/sysv/objects.ts";
import { attachments } from "../../ipc/sysv/shared-memory.ts";
import type { IpcNamespace, IpcObject, MessageQueue, Segment, SemaphoreSet } from "../../ipc/sysv/state.ts";
import { limits } from "../../lib/limits.ts";
import { getStored } from "../../mm/stored.ts";
import { numberFor } from "../../thread/pids.ts";
import type { Task } from "../../thread/state.ts";
import { getTask } from "../../thread/tasks.ts";
import { shownGroup, shownUser } from "../../thread/users.ts";
import type { ProcKernel } from "./kernel.ts";
import { directory, file, type Node } from "./nodes.ts";

/** A column: its title, and how wide it is. */
type Column<T> = readonly [
  title: string,
  width: number,
  value: (object: T, k: ProcKernel, reader: Task) => number | string,
];

const owners: readonly Column<IpcObject>[] = [
  ["uid", 5, ({ uid }, k, reader) => shownUser(k, reader, uid)],
  ["gid", 5, ({ gid }, k, reader) => shownGroup(k, reader, gid)],
  ["cuid", 5, ({ creatorUid }, k, reader) => shownUser(k, reader, creatorUid)],
  ["cgid", 5, ({ creatorGid }, k, reader) => shownGroup(k, reader, creatorGid)],
];
const mode: Column<IpcObject> = ["perms", 5, (object) => object.mode.toString(8)];
const key: Column<IpcObject> = ["key", 10, (object) => object.key];

const segmentColumns: readonly Column<Segment>[] = [
  key,
  ["shmid", 10, ({ id }) => id],
  mode,
  ["size", 21, ({ size }) => size],
  ["cpid", 5, ({ creator }, k, reader) => numberFor(k, reader, creator)],
  ["lpid", 5, ({ last }, k, reader) => numberFor(k, reader, last)],
  ["nattch", 6, (segment, k) => attachments(k, segment)],
  ...owners,
  ["atime", 10, ({ attachedAt }) => attachedAt],
  ["dtime", 10, ({ detachedAt }) => detachedAt],
  ["ctime", 10, ({ changedAt }) => changedAt],
  ["rss", 21, (segment, k) => getStored(k, segment.file).pages.size * pageBytes],
  ["swap", 21, () => 0],
];

const setColumns: readonly Column<SemaphoreSet>[] = [
  key,
  ["semid", 10, ({ id }) => id],
  mode,
  ["nsems", 10, ({ values }) => values.length],
  ...owners,
  ["otime", 10, ({ usedAt }) => usedAt],
  ["ctime", 10, ({ changedAt }) => changedAt],
];

const queueColumns: readonly Column<MessageQueue>[] = [
  key,
  ["msqid", 10, ({ id }) => id],
  mode,
  ["cbytes", 11, ({ bytes }) => bytes],
  ["qnum", 10, ({ messages }) => messages.length],
  ["lspid", 5, ({ lastSender }, k, reader) => numberFor(k, reader, lastSender)],
  ["lrpid", 5, ({ lastReceiver }, k, reader) => numberFor(k, reader, lastReceiver)],
  ...owners,
  ["stime", 10, ({ sentAt }) => sentAt],
  ["rtime", 10, ({ receivedAt }) => receivedAt],
  ["ctime", 10, ({ changedAt }) => changedAt],
];

/** A line for each object that the reader's name space has. */
function listing<T>(columns: readonly Column<T>[], objects: (space: IpcNamespace) => readonly T[]): Node<number> {
  const line = (cells: readonly (number | string)[]): string =>
    `${cells.map((cell, at) => String(cell).padStart(columns[at]![1])).join(" ")}\n`;
  return file((k) => {
    const head = line(columns.map(([title]) => title));
    if (k.subject === null) return head;
    const reader = getTask(k, k.subject.task);
    const cells = (object: T) => columns.map(([_title, _width, value]) => value(object, k, reader));
    const lines = objects(namespaceOf(k, reader)).map((object) => line(cells(object)));
    return head + lines.join("");
  });
}

const inOrder = <T>(entries: ReadonlyMap<number, T>): T[] =>
  [...entries].sort(([a], [b]) => a - b).map(([_index, object]) => object);

export const sysvTree = directory<number>({
  msg: listing(queueColumns, ({ queues }) => inOrder(queues.entries)),
  sem: listing(setColumns, ({ sets }) => inOrder(sets.entries)),
  shm: listing(segmentColumns, ({ segments }) => inOrder(segments.entries)),
});

const bound = (...values: readonly (number | bigint)[]): Node<number> => file(() => `${values.join("\t")}\n`);
const mostShared = 2n ** 64n - 2n ** 24n - 1n;

export const sysvKnobs: Readonly<Record<string, Node<number>>> = {
  msgmax: bound(limits.ipcMessage),
  msgmnb: bound(limits.ipcQueueBytes),
  msgmni: bound(limits.ipcObjects),
  sem: bound(limits.semaphoresOfSet, limits.semaphores, limits.semaphoreOperations, limits.ipcObjects),
  shmall: bound(mostShared),
  shmmax: bound(mostShared),
  shmmni: bound(limits.ipcObjects),
  shm_rmid_forced: bound(0),
};
