/**
 * Name spaces (namespaces(7)) that a task can have of its own: the machine's name (UTS), and System V's objects (IPC), of
 * which there are none, so that nothing is in one. Each is a number; 0 is the one that the machine began with.
 *
 * Must hold: a name that was changed is kept exactly as long as a task has its name space, or an open file stands for it.
 */
import type { ThreadKernel } from "../thread/kernel.ts";
import type { Namespaces, Task } from "../thread/state.ts";

export type NamespaceKind = keyof Namespaces;
export const namespaceKinds: readonly NamespaceKind[] = ["uts", "ipc"];

/** Inode numbers of those that the machine began with (PROC_UTS_INIT_INO and its like). */
const firstInodes: Readonly<Record<NamespaceKind, number>> = { ipc: 0xefff_ffff, uts: 0xefff_fffe };
const otherInodes = 0xf000_0000;

/** What a name space is known by to programs. */
export const namespaceInode = (kind: NamespaceKind, id: number): number =>
  id === 0 ? firstInodes[kind] : otherInodes + id;

export interface MachineName {
  node: string;
  domain: string;
}

type NameKernel = HolderKernel & { readonly config: { readonly hostname: string } };

/** What the machine is called by a task. */
export const machineName = (k: NameKernel, { namespaces }: Pick<Task, "namespaces">): MachineName =>
  k.threads.machineNames.get(namespaces.uts) ?? { node: k.config.hostname, domain: "(none)" };

export function renameMachine(k: NameKernel, task: Task, change: Partial<MachineName>): void {
  k.threads.machineNames.set(task.namespaces.uts, { ...machineName(k, task), ...change });
}

/** The task leaves name spaces of these kinds for new ones, which begin as copies. */
export function newNamespaces(k: NameKernel, task: Task, kinds: readonly NamespaceKind[]): void {
  for (const kind of kinds) {
    const name = machineName(k, task);
    task.namespaces[kind] = k.threads.nextNamespace++;
    if (kind === "uts") k.threads.machineNames.set(task.namespaces.uts, { ...name });
  }
  dropNames(k);
}

export function enterNamespace(k: HolderKernel, task: Task, kind: NamespaceKind, id: number): void {
  task.namespaces[kind] = id;
  dropNames(k);
}

/** Open files as far as they can stand for name spaces. */
interface HolderKernel extends ThreadKernel {
  readonly files: { readonly open: ReadonlyMap<number, { readonly target: { kind: string; id?: number } }> };
}

/** Names in name spaces that nobody has any more go: a task or such a file has ended, or a task has gone elsewhere. */
export function dropNames(k: HolderKernel): void {
  const { tasks, machineNames } = k.threads;
  if (machineNames.size === 0) return;
  const used = new Set<number>([0]);
  for (const { namespaces } of tasks.values()) used.add(namespaces.uts);
  for (const { target } of k.files.open.values()) if (target.kind === "namespace") used.add(target.id!);
  for (const id of [...machineNames.keys()]) if (!used.has(id)) machineNames.delete(id);
}
