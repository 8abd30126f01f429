/** The tree of file systems that every machine begins with. */
import { assert } from "../lib/assert.ts";
import type { InodeNumber, MountId } from "../lib/ids.ts";
import { consoles, devices, isConsole, isOwnTerminal, ptmx } from "./devices.ts";
import { FileType, filesystemOf, isDirectory, opsOfFilesystem } from "./filesystem.ts";
import { createFilesystem, rootInode } from "./filesystems.ts";
import type { FileKernel } from "./kernel.ts";
import { mountOn, mountRoot, wholeOf } from "./mounts.ts";
import type { Filesystem, FilesystemKind, InodeData } from "./state.ts";
import { terminalGroup } from "./terminals.ts";

/** Makes a file in a directory where there is none of the name. */
function provide(
  k: FileKernel,
  fs: Filesystem,
  at: InodeNumber,
  name: string,
  mode: number,
  data: InodeData | null,
): InodeNumber {
  const made = opsOfFilesystem(k, fs).change!.create(k, fs, { directory: at, name }, { mode, uid: 0, gid: 0, data });
  assert(typeof made === "number", "a new file system has room");
  return made;
}

/** The directory of this name, made if there is none; null where it is something else. */
function directoryAt(k: FileKernel, mount: MountId, name: string, mode = 0o755): InodeNumber | null {
  const fs = filesystemOf(k, mount);
  const entries = opsOfFilesystem(k, fs).list(k, fs, rootInode, 0, Number.POSITIVE_INFINITY);
  const entry = entries.find((listed) => listed.name === name);
  if (entry === undefined) return provide(k, fs, rootInode, name, FileType.directory | mode, null);
  return isDirectory(entry) ? entry.inode : null;
}

function mountAt(k: FileKernel, at: MountId, name: string, kind: FilesystemKind): MountId | null {
  const inode = directoryAt(k, at, name);
  if (inode === null) return null;
  const fs = kind === "devtmpfs" ? devicesOf(k) : createFilesystem(k, kind, kind);
  return mountOn(k, wholeOf(fs, 0), { mount: at, inode, directory: inode, name: "" });
}

/** The machine's devices: one file system, which is there from when it was first mounted. */
export function devicesOf(k: FileKernel): Filesystem {
  for (const fs of k.files.filesystems.values()) if (fs.kind === "devtmpfs") return fs;
  const fs = createFilesystem(k, "devtmpfs", "devtmpfs");
  for (const { name, major, minor, mode } of [...devices, ...consoles, ptmx])
    provide(k, fs, rootInode, name, FileType.character | mode, { kind: "device", major, minor });
  const links = { fd: "/proc/self/fd", stdin: "/proc/self/fd/0", stdout: "/proc/self/fd/1", stderr: "/proc/self/fd/2" };
  for (const [name, target] of Object.entries(links))
    provide(k, fs, rootInode, name, FileType.symlink | 0o777, { kind: "symlink", target });
  provide(k, fs, rootInode, "shm", FileType.directory | 0o1777, null);
  return fs;
}

/**
 * The console belongs to a user, as a terminal belongs to who is logged in there, whose group is the terminals': where
 * there is no first program, whose it would be, everybody who comes there is the host's, for that user.
 */
export function giveConsole(k: Pick<FileKernel, "files">, uid: number): void {
  for (const { kind, inodes } of k.files.filesystems.values())
    if (kind === "devtmpfs")
      for (const inode of inodes.values()) {
        const { data } = inode;
        if (data.kind !== "device" || isOwnTerminal(data.major, data.minor) || !isConsole(data.major, data.minor))
          continue;
        Object.assign(inode, { uid, gid: terminalGroup, mode: FileType.character | 0o620 });
      }
}

/** The root, and what is mounted below it; `base`: the archive that the root is at first. */
export function mountAll(k: FileKernel, base: string | null): void {
  const root = mountRoot(k, createFilesystem(k, "tmpfs", "root", { base }));
  const dev = mountAt(k, root, "dev", "devtmpfs");
  if (dev !== null) mountAt(k, dev, "pts", "devpts");
  mountAt(k, root, "proc", "proc");
  mountAt(k, root, "sys", "sysfs");
  directoryAt(k, root, "tmp", 0o1777);
}
