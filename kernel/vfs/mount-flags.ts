/** What may be done by a mount: flags of one mount, and of what it shows (mount(2)). */
import type { MountId } from "../lib/ids.ts";
import { filesystemOf, getMount } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";

/** MS_* that count for one mount alone; times of reading are noted as relatime has it where none of the others is set. */
export const MountFlag = {
  readOnly: 1,
  noSuid: 2,
  noDevices: 4,
  noExecute: 8,
  noFollow: 0x100,
  noAccessTime: 0x400,
  noDirectoryTime: 0x800,
  strictTime: 0x100_0000,
  unbindable: 0x2_0000,
  /** It came from a mount name space of more privileged users: what it covers is not to be seen, */
  locked: 0x80_0000,
  /** and what it forbids stays forbidden. */
  lockedFlags: 0x40_0000,
} as const;

export const hasFlag = (k: FileKernel, mount: MountId, flag: number): boolean =>
  (getMount(k, mount).flags & flag) !== 0;

/** Nothing can be changed by this mount. */
export const isReadOnly = (k: FileKernel, mount: MountId): boolean =>
  hasFlag(k, mount, MountFlag.readOnly) || filesystemOf(k, mount).readOnly;

/** Which times of reading are noted by a mount: none, or each, or the first since a change. */
export function notedReadings(k: FileKernel, mount: MountId, ofDirectory: boolean): "none" | "each" | "first" {
  const { flags } = getMount(k, mount);
  const none = MountFlag.noAccessTime | (ofDirectory ? MountFlag.noDirectoryTime : 0);
  if (flags & none || isReadOnly(k, mount)) return "none";
  return flags & MountFlag.strictTime ? "each" : "first";
}

/** Devices are no devices by this mount. */
export const hidesDevices = (k: FileKernel, mount: MountId): boolean =>
  hasFlag(k, mount, MountFlag.noDevices) || filesystemOf(k, mount).userSpace !== 0;

/** A mount was used by somebody: it does not expire yet. */
export function noteUse(k: FileKernel, mount: MountId): void {
  getMount(k, mount).expiring = false;
}

/** Words of /proc/<pid>/mounts for flags, in its order. */
const words: readonly [number, string][] = [
  [MountFlag.noSuid, "nosuid"],
  [MountFlag.noDevices, "nodev"],
  [MountFlag.noExecute, "noexec"],
  [MountFlag.noAccessTime, "noatime"],
  [MountFlag.noDirectoryTime, "nodiratime"],
];

/** The flags of a mount as a list of words; `readOnly`: as its first one says. */
export function flagWords(flags: number, readOnly: boolean): string {
  const relative = (flags & (MountFlag.noAccessTime | MountFlag.strictTime)) === 0;
  return [
    readOnly ? "ro" : "rw",
    ...words.flatMap(([flag, word]) => (flags & flag ? word : [])),
    ...(relative ? ["relatime"] : []),
    ...(flags & MountFlag.noFollow ? ["nosymfollow"] : []),
  ].join(",");
}
