/** From version 2, whose files were contents by path, to version 3, which has file systems. */
import { tmpfs } from "../fs/tmpfs.ts";
import type { ImageId, StoredId } from "../lib/ids.ts";
import type { MmState } from "../mm/state.ts";
import { createStored } from "../mm/stored.ts";
import { mountAll } from "../vfs/first-tree.ts";
import { findForHost, giveFile } from "../vfs/given.ts";
import type { FileKernel } from "../vfs/kernel.ts";
import { type FilesState, initFiles, type OpenFile } from "../vfs/state.ts";

interface OldEntry {
  path: string;
  image: ImageId;
  mode: number;
}

interface OldFiles {
  entries: Map<string, OldEntry>;
  open: Map<number, Omit<OpenFile, "target" | "opened"> & { target: { kind: string; path?: string; image?: ImageId } }>;
  nextOpen: number;
}

interface OldBacking {
  kind: string;
  image?: ImageId;
}

interface KernelOfVersion2 {
  files: OldFiles | FilesState;
  mm: MmState;
  threads: { tasks: Map<number, { workingDirectory?: string; root?: object; directory?: object }> };
}

/** As much of a kernel as making files takes. */
const sliceOf = (state: { config: unknown; kernel: KernelOfVersion2 }, files: FilesState): FileKernel =>
  ({
    files,
    mm: state.kernel.mm,
    threads: { tasks: new Map() },
    config: state.config,
    hal: { timer: { nowNs: () => 0 } },
    effort: { spent: 0 },
    filesystems: { tmpfs, devtmpfs: tmpfs, proc: tmpfs, sysfs: tmpfs, devpts: tmpfs },
  }) as unknown as FileKernel;

/** What of an image somebody has open or mapped, when no path leads to it: one file for all of them. */
class Contents {
  readonly #k: FileKernel;
  readonly #known = new Map<ImageId, StoredId>();

  constructor(k: FileKernel) {
    this.#k = k;
  }

  of(image: ImageId): StoredId {
    const known = this.#known.get(image);
    if (known !== undefined) return known;
    const made = createStored(this.#k, image);
    this.#known.set(image, made.id);
    return made.id;
  }

  know(image: ImageId, file: StoredId): void {
    this.#known.set(image, file);
  }
}

function storedAt(k: FileKernel, path: string): { file: StoredId; inode: number } | null {
  const place = findForHost(k, path);
  if ("errno" in place) return null;
  const inode = [...k.files.filesystems.values()][0]!.inodes.get(place.inode);
  return inode?.data.kind === "regular" ? { file: inode.data.file, inode: place.inode } : null;
}

export function filesBecomeInodes(state: { config: unknown; kernel: KernelOfVersion2 }): void {
  const { kernel } = state;
  const old = kernel.files as OldFiles;
  Object.assign(kernel.mm, { stored: new Map(), nextStored: 1, storedFrames: 0, quotas: new Map() });
  for (const image of kernel.mm.images.values()) Object.assign(image, { offset: 0 });
  const files = { ...initFiles(), nextOpen: old.nextOpen };
  const k = sliceOf(state, files);
  const contents = new Contents(k);
  mountAll(k, null);
  for (const { path, image, mode } of old.entries.values()) {
    giveFile(k, path, image, mode);
    const made = storedAt(k, path);
    if (made !== null) contents.know(image, made.file);
  }
  for (const [id, { target, ...file }] of old.open) {
    const isImage = target.kind === "image";
    const now = isImage ? { kind: "regular", file: contents.of(target.image!) } : target;
    files.open.set(id, { ...file, target: now, opened: null } as OpenFile);
  }
  for (const space of kernel.mm.spaces.values()) {
    Object.assign(space, { argumentsStart: 0, argumentsEnd: 0 });
    for (const region of space.regions) {
      const { image, ...backing } = region.backing as unknown as OldBacking;
      if (backing.kind !== "image") continue;
      Object.assign(region, {
        backing: { ...backing, kind: "file", file: contents.of(image!), shared: false, writable: false },
      });
    }
  }
  for (const task of kernel.threads.tasks.values()) {
    delete task.workingDirectory;
    Object.assign(task, { root: { mount: 1, inode: 1 }, directory: { mount: 1, inode: 1 } });
  }
  kernel.files = files;
}
