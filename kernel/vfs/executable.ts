/** Files as programs: who may run them. */
import type { Errno } from "../lib/errno.ts";
import type { StoredId } from "../lib/ids.ts";
import { isWrittenTo } from "../mm/executing.ts";
import type { Place, Task } from "../thread/state.ts";
import { type Attributes, attributesOf, FileType, filesystemOf, isType, opsOfFilesystem } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import { hasFlag, MountFlag } from "./mount-flags.ts";
import { Access, permits, Special, subjectOf } from "./permissions.ts";

export interface OpenedProgram {
  attributes: Attributes;
  file: StoredId;
}

/** A regular file that the task may execute. */
export function openExecutable(k: FileKernel, task: Task, place: Place): OpenedProgram | Errno {
  const attributes = attributesOf(k, place);
  if (!isType(attributes, FileType.regular)) return "EACCES";
  if (hasFlag(k, place.mount, MountFlag.noExecute)) return "EACCES";
  if (!permits(subjectOf(k, task), attributes, Access.execute)) return "EACCES";
  const fs = filesystemOf(k, place.mount);
  const target = opsOfFilesystem(k, fs).open(k, fs, place.inode, task);
  if (typeof target === "string") return target;
  if (target.kind !== "regular") return "EACCES";
  if (isWrittenTo(k, target.file)) return "ETXTBSY";
  const lends = !hasFlag(k, place.mount, MountFlag.noSuid);
  const mode = lends ? attributes.mode : attributes.mode & ~(Special.setUser | Special.setGroup);
  return { attributes: { ...attributes, mode }, file: target.file };
}
