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
  type Attributes,
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
import { Access, permitsAt, type Subject, subjectOf } from "./permissions.ts";
import type { Opened, OpenFile } from "./state.ts";

/** Where a path's last name is, and what it names. */
export interface Walked {
  directory: Place;
  /** The last name; "" when the path ended in "/", "." or "..", or in a link of /proc to what is no open file. */
  name: string;
  /** null: the directory has no such name. */
  place: Place | null;
  /** The path ended in a slash: only a directory is meant. */
  slash: boolean;
  /** Where a link of /proc led that stands for an open file without a place, as a pipe: then `place` is null. */
  file?: OpenFile;
}

/** What a walk must not do (RESOLVE_* of openat2(2)). */
export const Resolve = {
  /** Go from one mount to another one. */
  noMounts: 1,
  /** Follow a link of /proc that leads to a place at once; or any link. */
  noMagic: 2,
  noLinks: 4,
  /** Leave what is below the directory that it begins at; or that directory is its root. */
  beneath: 8,
  inRoot: 0x10,
} as const;

interface Walk {
  viewer: Viewer;
  /** Where absolute links begin, and what nothing is above of: the viewer's, or where it may not leave. */
  root: Place;
  /** Whose right to go on is asked for at every step. */
  subject: Subject;
  resolve: number;
  at: Place;
  /** Of where it is, if they were looked at on the way. */
  attributes: Attributes | null;
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
  const attributes = walk.attributes ?? attributesOf(k, walk.at);
  if (!isDirectory(attributes)) return "ENOTDIR";
  if (!permitsAt(k, walk.viewer, walk.at, attributes, Access.execute, walk.subject)) return "EACCES";
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

/** What is wrong with going on from one place at another one at once, as a link of /proc does. */
function jumpProblem({ resolve }: Walk, from: Place, to: Place | null): Errno | null {
  if (resolve & Resolve.noMagic) return "ELOOP";
  const leaves = (resolve & Resolve.noMounts) !== 0 && from.mount !== to?.mount;
  return leaves || resolve & (Resolve.beneath | Resolve.inRoot) ? "EXDEV" : null;
}

/** Goes where a link leads: what is left to walk grows by its text, unless it leads to a place at once. */
function follow(k: FileKernel, walk: Walk, link: Place): Errno | { led: Place | Opened | OpenFile | null } {
  walk.links += 1;
  if (walk.links > limits.symbolicLinks || hasFlag(k, link.mount, MountFlag.noFollow)) return "ELOOP";
  if (walk.resolve & Resolve.noLinks) return "ELOOP";
  const fs = filesystemOf(k, link.mount);
  const target = opsOfFilesystem(k, fs).readLink(k, fs, link.inode, walk.viewer);
  if (typeof target === "string") return target;
  if (target.place !== null || target.file !== undefined) {
    const problem = jumpProblem(walk, link, target.place);
    if (problem !== null) return problem;
  }
  if (target.file !== undefined) return walk.rest.length > 0 ? "ENOTDIR" : { led: target.file };
  if (target.place !== null) {
    walk.at = { mount: target.place.mount, inode: target.place.inode };
    return { led: target.place };
  }
  if (target.text === "") return "ENOENT";
  spend(k.effort, target.text.length, "characters");
  if (target.text.startsWith("/")) {
    if (walk.resolve & Resolve.beneath) return "EXDEV";
    if (walk.resolve & Resolve.noMounts && walk.at.mount !== walk.root.mount) return "EXDEV";
    walk.at = { ...walk.root };
  }
  walk.rest.push(...namesOf(target.text));
  return { led: null };
}

/** Goes to the directory that lists the one where a walk is. */
function goUp(k: FileKernel, walk: Walk): Errno | null {
  const { at: from, resolve } = walk;
  const at = parentOf(k, walk, from);
  if (at === null) return "ENOENT";
  // Above what has nothing above it is that itself.
  if (resolve & Resolve.beneath && at.mount === from.mount && at.inode === from.inode) return "EXDEV";
  if (resolve & Resolve.noMounts && at.mount !== from.mount) return "EXDEV";
  walk.at = at;
  return null;
}

/** Where a walk of a path begins. */
function begin(k: FileKernel, viewer: Viewer, start: Place, path: string, resolve: number): Walk | Errno {
  const isAbsolute = path.startsWith("/");
  if (isAbsolute && resolve & Resolve.beneath) return "EXDEV";
  const root = resolve & (Resolve.beneath | Resolve.inRoot) ? start : viewer.root;
  const at = { ...(isAbsolute ? root : start) };
  const subject = subjectOf(k, viewer);
  return { viewer, root, subject, resolve, at, attributes: null, rest: namesOf(path), links: 0 };
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
  resolve = 0,
): Walked | { errno: Errno } {
  if (path === "") return { errno: "ENOENT" };
  spend(k.effort, 8 * path.length, "characters");
  const walk = begin(k, viewer, start, path, resolve);
  if (typeof walk === "string") return { errno: walk };
  const slash = path.endsWith("/");
  const follows = atEnd === "follow" || (atEnd === "keep" && slash);
  let last: Walked = { directory: walk.at, name: "", place: walk.at, slash };
  for (let name = walk.rest.pop(); name !== undefined; name = walk.rest.pop()) {
    spend(k.effort, 64, "items");
    const problem = problemAt(k, walk, name);
    if (problem !== null) return { errno: problem };
    if (name === "." || name === "..") {
      walk.attributes = null;
      const stuck = name === "." ? null : goUp(k, walk);
      if (stuck !== null) return { errno: stuck };
      last = { directory: walk.at, name: "", place: walk.at, slash };
      continue;
    }
    const isLast = walk.rest.length === 0;
    const named = child(k, walk, name);
    if (named === null) return isLast ? { directory: walk.at, name, place: null, slash } : { errno: "ENOENT" };
    const found = isLast && atEnd === "name" ? named : covered(k, named);
    if (resolve & Resolve.noMounts && found.mount !== named.mount) return { errno: "EXDEV" };
    walk.attributes = attributesOf(k, found);
    if (isType(walk.attributes, FileType.symlink) && (!isLast || follows)) {
      walk.attributes = null;
      const followed = follow(k, walk, found);
      if (typeof followed === "string") return { errno: followed };
      if (followed.led !== null && "target" in followed.led)
        return slash ? { errno: "ENOTDIR" } : { directory: walk.at, name: "", place: null, slash, file: followed.led };
      last = behind(walk.at, followed.led, slash);
      continue;
    }
    last = { directory: walk.at, name, place: found, slash };
    walk.at = found;
  }
  if (slash && atEnd !== "name" && !isDirectory(attributesOf(k, last.place!))) return { errno: "ENOTDIR" };
  return last;
}

/** The file that a path names; ENOENT when there is none, ENOTDIR when it is at no place. */
export function findPlace(
  k: FileKernel,
  viewer: Viewer,
  start: Place,
  path: string,
  atEnd: AtEnd = "follow",
): (Walked & { place: Place }) | { errno: Errno } {
  const walked = walkPath(k, viewer, start, path, atEnd);
  if ("errno" in walked) return walked;
  if (walked.place !== null) return { ...walked, place: walked.place };
  return { errno: walked.file === undefined ? "ENOENT" : "ENOTDIR" };
}
