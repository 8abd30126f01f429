/**
 * The pages that snapshots are made of: RAM's, and behind them those of the disks, one disk after the other. A page of
 * a disk is one that was written; the others are its image's, and zero to a snapshot.
 */
import { pageBytes } from "../hal/types.ts";
import { PageFlag } from "../hardware/cpu/core.ts";
import type { DiskPages } from "../hardware/disk/disk.ts";
import { must } from "../lib/assert.ts";
import type { MachineMemory } from "./face.ts";
import type { Kernel } from "./kernel.ts";

export interface PageSet extends MachineMemory {
  provide(page: number, bytes: Uint8Array): void;
}

/** Bytes are there for every page that is not absent. */
function ramPages({ core, ram }: Kernel, isRestored: boolean): PageSet {
  let needsBase = isRestored;
  return {
    get needsBase() {
      return needsBase;
    },
    pages: core.pageFlags.length,
    pageBytes,
    isPresent: (page) => (core.pageFlags[page]! & PageFlag.present) !== 0,
    isDirty: (page) => (core.pageFlags[page]! & PageFlag.dirty) !== 0,
    dirtyPages() {
      const pages: number[] = [];
      const { pageFlags } = core;
      for (let page = 0; page < pageFlags.length; page++) if (pageFlags[page]! & PageFlag.dirty) pages.push(page);
      return pages;
    },
    get flags() {
      return core.pageFlags;
    },
    diskPagesHeld: 0,
    page: (page) => core.ram.subarray(page * pageBytes, (page + 1) * pageBytes),
    clearDirty() {
      core.clearDirty();
      needsBase = true;
    },
    provide: (page, bytes) => ram.provide(page, bytes),
  };
}

/** The disks' pages, and which number the first of each has. */
export function diskPagesOf({ ram, bare }: Kernel): { pages: DiskPages; first: number }[] {
  let first = ram.pages;
  const all = [];
  for (const { pages } of bare?.board.disks ?? []) {
    all.push({ pages, first });
    first += pages.count;
  }
  return all;
}

/** A machine that `isRestored` is told by what has changed since the snapshot from its first moment on. */
export function machinePages(k: Kernel, isRestored: boolean): PageSet {
  const ram = ramPages(k, isRestored);
  const disks = diskPagesOf(k);
  const last = disks.at(-1);
  if (last === undefined) return ram;
  const onDisk = <T>(page: number, use: (disk: DiskPages, page: number) => T): T => {
    const disk = must(
      disks.findLast(({ first }) => first <= page),
      `the machine has a page ${page}`,
    );
    return use(disk.pages, page - disk.first);
  };
  const isRam = (page: number): boolean => page < ram.pages;
  return {
    pages: last.first + last.pages.count,
    pageBytes,
    get needsBase() {
      return ram.needsBase;
    },
    isPresent: (page) => (isRam(page) ? ram.isPresent(page) : onDisk(page, (disk, at) => disk.isPresent(at))),
    isDirty: (page) => (isRam(page) ? ram.isDirty(page) : onDisk(page, (disk, at) => disk.isDirty(at))),
    dirtyPages() {
      const ofDisks = disks.flatMap(({ pages, first }) => pages.dirtyPages().map((page) => first + page));
      return ram.dirtyPages().concat(ofDisks);
    },
    get flags() {
      return ram.flags;
    },
    get diskPagesHeld() {
      return disks.reduce((sum, { pages }) => sum + pages.held, 0);
    },
    page: (page) => (isRam(page) ? ram.page(page) : onDisk(page, (disk, at) => disk.page(at))),
    clearDirty() {
      ram.clearDirty();
      for (const { pages } of disks) pages.clearDirty();
    },
    provide(page, bytes) {
      if (isRam(page)) ram.provide(page, bytes);
      else onDisk(page, (disk, at) => disk.provide(at, bytes));
    },
  };
}
