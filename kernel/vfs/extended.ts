/**
 * Extended attributes (xattr(7)): small values by name beside a file, of file systems whose files can be changed.
 *
 * They are kept beside the inodes, which most files' are without, and go with them.
 */

import type { Errno } from "../lib/errno.ts";
import { limits } from "../lib/limits.ts";
import { encodeName } from "../lib/text.ts";
import { Cap } from "../thread/capabilities.ts";
import type { Place, Task } from "../thread/state.ts";
import { attributesOf, FileType, filesystemOf, isDirectory, isType, opsOfFilesystem } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import { isReadOnly } from "./mount-flags.ts";
import { Access, isCapable, permits, subjectOf } from "./permissions.ts";
import type { Filesystem } from "./state.ts";

export const Replace = { XATTR_CREATE: 1, XATTR_REPLACE: 2 } as const;

const keyOf = ({ id }: Pick<Filesystem, "id">, inode: number): string => `${id}:${inode}`;

function namedOf(k: FileKernel, { mount, inode }: Place): ReadonlyMap<string, Uint8Array> {
  return k.files.extended.get(keyOf(filesystemOf(k, mount), inode)) ?? new Map();
}

/** What speaks against an attribute of this name, to read it or to change it: permissions come first, as in Linux. */
function problem(k: FileKernel, task: Task, place: Place, name: string, changes: boolean): Errno | null {
  const subject = subjectOf(k, task);
  const attributes = attributesOf(k, place);
  const denied = changes ? "EPERM" : "ENODATA";
  const isTrusted = name.startsWith("trusted.") || (changes && name.startsWith("security."));
  if (isTrusted && !isCapable(subject, Cap.SYS_ADMIN, null)) return denied;
  if (name.startsWith("user.")) {
    if (!isType(attributes, FileType.regular) && !isDirectory(attributes)) return denied;
    if (!permits(subject, attributes, changes ? Access.write : Access.read)) return "EACCES";
  } else if (!name.startsWith("trusted.") && !name.startsWith("security.")) return "EOPNOTSUPP";
  if (opsOfFilesystem(k, filesystemOf(k, place.mount)).change === null) return "EOPNOTSUPP";
  // A prefix alone names nothing.
  return name.indexOf(".") === name.length - 1 ? "EINVAL" : null;
}

export function getExtended(k: FileKernel, task: Task, place: Place, name: string): Uint8Array | Errno {
  return problem(k, task, place, name, false) ?? namedOf(k, place).get(name) ?? "ENODATA";
}

/** Names that the task may know of, in the order in which they were set. */
export function listExtended(k: FileKernel, task: Task, place: Place): Uint8Array {
  const seesAll = isCapable(subjectOf(k, task), Cap.SYS_ADMIN, null);
  const names = [...namedOf(k, place).keys()].filter((name) => seesAll || !name.startsWith("trusted."));
  return encodeName(names.map((name) => `${name}\0`).join(""));
}

const sizeOf = (values: ReadonlyMap<string, Uint8Array>): number =>
  [...values].reduce((sum, [name, value]) => sum + name.length + value.length, 0);

function changed(k: FileKernel, { mount, inode }: Place): void {
  const fs = filesystemOf(k, mount);
  opsOfFilesystem(k, fs).change?.set(k, fs, inode, {});
}

export function setExtended(
  k: FileKernel,
  task: Task,
  place: Place,
  { name, value, how }: { name: string; value: Uint8Array; how: number },
): Errno | null {
  const refused = isReadOnly(k, place.mount) ? "EROFS" : problem(k, task, place, name, true);
  if (refused !== null) return refused;
  const known = namedOf(k, place);
  if (known.has(name) ? how & Replace.XATTR_CREATE : how & Replace.XATTR_REPLACE)
    return known.has(name) ? "EEXIST" : "ENODATA";
  const size = sizeOf(known) - (known.get(name)?.length ?? -name.length) + value.length;
  if (size > limits.extendedBytes) return "ENOSPC";
  const key = keyOf(filesystemOf(k, place.mount), place.inode);
  const own = k.files.extended.get(key) ?? new Map<string, Uint8Array>();
  if (own.size === 0 && k.files.extended.size >= limits.extendedInodes) return "ENOSPC";
  own.set(name, value.slice());
  k.files.extended.set(key, own);
  changed(k, place);
  return null;
}

export function removeExtended(k: FileKernel, task: Task, place: Place, name: string): Errno | null {
  const refused = isReadOnly(k, place.mount) ? "EROFS" : problem(k, task, place, name, true);
  if (refused !== null) return refused;
  const key = keyOf(filesystemOf(k, place.mount), place.inode);
  const own = k.files.extended.get(key);
  if (own?.delete(name) !== true) return "ENODATA";
  if (own.size === 0) k.files.extended.delete(key);
  changed(k, place);
  return null;
}

/** The inode is gone. */
export function forgetExtended(k: FileKernel, fs: Filesystem, inode: number): void {
  k.files.extended.delete(keyOf(fs, inode));
}
