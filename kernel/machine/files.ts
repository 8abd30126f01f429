/** The files that a machine is given. */
import { limits } from "../lib/limits.ts";
import { utf8Bound, writeUtf8 } from "../lib/utf8.ts";
import { addImage } from "../mm/images.ts";
import { giveFile, givenProblem } from "../vfs/given.ts";
import type { Kernel } from "./kernel.ts";
import { type Plan, refuse } from "./plan.ts";
import type { FileSpec, InputError } from "./types.ts";

const byteLength = (text: string): number => writeUtf8(new Uint8Array(utf8Bound(text.length)), 0, text, "clean");

/** What is wrong with a path, or "". */
function pathProblem(path: string): string {
  if (path.includes("\0") || byteLength(path) >= limits.pathBytes)
    return "must be shorter than 4096 bytes, without NUL";
  return path === "/" || normalize(path) !== path ? 'must be absolute, without "." and ".." and empty parts' : "";
}

/** What keeps a file from being put at a path that is one. */
function placeProblem(k: Kernel, path: string): { error: InputError } | null {
  const found = givenProblem(k, path);
  if (found === null) return null;
  const { problem, at } = found;
  if (problem === "ENOSPC") return refuse("exhausted", "file", `the file system at ${at} has no room for more files`);
  if (problem === "EISDIR") return refuse("invalid", "file.path", "is a directory");
  if (problem === "ENOTDIR") return refuse("invalid", "file.path", `lies in ${at}, which is a file`);
  return refuse("invalid", "file.path", `cannot be made: ${problem} at ${at}`);
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
  const problem = pathProblem(path);
  if (problem !== "") return refuse("invalid", "file.path", problem);
  const misplaced = placeProblem(k, path);
  if (misplaced !== null) return misplaced;
  if (!/^[0-9a-f]{64}$/.test(content))
    return refuse("invalid", "file.content", "must be a SHA-256 in lower-case hexadecimal");
  if (!Number.isInteger(size) || size < 0 || size > limits.hostFileBytes)
    return refuse("invalid", "file.size", `must be 0 to ${limits.hostFileBytes} bytes`);
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777)
    return refuse("invalid", "file.mode", "must be permission bits, 0 to 0o7777");
  if (k.mm.images.size >= limits.images)
    return refuse("exhausted", "file", `a machine sees at most ${limits.images} different contents`);
  return {
    perform() {
      giveFile(k, path, addImage(k, content, size), mode);
      return undefined;
    },
  };
}
