/**
 * Memory as data: frames, address spaces, regions, file contents.
 *
 * The page tables themselves are in guest RAM; a region says what a page *should* be, the table what it *is*.
 */
import type { Permissions } from "../hal/types.ts";
import type { FrameNumber, ImageId, SpaceId, StoredId, TaskId } from "../lib/ids.ts";
import { type FramesState, initFrames } from "./frames.ts";
import type { PhysicalMemoryConfig } from "./physical.ts";

export { FrameOwner, type FramesState } from "./frames.ts";

/** What a regular file holds (stored.ts). */
export interface StoredFile {
  id: StoredId;
  size: number;
  /** Where the pages come from that the file has not of its own, and how much of it. */
  image: ImageId | null;
  imageBytes: number;
  /** By page of the file: its own frame, or -1 for a hole over the image. */
  pages: Map<number, number>;
  /** Whose bound its pages count for, if anybody's (`MmState.quotas`). */
  quota: number | null;
  /** What must not become of it any more: F_SEAL_* (vfs/seals.ts). */
  seals: number;
  orphan: boolean;
  /** Regions that show it, of all address spaces (tally.ts). */
  mappings: number;
  /** Open files that write to it, and address spaces that it is the program of (executing.ts). */
  writers: number;
  executions: number;
}

/** A bound of the frames that several files may have together, and what they have. */
export interface Quota {
  frames: number;
  most: number;
}

/** Content that never changes; its pages are cached in frames once somebody used them. */
export interface Image {
  id: ImageId;
  hash: string;
  /** Where in the content it begins: an archive's files are parts of one. */
  offset: number;
  size: number;
  /** Frame of each page, or -1. The cache itself counts as one reference. */
  frames: Int32Array;
}

export type Backing =
  | { kind: "anonymous" }
  /** The page of code that the kernel gives to every program: one frame for all. */
  | { kind: "vdso" }
  /**
   * Frames from this one on, that a capability's holder put there and takes away: they are not the space's own, count
   * for nothing in its accounts, may be pages of any size, and whoever else looks after the space leaves them alone.
   */
  | { kind: "frame"; first: FrameNumber }
  | {
      kind: "file";
      file: StoredId;
      /** Page-aligned offset in the file of the region's first byte. */
      offset: number;
      /** Bytes from the region's start that come from the file. */
      fileBytes: number;
      /** What pages wholly behind them are: zeros (a program's segment) or not there (a mapped file). */
      beyond: "zero" | "fault";
      /** Stores go to the file; else to the task's own copy of the page. */
      shared: boolean;
      /** Whether a shared mapping may be made writable: the file was opened for that. */
      writable: boolean;
      /** What is there is never instructions: the file's mount says so. */
      data?: true;
    };

export interface Region {
  start: number;
  end: number;
  permissions: Permissions;
  backing: Backing;
  /** For listings: "[stack]", "[heap]", a path. */
  name: string;
  /** A stack: what is touched below it becomes part of it (fault.ts). */
  growsDown?: true;
  /** Its pages stay where they are (mlock(2)): nobody may discard them. */
  locked?: true;
  /** What a forked process finds there instead of a copy: nothing, or zeros (madvise(2)). */
  atFork?: "nothing" | "zeros";
}

/** How much an address space may show in all, of private memory that can be stored to, and of its stack: in bytes. */
export interface SpaceBounds {
  total: number;
  data: number;
  stack: number;
}

export interface Space {
  id: SpaceId;
  /** The task that it was made for. */
  task: TaskId;
  /** Tasks that run in it. */
  users: number;
  asid: number;
  root: FrameNumber;
  /** Ascending, disjoint. */
  regions: Region[];
  /** Bytes that they promise (tally.ts). */
  promised: number;
  /** Pages that have a frame, and page tables. */
  residentFrames: number;
  /** Those of them that are page tables. */
  tableFrames: number;
  peakFrames: number;
  /** The program that it was made for; it may be gone. */
  executable: StoredId | null;
  /** 0: no limit of its own. */
  frameLimit: number;
  /** The heap's bounds: brk moves `heapEnd` between `heapStart` and `heapLimit`. */
  heapStart: number;
  heapEnd: number;
  /** Where the program found its arguments, the first one lowest. */
  argumentsStart: number;
  argumentsEnd: number;
  /** Behind the arguments lies the environment, up to here. */
  environmentEnd: number;
  /** The auxiliary vector, as the program found it. */
  auxiliary: Uint8Array;
  /** mmap chooses addresses below this one. */
  mapTop: number;
  bounds: SpaceBounds;
  /** What is mapped from now on is locked (mlockall(2)): not at all, as soon as it is there, or when it is touched. */
  locksNew: "no" | "now" | "touched";
}

export interface MmState {
  frames: FramesState;
  spaces: Map<SpaceId, Space>;
  nextSpace: number;
  /** Of all spaces: how many regions there are, and the bytes that they promise (tally.ts). */
  regions: number;
  promised: number;
  images: Map<ImageId, Image>;
  nextImage: number;
  stored: Map<StoredId, StoredFile>;
  nextStored: number;
  /** Frames that stored files have of their own. */
  storedFrames: number;
  /** Of files that have a bound together, by a number that who set it chose. */
  quotas: Map<number, Quota>;
  /** The frame of the page of code that all programs have, once somebody used it. */
  vdso: FrameNumber | null;
}

export const initMm = (frames: number, physical?: PhysicalMemoryConfig): MmState => ({
  frames: initFrames(frames, physical),
  spaces: new Map(),
  nextSpace: 1,
  regions: 0,
  promised: 0,
  images: new Map(),
  nextImage: 1,
  stored: new Map(),
  nextStored: 1,
  storedFrames: 0,
  quotas: new Map(),
  vdso: null,
});
