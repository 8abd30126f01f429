/** Files that the machine's host gives: it goes where it wants, and makes the directories on the way. */
import type { Errno } from "../lib/errno.ts";
import type { ImageId, InodeNumber } from "../lib/ids.ts";
import { createStored } from "../mm/stored.ts";
import { rootCredentials } from "../thread/credentials.ts";
import type { Place } from "../thread/state.ts";
import { attributesOf, FileType, filesystemOf, isDirectory, opsOfFilesystem, type Viewer } from "./filesystem.ts";
import { hasRoomForInodes } from "./filesystems.ts";
import type { FileKernel } from "./kernel.ts";
import { firstNamespace, topOf } from "./mounts.ts";
import { changeable } from "./names.ts";
import type { InodeData } from "./state.ts";
import { findPlace, type Walked, walkPath } from "./walk.ts";

/** Who looks when no task does. */
export const host = (k: FileKernel): Viewer => ({
  id: 0 as Viewer["id"],
  threads: [],
  root: topOf(k, firstNamespace),
  credentials: rootCredentials(),
});

/** The file that a path names for the host. */
export function findForHost(k: FileKernel, path: string): Place | { errno: Errno } {
  const viewer = host(k);
  const found = findPlace(k, viewer, viewer.root, path);
  return "errno" in found ? found : found.place;
}

/** Whether the directory lists it: a link of /proc leads to what is open, whatever became of its name. */
function isNamed(k: FileKernel, { directory, name, place }: Walked): boolean {
  const fs = filesystemOf(k, directory.mount);
  return name !== "" && opsOfFilesystem(k, fs).lookup(k, fs, directory.inode, name, host(k)) === place?.inode;
}

/** What keeps a file from being put at a path: something on the way that is no directory, or a directory at its end. */
export function givenProblem(k: FileKernel, path: string): { problem: Errno; at: string } | null {
  const parts = path.split("/").slice(1);
  const viewer = host(k);
  for (let count = 1; count <= parts.length; count++) {
    const at = `/${parts.slice(0, count).join("/")}`;
    const walked = walkPath(k, viewer, viewer.root, at, "follow");
    if ("errno" in walked) return { problem: walked.errno, at };
    const isLast = count === parts.length;
    if (walked.place !== null && isDirectory(attributesOf(k, walked.place)) === isLast)
      return { problem: isLast ? "EISDIR" : "ENOTDIR", at };
    if (walked.place !== null && !isLast) continue;
    const there = changeable(k, walked.directory);
    if (typeof there === "string") return { problem: there, at };
    if (!hasRoomForInodes(k, there.fs, parts.length - count + 1)) return { problem: "ENOSPC", at };
    if (walked.place === null) return null;
    if (walked.place.mount !== walked.directory.mount) return { problem: "EBUSY", at };
    if (!isNamed(k, walked)) return { problem: "ENOENT", at };
  }
  return null;
}

function make(k: FileKernel, directory: Place, name: string, mode: number, data: InodeData | null): InodeNumber | null {
  const there = changeable(k, directory);
  if (typeof there === "string") return null;
  const file = { mode, uid: 0, gid: 0, data };
  const made = there.change.create(k, there.fs, { directory: directory.inode, name }, file);
  return typeof made === "number" ? made : null;
}

/** Makes a path name a content; who has the old one open keeps it. False when the file system has no room. */
export function giveFile(k: FileKernel, path: string, image: ImageId, mode: number): boolean {
  const parts = path.split("/").slice(1);
  const viewer = host(k);
  let directory: Place = viewer.root;
  for (const [index, name] of parts.entries()) {
    const walked = walkPath(k, viewer, directory, name, "follow");
    if ("errno" in walked) return false;
    const isLast = index === parts.length - 1;
    if (walked.place === null || isLast) {
      const fs = filesystemOf(k, walked.directory.mount);
      if (walked.place !== null) opsOfFilesystem(k, fs).change!.unlink(k, fs, walked.directory.inode, walked.name);
      const data: InodeData | null = isLast ? { kind: "regular", file: createStored(k, image).id } : null;
      const type = isLast ? FileType.regular : FileType.directory;
      const made = make(k, walked.directory, walked.name, type | (isLast ? mode : 0o755), data);
      if (made === null) return false;
      directory = { mount: walked.directory.mount, inode: made };
    } else directory = walked.place;
  }
  return true;
}
