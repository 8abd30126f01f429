import type { CapKernel } from "../cap/kernel.ts";
import type { RandomState } from "../lib/random.ts";
import type { ThreadKernel } from "../thread/kernel.ts";
import type { TimeKernel } from "../time/clock.ts";
import type { TtyKernel } from "../tty/terminal.ts";
import type { FilesystemOps } from "./filesystem.ts";
import type { FilesState, FilesystemKind, Inode } from "./state.ts";

/** A file-system tree that never changes, known by the hash of what it was read from. Inode n is at n - 1; 1 is the root. */
export interface Archive {
  readonly inodes: readonly Readonly<Inode>[];
}

export interface FileKernel extends TtyKernel, CapKernel, TimeKernel {
  readonly files: FilesState;
  readonly random: RandomState;
  readonly filesystems: Readonly<Record<FilesystemKind, FilesystemOps>>;
  /** By hash, as `content`; what was read of one is kept beside the machine. */
  readonly archives: (hash: string) => Archive;
  readonly config: ThreadKernel["config"] &
    TimeKernel["config"] & { readonly limits: { readonly openFiles: number }; readonly harts?: number };
}
