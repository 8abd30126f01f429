/**
 * What a file system is to the rest of the kernel: one row of operations by its kind, from the catalogue.
 *
 * Contract: arguments were checked (types, permissions, lengths); numbers name inodes that are there. An operation
 * either does all that it says or returns an error and has changed nothing. `change` is null where nothing can be.
 */
import { must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { Errno } from "../lib/errno.ts";
import type { InodeNumber, MountId, SpaceId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import { tooLongPath } from "../lib/text.ts";
import type { Place, Task } from "../thread/state.ts";
import type { FileKernel } from "./kernel.ts";
import type { Filesystem, InodeData, Mount, Opened, OpenFile, OpenTarget } from "./state.ts";

export const FileType = {
  mask: 0o170000,
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  regular: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;

/** What stat(2) tells of a file. */
export interface Attributes {
  mode: number;
  uid: number;
  gid: number;
  links: number;
  size: number;
  /** Bytes that it takes. */
  allocated: number;
  device: { major: number; minor: number } | null;
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  /** When it was made, where the file system knows that. */
  birthNs?: bigint;
}

/** What is to change of an inode; the time of the change is set with it. */
export interface Changes {
  mode?: number;
  uid?: number;
  gid?: number;
  atimeNs?: bigint;
  mtimeNs?: bigint;
}

/** A file that is to be made. */
export interface NewFile {
  mode: number;
  uid: number;
  gid: number;
  /** null: an empty regular file, or directory. */
  data: InodeData | null;
}

export interface Listed {
  name: string;
  inode: InodeNumber;
  mode: number;
  cookie: number;
}

/** Who looks: where its root is, and whom it acts for. A task; or the machine's host, who is in no task. */
export type Viewer = Pick<Task, "id" | "threads" | "root" | "credentials">;

export interface ChangeOps {
  /** With a name, or without one (O_TMPFILE). */
  create(
    k: FileKernel,
    fs: Filesystem,
    at: { directory: InodeNumber; name: string } | null,
    file: NewFile,
  ): InodeNumber | Errno;
  link(k: FileKernel, fs: Filesystem, directory: InodeNumber, name: string, inode: InodeNumber): Errno | null;
  /** Takes a name away, of whatever it is. */
  unlink(k: FileKernel, fs: Filesystem, directory: InodeNumber, name: string): void;
  /** What had the new name has none any more. */
  rename(k: FileKernel, fs: Filesystem, from: Named, to: Named): void;
  exchange(k: FileKernel, fs: Filesystem, one: Named, other: Named): void;
  set(k: FileKernel, fs: Filesystem, inode: InodeNumber, changes: Changes): void;
  /** Its content was read, or written, now. Of readings only the first since a change is noted, unless `each` is. */
  touch(k: FileKernel, fs: Filesystem, inode: InodeNumber, what: "read" | "written", each?: boolean): void;
  /** Nobody uses the inode any more: if it has no name either, it goes. */
  release(k: FileKernel, fs: Filesystem, inode: InodeNumber): void;
}

export interface Named {
  directory: InodeNumber;
  name: string;
}

/** For whom a file's text is made: of which memory, and in which user name space. */
export interface GeneratedFor {
  space: SpaceId | null;
  userSpace: number;
}

export interface FilesystemOps {
  /** statfs(2). */
  readonly magic: number;
  attributes(k: FileKernel, fs: Filesystem, inode: InodeNumber): Attributes;
  lookup(k: FileKernel, fs: Filesystem, directory: InodeNumber, name: string, viewer: Viewer): InodeNumber | null;
  parent(k: FileKernel, fs: Filesystem, directory: InodeNumber): InodeNumber;
  /** What a directory is called in the one that lists it; null when none does. */
  nameOf(k: FileKernel, fs: Filesystem, directory: InodeNumber): string | null;
  isEmpty(k: FileKernel, fs: Filesystem, directory: InodeNumber): boolean;
  /** Entries behind a cookie, "." and ".." not among them. */
  list(k: FileKernel, fs: Filesystem, directory: InodeNumber, behind: number, most: number): Listed[];
  /**
   * Where a link leads: a path; or at once to a place or an open file (those of /proc), with what readlink shows.
   * `file`: an open file that is at no place.
   */
  readLink(
    k: FileKernel,
    fs: Filesystem,
    inode: InodeNumber,
    viewer: Viewer,
  ): { text: string; place: Place | Opened | null; file?: OpenFile } | Errno;
  open(k: FileKernel, fs: Filesystem, inode: InodeNumber, viewer: Viewer): OpenTarget | Errno;
  /** Where not only the mode says who may use a file: yes, no, or null: as the mode says. */
  permits?(k: FileKernel, fs: Filesystem, inode: InodeNumber, viewer: Viewer): boolean | null;
  /** What a regular file holds, changing nothing; null when it is not one that holds anything. */
  content(k: FileKernel, fs: Filesystem, inode: InodeNumber): Uint8Array | null;
  /** The text of a file that is made when it is read; `of`: as it was opened. */
  generate?(k: FileKernel, fs: Filesystem, inode: InodeNumber, of: GeneratedFor): Uint8Array | Errno;
  /** What is written to such a file, as a whole, from a position on; null: it was taken. */
  store?(
    k: FileKernel,
    fs: Filesystem,
    inode: InodeNumber,
    of: GeneratedFor,
    by: Task,
    bytes: Uint8Array,
    position: number,
  ): Errno | null;
  readonly change: ChangeOps | null;
  /** Changes an inode where names cannot be changed, but owners, permissions and times can. */
  set?(k: FileKernel, fs: Filesystem, inode: InodeNumber, changes: Changes, nowNs: bigint): Errno | null;
}

export const getMount = (k: FileKernel, id: MountId): Mount => must(k.files.mounts.get(id), "the mount exists");

export const filesystemOf = (k: FileKernel, mount: MountId): Filesystem =>
  must(k.files.filesystems.get(getMount(k, mount).filesystem), "a mount has a file system");

/** The number that stands for it as a device (st_dev), with 0 for what is on no disk before it. */
export const deviceOfFilesystem = ({ id }: Pick<Filesystem, "id">): number => 0x14 + id;

export const opsOfFilesystem = (k: FileKernel, { kind }: Filesystem): FilesystemOps => k.filesystems[kind];

export function attributesOf(k: FileKernel, { mount, inode }: Place): Attributes {
  const fs = filesystemOf(k, mount);
  return opsOfFilesystem(k, fs).attributes(k, fs, inode);
}

export const isType = ({ mode }: { mode: number }, type: number): boolean => (mode & FileType.mask) === type;
export const isDirectory = (attributes: { mode: number }): boolean => isType(attributes, FileType.directory);

/** A place with the directory and the name that it was found by. Of a mount's top these are its file system's own. */
export function openedAt(k: FileKernel, place: Place, directory: Place, name: string): Opened {
  const own = { directory: place.inode, name: "" };
  return {
    ...place,
    ...(place.mount === directory.mount
      ? { directory: directory.inode, name }
      : (getMount(k, place.mount).named ?? own)),
  };
}

/** The top of what is mounted on a file, as often as something is; else the place itself. */
export function covered(k: FileKernel, place: Place): Place {
  let at = place;
  for (;;) {
    const id = getMount(k, at.mount).covers.get(at.inode);
    if (id === undefined) return at;
    spend(k.effort, 1, "items");
    at = { mount: id, inode: getMount(k, id).root };
  }
}

/** Whether a directory of a file system is another one, or lies below it. */
export function isBelow(k: FileKernel, fs: Filesystem, inode: InodeNumber, tree: InodeNumber): boolean {
  const { parent } = opsOfFilesystem(k, fs);
  for (let at = inode; ; ) {
    spend(k.effort, 1, "items");
    if (at === tree) return true;
    const above = parent(k, fs, at);
    if (above === at) return false;
    at = above;
  }
}

/**
 * The directory that lists a directory, over the borders of mounts; the viewer's root is its own. null: it was moved out of
 * what its mount shows, and nothing leads on from there.
 */
export function parentOf(k: FileKernel, viewer: Pick<Viewer, "root">, place: Place): Place | null {
  let at = place;
  for (;;) {
    if (at.mount === viewer.root.mount && at.inode === viewer.root.inode) return at;
    const { root, on } = getMount(k, at.mount);
    if (at.inode !== root) {
      const fs = filesystemOf(k, at.mount);
      const inode = opsOfFilesystem(k, fs).parent(k, fs, at.inode);
      if (root !== fs.root && !isBelow(k, fs, inode, root)) return null;
      return covered(k, { mount: at.mount, inode });
    }
    if (on === null) return at;
    spend(k.effort, 1, "items");
    at = on;
  }
}

/**
 * The path of a directory, or of a mount's top, as the task sees it; null when it cannot be reached from the task's root.
 * Directories can be deeper than any path is long, and what has a path is told of often.
 */
export function pathOf(k: FileKernel, viewer: Viewer, place: Place): string | null {
  const names: string[] = [];
  let length = 0;
  const note = (name: string): number => {
    names.push(name);
    length += name.length + 1;
    return length;
  };
  let at = place;
  while (at.mount !== viewer.root.mount || at.inode !== viewer.root.inode) {
    spend(k.effort, 4, "items");
    const { root, on } = getMount(k, at.mount);
    if (at.inode === root) {
      if (on === null) return null;
      if (on.name !== "" && note(on.name) >= limits.pathBytes) return tooLongPath;
      at = { mount: on.mount, inode: on.name === "" ? on.inode : on.directory };
      continue;
    }
    const above = stepUp(k, filesystemOf(k, at.mount), at.inode);
    if (above === null) return null;
    if (note(above.name) >= limits.pathBytes) return tooLongPath;
    at = { mount: at.mount, inode: above.inode };
  }
  return `/${names.reverse().join("/")}`;
}

/** A directory's name, and the directory that lists it; null at the root, and where it has no name any more. */
function stepUp(k: FileKernel, fs: Filesystem, inode: InodeNumber): { name: string; inode: InodeNumber } | null {
  if (inode === fs.root) return null;
  const { nameOf, parent } = opsOfFilesystem(k, fs);
  const name = nameOf(k, fs, inode);
  return name === null ? null : { name, inode: parent(k, fs, inode) };
}

/** Of a mount that is nowhere and shows one file: what that was called. */
const nameApart = ({ on, named }: Mount): string | null => (on === null ? (named?.name ?? null) : null);

/** The path of an open file, as long as it has the name that it was opened by. */
export function nameOfFile(k: FileKernel, viewer: Viewer, { opened }: OpenFile): string | null {
  if (opened === null) return null;
  const { mount, inode, directory, name } = opened;
  const place = { mount, inode };
  const apart = nameApart(getMount(k, mount));
  if (apart !== null) return `/${apart} (deleted)`;
  if (isDirectory(attributesOf(k, place)) || inode === getMount(k, mount).root) return pathOf(k, viewer, place);
  // Found by no name: through a link of /proc that is no open file's.
  if (name === "") return null;
  const above = pathOf(k, viewer, { mount, inode: directory });
  if (above === null || above === tooLongPath) return above;
  const path = above === "/" ? `/${name}` : `${above}/${name}`;
  const fs = filesystemOf(k, mount);
  const named = opsOfFilesystem(k, fs).lookup(k, fs, directory, name, viewer);
  return named === inode ? path : `${path} (deleted)`;
}
