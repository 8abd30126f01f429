/**
 * Name spaces (namespaces(7)) that a task can have of its own. Each is a number, of whatever kind it is; 0 is the one that
 * the machine began with, of every kind. What is in one belongs to whom it is for: the machine's name (UTS) is here,
 * System V's objects (IPC) are in ipc/sysv, ports and abstract names (net) are sockets' (vfs/sockets.ts),
 * and mounts (mnt) are in trees (vfs/mounts.ts).
 *
 * Must hold: a name space is in the table, and a name that was changed is kept, exactly as long as a task has it, or an
 * open file stands for it.
 */
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import { limits } from "../lib/limits.ts";
import type { ThreadKernel } from "../thread/kernel.ts";
import { deepestPidSpace, depthOf, newPidSpace } from "../thread/pids.ts";
import type { NamespaceKind, Namespaces, Task } from "../thread/state.ts";
import { deepestUserSpace, enterUserSpace, newUserSpace, sees, userDepthOf, userSpaceOf } from "../thread/users.ts";

export type { NamespaceKind } from "../thread/state.ts";
export const namespaceKinds: readonly NamespaceKind[] = ["user", "uts", "ipc", "net", "mnt", "pid"];

/** Inode numbers of those that the machine began with (PROC_UTS_INIT_INO and its like). */
const firstInodes: Readonly<Record<NamespaceKind, number>> = {
  ipc: 0xefff_ffff,
  mnt: 0xefff_fff8,
  net: 0xefff_fff9,
  pid: 0xefff_fffc,
  user: 0xefff_fffd,
  uts: 0xefff_fffe,
};
const otherInodes = 0xf000_0000;
const lowestNamespaceInode = 0xefff_fff0;
/** In /proc they are between the numbers of the machine's files and those of tasks. */
export const isNamespaceInode = (inode: number): boolean => inode >= lowestNamespaceInode && inode < 2 ** 32;
/** There are no inode numbers for more, however many have ended. */
const lastNamespace = 0x0fff_ffff;

/** What a name space is known by to programs. */
export const namespaceInode = (kind: NamespaceKind, id: number): number =>
  id === 0 ? firstInodes[kind] : otherInodes + id;

/** The name space of an inode number; null: there is none, or no more. */
export function namespaceOfInode(k: ThreadKernel, inode: number): { kind: NamespaceKind; id: number } | null {
  const first = namespaceKinds.find((kind) => firstInodes[kind] === inode);
  if (first !== undefined) return { kind: first, id: 0 };
  const kind = k.threads.namespaces.get(inode - otherInodes)?.kind;
  return kind === undefined ? null : { kind, id: inode - otherInodes };
}

/** The name space of a kind that a task is in. */
export const namespaceOf = ({ namespaces, credentials }: Task, kind: NamespaceKind): number =>
  kind === "user" ? credentials.userSpace : namespaces[kind];

/** The user name space that a name space belongs to. */
export const ownerOfNamespace = (k: ThreadKernel, id: number): number => k.threads.namespaces.get(id)?.owner ?? 0;

export interface MachineName {
  node: string;
  domain: string;
}

type NameKernel = HolderKernel & { readonly config: { readonly hostname: string } };

/** What the machine is called in a name space. */
export const machineName = (k: NameKernel, { uts }: Pick<Namespaces, "uts">): MachineName =>
  k.threads.machineNames.get(uts) ?? { node: k.config.hostname, domain: "(none)" };

export function renameMachine(k: NameKernel, { namespaces }: Task, change: Partial<MachineName>): void {
  k.threads.machineNames.set(namespaces.uts, { ...machineName(k, namespaces), ...change });
}

/** Only who is somebody in its own name space can have one below that. */
function userSpaceProblem(k: ThreadKernel, { credentials: { userSpace, euid, egid } }: Task): Errno | null {
  if (userDepthOf(k, userSpace) >= deepestUserSpace) return "ENOSPC";
  return sees(userSpace === 0 ? null : userSpaceOf(k, userSpace), { uid: euid, gid: egid }) ? null : "EPERM";
}

