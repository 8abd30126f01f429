/** What a state of version 4 needs to be one of version 5: a step for each thing that came, in the order they came. */
import type { AnyState } from "./migrations.ts";

interface KernelWithTwoKinds {
  threads: { tasks: Map<number, { credentials: object; namespaces: { uts: number; ipc: number } }> };
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

/** Name spaces are in a table, and there are those of users, the network and PIDs. */
function tableOfNamespaces(state: AnyState): void {
  const { threads, files } = state["kernel"] as KernelWithTwoKinds;
  const namespaces = new Map<number, { kind: "uts" | "ipc"; owner: number }>();
  const add = (kind: "uts" | "ipc", id: number): void => {
    if (id !== 0) namespaces.set(id, { kind, owner: 0 });
  };
  for (const task of threads.tasks.values()) {
    add("uts", task.namespaces.uts);
    add("ipc", task.namespaces.ipc);
    Object.assign(task.credentials, { userSpace: 0 });
    Object.assign(task.namespaces, { net: 0, pid: 0, childPid: 0 });
  }
  for (const { target, opened } of files.open.values()) {
    if (target.kind === "namespace") add(target.type!, target.id!);
    if (opened === null) continue;
    opened.directory = namespaceInode(opened.directory);
    opened.inode = namespaceInode(opened.inode);
  }
  Object.assign(threads, { namespaces, pidSpaces: new Map(), userSpaces: new Map() });
  for (const socket of files.sockets.values()) Object.assign(socket, { net: 0 });
}

interface KernelWithSenders {
  threads: { threads: Map<number, { wait: { kind: string; child?: number } | null }> };
  files: {
    filesystems: Map<number, object>;
    open: Map<number, { target: { kind: string } }>;
    sockets: Map<number, { credentials: object; peerCredentials: object | null; queue: { sender: object }[] }>;
  };
}

/** Who sent, and whom vfork waits for, has more than one number. */
function numbersBySpace(state: AnyState): void {
  const { threads, files } = state["kernel"] as KernelWithSenders;
  for (const { credentials, peerCredentials, queue } of files.sockets.values())
    for (const of of [credentials, peerCredentials, ...queue.map(({ sender }) => sender)])
      if (of !== null) Object.assign(of, { names: [] });
  for (const { target } of files.open.values())
    if (target.kind === "generated") Object.assign(target, { userSpace: 0 });
  for (const filesystem of files.filesystems.values()) Object.assign(filesystem, { pidSpace: 0 });
  for (const { wait } of threads.threads.values())
    if (wait?.kind === "vfork") Object.assign(wait, { number: wait.child });
}

interface KernelWithoutMounting {
  threads: { tasks: Map<number, { namespaces: object }> };
  mm: { stored: Map<number, object> };
  files: {
    filesystems: Map<number, { kind: string; source: string; root: number; options?: null }>;
    mounts: Map<number, OldMount>;
  };
}

interface OldMount {
  id: number;
  filesystem: number;
  on: { mount: number; inode: number } | null;
  covers?: Map<number, number>;
}

/** Nothing could be mounted but what was from the beginning, on directories, and /dev was a file system like the root. */
function mounting(state: AnyState): void {
  const { mm, files, threads } = state["kernel"] as KernelWithoutMounting;
  for (const { namespaces } of threads.tasks.values()) Object.assign(namespaces, { mnt: 0 });
  for (const file of mm.stored.values()) Object.assign(file, { quota: null });
  Object.assign(mm, { quotas: new Map() });
  Object.assign(files, { detached: [] });
  for (const fs of files.filesystems.values()) {
    Object.assign(fs, { userSpace: 0, readOnly: false, options: null });
    if (fs.kind === "tmpfs" && fs.source === "dev") Object.assign(fs, { kind: "devtmpfs", source: "devtmpfs" });
  }
  for (const mount of files.mounts.values()) {
    const { root } = files.filesystems.get(mount.filesystem)!;
    const on = mount.on === null ? null : { ...mount.on, directory: mount.on.inode, name: "" };
    Object.assign(mount, { root, named: null, on, covers: new Map(), namespace: 0, flags: 0, expiring: false });
  }
  for (const { id, on } of files.mounts.values())
    if (on !== null) files.mounts.get(on.mount)!.covers!.set(on.inode, id);
}

/** There were no objects of System V's. */
function noObjects(state: AnyState): void {
  const held = { objects: 0, semaphores: 0, messages: 0, messageBytes: 0 };
  Object.assign(state["kernel"] as object, { sysv: { spaces: new Map(), held } });
}

export const version5: readonly ((state: AnyState) => void)[] = [
  tableOfNamespaces,
  numbersBySpace,
  mounting,
  noObjects,
];
