/** Whom tasks act for: user and group ids (credentials(7)). */

import { Cap, initialCapabilities, isWithin } from "./capabilities.ts";
import type { ThreadKernel } from "./kernel.ts";
import type { Credentials, Task } from "./state.ts";
import { hasCapabilityIn } from "./users.ts";

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
  userSpace: 0,
  capabilities: initialCapabilities(id),
});

export const userCredentials = (): Credentials => credentialsOf(userId);
export const rootCredentials = (): Credentials => credentialsOf(0);

export const copyCredentials = (from: Credentials): Credentials => ({
  ...from,
  groups: [...from.groups],
  capabilities: { ...from.capabilities },
});

/**
 * Whom a task acts for has changed from what it was. With other ids, or more capabilities, it may know what those who
 * could look into it until now must not; and who began it is not to choose its signals any more.
 */
export function noteCredentials(task: Task, before: Credentials): void {
  const { credentials: now, traits } = task;
  const isOther = (["euid", "egid", "fsuid", "fsgid"] as const).some((id) => now[id] !== before[id]);
  if (!isOther && isWithin(now.capabilities.permitted, before.capabilities.permitted)) return;
  traits.dumpable = false;
  traits.deathSignal = 0;
}

/** By which of its ids a task wants to look into another process: what it opens counts for those of files. */
export type InspectedBy = "real ids" | "ids of files";

/**
 * Who may look into another process, and change it (ptrace(2), "ptrace access mode checking"): itself, and its own user if
 * its program is not one that gained rights and it has no capabilities that the user lacks; and who may trace anybody.
 */
export function mayInspect(
  k: Pick<ThreadKernel, "threads">,
  by: Inspector,
  task: Task,
  how: InspectedBy = "real ids",
): boolean {
  if (by.id === task.id || hasCapabilityIn(k, by.credentials, task.credentials.userSpace, Cap.SYS_PTRACE)) return true;
  const { credentials: of, traits } = task;
  const { uid, gid, fsuid, fsgid, capabilities } = by.credentials;
  const [user, group, own] =
    how === "real ids" ? [uid, gid, capabilities.permitted] : [fsuid, fsgid, capabilities.effective];
  return (
    traits.dumpable &&
    of.userSpace === by.credentials.userSpace &&
    [of.uid, of.euid, of.suid].every((id) => id === user) &&
    [of.gid, of.egid, of.sgid].every((id) => id === group) &&
    isWithin(of.capabilities.permitted, own)
  );
}

type Inspector = Pick<Task, "id" | "credentials">;
