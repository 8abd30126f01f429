/** Name spaces as files of /proc: what the links below <pid>/ns lead to. Each has an inode of its own, by its number. */
import type { InodeNumber } from "../../lib/ids.ts";
import { type NamespaceKind, namespaceInode, namespaceKinds } from "../../ns/namespaces.ts";
import { filesystemOf } from "../../vfs/filesystem.ts";
import type { ProcKernel } from "./kernel.ts";
import type { Target } from "./nodes.ts";

export interface NamespaceFile {
  kind: "namespace";
  type: NamespaceKind;
  id: number;
}

/** Between the numbers of the machine's files and those of tasks. */
export const namespacesAt = 2 ** 31;

export function namespaceAt(inode: InodeNumber): NamespaceFile {
  const at = inode - namespacesAt;
  const type = namespaceKinds[at % namespaceKinds.length]!;
  return { kind: "namespace", type, id: Math.floor(at / namespaceKinds.length) };
}

/** In the first /proc that is mounted. */
export function namespaceLink(k: ProcKernel, type: NamespaceKind, id: number): Target {
  const inode = (namespacesAt + id * namespaceKinds.length + namespaceKinds.indexOf(type)) as InodeNumber;
  const mount = [...k.files.mounts.values()].find((each) => filesystemOf(k, each.id).kind === "proc");
  const place = mount === undefined ? null : { mount: mount.id, inode };
  return { text: `${type}:[${namespaceInode(type, id)}]`, place };
}
