/**
 * From a path to a file (path_resolution(7)).
 *
 * A name is looked up in a directory that the task may search; a symbolic link puts its text before what is left; a
 * directory with something mounted on it stands for that. Nothing is changed on the way.
 */
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import { limits } from "../lib/limits.ts";
import { encodeName } from "../lib/text.ts";
import type { Place } from "../thread/state.ts";
import {
  attributesOf,
  covered,
  FileType,
  filesystemOf,
  isDirectory,
  isType,
  opsOfFilesystem,
  parentOf,
  type Viewer,
} from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import { hasFlag, MountFlag } from "./mount-flags.ts";
import { Access, permitsAt } from "./permissions.ts";
import type { Opened } from "./state.ts";

/** Where a path's last name is, and what it names. */
export interface Walked {
  directory: Place;
  /** The last name; "" when the path ended in "/", "." or "..", or in a link of /proc to what is no open file. */
  name: string;
  /** null: the directory has no such name. */
  place: Place | null;
  /** The path ended in a slash: only a directory is meant. */
  slash: boolean;
}

interface Walk {
  viewer: Viewer;
  at: Place;
  /** Names that are left, the next one last. */
  rest: string[];
  links: number;
}

const namesOf = (path: string): string[] =>
  path
    .split("/")
    .filter((name) => name !== "")
    .reverse();

/** What is wrong with going from a directory to a name in it. */
function problemAt(k: FileKernel, walk: Walk, name: string): Errno | null {
  const attributes = attributesOf(k, walk.at);
  if (!isDirectory(attributes)) return "ENOTDIR";
  if (!permitsAt(k, walk.viewer, walk.at, attributes, Access.execute)) return "EACCES";
  return name.length * 4 > limits.nameBytes && encodeName(name).length > limits.nameBytes ? "ENAMETOOLONG" : null;
}

function child(k: FileKernel, { viewer, at }: Walk, name: string): Place | null {
  const fs = filesystemOf(k, at.mount);
  const inode = opsOfFilesystem(k, fs).lookup(k, fs, at.inode, name, viewer);
  return inode === null ? null : { mount: at.mount, inode };
}

/** Where a walk is behind a link: of an open file the name is known that it was found by. */
function behind(at: Place, led: Place | Opened | null, slash: boolean): Walked {
  const named = led !== null && "name" in led ? led : { directory: at.inode, name: "" };
  return { directory: { mount: at.mount, inode: named.directory }, name: named.name, place: at, slash };
}

/** Goes where a link leads: what is left to walk grows by its text, unless it leads to a place at once. */
function follow(k: FileKernel, walk: Walk, link: Place): Errno | { led: Place | Opened | null } {
  walk.links += 1;
  if (walk.links > limits.symbolicLinks || hasFlag(k, link.mount, MountFlag.noFollow)) return "ELOOP";
  const fs = filesystemOf(k, link.mount);
  const target = opsOfFilesystem(k, fs).readLink(k, fs, link.inode, walk.viewer);
  if (typeof target === "string") return target;
  if (target.place !== null) {
    walk.at = { mount: target.place.mount, inode: target.place.inode };
    return { led: target.place };
  }
  if (target.text === "") return "ENOENT";
  spend(k.effort, target.text.length, "characters");
  if (target.text.startsWith("/")) walk.at = { ...walk.viewer.root };
  walk.rest.push(...namesOf(target.text));
  return { led: null };
}

/**
 * What becomes of a link at a path's end: it is followed; or only if a slash says that a directory is meant; or it is
 * the name that counts, whatever it names or what covers that, slash or not.
 */
export type AtEnd = "follow" | "keep" | "name";

/** Walks a path from a directory. */
export function walkPath(
  k: FileKernel,
  viewer: Viewer,
  start: Place,
  path: string,
  atEnd: AtEnd,
): Walked | { errno: Errno } {
  if (path === "") return { errno: "ENOENT" };
  spend(k.effort, 8 * path.length, "characters");
  const walk: Walk = { viewer, at: { ...(path.startsWith("/") ? viewer.root : start) }, rest: namesOf(path), links: 0 };
  const slash = path.endsWith("/");
  const follows = atEnd === "follow" || (atEnd === "keep" && slash);
  let last: Walked = { directory: walk.at, name: "", place: walk.at, slash };
  for (let name = walk.rest.pop(); name !== undefined; name = walk.rest.pop()) {
    spend(k.effort, 64, "items");
    const problem = problemAt(k, walk, name);
    if (problem !== null) return { errno: problem };
    if (name === "." || name === "..") {
      const at = name === "." ? walk.at : parentOf(k, viewer, walk.at);
      if (at === null) return { errno: "ENOENT" };
      walk.at = at;
      last = { directory: walk.at, name: "", place: walk.at, slash };
      continue;
    }
    const isLast = walk.rest.length === 0;
    const named = child(k, walk, name);
    if (named === null) return isLast ? { directory: walk.at, name, place: null, slash } : { errno: "ENOENT" };
    const found = isLast && atEnd === "name" ? named : covered(k, named);
    if (isType(attributesOf(k, found), FileType.symlink) && (!isLast || follows)) {
      const followed = follow(k, walk, found);
      if (typeof followed === "string") return { errno: followed };
      last = behind(walk.at, followed.led, slash);
      continue;
    }
    last = { directory: walk.at, name, place: found, slash };
    walk.at = found;
  }
  if (slash && atEnd !== "name" && !isDirectory(attributesOf(k, last.place!))) return { errno: "ENOTDIR" };
  return last;
}

/** The file that a path names; ENOENT when there is none. */
export function findPlace(
  k: FileKernel,
  viewer: Viewer,
  start: Place,
  path: string,
  atEnd: AtEnd = "follow",
): (Walked & { place: Place }) | { errno: Errno } {
  const walked = walkPath(k, viewer, start, path, atEnd);
  if ("errno" in walked) return walked;
  return walked.place === null ? { errno: "ENOENT" } : { ...walked, place: walked.place };
}
