/** Who may do what with a file: owner, group, others; and who has a capability for it. */
import { Cap, capabilityBit, SecureBit } from "../thread/capabilities.ts";
import type { Credentials, Place, UserSpace } from "../thread/state.ts";
import { rootOf, sees, userSpaceOf } from "../thread/users.ts";
import { type Attributes, filesystemOf, isDirectory, opsOfFilesystem, type Viewer } from "./filesystem.ts";
import type { FileKernel } from "./kernel.ts";

export const Access = { read: 4, write: 2, execute: 1 } as const;
export const Special = { setUser: 0o4000, setGroup: 0o2000, sticky: 0o1000 } as const;

/** The ids that a task's accesses count for. */
export interface Subject {
  uid: number;
  gid: number;
  groups: readonly number[];
  /** Its capabilities, and the user name space that they count in; null: the first. */
  effective: bigint;
  userSpace: UserSpace | null;
}

/** Of a file: only who knows whose it is; null: of what is nobody's but the machine's. */
export const isCapable = (
  { effective, userSpace }: Subject,
  wanted: Cap,
  of: { uid: number; gid: number } | null,
): boolean =>
  (effective & capabilityBit(wanted)) !== 0n && (userSpace === null || (of !== null && sees(userSpace, of)));
export const isInGroup = ({ gid, groups }: Subject, group: number): boolean => gid === group || groups.includes(group);

export function permits(subject: Subject, attributes: Attributes, wanted: number): boolean {
  const { mode, uid, gid } = attributes;
  const shift = subject.uid === uid ? 6 : isInGroup(subject, gid) ? 3 : 0;
  if (((mode >> shift) & wanted) === wanted) return true;
  const isTree = isDirectory(attributes);
  const reads = isTree ? Access.read | Access.execute : Access.read;
  if ((wanted & ~reads) === 0 && isCapable(subject, Cap.DAC_READ_SEARCH, attributes)) return true;
  // What nobody may execute is no program for anybody.
  const isProgram = isTree || (mode & 0o111) !== 0;
  return ((wanted & Access.execute) === 0 || isProgram) && isCapable(subject, Cap.DAC_OVERRIDE, attributes);
}

/** Of a file where it is: some file systems do not leave it to the mode alone. */
export function permitsAt(
  k: FileKernel,
  viewer: Viewer,
  place: Place,
  attributes: Attributes,
  wanted: number,
  subject = subjectOf(k, viewer),
): boolean {
  const fs = filesystemOf(k, place.mount);
  const own = opsOfFilesystem(k, fs).permits?.(k, fs, place.inode, viewer) ?? null;
  return own ?? permits(subject, attributes, wanted);
}

/** For changes that only the owner makes. */
export const isOwner = (subject: Subject, attributes: Attributes): boolean =>
  subject.uid === attributes.uid || isCapable(subject, Cap.FOWNER, attributes);

/** In a sticky directory names are their files' owners' to take away, or the directory's. */
export const mayTakeAway = (subject: Subject, directory: Attributes, file: Attributes): boolean =>
  (directory.mode & Special.sticky) === 0 || isOwner(subject, file) || subject.uid === directory.uid;

const spaceOf = (k: FileKernel, { userSpace }: Credentials): UserSpace | null =>
  userSpace === 0 ? null : userSpaceOf(k, userSpace);

export function subjectOf(k: FileKernel, { credentials }: Viewer): Subject {
  const { fsuid, fsgid, groups, capabilities } = credentials;
  return { uid: fsuid, gid: fsgid, groups, effective: capabilities.effective, userSpace: spaceOf(k, credentials) };
}

/** access(2) asks for the real ids, and what root, or somebody else, would be capable of. */
export function realSubjectOf(k: FileKernel, { credentials }: Viewer): Subject {
  const { uid, gid, groups, capabilities } = credentials;
  const { permitted, effective, secureBits } = capabilities;
  const fixed = uid === rootOf(k, credentials) ? permitted : 0n;
  const counts = secureBits & SecureBit.noSetuidFixup ? effective : fixed;
  return { uid, gid, groups, effective: counts, userSpace: spaceOf(k, credentials) };
}
