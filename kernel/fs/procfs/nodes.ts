/** Trees of files that are made when they are read: written as nested records, numbered in the order of writing. */
import type { Errno } from "../../lib/errno.ts";
import type { Place, Task } from "../../thread/state.ts";
import { FileType, type Viewer } from "../../vfs/filesystem.ts";
import type { Opened, OpenFile } from "../../vfs/state.ts";
import type { ProcKernel } from "./kernel.ts";

export interface Target {
  text: string;
  place: Place | Opened | null;
  /** The open file that it leads to, where that is at no place. */
  file?: OpenFile;
}

/** What is written to a file, from a position on; null: it was taken. */
export type Store<Of> = (k: ProcKernel, of: Of, by: Task, bytes: Uint8Array, position: number) => Errno | null;

/** `Of` is whose tree it is: the machine's, with the PID name space that it is looked at from; or a task's. */
export type Node<Of> =
  /** `ofMemory`: only for who may look into the process, and only of the memory that it had when the file was opened. */
  | {
      kind: "file";
      mode: number;
      ofMemory: boolean;
      text(k: ProcKernel, of: Of): string | Uint8Array;
      store?: Store<Of>;
    }
  /** Not made when it is read: what it shows is there. */
  | { kind: "memory"; mode: number }
  | { kind: "directory"; mode: number; entries: Readonly<Record<string, Node<Of>>> }
  | { kind: "link"; target(k: ProcKernel, of: Of, reader: Viewer): Target | Errno };

export const file = <Of>(text: (k: ProcKernel, of: Of) => string | Uint8Array, mode = 0o444): Node<Of> => ({
  kind: "file",
  mode: FileType.regular | mode,
  ofMemory: false,
  text,
});
/** A file that can be written, too. */
export const knob = <Of>(text: (k: ProcKernel, of: Of) => string, store: Store<Of>, mode = 0o644): Node<Of> => ({
  kind: "file",
  mode: FileType.regular | mode,
  ofMemory: false,
  text,
  store,
});
export const fileOfMemory = <Of>(text: (k: ProcKernel, of: Of) => string | Uint8Array, mode = 0o444): Node<Of> => ({
  kind: "file",
  mode: FileType.regular | mode,
  ofMemory: true,
  text,
});
export const directory = <Of>(entries: Readonly<Record<string, Node<Of>>>, mode = 0o555): Node<Of> => ({
  kind: "directory",
  mode: FileType.directory | mode,
  entries,
});
export const memoryFile = <Of>(): Node<Of> => ({ kind: "memory", mode: FileType.regular | 0o600 });
export const link = <Of>(target: (k: ProcKernel, of: Of, reader: Viewer) => Target | Errno): Node<Of> => ({
  kind: "link",
  target,
});

/** A node with its number in the tree. */
export interface Numbered<Of> {
  name: string;
  node: Node<Of>;
  parent: number;
  children: number[];
}

/** The tree as a list; the root is at 0. */
export function number<Of>(root: Node<Of>): readonly Numbered<Of>[] {
  const list: Numbered<Of>[] = [{ name: "", node: root, parent: 0, children: [] }];
  for (let at = 0; at < list.length; at++) {
    const { node, children } = list[at]!;
    if (node.kind !== "directory") continue;
    for (const [name, entry] of Object.entries(node.entries)) {
      children.push(list.length);
      list.push({ name, node: entry, parent: at, children: [] });
    }
  }
  return list;
}

export const modeOf = <Of>(node: Node<Of>): number => (node.kind === "link" ? FileType.symlink | 0o777 : node.mode);
