/**
 * A file-system tree read from a tar archive: inodes by number, which are the same for whoever reads it.
 *
 * Contract: a pure function of the bytes. An archive that cannot be a tree (names that lead out of it, files below
 * files, links to nothing) is refused as a whole, with the entry and the reason.
 */
import type { InodeNumber } from "../../lib/ids.ts";
import { limits } from "../../lib/limits.ts";
import { encodeName } from "../../lib/text.ts";
import { FileType } from "../../vfs/filesystem.ts";
import type { Archive } from "../../vfs/kernel.ts";
import type { Inode, InodeData } from "../../vfs/state.ts";
import { ArchiveProblem, type Part, type TarEntry, TarReader } from "./tar.ts";

const firstCookie = 3;
const root = 1 as InodeNumber;

type Directory = InodeData & { kind: "directory" };

class Tree {
  readonly inodes: Inode[] = [];

  constructor() {
    this.add(FileType.directory | 0o755, this.empty(root));
  }

  empty(parent: InodeNumber): Directory {
    return { kind: "directory", parent, entries: new Map(), nextCookie: firstCookie };
  }

  add(mode: number, data: InodeData): InodeNumber {
    const links = data.kind === "directory" ? 2 : 1;
    const times = { atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n };
    this.inodes.push({ mode, uid: 0, gid: 0, links, ...times, temporary: false, data });
    return this.inodes.length as InodeNumber;
  }

  get(number: InodeNumber): Inode {
    return this.inodes[number - 1]!;
  }

  directory(number: InodeNumber): Directory | null {
    const { data } = this.get(number);
    return data.kind === "directory" ? data : null;
  }

  enter(at: InodeNumber, name: string, number: InodeNumber): void {
    const data = this.directory(at)!;
    data.entries.set(name, { inode: number, cookie: data.nextCookie++ });
    if (this.directory(number) !== null) this.get(at).links += 1;
  }

  /** The directory that names lead to, made where there is none; null: something else is in the way. */
  reach(names: readonly string[]): InodeNumber | null {
    let at = root;
    for (const name of names) {
      const next = this.directory(at)!.entries.get(name)?.inode;
      if (next !== undefined && this.directory(next) === null) return null;
      const made = next ?? this.add(FileType.directory | 0o755, this.empty(at));
      if (next === undefined) this.enter(at, name, made);
      at = made;
    }
    return at;
  }

  find(names: readonly string[]): InodeNumber | null {
    let at = root;
    for (const name of names) {
      const next = this.directory(at)?.entries.get(name)?.inode;
      if (next === undefined) return null;
      at = next;
    }
    return at;
  }
}

/** The parts of a path; a problem where it is none that a tree can have. */
function partsOf(path: string): string[] | ArchiveProblem {
  const shown = JSON.stringify(path.slice(0, 100));
  if (path.includes("\0")) return new ArchiveProblem(`${shown}: a name with a NUL`);
  if (encodeName(path).length >= limits.pathBytes) return new ArchiveProblem(`${shown}...: the name is too long`);
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) return new ArchiveProblem(`${shown}: the name leads out of the archive`);
  if (parts.some((part) => encodeName(part).length > limits.nameBytes))
    return new ArchiveProblem(`${shown}: a part of the name is longer than ${limits.nameBytes} bytes`);
  return parts;
}

/** What an entry of a type is made of; null for types that are none here. */
function dataOf({ type, offset, size, link, major, minor }: TarEntry): { type: number; data: InodeData } | null {
  switch (type) {
    case "0":
    case "7":
      return { type: FileType.regular, data: { kind: "archived", offset, size } };
    case "2":
      return { type: FileType.symlink, data: { kind: "symlink", target: link } };
    case "3":
      return { type: FileType.character, data: { kind: "device", major, minor } };
    case "4":
      return { type: FileType.block, data: { kind: "device", major, minor } };
    case "6":
      return { type: FileType.fifo, data: { kind: "fifo" } };
    default:
      return null;
  }
}

function setAttributes(inode: Inode, { mode, uid, gid, mtimeNs }: TarEntry): void {
  inode.mode = (inode.mode & FileType.mask) | (mode & 0o7777);
  Object.assign(inode, { uid, gid, atimeNs: mtimeNs, mtimeNs, ctimeNs: mtimeNs });
}

/** Another name for a file that the archive had before. */
function addLink(tree: Tree, at: InodeNumber, name: string, { path, link }: TarEntry): ArchiveProblem | null {
  const parts = partsOf(link);
  if (parts instanceof ArchiveProblem) return parts;
  const target = tree.find(parts);
  if (target === null || tree.directory(target) !== null)
    return new ArchiveProblem(`${path}: a hard link to ${link}, which is no file that came before`);
  tree.get(target).links += 1;
  tree.enter(at, name, target);
  return null;
}

function addEntry(tree: Tree, entry: TarEntry): ArchiveProblem | null {
  const parts = partsOf(entry.path);
  if (parts instanceof ArchiveProblem) return parts;
  if (tree.inodes.length >= limits.archiveInodes)
    return new ArchiveProblem(`it has more than ${limits.archiveInodes} files`);
  if (entry.type === "5" || (entry.type === "0" && entry.path.endsWith("/"))) return addDirectory(tree, entry, parts);
  const name = parts.at(-1);
  if (name === undefined) return new ArchiveProblem(`${entry.path}: only a directory can have this name`);
  const at = tree.reach(parts.slice(0, -1));
  if (at === null) return new ArchiveProblem(`${entry.path}: lies below something that is no directory`);
  const { entries } = tree.directory(at)!;
  const before = entries.get(name)?.inode;
  if (before !== undefined && tree.directory(before) !== null)
    return new ArchiveProblem(`${entry.path}: was a directory before`);
  if (before !== undefined) {
    tree.get(before).links -= 1;
    entries.delete(name);
  }
  if (entry.type === "1") return addLink(tree, at, name, entry);
  const made = dataOf(entry);
  if (made === null)
    return new ArchiveProblem(`${entry.path}: entries of type ${JSON.stringify(entry.type)} are not supported`);
  const number = tree.add(made.type, made.data);
  setAttributes(tree.get(number), entry);
  tree.enter(at, name, number);
  return null;
}

function addDirectory(tree: Tree, entry: TarEntry, parts: readonly string[]): ArchiveProblem | null {
  const number = tree.reach(parts);
  if (number === null) return new ArchiveProblem(`${entry.path}: lies below something that is no directory, or is one`);
  setAttributes(tree.get(number), entry);
  return null;
}

/** Reads an archive that its reader does not have in one piece: as long as `need` names a part, that is to be given. */
export class ArchiveLoading {
  readonly #tree = new Tree();
  readonly #reader: TarReader;

  constructor(size: number) {
    this.#reader = new TarReader(size, (entry) => addEntry(this.#tree, entry));
  }

  get need(): Part | null {
    return this.#reader.need;
  }

  /** The archive's bytes from an offset on, at least what is needed. */
  provide(offset: number, bytes: Uint8Array): void {
    this.#reader.provide(offset, bytes);
  }

  result(): Archive | ArchiveProblem {
    return this.#reader.problem ?? { inodes: this.#tree.inodes };
  }
}

export function readArchive(bytes: Uint8Array): Archive | ArchiveProblem {
  const loading = new ArchiveLoading(bytes.length);
  loading.provide(0, bytes);
  return loading.result();
}
