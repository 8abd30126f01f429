/** What is mounted where: mount(2), umount2(2), pivot_root(2). */

import type { Errno } from "../../lib/errno.ts";
import { ownerOfNamespace } from "../../ns/namespaces.ts";
import { Cap } from "../../thread/capabilities.ts";
import type { Task } from "../../thread/state.ts";
import { hasCapabilityIn } from "../../thread/users.ts";
import { attributesOf, covered, isDirectory, openedAt } from "../../vfs/filesystem.ts";
import { MountFlag } from "../../vfs/mount-flags.ts";
import {
  bind,
  changeMount,
  changePropagation,
  mountNew,
  move,
  pivotRoot,
  remount,
  Unmount,
  unmount,
} from "../../vfs/mounting.ts";
import type { Opened } from "../../vfs/state.ts";
import { type AtEnd, findPlace } from "../../vfs/walk.ts";
import { flags, optionalPath, path } from "../define/arguments.ts";
import { type Call, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

const Ms = {
  MS_RDONLY: 1,
  MS_NOSUID: 2,
  MS_NODEV: 4,
  MS_NOEXEC: 8,
  MS_SYNCHRONOUS: 0x10,
  MS_REMOUNT: 0x20,
  MS_MANDLOCK: 0x40,
  MS_DIRSYNC: 0x80,
  MS_NOSYMFOLLOW: 0x100,
  MS_NOATIME: 0x400,
  MS_NODIRATIME: 0x800,
  MS_BIND: 0x1000,
  MS_MOVE: 0x2000,
  MS_REC: 0x4000,
  MS_SILENT: 0x8000,
  MS_UNBINDABLE: 0x2_0000,
  MS_PRIVATE: 0x4_0000,
  MS_SLAVE: 0x8_0000,
  MS_SHARED: 0x10_0000,
  MS_RELATIME: 0x20_0000,
  MS_STRICTATIME: 0x100_0000,
  MS_LAZYTIME: 0x200_0000,
} as const;
const noUser = 0x8000_0000;
const propagation = Ms.MS_UNBINDABLE | Ms.MS_PRIVATE | Ms.MS_SLAVE | Ms.MS_SHARED;

/** The number that flags began with long ago says nothing. */
const withoutMagic = (wanted: number): number =>
  (wanted & 0xffff_0000) >>> 0 === 0xc0ed_0000 ? wanted & 0xffff : wanted;

/** What flags say of one mount. */
function flagsOfMount(wanted: number): { flags: number; keepsTimes: boolean } {
  const same = MountFlag.readOnly | MountFlag.noSuid | MountFlag.noDevices | MountFlag.noExecute | MountFlag.noFollow;
  const strict = wanted & Ms.MS_STRICTATIME;
  const times = MountFlag.noDirectoryTime | (strict ? MountFlag.strictTime : MountFlag.noAccessTime);
  const said = Ms.MS_NOATIME | Ms.MS_NODIRATIME | Ms.MS_RELATIME | Ms.MS_STRICTATIME;
  return { flags: wanted & (same | times), keepsTimes: (wanted & said) === 0 };
}

/** A file that something is mounted on, or taken from: on top of what covers it. */
function found(k: LinuxKernel, task: Task, name: string, atEnd: AtEnd = "follow"): Opened | { errno: Errno } {
  const walked = findPlace(k, task, task.directory, name, atEnd);
  if ("errno" in walked) return walked;
  return openedAt(k, covered(k, walked.place), walked.directory, walked.name);
}

const mayMount = (k: LinuxKernel, { credentials, namespaces }: Task): boolean =>
  hasCapabilityIn(k, credentials, ownerOfNamespace(k, namespaces.mnt), Cap.SYS_ADMIN);

interface MountArguments {
  source: string | null;
  target: string;
  kind: string | null;
  flags: number;
  data: string | null;
}

/** Changes that name another place. */
function fromPlace(k: LinuxKernel, task: Task, { source, flags: wanted }: MountArguments, on: Opened): Errno | null {
  if (source === null || source === "") return "EINVAL";
  const from = found(k, task, source);
  if ("errno" in from) return from.errno;
  return wanted & Ms.MS_BIND ? bind(k, task, from, on, (wanted & Ms.MS_REC) !== 0) : move(k, task, from, on);
}

function propagate(k: LinuxKernel, task: Task, wanted: number, at: Opened): Errno | null {
  const kind = wanted & propagation;
  if (wanted & ~(propagation | Ms.MS_REC | Ms.MS_SILENT) || (kind & (kind - 1)) !== 0) return "EINVAL";
  if (kind === Ms.MS_SHARED) return "EINVAL";
  return changePropagation(k, task, at, { unbindable: kind === Ms.MS_UNBINDABLE, all: (wanted & Ms.MS_REC) !== 0 });
}

function mount(k: LinuxKernel, task: Task, args: MountArguments): Errno | null {
  const on = found(k, task, args.target);
  if ("errno" in on) return on.errno;
  const wanted = withoutMagic(args.flags);
  if (wanted & noUser) return "EINVAL";
  if (!mayMount(k, task)) return "EPERM";
  const own = flagsOfMount(wanted);
  const data = args.data ?? "";
  const readOnly = (wanted & Ms.MS_RDONLY) !== 0;
  if (wanted & Ms.MS_REMOUNT)
    return wanted & Ms.MS_BIND ? changeMount(k, task, on, own) : remount(k, task, on, { ...own, data, readOnly });
  if (wanted & Ms.MS_BIND) return fromPlace(k, task, args, on);
  if (wanted & propagation) return propagate(k, task, wanted, on);
  if (wanted & Ms.MS_MOVE) return fromPlace(k, task, args, on);
  if (args.kind === null) return "EINVAL";
  const source = args.source === null || args.source === "" ? "none" : args.source;
  return mountNew(k, task, { source, kind: args.kind, flags: own.flags, readOnly, data }, on);
}

function umount(k: LinuxKernel, task: Task, name: string, how: number): Errno | null {
  if (how & ~Object.values(Unmount).reduce((all, flag) => all | flag, 0)) return "EINVAL";
  const at = found(k, task, name, how & Unmount.UMOUNT_NOFOLLOW ? "keep" : "follow");
  if ("errno" in at) return at.errno;
  return mayMount(k, task) ? unmount(k, task, at, how) : "EPERM";
}

function pivot(k: LinuxKernel, task: Task, newRoot: string, putOld: string): Errno | null {
  if (!mayMount(k, task)) return "EPERM";
  const next = found(k, task, newRoot);
  if ("errno" in next) return next.errno;
  if (!isDirectory(attributesOf(k, next))) return "ENOTDIR";
  const old = found(k, task, putOld);
  if ("errno" in old) return old.errno;
  return isDirectory(attributesOf(k, old)) ? pivotRoot(k, task, next, old) : "ENOTDIR";
}

const walkErrors = ["EACCES", "EFAULT", "ELOOP", "ENAMETOOLONG", "ENOENT", "ENOTDIR"] as const;
const of = (errno: Errno | null): Outcome => (errno === null ? orError(null) : fail(errno));

export const mountCalls = [
  syscall({
    name: "mount",
    nr: { rv64: 40 },
    support: "partial",
    note: "tmpfs, proc, sysfs, devtmpfs and devpts, of which all but tmpfs are one each; nothing is shared (MS_SHARED is EINVAL).",
    args: { source: optionalPath, target: path, kind: optionalPath, flags: flags(Ms), data: optionalPath },
    errors: [...walkErrors, "EBUSY", "EINVAL", "ENODEV", "ENOSPC", "EPERM"],
    run: (k: LinuxKernel, args, { task }: Call) => of(mount(k, task, args)),
  }),
  syscall({
    name: "umount2",
    nr: { rv64: 39 },
    support: "full",
    args: { target: path, flags: flags(Unmount) },
    errors: [...walkErrors, "EAGAIN", "EBUSY", "EINVAL", "EPERM"],
    run: (k: LinuxKernel, { target, flags }, { task }: Call) => of(umount(k, task, target, flags)),
  }),
  syscall({
    name: "pivot_root",
    nr: { rv64: 41 },
    support: "full",
    args: { newRoot: path, putOld: path },
    errors: [...walkErrors, "EBUSY", "EINVAL", "EPERM"],
    run: (k: LinuxKernel, { newRoot, putOld }, { task }: Call) => of(pivot(k, task, newRoot, putOld)),
  }),
] as const;
