/** The files that a machine is given. */
import { limits } from "../lib/limits.ts";
import { utf8Bound, writeUtf8 } from "../lib/utf8.ts";
import { addImage } from "../mm/images.ts";
import { firstPlace } from "../thread/tasks.ts";
import { filesystemOf } from "../vfs/filesystem.ts";
import { giveFile, givenProblem } from "../vfs/given.ts";
import type { Kernel } from "./kernel.ts";
import { type Plan, refuse } from "./plan.ts";
import type { FileSpec } from "./types.ts";

const byteLength = (text: string): number => writeUtf8(new Uint8Array(utf8Bound(text.length)), 0, text, "clean");

/** What is wrong with a path, or "". */
function pathProblem(k: Kernel, path: string): string {
  if (path.includes("\0") || byteLength(path) >= limits.pathBytes)
    return "must be shorter than 4096 bytes, without NUL";
  if (path === "/" || normalize(path) !== path) return 'must be absolute, without "." and ".." and empty parts';
  const found = givenProblem(k, path);
  if (found === null) return "";
  if (found.problem === "EISDIR") return "is a directory";
  if (found.problem === "ENOTDIR") return `lies in ${found.at}, which is a file`;
  return `cannot be made: ${found.problem} at ${found.at}`;
}

/** An absolute path without empty, "." and ".." parts. */
function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}`;
}

export function planFile(k: Kernel, file: FileSpec): Plan {
  const { path, content, size, mode } = file;
  const problem = pathProblem(k, path);
  if (problem !== "") return refuse("invalid", "file.path", problem);
  if (!/^[0-9a-f]{64}$/.test(content))
    return refuse("invalid", "file.content", "must be a SHA-256 in lower-case hexadecimal");
  if (!Number.isInteger(size) || size < 0 || size > limits.fileBytes)
    return refuse("invalid", "file.size", `must be 0 to ${limits.fileBytes} bytes`);
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777)
    return refuse("invalid", "file.mode", "must be permission bits, 0 to 0o7777");
  const rootInodes = filesystemOf(k, firstPlace.mount).inodes.size + path.split("/").length;
  if (rootInodes > limits.inodes)
    return refuse("exhausted", "file", `a machine's root has at most ${limits.inodes} files`);
  if (k.mm.images.size >= limits.images)
    return refuse("exhausted", "file", `a machine sees at most ${limits.images} different contents`);
  return {
    perform() {
      giveFile(k, path, addImage(k, content, size), mode);
      return undefined;
    },
  };
}
