/**
 * /proc/<pid>/{uid_map,gid_map,projid_map,setgroups}: which ids the user name space of a process has. Maps are written
 * once, as a whole, by who may do so (user_namespaces(7)).
 */
import { decodeName } from "../../lib/text.ts";
import { Cap } from "../../thread/capabilities.ts";
import type { IdKind, IdRange, Task, UserSpace } from "../../thread/state.ts";
import { hasCapabilityIn, idFromUser, noId, userIdIn, userSpaceOf } from "../../thread/users.ts";
import type { ProcKernel } from "./kernel.ts";
import type { Store } from "./nodes.ts";
import type { Subject } from "./subject.ts";

/** UID_GID_MAP_MAX_EXTENTS, and what is less than a page. */
const mostRanges = 340;
const mostBytes = 4095;

const spaceOf = (subject: Subject): number => (subject.kind === "live" ? subject.task.credentials.userSpace : 0);

/** A map as who opened the file counts outside; from within the name space itself, as the one above does. */
export const mapText =
  (kind: IdKind) =>
  (k: ProcKernel, subject: Subject): string => {
    const own = spaceOf(subject);
    const space = own === 0 ? null : userSpaceOf(k, own);
    const outer = space !== null && subject.userSpace === own ? space.parent : subject.userSpace;
    const ranges = space?.maps[kind] ?? [{ inside: 0, outside: 0, count: noId }];
    const column = (number: number): string => String(number).padStart(10);
    return ranges
      .map(({ inside, outside, count }) => [inside, userIdIn(k, outer, kind, outside) ?? noId, count])
      .map((numbers) => `${numbers.map(column).join(" ")}\n`)
      .join("");
  };

/** The lines of a map; null: they are none. */
function parseMap(text: string): IdRange[] | null {
  const lines = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
  if (lines.length > mostRanges) return null;
  const ranges = lines.map((line) => /^\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*$/.exec(line)?.slice(1).map(Number));
  if (!ranges.every((numbers) => numbers !== undefined)) return null;
  const found = ranges.map(([inside, outside, count]) => ({ inside: inside!, outside: outside!, count: count! }));
  const fits = (from: number, count: number): boolean => count > 0 && from < noId && from + count <= noId;
  const isWhole = found.every(({ inside, outside, count }) => fits(inside, count) && fits(outside, count));
  return isWhole && !overlap(found, "inside") && !overlap(found, "outside") ? found : null;
}

function overlap(ranges: readonly IdRange[], side: "inside" | "outside"): boolean {
  const sorted = [...ranges].sort((a, b) => a[side] - b[side]);
  return sorted.some((range, i) => i > 0 && sorted[i - 1]![side] + sorted[i - 1]!.count > range[side]);
}

const capabilityFor = { uid: Cap.SETUID, gid: Cap.SETGID, projid: null } as const;

/** Whose root is not to become a name space's root, who could give files what that then has. */
function mayMapRoot(k: ProcKernel, by: Task, own: number, { parent, mayGiveFiles }: UserSpace, ranges: IdRange[]) {
  if (!ranges.some(({ outside }) => outside === 0)) return true;
  return by.credentials.userSpace === own ? mayGiveFiles : hasCapabilityIn(k, by.credentials, parent, Cap.SETFCAP);
}

/** Whether somebody may map these ids: its own one anybody may; others who could become them anyhow. */
function mayMap(k: ProcKernel, by: Task, own: number, kind: IdKind, ranges: IdRange[]): boolean {
  const { credentials } = by;
  const space = userSpaceOf(k, own);
  if (kind === "uid" && !mayMapRoot(k, by, own, space, ranges)) return false;
  const [only] = ranges;
  if (ranges.length === 1 && only!.count === 1 && space.owner === credentials.euid) {
    const id = idFromUser(k, space.parent, kind, only!.outside);
    if (kind === "uid" && id === credentials.euid) return true;
    if (kind === "gid" && !space.setsGroups && id === credentials.egid) return true;
  }
  const wanted = capabilityFor[kind];
  return wanted === null || hasCapabilityIn(k, credentials, space.parent, wanted);
}

/** The same ranges as the kernel counts outside; null: the name space above does not have them all. */
function throughParent(k: ProcKernel, { parent }: UserSpace, kind: IdKind, ranges: IdRange[]): IdRange[] | null {
  const found: IdRange[] = [];
  for (const { inside, outside, count } of ranges) {
    const [first, last] = [outside, outside + count - 1].map((id) => idFromUser(k, parent, kind, id)) as [
      number | null,
      number | null,
    ];
    // What lies in one range above stays one.
    if (first === null || last === null || last - first !== count - 1) return null;
    found.push({ inside, outside: first, count });
  }
  return found;
}

export const storeMap =
  (kind: IdKind): Store<Subject> =>
  (k, subject, by, bytes, position) => {
    const own = spaceOf(subject);
    if (bytes.length > mostBytes || position !== 0) return "EINVAL";
    if (own === 0) return "EPERM";
    const space = userSpaceOf(k, own);
    if (subject.userSpace !== own && subject.userSpace !== space.parent) return "EPERM";
    if (space.maps[kind].length > 0) return "EPERM";
    if (!hasCapabilityIn(k, by.credentials, own, Cap.SYS_ADMIN)) return "EPERM";
    const ranges = parseMap(decodeName(bytes));
    if (ranges === null) return "EINVAL";
    const kept = mayMap(k, by, own, kind, ranges) ? throughParent(k, space, kind, ranges) : null;
    if (kept === null) return "EPERM";
    space.maps[kind] = kept;
    return null;
  };

export const groupsText = (k: ProcKernel, subject: Subject): string => {
  const own = spaceOf(subject);
  return own === 0 || userSpaceOf(k, own).setsGroups ? "allow\n" : "deny\n";
};

/** Denied once, setgroups(2) stays so; with a map of groups it is as it is. */
export const storeGroups: Store<Subject> = (k, subject, by, bytes, position) => {
  const own = spaceOf(subject);
  const word = decodeName(bytes).trimEnd();
  if (position !== 0 || bytes.length >= 8 || (word !== "allow" && word !== "deny")) return "EINVAL";
  if (!hasCapabilityIn(k, by.credentials, own, Cap.SYS_ADMIN)) return "EPERM";
  const isAllowed = own === 0 || userSpaceOf(k, own).setsGroups;
  if (word === "allow") return isAllowed ? null : "EPERM";
  if (own === 0 || userSpaceOf(k, own).maps.gid.length > 0) return "EPERM";
  userSpaceOf(k, own).setsGroups = false;
  return null;
};
