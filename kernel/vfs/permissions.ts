/** Who may do what with a file: owner, group, others; the superuser nearly everything. */
import { type Attributes, isDirectory, type Viewer } from "./filesystem.ts";

export const Access = { read: 4, write: 2, execute: 1 } as const;
export const Special = { setUser: 0o4000, setGroup: 0o2000, sticky: 0o1000 } as const;

/** The ids that a task's accesses count for. */
export interface Subject {
  uid: number;
  gid: number;
  groups: readonly number[];
}

export const isSuperuser = ({ uid }: Pick<Subject, "uid">): boolean => uid === 0;
export const isInGroup = ({ gid, groups }: Subject, group: number): boolean => gid === group || groups.includes(group);

export function permits(subject: Subject, attributes: Attributes, wanted: number): boolean {
  const { mode, uid, gid } = attributes;
  if (isSuperuser(subject)) return (wanted & Access.execute) === 0 || isDirectory(attributes) || (mode & 0o111) !== 0;
  const shift = subject.uid === uid ? 6 : isInGroup(subject, gid) ? 3 : 0;
  return ((mode >> shift) & wanted) === wanted;
}

/** For changes that only the owner makes. */
export const isOwner = (subject: Subject, { uid }: Attributes): boolean => subject.uid === uid || isSuperuser(subject);

/** In a sticky directory names are their files' owners' to take away, or the directory's. */
export const mayTakeAway = (subject: Subject, directory: Attributes, file: Attributes): boolean =>
  (directory.mode & Special.sticky) === 0 || isOwner(subject, file) || subject.uid === directory.uid;

export function subjectOf({ credentials }: Viewer): Subject {
  const { fsuid, fsgid, groups } = credentials;
  return { uid: fsuid, gid: fsgid, groups };
}

/** access(2) asks for the real ids. */
export function realSubjectOf({ credentials }: Viewer): Subject {
  const { uid, gid, groups } = credentials;
  return { uid, gid, groups };
}
