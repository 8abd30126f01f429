/** Whom tasks act for: user and group ids (credentials(7)). */
import type { Credentials } from "./state.ts";

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
