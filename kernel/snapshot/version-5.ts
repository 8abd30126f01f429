/** What a state of version 4 needs to be one of version 5: a step for each thing that came, in the order they came. */
import type { AnyState } from "./migrations.ts";

interface KernelWithTwoKinds {
  threads: { tasks: Map<number, { namespaces: { uts: number; ipc: number } }> };
  files: {
    sockets: Map<number, object>;
    open: Map<
      number,
      {
        target: { kind: string; type?: "uts" | "ipc"; id?: number };
        opened: { mount: number; inode: number; directory: number } | null;
      }
    >;
  };
}

/** Inodes of name spaces in /proc were numbered from here on, two kinds by turns; those there are now say more. */
const namespacesAt = 2 ** 31;
const perTask = 2 ** 32;
const [firstUts, firstIpc, others] = [0xefff_fffe, 0xefff_ffff, 0xf000_0000];

function namespaceInode(inode: number): number {
  if (inode < namespacesAt || inode >= perTask) return inode;
  const [id, isIpc] = [Math.floor((inode - namespacesAt) / 2), (inode - namespacesAt) % 2 === 1];
  return id > 0 ? others + id : isIpc ? firstIpc : firstUts;
}

/** Name spaces are in a table, and there are those of the network. */
function tableOfNamespaces(state: AnyState): void {
  const { threads, files } = state["kernel"] as KernelWithTwoKinds;
  const namespaces = new Map<number, { kind: "uts" | "ipc" }>();
  const add = (kind: "uts" | "ipc", id: number): void => {
    if (id !== 0) namespaces.set(id, { kind });
  };
  for (const task of threads.tasks.values()) {
    add("uts", task.namespaces.uts);
    add("ipc", task.namespaces.ipc);
    Object.assign(task.namespaces, { net: 0 });
  }
  for (const { target, opened } of files.open.values()) {
    if (target.kind === "namespace") add(target.type!, target.id!);
    if (opened === null) continue;
    opened.directory = namespaceInode(opened.directory);
    opened.inode = namespaceInode(opened.inode);
  }
  Object.assign(threads, { namespaces });
  for (const socket of files.sockets.values()) Object.assign(socket, { net: 0 });
}

export const version5: readonly ((state: AnyState) => void)[] = [tableOfNamespaces];
