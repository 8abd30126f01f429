/** Watching files: inotify_init1(2), inotify_add_watch(2), inotify_rm_watch(2). */
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { fileOf, openTarget } from "../../vfs/descriptors.ts";
import { AccessMode } from "../../vfs/file-ops.ts";
import { attributesOf, isDirectory } from "../../vfs/filesystem.ts";
import { countOf, Notify, newInotify, removeWatch, watchInode } from "../../vfs/inotify.ts";
import { Access, permitsAt, subjectOf } from "../../vfs/permissions.ts";
import type { OpenFile } from "../../vfs/state.ts";
import { findPlace } from "../../vfs/walk.ts";
import { fd, flags, int, path } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

const Create = { IN_NONBLOCK: 0o4000, IN_CLOEXEC: 0o2000000 } as const;

const Mask = {
  IN_ACCESS: Notify.access,
  IN_MODIFY: Notify.modify,
  IN_ATTRIB: Notify.attributes,
  IN_CLOSE_WRITE: Notify.closeWrite,
  IN_CLOSE_NOWRITE: Notify.closeNoWrite,
  IN_OPEN: Notify.open,
  IN_MOVED_FROM: Notify.movedFrom,
  IN_MOVED_TO: Notify.movedTo,
  IN_CREATE: Notify.create,
  IN_DELETE: Notify.delete,
  IN_DELETE_SELF: Notify.deleteSelf,
  IN_MOVE_SELF: Notify.moveSelf,
  IN_UNMOUNT: Notify.unmount,
  IN_Q_OVERFLOW: Notify.overflow,
  IN_IGNORED: Notify.ignored,
  IN_ONLYDIR: Notify.onlyDirectory,
  IN_DONT_FOLLOW: Notify.dontFollow,
  IN_EXCL_UNLINK: Notify.excludeUnlinked,
  IN_MASK_CREATE: Notify.maskCreate,
  IN_MASK_ADD: Notify.maskAdd,
  IN_ISDIR: Notify.isDirectory,
  IN_ONESHOT: Notify.oneShot,
} as const;
const known = Object.values(Mask).reduce((all: number, bit) => all | bit, 0);

function create(k: LinuxKernel, { task }: Call, wanted: number): Outcome {
  if (wanted & ~(Create.IN_NONBLOCK | Create.IN_CLOEXEC)) return fail("EINVAL");
  const { uid } = subjectOf(k, task);
  if (countOf(k, uid).instances >= limits.inotifyInstances) return fail("EMFILE");
  const kept = AccessMode.read | (wanted & Create.IN_NONBLOCK);
  const number = openTarget(k, task, newInotify(uid), kept, (wanted & Create.IN_CLOEXEC) !== 0);
  return typeof number === "number" ? done(number) : fail(number);
}

/** The instance behind a descriptor. */
function instanceAt(k: LinuxKernel, { task }: Call, number: number): OpenFile | Errno {
  const file = fileOf(k, task, number);
  if (file === null) return "EBADF";
  return file.target.kind === "inotify" ? file : "EINVAL";
}

function addWatch(k: LinuxKernel, call: Call, number: number, name: string, mask: number): Outcome {
  if ((mask & ~known) !== 0 || (mask & known) === 0) return fail("EINVAL");
  const { task } = call;
  if (fileOf(k, task, number) === null) return fail("EBADF");
  if ((mask & Notify.maskAdd) !== 0 && (mask & Notify.maskCreate) !== 0) return fail("EINVAL");
  const file = instanceAt(k, call, number);
  if (typeof file === "string") return fail(file);
  const found = findPlace(k, task, task.directory, name, mask & Notify.dontFollow ? "keep" : "follow");
  if ("errno" in found) return fail(found.errno);
  const attributes = attributesOf(k, found.place);
  if (mask & Notify.onlyDirectory && !isDirectory(attributes)) return fail("ENOTDIR");
  if (!permitsAt(k, task, found.place, attributes, Access.read)) return fail("EACCES");
  const watch = watchInode(k, file, found.place, mask);
  return typeof watch === "number" ? done(watch) : fail(watch);
}

export const inotifyCalls = [
  syscall({
    name: "inotify_init1",
    nr: { rv64: 26 },
    support: "full",
    args: { flags: flags(Create) },
    errors: ["EINVAL", "EMFILE", "ENFILE"],
    run: (k: LinuxKernel, { flags }, call) => create(k, call, flags),
  }),
  syscall({
    name: "inotify_add_watch",
    nr: { rv64: 27 },
    support: "partial",
    note: "Of mapping a file, and of executing one, nothing is told.",
    args: { fd, path, mask: flags(Mask) },
    errors: ["EACCES", "EBADF", "EEXIST", "EFAULT", "EINVAL", "ELOOP", "ENAMETOOLONG", "ENOENT", "ENOSPC", "ENOTDIR"],
    run: (k: LinuxKernel, { fd, path, mask }, call) => addWatch(k, call, fd, path, mask),
  }),
  syscall({
    name: "inotify_rm_watch",
    nr: { rv64: 28 },
    support: "full",
    args: { fd, watch: int },
    errors: ["EBADF", "EINVAL"],
    run(k: LinuxKernel, { fd, watch }, call) {
      const file = instanceAt(k, call, fd);
      if (typeof file === "string") return fail(file);
      const errno = removeWatch(k, file, watch);
      return orError(errno);
    },
  }),
] as const;
