/** Names, open files: what descriptors stand for. */
import type { ImageId } from "../lib/ids.ts";

/** A file that the machine was given; read-only, its content an image. */
export interface FileEntry {
  path: string;
  image: ImageId;
  size: number;
  mode: number;
  inode: number;
}

/** An open file, shared by the descriptors that were duplicated from one another (and so their position): it is what their capabilities name. */
export interface OpenFile {
  id: number;
  /** O_* flags that F_GETFL shows. */
  flags: number;
  position: number;
  target: OpenTarget;
}

export type OpenTarget =
  /** The machine's serial line. */
  | { kind: "console" }
  /** Standard input that was known beforehand. */
  | { kind: "bytes"; bytes: Uint8Array }
  /** An end of a pipe: which one, or both, says the access mode. */
  | { kind: "pipe"; pipe: number }
  | { kind: "image"; path: string; image: ImageId; size: number; mode: number; inode: number };

/** A page of a pipe's buffer: what was written to it, of which `from` bytes have been read. */
export interface PipePage {
  bytes: Uint8Array;
  from: number;
}

/** A pipe's buffer and who has it open. The counts tell edges from levels: how often something came, or went. */
export interface Pipe {
  inode: number;
  pages: PipePage[];
  mostPages: number;
  readers: number;
  writers: number;
  arrivals: number;
  departures: number;
}

export interface FilesState {
  /** By path. */
  entries: Map<string, FileEntry>;
  nextInode: number;
  pipes: Map<number, Pipe>;
  nextPipe: number;
  open: Map<number, OpenFile>;
  nextOpen: number;
}

export const initFiles = (): FilesState => ({
  entries: new Map(),
  nextInode: 2,
  pipes: new Map(),
  nextPipe: 1,
  open: new Map(),
  nextOpen: 1,
});
