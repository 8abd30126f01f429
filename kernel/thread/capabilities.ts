/**
 * Capabilities of users (capabilities(7)): the parts that what root may do is divided into, and how a task comes by them
 * and loses them. Not seL4's, which are references to objects (cap/).
 *
 * Must hold: what is effective is permitted; what is ambient is permitted and inheritable.
 */
import type { Capabilities, Credentials } from "./state.ts";

/** By number, without CAP_. */
export const Cap = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  FSETID: 4,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  LINUX_IMMUTABLE: 9,
  NET_BIND_SERVICE: 10,
  IPC_LOCK: 14,
  IPC_OWNER: 15,
  SYS_CHROOT: 18,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
  SYS_NICE: 23,
  SYS_RESOURCE: 24,
  MKNOD: 27,
  SETFCAP: 31,
  MAC_OVERRIDE: 32,
  CHECKPOINT_RESTORE: 40,
} as const;
export type Cap = (typeof Cap)[keyof typeof Cap];

/** CAP_CHECKPOINT_RESTORE */
export const lastCapability = 40;
export const everyCapability = (1n << BigInt(lastCapability + 1)) - 1n;
export const capabilityBit = (number: number): bigint => 1n << BigInt(number);
export const isWithin = (set: bigint, all: bigint): boolean => (set & ~all) === 0n;

/** What of root's ways is off (PR_SET_SECUREBITS); the bit above each locks it. */
export const SecureBit = { noRoot: 1, noSetuidFixup: 4, keepCapabilities: 16, noAmbientRaise: 64 } as const;
const everySecureBit = Object.values(SecureBit).reduce((all, bit) => all | bit, 0);
export const secureLocks = everySecureBit << 1;
export const knownSecureBits = everySecureBit | secureLocks;

/** Of a task that the host starts: root's are all, others' none. */
export function initialCapabilities(uid: number): Capabilities {
  const own = uid === 0 ? everyCapability : 0n;
  return {
    inheritable: 0n,
    permitted: own,
    effective: own,
    bounding: everyCapability,
    ambient: 0n,
    secureBits: 0,
  };
}

/** For what is the machine's own, and so belongs to the first user name space. */
export const hasCapability = (
  { userSpace, capabilities }: Pick<Credentials, "userSpace" | "capabilities">,
  wanted: Cap,
): boolean => userSpace === 0 && (capabilities.effective & capabilityBit(wanted)) !== 0n;

/** For what belongs to the user name space that it is in. */
export const hasOwnCapability = ({ capabilities }: Pick<Credentials, "capabilities">, wanted: Cap): boolean =>
  (capabilities.effective & capabilityBit(wanted)) !== 0n;

/** Those about files, which follow the user id of files. */
const ofFiles = [
  Cap.CHOWN,
  Cap.DAC_OVERRIDE,
  Cap.DAC_READ_SEARCH,
  Cap.FOWNER,
  Cap.FSETID,
  Cap.LINUX_IMMUTABLE,
  Cap.MKNOD,
  Cap.MAC_OVERRIDE,
].reduce((set, number) => set | capabilityBit(number), 0n);

type UserIds = Pick<Credentials, "uid" | "euid" | "suid" | "fsuid">;
const isSomehow = ({ uid, euid, suid }: UserIds, root: number | null): boolean =>
  [uid, euid, suid].some((id) => id === root);

/** Real, effective or saved user ids have changed: who was `root` of its user name space and is it no more loses what root has. */
export function followUserIds(before: UserIds, now: Credentials, root: number | null): void {
  const { capabilities } = now;
  if (capabilities.secureBits & SecureBit.noSetuidFixup) return;
  if (isSomehow(before, root) && !isSomehow(now, root)) {
    if (!(capabilities.secureBits & SecureBit.keepCapabilities)) {
      capabilities.permitted = 0n;
      capabilities.effective = 0n;
    }
    capabilities.ambient = 0n;
  }
  if (before.euid === root && now.euid !== root) capabilities.effective = 0n;
  if (before.euid !== root && now.euid === root) capabilities.effective = capabilities.permitted;
}

/** So has the one of files alone (setfsuid(2)). */
export function followFilesId(before: UserIds, { fsuid, capabilities }: Credentials, root: number | null): void {
  if (capabilities.secureBits & SecureBit.noSetuidFixup) return;
  if (before.fsuid === root && fsuid !== root) capabilities.effective &= ~ofFiles;
  if (before.fsuid !== root && fsuid === root) capabilities.effective |= capabilities.permitted & ofFiles;
}

/** What a new program is permitted by who executes it, before anything is taken off for the program's sake. */
export function permittedAtExec({ uid, euid, capabilities }: Credentials, root: number | null): bigint {
  const { inheritable, bounding, secureBits } = capabilities;
  const isRoot = !(secureBits & SecureBit.noRoot) && (uid === root || euid === root);
  return isRoot ? bounding | inheritable : 0n;
}

/** The sets that a program begins with. `changesIds`: by the bits of its file, it acts for somebody else. */
export function capabilitiesAtExec(
  { euid, capabilities }: Credentials,
  permitted: bigint,
  changesIds: boolean,
  root: number | null,
): Capabilities {
  const ambient = changesIds ? 0n : capabilities.ambient;
  const all = permitted | ambient;
  const isRoot = !(capabilities.secureBits & SecureBit.noRoot) && euid === root;
  return {
    ...capabilities,
    permitted: all,
    effective: isRoot ? all : ambient,
    ambient,
    secureBits: capabilities.secureBits & ~SecureBit.keepCapabilities,
  };
}
