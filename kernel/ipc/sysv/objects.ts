/** What is the same for all kinds of System V's objects: ids, keys, who may do what, and what becomes of a name space. */
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { ownerOfNamespace } from "../../ns/namespaces.ts";
import { Cap } from "../../thread/capabilities.ts";
import type { ThreadKernel } from "../../thread/kernel.ts";
import type { Task } from "../../thread/state.ts";
import { hasCapabilityIn } from "../../thread/users.ts";
import { realtimeNs, type TimeKernel } from "../../time/clock.ts";
import { emptyNamespace, type IpcNamespace, type IpcObject, type IpcTable, type SysvState } from "./state.ts";

export interface SysvKernel extends ThreadKernel, TimeKernel {
  readonly sysv: SysvState;
  readonly config: ThreadKernel["config"] & TimeKernel["config"];
}

/** As permissions ask for them: for owner, group and others alike. */
export const IpcAccess = { read: 0o444, write: 0o222, readWrite: 0o666, execute: 0o111 } as const;
/** How an object is got by its key (semget(2) and its like). */
export const Get = { IPC_CREAT: 0o1000, IPC_EXCL: 0o2000, IPC_NOWAIT: 0o4000 } as const;
/** The only key that no object is found by. */
const privateKey = 0;

/** Ids are index + round * 2^15; an index is used again only after at least so many others (ipc_min_cycle). */
const indexBits = 15;
const leastCycle = 64;
const rounds = 65536;

export const secondsNow = (k: SysvKernel): number => Number(realtimeNs(k) / 1_000_000_000n);

const nothing = emptyNamespace();

/** What is in the task's IPC name space; not to be changed where nothing was made yet. */
export const namespaceOf = (k: SysvKernel, { namespaces }: Task): IpcNamespace =>
  k.sysv.spaces.get(namespaces.ipc) ?? nothing;

/** The same for who makes something. */
export function namespaceFor(k: SysvKernel, { namespaces }: Task): IpcNamespace {
  const found = k.sysv.spaces.get(namespaces.ipc);
  if (found !== undefined) return found;
  const made = emptyNamespace();
  k.sysv.spaces.set(namespaces.ipc, made);
  return made;
}

/** Whether a task has a capability for what is in its IPC name space. */
export const isPrivileged = (k: SysvKernel, { credentials, namespaces }: Task, wanted: Cap): boolean =>
  hasCapabilityIn(k, credentials, ownerOfNamespace(k, namespaces.ipc), wanted);

/** Whether an object gives a task all of the access that is wanted (ipcperms). */
export function permits(k: SysvKernel, task: Task, object: IpcObject, wanted: number): boolean {
  const { euid, fsgid, groups } = task.credentials;
  const asked = (wanted >> 6) | (wanted >> 3) | wanted;
  const isGroups = [object.gid, object.creatorGid].some((gid) => gid === fsgid || groups.includes(gid));
  const shift = euid === object.uid || euid === object.creatorUid ? 6 : isGroups ? 3 : 0;
  return (asked & ~(object.mode >> shift) & 7) === 0 || isPrivileged(k, task, Cap.IPC_OWNER);
}

/** Whether a task may change or remove an object. */
export const mayControl = (k: SysvKernel, task: Task, { uid, creatorUid }: IpcObject): boolean =>
  [uid, creatorUid].includes(task.credentials.euid) || isPrivileged(k, task, Cap.SYS_ADMIN);

/** The object of an id. */
export function find<T extends IpcObject>({ entries }: IpcTable<T>, id: number): T | null {
  const object = id < 0 ? undefined : entries.get(id % 2 ** indexBits);
  return object?.id === id ? object : null;
}

/** That of an index (SHM_STAT and its like). */
export const atIndex = <T extends IpcObject>({ entries }: IpcTable<T>, index: number): T | null =>
  index < 0 ? null : (entries.get(index % 2 ** indexBits) ?? null);

/** The highest index that is used; 0 if there is none. */
export function highestIndex<T>(k: SysvKernel, { entries }: IpcTable<T>): number {
  spend(k.effort, entries.size, "items");
  return Math.max(0, ...entries.keys());
}

function findKey<T extends IpcObject>(k: SysvKernel, { entries }: IpcTable<T>, key: number): T | null {
  if (key === privateKey) return null;
  spend(k.effort, entries.size, "items");
  for (const object of entries.values()) if (object.key === key) return object;
  return null;
}

/** The next index, by turns as Linux chooses them, and the id that goes with it. */
function nextId<T>(k: SysvKernel, table: IpcTable<T>): number {
  const { entries } = table;
  spend(k.effort, entries.size, "items");
  const end = Math.min(limits.ipcObjects, Math.max(Math.floor(((entries.size + 1) * 3) / 2), leastCycle));
  let index = table.lastIndex + 1;
  while (index < end && entries.has(index)) index += 1;
  if (index >= end) {
    index = 0;
    while (entries.has(index)) index += 1;
  }
  if (index <= table.lastIndex) table.round = (table.round + 1) % rounds;
  table.lastIndex = index;
  return table.round * 2 ** indexBits + index;
}

/** What only some kinds ask: of an object that is there, and of one that is to be made. */
export interface Wanted<T> {
  fits(object: T): Errno | null;
  problem(): Errno | null;
  make(base: IpcObject): T;
}

/** The object of a key, made if that is wanted; or why there is none. */
export function getObject<T extends IpcObject>(
  k: SysvKernel,
  task: Task,
  table: (space: IpcNamespace) => IpcTable<T>,
  { key, flags }: { key: number; flags: number },
  wanted: Wanted<T>,
): number | Errno {
  const there = findKey(k, table(namespaceOf(k, task)), key);
  if (there !== null) {
    if (flags & Get.IPC_CREAT && flags & Get.IPC_EXCL) return "EEXIST";
    const unfit = wanted.fits(there);
    if (unfit !== null) return unfit;
    return permits(k, task, there, flags & 0o777) ? there.id : "EACCES";
  }
  if (key !== privateKey && !(flags & Get.IPC_CREAT)) return "ENOENT";
  const problem = wanted.problem();
  if (problem !== null) return problem;
  const into = table(namespaceFor(k, task));
  if (into.entries.size >= limits.ipcObjects || k.sysv.held.objects >= limits.allIpcObjects) return "ENOSPC";
  const { euid, egid } = task.credentials;
  const id = nextId(k, into);
  const owner = { uid: euid, gid: egid, creatorUid: euid, creatorGid: egid };
  into.entries.set(
    id % 2 ** indexBits,
    wanted.make({ id, key, ...owner, mode: flags & 0o777, changedAt: secondsNow(k) }),
  );
  k.sysv.held.objects += 1;
  return id;
}

/** Takes an object out of its table. */
export function removeObject<T extends IpcObject>(k: SysvKernel, { entries }: IpcTable<T>, { id }: T): void {
  entries.delete(id % 2 ** indexBits);
  k.sysv.held.objects -= 1;
}

/** Of a name space that has ended, the last object has gone. */
export function dropEmptied({ sysv, threads }: SysvKernel, id: number): void {
  if (id === 0 || threads.namespaces.has(id)) return;
  const tables: IpcTable<IpcObject>[] = Object.values(sysv.spaces.get(id) ?? {});
  if (tables.every(({ entries }) => entries.size === 0)) sysv.spaces.delete(id);
}

/** IPC_SET: another owner, and other permissions. */
export function setOwner(k: SysvKernel, object: IpcObject, uid: number, gid: number, mode: number): void {
  Object.assign(object, { uid, gid, mode: (object.mode & ~0o777) | (mode & 0o777), changedAt: secondsNow(k) });
}
