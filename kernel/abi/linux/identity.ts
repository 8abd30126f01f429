/** Whom a process acts for: real, effective, saved and file-system ids, and groups (credentials(7)). */

import type { Errno } from "../../lib/errno.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { Cap, followFilesId, followUserIds, hasOwnCapability } from "../../thread/capabilities.ts";
import { copyCredentials, noteCredentials } from "../../thread/credentials.ts";
import type { Credentials, Task } from "../../thread/state.ts";
import { idFromUser, rootOf, shownGroup, shownUser, userSpaceOf } from "../../thread/users.ts";
import { inout, int, structOut, uint } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { type CallNumbers, type SystemCall, syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";
import { idWord } from "./layouts.ts";

/** What an argument says that is to stay as it is. */
const keep = 0xffff_ffff;
const mostGroups = 65536;

/** The names of a kind of id, in the order real, effective, saved, of files. */
const kinds = {
  user: ["uid", "euid", "suid", "fsuid"],
  group: ["gid", "egid", "sgid", "fsgid"],
} as const;
type Kind = keyof typeof kinds;

const idsOf = (of: Credentials, kind: Kind): [number, number, number, number] => {
  const [real, effective, saved, files] = kinds[kind];
  return [of[real], of[effective], of[saved], of[files]];
};

function setIds(k: LinuxKernel, of: Credentials, kind: Kind, ids: readonly [number, number, number, number]): void {
  const before = { ...of };
  for (const [i, name] of kinds[kind].entries()) of[name] = ids[i]!;
  if (kind === "user") followUserIds(before, of, rootOf(k, of));
}

const told = (k: LinuxKernel, task: Task, kind: Kind, id: number): number =>
  kind === "user" ? shownUser(k, task, id) : shownGroup(k, task, id);

/** The ids that are meant by numbers of the caller's user name space, -1 being none; null: one is of nobody there. */
function meant(k: LinuxKernel, { task }: Call, kind: Kind, numbers: readonly number[]): number[] | null {
  const { userSpace } = task.credentials;
  const ids = numbers.map((number) =>
    number === keep ? keep : idFromUser(k, userSpace, kind === "user" ? "uid" : "gid", number),
  );
  return ids.some((id) => id === null) ? null : (ids as number[]);
}

const mayBeAnybody = (of: Credentials, kind: Kind): boolean =>
  hasOwnCapability(of, kind === "user" ? Cap.SETUID : Cap.SETGID);

/** setuid(2): of who may be anybody all ids, of others the effective one, to what it may go back to. */
function setOne(k: LinuxKernel, of: Credentials, kind: Kind, id: number): Errno | null {
  if (id === keep) return "EINVAL";
  const [real, , saved] = idsOf(of, kind);
  if (mayBeAnybody(of, kind)) setIds(k, of, kind, [id, id, id, id]);
  else if (id === real || id === saved) setIds(k, of, kind, [real, id, saved, id]);
  else return "EPERM";
  return null;
}

/** setreuid(2) */
function setTwo(
  k: LinuxKernel,
  of: Credentials,
  kind: Kind,
  wantedReal: number,
  wantedEffective: number,
): Errno | null {
  const [real, effective, saved] = idsOf(of, kind);
  if (!mayBeAnybody(of, kind)) {
    if (wantedReal !== keep && wantedReal !== real && wantedReal !== effective) return "EPERM";
    if (wantedEffective !== keep && ![real, effective, saved].includes(wantedEffective)) return "EPERM";
  }
  const newReal = wantedReal === keep ? real : wantedReal;
  const newEffective = wantedEffective === keep ? effective : wantedEffective;
  const moves = wantedReal !== keep || (wantedEffective !== keep && wantedEffective !== real);
  setIds(k, of, kind, [newReal, newEffective, moves ? newEffective : saved, newEffective]);
  return null;
}

/** setresuid(2) */
function setThree(
  k: LinuxKernel,
  of: Credentials,
  kind: Kind,
  wanted: readonly [number, number, number],
): Errno | null {
  const now = idsOf(of, kind);
  const current = now.slice(0, 3);
  if (!mayBeAnybody(of, kind) && wanted.some((id) => id !== keep && !current.includes(id))) return "EPERM";
  const [real, effective, saved] = wanted.map((id, i) => (id === keep ? now[i]! : id)) as [number, number, number];
  setIds(k, of, kind, [real, effective, saved, effective]);
  return null;
}

/** setfsuid(2) returns what the id was, whether it may be changed or not. */
function setOfFiles(k: LinuxKernel, of: Credentials, kind: Kind, id: number): number {
  const ids = idsOf(of, kind);
  const files = ids[3];
  if (id !== keep && (mayBeAnybody(of, kind) || ids.includes(id))) {
    const before = { ...of };
    of[kinds[kind][3]] = id;
    if (kind === "user") followFilesId(before, of, rootOf(k, of));
  }
  return files;
}

const result = (errno: Errno | null): Outcome => (errno === null ? done(0) : fail(errno));

/** Changes ids of the caller. */
function changing<T>({ task }: Call, change: (of: Credentials) => T): T {
  const before = copyCredentials(task.credentials);
  const changed = change(task.credentials);
  noteCredentials(task, before);
  return changed;
}

/** Changes ids of the caller to what it means by these numbers. */
function setting(
  k: LinuxKernel,
  call: Call,
  kind: Kind,
  numbers: readonly number[],
  set: (of: Credentials, ids: readonly number[]) => Errno | null,
): Outcome {
  const ids = meant(k, call, kind, numbers);
  return ids === null ? fail("EINVAL") : result(changing(call, (of) => set(of, ids)));
}

type Row = SystemCall<LinuxKernel>;
const full = { support: "full" } as const;
const refused = { errors: ["EINVAL", "EPERM"] } as const;

const one = (name: string, nr: CallNumbers, kind: Kind): Row =>
  syscall({
    ...{ name, nr, ...full, ...refused },
    args: { id: uint },
    run: (k: LinuxKernel, { id }, call) => setting(k, call, kind, [id], (of, [one]) => setOne(k, of, kind, one!)),
  });

const two = (name: string, nr: CallNumbers, kind: Kind): Row =>
  syscall({
    ...{ name, nr, ...full, ...refused },
    args: { real: uint, effective: uint },
    run: (k: LinuxKernel, { real, effective }, call) =>
      setting(k, call, kind, [real, effective], (of, ids) => setTwo(k, of, kind, ids[0]!, ids[1]!)),
  });

const three = (name: string, nr: CallNumbers, kind: Kind): Row =>
  syscall({
    ...{ name, nr, ...full, ...refused },
    args: { real: uint, effective: uint, saved: uint },
    run: (k: LinuxKernel, { real, effective, saved }, call) =>
      setting(k, call, kind, [real, effective, saved], (of, ids) =>
        setThree(k, of, kind, ids as [number, number, number]),
      ),
  });

const get = (name: string, nr: CallNumbers, kind: Kind): Row =>
  syscall({
    ...{ name, nr, ...full },
    args: { real: structOut(idWord), effective: structOut(idWord), saved: structOut(idWord) },
    errors: ["EFAULT"],
    run(k: LinuxKernel, _args, { task }) {
      const ids = idsOf(task.credentials, kind).map((id) => told(k, task, kind, id));
      const [real, effective, saved] = ids as [number, number, number, number];
      return {
        kind: "done",
        value: 0,
        out: { real: { id: real }, effective: { id: effective }, saved: { id: saved } },
      };
    },
  });

const ofFiles = (name: string, nr: CallNumbers, kind: Kind): Row =>
  syscall({
    ...{ name, nr, ...full },
    args: { id: uint },
    run(k: LinuxKernel, { id }, call) {
      const wanted = meant(k, call, kind, [id])?.[0] ?? keep;
      return done(
        told(
          k,
          call.task,
          kind,
          changing(call, (of) => setOfFiles(k, of, kind, wanted)),
        ),
      );
    },
  });

function getGroups(k: LinuxKernel, { task }: Call, room: number, list: bigint): Outcome {
  const { groups } = task.credentials;
  if (room < 0) return fail("EINVAL");
  if (room === 0) return done(groups.length);
  if (room < groups.length) return fail("EINVAL");
  const bytes = new Uint8Array(Uint32Array.from(groups, (id) => shownGroup(k, task, id)).buffer);
  const errno = copyOut(k, getSpace(k, task.space), list, bytes);
  return errno === null ? done(groups.length) : fail(errno);
}

/** In a user name space only with a map of groups, and if it was not denied there. */
function maySetGroups(k: LinuxKernel, { credentials }: Task): boolean {
  const { userSpace } = credentials;
  if (!mayBeAnybody(credentials, "group")) return false;
  if (userSpace === 0) return true;
  const { maps, setsGroups } = userSpaceOf(k, userSpace);
  return maps.gid.length > 0 && setsGroups;
}

function setGroups(k: LinuxKernel, call: Call, count: number, list: bigint): Outcome {
  const { task } = call;
  if (!maySetGroups(k, task)) return fail("EPERM");
  if (count < 0 || count > mostGroups) return fail("EINVAL");
  const bytes = copyIn(k, getSpace(k, task.space), list, 4 * count);
  if (!bytes.ok) return fail(bytes.errno);
  const view = new DataView(bytes.value.buffer, bytes.value.byteOffset, bytes.value.length);
  const numbers = Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
  const groups = task.credentials.userSpace === 0 ? numbers : meant(k, call, "group", numbers);
  if (groups === null) return fail("EINVAL");
  task.credentials.groups = groups.sort((a, b) => a - b);
  return done(0);
}

export const identityCalls = [
  two("setregid", { rv64: 143 }, "group"),
  one("setgid", { rv64: 144 }, "group"),
  two("setreuid", { rv64: 145 }, "user"),
  one("setuid", { rv64: 146 }, "user"),
  three("setresuid", { rv64: 147 }, "user"),
  get("getresuid", { rv64: 148 }, "user"),
  three("setresgid", { rv64: 149 }, "group"),
  get("getresgid", { rv64: 150 }, "group"),
  ofFiles("setfsuid", { rv64: 151 }, "user"),
  ofFiles("setfsgid", { rv64: 152 }, "group"),
  syscall({
    name: "getgroups",
    nr: { rv64: 158 },
    support: "full",
    args: { room: int, list: inout("gid_t") },
    errors: ["EFAULT", "EINVAL"],
    run: (k: LinuxKernel, { room, list }, call) => getGroups(k, call, room, list),
  }),
  syscall({
    name: "setgroups",
    nr: { rv64: 159 },
    support: "full",
    args: { count: int, list: inout("gid_t") },
    errors: ["EFAULT", "EINVAL", "EPERM"],
    run: (k: LinuxKernel, { count, list }, call) => setGroups(k, call, count, list),
  }),
] as const;
