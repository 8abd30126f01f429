/** Path names. The name space is what the machine's files' paths imply: their directories exist, nothing else does. */

import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { ImageId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { encodeText } from "../lib/text.ts";
import type { Task } from "../thread/state.ts";
import type { FileKernel } from "./kernel.ts";
import type { FileEntry } from "./state.ts";

export type Found = { kind: "file"; entry: FileEntry } | { kind: "directory"; path: string } | { kind: "console" };

/** An absolute path without empty, "." and ".." parts. */
export function normalize(path: string, directory: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${directory}/${path}`).split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}`;
}

const isDirectory = (k: FileKernel, path: string): boolean => {
  if (path === "/" || path === "/dev") return true;
  const prefix = `${path}/`;
  spend(k.effort, k.files.entries.size, "items");
  for (const known of k.files.entries.keys()) if (known.startsWith(prefix)) return true;
  return false;
};

const consolePaths: readonly string[] = ["/dev/tty", "/dev/console"];

export function lookup(k: FileKernel, task: Task, path: string): Found | { errno: Errno } {
  if (path === "") return { errno: "ENOENT" };
  // Once for what it is, once for the lengths of its parts.
  spend(k.effort, 8 * path.length, "characters");
  const full = normalize(path, task.workingDirectory);
  if (consolePaths.includes(full)) return { kind: "console" };
  const entry = k.files.entries.get(full);
  if (entry !== undefined) return path.endsWith("/") ? { errno: "ENOTDIR" } : { kind: "file", entry };
  if (isDirectory(k, full)) return { kind: "directory", path: full };
  if (isBelowFile(k, full)) return { errno: "ENOTDIR" };
  const tooLong = full.split("/").some((part) => encodeText(part).length > limits.nameBytes);
  return { errno: tooLong ? "ENAMETOOLONG" : "ENOENT" };
}

/** Goes through the files rather than the parts of the path: of those a program can name thousands in every call. */
function isBelowFile(k: FileKernel, path: string): boolean {
  spend(k.effort, k.files.entries.size, "items");
  for (const known of k.files.entries.keys()) if (path.startsWith(`${known}/`)) return true;
  return false;
}

/** Makes a path name a content; who has the old one open keeps it. */
export function setFile(
  k: Pick<FileKernel, "files">,
  file: { path: string; image: ImageId; size: number; mode: number },
): void {
  const { path, image, size, mode } = file;
  k.files.entries.set(path, { path, image, size, mode, inode: k.files.nextInode++ });
}
