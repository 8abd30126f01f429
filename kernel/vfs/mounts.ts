/**
 * The tree of mounts: what covers what.
 *
 * Contract: callers have checked that the change is allowed. Must hold: a mount that covers a file is what its parent's
 * `covers` has for that file, and in its parent's name space; a name space has one mount that covers nothing; and of
 * those in none, the ones that cover nothing are listed in `detached`, and only locked ones cover something.
 */
import { assert, must } from "../lib/assert.ts";
import { spend } from "../lib/effort.ts";
import type { InodeNumber, MountId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import type { Place, Task } from "../thread/state.ts";
import { attributesOf, covered, filesystemOf, getMount, isBelow, isDirectory } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";
import { hasFlag, MountFlag } from "./mount-flags.ts";
import type { Filesystem, Mount, Opened } from "./state.ts";
import { endDetached, letGo, moveTask, treeOf } from "./usage.ts";

/** The mount name space that the machine begins with, and that its host looks into. */
export const firstNamespace = 0;

/** What a new mount shows, and how. */
export interface Shown {
  filesystem: Filesystem;
  root: InodeNumber;
  named: Mount["named"];
  flags: number;
}

export const wholeOf = (filesystem: Filesystem, flags: number): Shown => ({
  ...{ filesystem, root: filesystem.root, named: null },
  flags,
});

/** Whether there may be so many mounts more. */
export const hasRoomForMounts = (k: FileKernel, count: number): boolean => k.files.mounts.size + count <= limits.mounts;

/** The top of a tree of its own in a name space. */
function createMount(k: FileKernel, { filesystem, root, named, flags }: Shown, namespace: number | null): Mount {
  const id = k.files.nextMount++ as MountId;
  const name = named === null ? null : { ...named };
  const seen = { id, filesystem: filesystem.id, root, named: name, on: null, covers: new Map() };
  const mount: Mount = { ...seen, namespace, flags, expiring: false };
  k.files.mounts.set(id, mount);
  return mount;
}

export const mountRoot = (k: FileKernel, fs: Filesystem): MountId => createMount(k, wholeOf(fs, 0), firstNamespace).id;

/** Shows one file of a file system in no name space: it is there for as long as somebody has it open. */
export function mountApart(k: FileKernel, filesystem: Filesystem, inode: InodeNumber, name: string): Opened {
  const named = { directory: filesystem.root, name };
  const { id } = createMount(k, { filesystem, root: inode, named, flags: 0 }, null);
  k.files.detached.push(id);
  return { mount: id, inode, ...named };
}

/** Puts a tree's top over a file that nothing covers. */
function putOn(k: FileKernel, mount: Mount, on: Opened): void {
  const parent = getMount(k, on.mount);
  assert(!parent.covers.has(on.inode), "a file is covered once");
  mount.on = { ...on, ...(isDirectory(attributesOf(k, on)) ? { directory: on.inode, name: "" } : {}) };
  parent.covers.set(on.inode, mount.id);
}

/** Makes a tree's top cover nothing. */
function takeOff(k: FileKernel, mount: Mount): Opened | null {
  const { on } = mount;
  if (on !== null) getMount(k, on.mount).covers.delete(on.inode);
  mount.on = null;
  return on;
}

export function mountOn(k: FileKernel, shown: Shown, on: Opened): MountId {
  const mount = createMount(k, shown, must(getMount(k, on.mount).namespace, "mounts are made in a name space"));
  putOn(k, mount, on);
  return mount.id;
}

/** What a copy of a place shows: its own mount, and with `all` what is on that below the place. */
export function copiesOf(k: FileKernel, place: Place, all: boolean): Mount[] {
  const copied = [getMount(k, place.mount)];
  if (!all) return copied;
  const fs = filesystemOf(k, place.mount);
  const isSeen = ({ mount, inode, directory, name }: Opened): boolean =>
    mount !== place.mount || inode === place.inode || isBelow(k, fs, name === "" ? inode : directory, place.inode);
  for (let at = 0; at < copied.length; at++)
    for (const id of copied[at]!.covers.values()) {
      const mount = getMount(k, id);
      if (isSeen(must(mount.on, "it covers a file")) && !hasFlag(k, id, MountFlag.unbindable)) copied.push(mount);
    }
  spend(k.effort, 8 * copied.length, "items");
  return copied;
}

/** Copies mounts, parents first, the first of which shows `root`; by the numbers of the old ones, those of the new. */
function copyMounts(k: FileKernel, from: readonly Mount[], root: Opened, namespace: number): Map<MountId, MountId> {
  const copies = new Map<MountId, MountId>();
  for (const [index, { id, root: own, named, flags, on }] of from.entries()) {
    const top = index === 0 ? { root: root.inode, named: namedTop(k, root) } : { root: own, named };
    const shown = { filesystem: filesystemOf(k, id), ...top, flags: index === 0 ? flags & ~MountFlag.locked : flags };
    const copy = createMount(k, shown, namespace);
    copies.set(id, copy.id);
    if (index > 0) putOn(k, copy, { ...on!, mount: copies.get(on!.mount)! });
  }
  return copies;
}

const namedTop = (k: FileKernel, { mount, inode, directory, name }: Opened): Mount["named"] =>
  isDirectory(attributesOf(k, { mount, inode })) ? null : { directory, name };

/** Shows a place at another one, too: `from` is what copiesOf gave for it. */
export function bindOn(k: FileKernel, from: readonly Mount[], root: Opened, on: Opened): void {
  const namespace = must(getMount(k, on.mount).namespace, "mounts are made in a name space");
  const copies = copyMounts(k, from, root, namespace);
  putOn(k, getMount(k, copies.get(from[0]!.id)!), on);
}

/** A mount, with all that is on it, covers another file instead. */
export function moveMount(k: FileKernel, id: MountId, on: Opened): void {
  const before = takeOff(k, getMount(k, id));
  putOn(k, getMount(k, id), on);
  if (before !== null) letGo(k, before);
}

/** A mount takes the place of the one at the top of its name space, which goes on covering `on`. */
export function exchangeRoots(k: FileKernel, { top, next, on }: { top: MountId; next: MountId; on: Opened }): void {
  const [old, now] = [getMount(k, top), getMount(k, next)];
  const [before, above] = [takeOff(k, now), takeOff(k, old)];
  putOn(k, old, on);
  if (above !== null) putOn(k, now, above);
  if (before !== null) letGo(k, before);
}

/**
 * Takes a mount and all that is on it out of their name space: each goes when nobody uses it any more. A locked one goes
 * on covering what it covers, and goes with that.
 */
export function detachTree(k: FileKernel, top: MountId): void {
  const tree = treeOf(k, top);
  const loose = tree.filter(({ id, flags }) => id === top || !(flags & MountFlag.locked));
  const ons = loose.map((mount) => takeOff(k, mount));
  for (const mount of tree) mount.namespace = null;
  for (const { id } of loose) k.files.detached.push(id);
  endDetached(k);
  for (const on of ons) if (on !== null) letGo(k, on);
}

/** The mount at the top of a name space. */
export function rootOf(k: FileKernel, namespace: number): MountId {
  spend(k.effort, k.files.mounts.size, "items");
  let root: MountId | null = null;
  for (const { id, namespace: own, on } of k.files.mounts.values()) {
    if (own !== namespace || on !== null) continue;
    root = id;
    break;
  }
  return must(root, "a name space has a root");
}

/** Where a name space's absolute paths begin for who comes into it. */
export function topOf(k: FileKernel, namespace: number): Place {
  const mount = rootOf(k, namespace);
  return covered(k, { mount, inode: getMount(k, mount).root });
}

/** The task's root and directory are the top of a name space. */
export function goToTop(k: FileKernel, task: Task, namespace: number): void {
  const top = topOf(k, namespace);
  moveTask(k, task.directory, top);
  moveTask(k, task.root, top);
}

/** A task ends: it is in no directory any more. */
export const leaveDirectories = (k: FileKernel, task: Task): void => goToTop(k, task, firstNamespace);

/** Whether there is room for all mounts of a name space once more. */
export const hasRoomForCopy = (k: FileKernel, namespace: number): boolean =>
  hasRoomForMounts(k, treeOf(k, rootOf(k, namespace)).length);

/**
 * The task's new name space begins with copies of all mounts of another one, and the task is in those that it was in.
 * With `locks` they stay together, and forbid what they forbid: the new one is less privileged users'.
 */
export function copyNamespace(k: FileKernel, task: Task, from: number, locks: boolean): void {
  const tree = treeOf(k, rootOf(k, from));
  const { id, root, named } = tree[0]!;
  const top = { mount: id, inode: root, directory: root, name: "", ...named };
  const copies = copyMounts(k, tree, top, task.namespaces.mnt);
  for (const copy of locks ? copies.values() : [])
    getMount(k, copy).flags |= MountFlag.lockedFlags | (copy === copies.get(id) ? 0 : MountFlag.locked);
  for (const place of [task.root, task.directory]) {
    const mount = copies.get(place.mount);
    if (mount !== undefined) moveTask(k, place, { mount, inode: place.inode });
  }
}

/** Mounts of name spaces that are no more are in none. */
export function endNamespaces(k: FileKernel): void {
  spend(k.effort, k.files.mounts.size, "items");
  for (const { id, namespace, on } of [...k.files.mounts.values()])
    if (namespace !== null && namespace !== firstNamespace && on === null && !k.threads.namespaces.has(namespace))
      detachTree(k, id);
}

/** A file is about to go that may be covered in name spaces of others: there, too, it goes. */
export function uncover(k: FileKernel, { mount, inode }: Place): void {
  const { id } = filesystemOf(k, mount);
  spend(k.effort, k.files.mounts.size, "items");
  for (const each of [...k.files.mounts.values()]) {
    // With one that goes, locked ones on it can go, and go on saying what they covered.
    if (each.on?.inode !== inode || !k.files.mounts.has(each.id)) continue;
    if (filesystemOf(k, each.on.mount).id === id) detachTree(k, each.id);
  }
}
