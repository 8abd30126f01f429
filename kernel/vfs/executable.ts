/** Files as programs: who may run them. */
import type { Errno } from "../lib/errno.ts";
import type { StoredId } from "../lib/ids.ts";
import type { Place, Task } from "../thread/state.ts";
import { type Attributes, attributesOf, FileType, filesystemOf, isType, opsOfFilesystem } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import { Access, permits, subjectOf } from "./permissions.ts";

export interface OpenedProgram {
  attributes: Attributes;
  file: StoredId;
}

/** A regular file that the task may execute. */
export function openExecutable(k: FileKernel, task: Task, place: Place): OpenedProgram | Errno {
  const attributes = attributesOf(k, place);
  if (!isType(attributes, FileType.regular)) return "EACCES";
  if (!permits(subjectOf(task), attributes, Access.execute)) return "EACCES";
  const fs = filesystemOf(k, place.mount);
  const target = opsOfFilesystem(k, fs).open(k, fs, place.inode, task);
  if (typeof target === "string") return target;
  return target.kind === "regular" ? { attributes, file: target.file } : "EACCES";
}
