/**
 * User name spaces (user_namespaces(7)): each has ids of users and groups of its own, and capabilities that count for what
 * belongs to it, or to one below it.
 *
 * Ids that the kernel keeps are those of the first name space (0), where nothing more is kept; in every other one they are
 * what its maps say, and what is in no map is told as 65534. Whoever made one has all capabilities in it and below it.
 *
 * Must hold: ranges of a map do not overlap, on neither side; they are in the order in which they were written.
 */
import { must } from "../lib/assert.ts";
import { Cap, capabilityBit, everyCapability } from "./capabilities.ts";
import type { Credentials, IdKind, IdRange, Task, ThreadsState, UserSpace } from "./state.ts";

interface UserKernel {
  readonly threads: ThreadsState;
}

export const deepestUserSpace = 33;
/** What is told of ids that a name space has no number for (overflowuid). */
export const overflowId = 65534;
/** -1, which is nobody's id. */
export const noId = 0xffff_ffff;

export const userSpaceOf = (k: UserKernel, space: number): UserSpace =>
  must(k.threads.userSpaces.get(space), "the user name space exists");
export const userDepthOf = (k: UserKernel, space: number): number => (space === 0 ? 0 : userSpaceOf(k, space).depth);

/** Whether a name space is another one, or below it. */
export function isWithinUsers(k: UserKernel, space: number, above: number): boolean {
  let at = space;
  while (at !== above && at !== 0) at = userSpaceOf(k, at).parent;
  return at === above;
}

function mapped(ranges: readonly IdRange[], id: number, from: "inside" | "outside", to: "inside" | "outside") {
  const range = ranges.find((each) => id >= each[from] && id - each[from] < each.count);
  return range === undefined ? null : range[to] + (id - range[from]);
}

/** The id that is meant by a number in a name space; null: it has none of that number. */
export const idFromUser = (k: UserKernel, space: number, kind: IdKind, number: number): number | null =>
  number === noId ? null : space === 0 ? number : mapped(userSpaceOf(k, space).maps[kind], number, "inside", "outside");

/** What an id is in a name space; null: it is not to be seen there. */
export const userIdIn = (k: UserKernel, space: number, kind: IdKind, id: number): number | null =>
  space === 0 ? id : mapped(userSpaceOf(k, space).maps[kind], id, "outside", "inside");

type Reader = Pick<Task, "credentials">;

/** What a task is told of a user or group id. */
export const shownUser = (k: UserKernel, { credentials: { userSpace } }: Reader, id: number): number =>
  userSpace === 0 ? id : (userIdIn(k, userSpace, "uid", id) ?? overflowId);
export const shownGroup = (k: UserKernel, { credentials: { userSpace } }: Reader, id: number): number =>
  userSpace === 0 ? id : (userIdIn(k, userSpace, "gid", id) ?? overflowId);

/** The id of a name space's own root; null: it has none. */
export const rootOf = (k: UserKernel, { userSpace }: Credentials): number | null => idFromUser(k, userSpace, "uid", 0);

/** Whether a name space has numbers for whose a file is: without, capabilities in it do not count for the file. */
export const sees = (space: UserSpace | null, { uid, gid }: { uid: number; gid: number }): boolean =>
  space === null ||
  (mapped(space.maps.uid, uid, "outside", "inside") !== null &&
    mapped(space.maps.gid, gid, "outside", "inside") !== null);

/** Whether a task has a capability for what belongs to a user name space. */
export function hasCapabilityIn(k: UserKernel, of: Credentials, space: number, wanted: Cap): boolean {
  for (let at = space; ; at = userSpaceOf(k, at).parent) {
    if (at === of.userSpace) return (of.capabilities.effective & capabilityBit(wanted)) !== 0n;
    if (at === 0) return false;
    const { parent, owner } = userSpaceOf(k, at);
    if (parent === of.userSpace && owner === of.euid) return true;
  }
}

export function newUserSpace(k: UserKernel, space: number, { credentials }: Reader): void {
  const { userSpace: parent, euid: owner, egid: group, capabilities } = credentials;
  const mayGiveFiles = (capabilities.effective & capabilityBit(Cap.SETFCAP)) !== 0n;
  const setsGroups = parent === 0 || userSpaceOf(k, parent).setsGroups;
  const depth = userDepthOf(k, parent) + 1;
  k.threads.userSpaces.set(space, {
    ...{ parent, depth, owner, group, mayGiveFiles, setsGroups },
    maps: { uid: [], gid: [], projid: [] },
  });
}

/** A task goes into a user name space: there it may do everything, whatever it could before. */
export function enterUserSpace(of: Credentials, space: number): void {
  of.userSpace = space;
  of.capabilities = {
    inheritable: 0n,
    permitted: everyCapability,
    effective: everyCapability,
    bounding: everyCapability,
    ambient: 0n,
    secureBits: 0,
  };
}
