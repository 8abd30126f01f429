/** Mounting, and the tree that every machine begins with. */
import { assert } from "../lib/assert.ts";
import type { FilesystemId, InodeNumber, MountId } from "../lib/ids.ts";
import type { Place } from "../thread/state.ts";
import { realtimeNs } from "../time/clock.ts";
import { consoles, devices, ptmx } from "./devices.ts";
import { FileType, filesystemOf, isDirectory, opsOfFilesystem } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import type { Filesystem, FilesystemKind, InodeData } from "./state.ts";

const rootInode = 1 as InodeNumber;

/** A file system of a kind, over an archive if `base` names one. */
export function createFilesystem(
  k: FileKernel,
  kind: FilesystemKind,
  source: string,
  base: string | null = null,
): Filesystem {
  const id = k.files.nextFilesystem++ as FilesystemId;
  const nextInode = base === null ? 2 : k.archives(base).inodes.length + 1;
  const fs: Filesystem = { id, kind, source, root: rootInode, pidSpace: 0, base, inodes: new Map(), nextInode };
  k.files.filesystems.set(id, fs);
  if (base === null && kind === "tmpfs") {
    const now = realtimeNs(k);
    const data: InodeData = { kind: "directory", parent: rootInode, entries: new Map(), nextCookie: 3 };
    const times = { atimeNs: now, mtimeNs: now, ctimeNs: now };
    fs.inodes.set(rootInode, {
      mode: FileType.directory | 0o755,
      uid: 0,
      gid: 0,
      links: 2,
      ...times,
      temporary: false,
      data,
    });
  }
  return fs;
}

export function mountOn(k: FileKernel, fs: Filesystem, on: Place | null): MountId {
  const id = k.files.nextMount++ as MountId;
  k.files.mounts.set(id, { id, filesystem: fs.id, on: on === null ? null : { ...on } });
  return id;
}

/** Makes a file in a directory where there is none of the name; null: there is one, or no room. */
function provide(k: FileKernel, mount: MountId, at: InodeNumber, name: string, mode: number, data: InodeData | null) {
  const fs = filesystemOf(k, mount);
  const ops = opsOfFilesystem(k, fs);
  const made = ops.change!.create(k, fs, { directory: at, name }, { mode, uid: 0, gid: 0, data });
  assert(typeof made === "number", "a new file system has room");
  return made;
}

/** The directory of this name, made if there is none; null where it is something else. */
export function directoryAt(
  k: FileKernel,
  mount: MountId,
  at: InodeNumber,
  name: string,
  mode = 0o755,
): InodeNumber | null {
  const fs = filesystemOf(k, mount);
  const entries = opsOfFilesystem(k, fs).list(k, fs, at, 0, Number.POSITIVE_INFINITY);
  const entry = entries.find((listed) => listed.name === name);
  if (entry === undefined) return provide(k, mount, at, name, FileType.directory | mode, null);
  return isDirectory(entry) ? entry.inode : null;
}

function mountAt(k: FileKernel, root: MountId, name: string, kind: FilesystemKind, source: string): MountId | null {
  const inode = directoryAt(k, root, rootInode, name);
  if (inode === null) return null;
  return mountOn(k, createFilesystem(k, kind, source), { mount: root, inode });
}

function fillDev(k: FileKernel, dev: MountId): void {
  for (const { name, major, minor, mode } of [...devices, ...consoles, ptmx])
    provide(k, dev, rootInode, name, FileType.character | mode, { kind: "device", major, minor });
  const links = { fd: "/proc/self/fd", stdin: "/proc/self/fd/0", stdout: "/proc/self/fd/1", stderr: "/proc/self/fd/2" };
  for (const [name, target] of Object.entries(links))
    provide(k, dev, rootInode, name, FileType.symlink | 0o777, { kind: "symlink", target });
  provide(k, dev, rootInode, "shm", FileType.directory | 0o1777, null);
}

/** The root, and what is mounted below it; `base`: the archive that the root is at first. */
export function mountAll(k: FileKernel, base: string | null): void {
  const root = mountOn(k, createFilesystem(k, "tmpfs", "root", base), null);
  const dev = mountAt(k, root, "dev", "tmpfs", "dev");
  if (dev !== null) {
    fillDev(k, dev);
    mountAt(k, dev, "pts", "devpts", "devpts");
  }
  mountAt(k, root, "proc", "proc", "proc");
  mountAt(k, root, "sys", "sysfs", "sysfs");
  directoryAt(k, root, rootInode, "tmp", 0o1777);
}
