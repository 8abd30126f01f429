/** Whom tasks act for: user and group ids (credentials(7)). */
import type { Credentials, Task } from "./state.ts";

/** The user of programs that the host starts. */
export const userId = 1000;

const credentialsOf = (id: number): Credentials => ({
  uid: id,
  euid: id,
  suid: id,
  fsuid: id,
  gid: id,
  egid: id,
  sgid: id,
  fsgid: id,
  groups: [],
});

export const userCredentials = (): Credentials => credentialsOf(userId);
export const rootCredentials = (): Credentials => credentialsOf(0);

export const copyCredentials = (from: Credentials): Credentials => ({ ...from, groups: [...from.groups] });

/** What Linux has capabilities(7) for is root's here. */
export const isPrivileged = ({ euid }: Credentials): boolean => euid === 0;

/** Who may look into another process, and change it: its own user, if its program is not one that gained rights, and root. */
export const mayInspect = ({ credentials: by }: Task, { credentials: of, traits }: Task): boolean =>
  isPrivileged(by) ||
  (traits.dumpable &&
    [of.uid, of.euid, of.suid].every((id) => id === by.uid) &&
    [of.gid, of.egid, of.sgid].every((id) => id === by.gid));
