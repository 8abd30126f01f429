/** What file systems have room for: statfs(2), fstatfs(2). */
import type { MountId } from "../../lib/ids.ts";
import { limits } from "../../lib/limits.ts";
import type { Place } from "../../thread/state.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { deviceOfFilesystem, filesystemOf, getMount, opsOfFilesystem } from "../../vfs/filesystem.ts";
import { isStored, mostInodes } from "../../vfs/filesystems.ts";
import { isReadOnly, MountFlag } from "../../vfs/mount-flags.ts";
import type { Filesystem, OpenFile, OpenTarget } from "../../vfs/state.ts";
import { fd, path, structOut } from "../define/arguments.ts";
import { fail } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { type Statfs, statfs } from "./layouts.ts";
import { placeOf, subjectAt } from "./names.ts";

const blockBytes = 4096;

/** File systems that are mounted nowhere, of what has no name (linux/magic.h). */
const nameless: Readonly<Partial<Record<OpenTarget["kind"], number>>> = { pipe: 0x5049_5045, socket: 0x534f_434b };
const anonymous = 0x0904_1934;

function namelessStatfs({ target }: OpenFile): Statfs {
  const none = { f_blocks: 0n, f_bfree: 0n, f_bavail: 0n, f_files: 0n, f_ffree: 0n, f_fsid: 0n, f_flags: 0x20n };
  const sizes = { f_bsize: BigInt(blockBytes), f_namelen: BigInt(limits.nameBytes), f_frsize: BigInt(blockBytes) };
  return { f_type: BigInt(nameless[target.kind] ?? anonymous), ...none, ...sizes };
}

/** Pages and inodes that a file system can have: those of one without a bound are the machine's. */
function roomOf(k: LinuxKernel, fs: Filesystem): { blocks: number; free: number; inodes: number } {
  if (!isStored(fs.kind)) return { blocks: 0, free: 0, inodes: 0 };
  const { total, free } = k.mm.frames;
  const quota = k.mm.quotas.get(fs.id);
  const inodes = mostInodes(fs);
  if (quota === undefined) return { blocks: total, free, inodes };
  if (fs.options?.pages === null) return { blocks: 0, free: 0, inodes };
  return { blocks: quota.most, free: Math.max(0, quota.most - quota.frames), inodes };
}

/** ST_*: those of flags that one mount has are the same; ST_RELATIME, and that they are valid. */
function statFlagsOf(k: LinuxKernel, mount: MountId): number {
  const { flags } = getMount(k, mount);
  const same =
    MountFlag.noSuid | MountFlag.noDevices | MountFlag.noExecute | MountFlag.noAccessTime | MountFlag.noDirectoryTime;
  const relative = flags & (MountFlag.noAccessTime | MountFlag.strictTime) ? 0 : 0x1000;
  const noFollow = flags & MountFlag.noFollow ? 0x2000 : 0;
  return 0x20 | (flags & same) | relative | noFollow | (isReadOnly(k, mount) ? 1 : 0);
}

function statfsOf(k: LinuxKernel, { mount }: Place): Statfs {
  const fs = filesystemOf(k, mount);
  const { magic } = opsOfFilesystem(k, fs);
  const { blocks, free, inodes } = roomOf(k, fs);
  return {
    f_type: BigInt(magic),
    f_bsize: BigInt(blockBytes),
    f_blocks: BigInt(blocks),
    f_bfree: BigInt(free),
    f_bavail: BigInt(free),
    f_files: BigInt(inodes),
    f_ffree: BigInt(Math.max(0, inodes - fs.inodes.size)),
    f_fsid: BigInt(deviceOfFilesystem(fs)),
    f_namelen: BigInt(limits.nameBytes),
    f_frsize: BigInt(blockBytes),
    f_flags: BigInt(statFlagsOf(k, mount)),
  };
}

const walkErrors = ["EACCES", "EBADF", "EFAULT", "ELOOP", "ENAMETOOLONG", "ENOENT", "ENOTDIR"] as const;

export const statfsCalls = [
  syscall({
    name: "statfs",
    nr: { rv64: 43 },
    support: "full",
    args: { path, statfs: structOut(statfs) },
    errors: walkErrors,
    run(k: LinuxKernel, { path }, { task }) {
      const subject = subjectAt(k, task, -100, path, 0);
      if ("errno" in subject) return fail(subject.errno);
      const told = "file" in subject ? namelessStatfs(subject.file) : statfsOf(k, subject.place);
      return { kind: "done", value: 0, out: { statfs: told } };
    },
  }),
  syscall({
    name: "fstatfs",
    nr: { rv64: 44 },
    support: "full",
    args: { fd, statfs: structOut(statfs) },
    errors: ["EBADF", "EFAULT"],
    run(k: LinuxKernel, { fd }, { task }) {
      const file = fileOf(k, task, fd);
      if (file === null) return fail("EBADF");
      const place = placeOf(file);
      return { kind: "done", value: 0, out: { statfs: place === null ? namelessStatfs(file) : statfsOf(k, place) } };
    },
  }),
] as const;