/** Why a task cannot have new name spaces of these kinds. */
export function namespaceProblem(k: ThreadKernel, task: Task, kinds: readonly NamespaceKind[]): Errno | null {
  const { threads } = k;
  const { pid, childPid } = task.namespaces;
  if (kinds.includes("pid") && pid !== childPid) return "EINVAL";
  if (kinds.includes("pid") && depthOf(k, pid) >= deepestPidSpace) return "ENOSPC";
  const userProblem = kinds.includes("user") ? userSpaceProblem(k, task) : null;
  if (userProblem !== null) return userProblem;
  const isFull = threads.namespaces.size + kinds.length > limits.namespaces;
  return isFull || threads.nextNamespace + kinds.length > lastNamespace ? "ENOSPC" : null;
}

/** A new name space, which begins as a copy of the task's, or below it; who is to have it gets it at once. */
export function createNamespace(
  k: NameKernel,
  task: Task,
  kind: NamespaceKind,
  owner = task.credentials.userSpace,
): number {
  const id = k.threads.nextNamespace++;
  k.threads.namespaces.set(id, { kind, owner });
  if (kind === "uts") k.threads.machineNames.set(id, { ...machineName(k, task.namespaces) });
  if (kind === "user") newUserSpace(k, id, task);
  if (kind === "pid") newPidSpace(k, id, task.namespaces.pid);
  return id;
}

/** A task keeps its own PIDs whatever happens: of those name spaces it is its children that are made in another one. */
function put(task: Task, kind: NamespaceKind, id: number): void {
  if (kind === "user") enterUserSpace(task.credentials, id);
  else task.namespaces[kind === "pid" ? "childPid" : kind] = id;
}

/** The task leaves name spaces of these kinds for new ones; there is room for them. One of users owns the others. */
export function newNamespaces(k: NameKernel, task: Task, kinds: readonly NamespaceKind[]): void {
  for (const kind of namespaceKinds) if (kinds.includes(kind)) put(task, kind, createNamespace(k, task, kind));
  dropNamespaces(k);
}

export function enterNamespace(k: HolderKernel, task: Task, kind: NamespaceKind, id: number): void {
  put(task, kind, id);
  dropNamespaces(k);
}

/** Open files, sockets and file systems as far as they can stand for name spaces. */
interface HolderKernel extends ThreadKernel {
  readonly files: {
    readonly open: ReadonlyMap<number, { readonly target: { kind: string; id?: number } }>;
    readonly sockets: ReadonlyMap<number, { readonly net: number }>;
    readonly filesystems: ReadonlyMap<number, { readonly pidSpace: number }>;
  };
}

/** All that somebody has, or that an open file stands for; and whatever those are in. */
function usedNamespaces({ threads, files, effort }: HolderKernel): Set<number> {
  spend(effort, 8 * threads.tasks.size + files.open.size + files.sockets.size, "items");
  spend(effort, files.filesystems.size + threads.pidSpaces.size + 2 * threads.namespaces.size, "items");
  const used = new Set<number>([0]);
  for (const { namespaces, credentials } of threads.tasks.values())
    for (const id of [...Object.values(namespaces), credentials.userSpace]) used.add(id);
  for (const { target } of files.open.values()) if (target.kind === "namespace") used.add(target.id!);
  for (const { net } of files.sockets.values()) used.add(net);
  for (const { pidSpace } of files.filesystems.values()) used.add(pidSpace);
  for (const [id, { numbers }] of threads.pidSpaces) if (numbers.size > 0) used.add(id);
  for (const id of used) {
    used.add(threads.pidSpaces.get(id)?.parent ?? 0);
    used.add(threads.namespaces.get(id)?.owner ?? 0);
  }
  return used;
}

/** Name spaces that nobody has any more go: a task or such a file has ended, or a task has gone elsewhere. */
export function dropNamespaces(k: HolderKernel): void {
  const { namespaces, machineNames, pidSpaces, userSpaces } = k.threads;
  if (namespaces.size === 0) return;
  const used = usedNamespaces(k);
  for (const [id, { kind }] of [...namespaces]) {
    if (used.has(id)) continue;
    namespaces.delete(id);
    machineNames.delete(id);
    pidSpaces.delete(id);
    userSpaces.delete(id);
    k.endNamespace(kind, id);
  }
}
