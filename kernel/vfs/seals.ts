/**
 * Files in memory that are made for their descriptors alone (memfd_create(2)), and what is sealed of them.
 *
 * Each is in a file system of its own that is mounted in no name space: so it goes with its last descriptor, as what was
 * detached does. All other files are sealed against being sealed.
 */
import { pageBytes } from "../hal/types.ts";
import { assert } from "../lib/assert.ts";
import { alignDown } from "../lib/bits.ts";
import type { Errno } from "../lib/errno.ts";
import type { StoredFile } from "../mm/state.ts";
import { getStored, isMappedForWriting } from "../mm/stored.ts";
import type { Task } from "../thread/state.ts";
import { mayWrite } from "./file-ops.ts";
import { attributesOf, FileType, filesystemOf, opsOfFilesystem } from "./filesystem.ts";
import { createFilesystem, hasRoomForInodes } from "./filesystems.ts";
import type { FileKernel } from "./kernel.ts";
import { hasRoomForMounts, mountApart } from "./mounts.ts";
import type { Opened, OpenFile } from "./state.ts";

export const Seal = {
  F_SEAL_SEAL: 1,
  F_SEAL_SHRINK: 2,
  F_SEAL_GROW: 4,
  F_SEAL_WRITE: 8,
  F_SEAL_FUTURE_WRITE: 0x10,
  F_SEAL_EXEC: 0x20,
} as const;
const allSeals = 0x3f;
const writes = Seal.F_SEAL_WRITE | Seal.F_SEAL_FUTURE_WRITE;
const executes = 0o111;

/** A file without content that nobody has open yet; null: there is no room for it. */
export function createMemoryFile(k: FileKernel, task: Task, name: string, mode: number, seals: number): Opened | null {
  const fs = createFilesystem(k, "tmpfs", "memfd");
  const hasRoom = hasRoomForMounts(k, 1) && hasRoomForInodes(k, fs, 1);
  if (!hasRoom) {
    k.files.filesystems.delete(fs.id);
    return null;
  }
  const { fsuid: uid, fsgid: gid } = task.credentials;
  const { create } = opsOfFilesystem(k, fs).change!;
  const inode = create(k, fs, null, { mode: FileType.regular | mode, uid, gid, data: null });
  assert(typeof inode === "number", "there was room for an inode");
  const made = fs.inodes.get(inode)!;
  assert(made.data.kind === "regular", "it is a regular file");
  made.temporary = false;
  getStored(k, made.data.file).seals = seals;
  return mountApart(k, fs, inode, name);
}

/** The seals of an open file; null: it is nothing that could have some. */
export const sealsOf = (k: FileKernel, { target }: OpenFile): number | null =>
  target.kind === "regular" ? getStored(k, target.file).seals : null;

export function addSeals(k: FileKernel, open: OpenFile, wanted: number): Errno | null {
  if (!mayWrite(open)) return "EPERM";
  if (wanted & ~allSeals || open.target.kind !== "regular" || open.opened === null) return "EINVAL";
  const file = getStored(k, open.target.file);
  if (file.seals & Seal.F_SEAL_SEAL) return "EPERM";
  const isProgram = (attributesOf(k, open.opened).mode & executes) !== 0;
  // What can be executed and stays so must not be written, either.
  const implied = wanted & Seal.F_SEAL_EXEC && isProgram ? Seal.F_SEAL_SHRINK | Seal.F_SEAL_GROW | writes : 0;
  const added = wanted | implied;
  if (added & ~file.seals & Seal.F_SEAL_WRITE && isMappedForWriting(k, file)) return "EBUSY";
  file.seals |= added;
  return null;
}

export const isSealedForWriting = ({ seals }: StoredFile): boolean => (seals & writes) !== 0;

/** How many of the bytes may be written there: of a file that must not grow, those in pages before its end. */
export function unsealedBytes(file: StoredFile, position: number, count: number): number {
  if (isSealedForWriting(file)) return 0;
  if (!(file.seals & Seal.F_SEAL_GROW) || position + count <= file.size) return count;
  return Math.max(0, alignDown(file.size, pageBytes) - position);
}

export const forbidsSize = ({ seals, size }: StoredFile, wanted: number): boolean =>
  (wanted < size && (seals & Seal.F_SEAL_SHRINK) !== 0) || (wanted > size && (seals & Seal.F_SEAL_GROW) !== 0);

/** Whether an inode has to stay a program, or no program. */
export function forbidsMode(k: FileKernel, { mount, inode }: Pick<Opened, "mount" | "inode">, mode: number): boolean {
  const made = filesystemOf(k, mount).inodes.get(inode);
  if (made?.data.kind !== "regular" || ((made.mode ^ mode) & executes) === 0) return false;
  return (getStored(k, made.data.file).seals & Seal.F_SEAL_EXEC) !== 0;
}
