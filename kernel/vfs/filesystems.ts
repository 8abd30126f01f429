/** File systems as wholes: how one begins, and what becomes of all that it had when nobody has it mounted any more. */
import { spend } from "../lib/effort.ts";
import type { FilesystemId, InodeNumber } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { releaseStored } from "../mm/stored.ts";
import { dropNamespaces } from "../ns/namespaces.ts";
import { realtimeNs } from "../time/clock.ts";
import { forgetExtended } from "./extended.ts";
import { FileType } from "./filesystem.ts";
import { notifyUnmount } from "./inotify.ts";
import type { FileKernel } from "./kernel.ts";
import type { Filesystem, FilesystemKind, InodeData, TmpfsOptions } from "./state.ts";

export const rootInode = 1 as InodeNumber;

/** Kinds whose files are kept in the machine's memory. */
export const isStored = (kind: FilesystemKind): boolean => kind === "tmpfs" || kind === "devtmpfs";

/** There is one of the kind, wherever it is mounted: what it shows is the machine's. */
export const isSingle = (kind: FilesystemKind): boolean => kind !== "tmpfs";

const noBound = Number.MAX_SAFE_INTEGER;
const firstOptions = { mode: 0o755, uid: 0, gid: 0 };

interface NewFilesystem {
  /** The archive that it is over. */
  base?: string | null;
  options?: TmpfsOptions | null;
  pidSpace?: number;
  userSpace?: number;
}

/** A file system of a kind. */
export function createFilesystem(
  k: FileKernel,
  kind: FilesystemKind,
  source: string,
  { base = null, options = null, pidSpace = 0, userSpace = 0 }: NewFilesystem = {},
): Filesystem {
  const id = k.files.nextFilesystem++ as FilesystemId;
  const nextInode = base === null ? 2 : k.archives(base).inodes.length + 1;
  const inodes = new Map();
  const from = { id, kind, source, root: rootInode, pidSpace, base };
  const fs: Filesystem = { ...from, inodes, nextInode, userSpace, readOnly: false, options };
  k.files.filesystems.set(id, fs);
  if (options !== null) k.mm.quotas.set(id, { frames: 0, most: options.pages ?? noBound });
  if (base !== null || !isStored(kind)) return fs;
  const now = realtimeNs(k);
  const data: InodeData = { kind: "directory", parent: rootInode, entries: new Map(), nextCookie: 3 };
  const times = { atimeNs: now, mtimeNs: now, ctimeNs: now };
  const { mode, uid, gid } = options ?? firstOptions;
  fs.inodes.set(rootInode, { mode: FileType.directory | mode, uid, gid, links: 2, ...times, temporary: false, data });
  return fs;
}

/** Inodes that a file system may have, beside those of an archive. */
export const mostInodes = ({ options }: Filesystem): number =>
  Math.min(limits.inodes, options?.inodes ?? limits.inodes);

/** Whether there may be so many inodes more: of the file system, and of all. */
export function hasRoomForInodes(k: FileKernel, fs: Filesystem, count: number): boolean {
  if (fs.inodes.size + count > mostInodes(fs)) return false;
  spend(k.effort, k.files.filesystems.size, "items");
  let all = 0;
  for (const { inodes } of k.files.filesystems.values()) all += inodes.size;
  return all + count <= limits.allInodes;
}

/** Whether a file that has two names may have one more: two there is room for, as for its inode. */
export function hasRoomForLink(k: FileKernel): boolean {
  let more = 1;
  for (const { inodes } of k.files.filesystems.values()) {
    spend(k.effort, inodes.size, "items");
    for (const { links, data } of inodes.values()) if (data.kind !== "directory") more += Math.max(0, links - 2);
  }
  return more <= limits.moreLinks;
}

/** Whether a symbolic link may have this text: one no longer than a name always may. */
export function hasRoomForText(k: FileKernel, text: string): boolean {
  if (text.length <= limits.nameBytes) return true;
  let all = text.length;
  for (const { inodes } of k.files.filesystems.values()) {
    spend(k.effort, inodes.size, "items");
    for (const { data } of inodes.values())
      if (data.kind === "symlink" && data.target.length > limits.nameBytes) all += data.target.length;
  }
  return all <= limits.linkCharacters;
}

/** How many pages its files may have. */
export function boundFilesystem(k: FileKernel, fs: Filesystem, options: TmpfsOptions): void {
  fs.options = options;
  k.mm.quotas.get(fs.id)!.most = options.pages ?? noBound;
}

/** Nobody has it mounted any more, and so nobody uses a file of it. The machine's devices are there nevertheless. */
export function endFilesystem(k: FileKernel, fs: Filesystem): void {
  notifyUnmount(k, fs);
  if (fs.kind === "devtmpfs") return;
  spend(k.effort, 16 * fs.inodes.size, "items");
  for (const [inode, { data }] of fs.inodes) {
    if (k.files.extended.size > 0) forgetExtended(k, fs, inode);
    if (data.kind === "regular") releaseStored(k, data.file);
  }
  k.mm.quotas.delete(fs.id);
  k.files.filesystems.delete(fs.id);
  if (fs.pidSpace !== 0) dropNamespaces(k);
}
