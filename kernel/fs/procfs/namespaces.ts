/** Name spaces as files of /proc: what the links below <pid>/ns lead to. Each has the inode that it is known by. */
import type { InodeNumber } from "../../lib/ids.ts";
import { type NamespaceKind, namespaceInode, namespaceOfInode } from "../../ns/namespaces.ts";
import { filesystemOf } from "../../vfs/filesystem.ts";
import type { FileKernel } from "../../vfs/kernel.ts";
import type { Opened } from "../../vfs/state.ts";
import type { Target } from "./nodes.ts";

export interface NamespaceFile {
  kind: "namespace";
  type: NamespaceKind;
  id: number;
}

export function namespaceAt(k: FileKernel, inode: InodeNumber): NamespaceFile | null {
  const found = namespaceOfInode(k, inode);
  return found === null ? null : { kind: "namespace", type: found.kind, id: found.id };
}

export const namespaceName = (type: NamespaceKind, id: number): string => `${type}:[${namespaceInode(type, id)}]`;

/** Where a name space can be opened: in the first /proc that is mounted. */
export function namespacePlace(k: FileKernel, type: NamespaceKind, id: number): Opened | null {
  const mount = [...k.files.mounts.values()].find((each) => filesystemOf(k, each.id).kind === "proc");
  const inode = namespaceInode(type, id) as InodeNumber;
  return mount === undefined ? null : { mount: mount.id, inode, directory: inode, name: "" };
}

export function namespaceLink(k: FileKernel, type: NamespaceKind, id: number): Target {
  const opened = namespacePlace(k, type, id);
  const place = opened === null ? null : { mount: opened.mount, inode: opened.inode };
  return { text: namespaceName(type, id), place };
}
