/** Whom a process acts for: real, effective, saved and file-system ids, and groups (credentials(7)). */
import type { Errno } from "../../lib/errno.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { Cap, followFilesId, followUserIds, hasCapability } from "../../thread/capabilities.ts";
import { copyCredentials, noteCredentials } from "../../thread/credentials.ts";
import type { Credentials } from "../../thread/state.ts";
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

function setIds(of: Credentials, kind: Kind, ids: readonly [number, number, number, number]): void {
  const before = { ...of };
  for (const [i, name] of kinds[kind].entries()) of[name] = ids[i]!;
  if (kind === "user") followUserIds(before, of);
}

const mayBeAnybody = (of: Credentials, kind: Kind): boolean =>
  hasCapability(of, kind === "user" ? Cap.SETUID : Cap.SETGID);

/** setuid(2): of who may be anybody all ids, of others the effective one, to what it may go back to. */
function setOne(of: Credentials, kind: Kind, id: number): Errno | null {
  if (id === keep) return "EINVAL";
  const [real, , saved] = idsOf(of, kind);
  if (mayBeAnybody(of, kind)) setIds(of, kind, [id, id, id, id]);
  else if (id === real || id === saved) setIds(of, kind, [real, id, saved, id]);
  else return "EPERM";
  return null;
}

/** setreuid(2) */
function setTwo(of: Credentials, kind: Kind, wantedReal: number, wantedEffective: number): Errno | null {
  const [real, effective, saved] = idsOf(of, kind);
  if (!mayBeAnybody(of, kind)) {
    if (wantedReal !== keep && wantedReal !== real && wantedReal !== effective) return "EPERM";
    if (wantedEffective !== keep && ![real, effective, saved].includes(wantedEffective)) return "EPERM";
  }
  const newReal = wantedReal === keep ? real : wantedReal;
  const newEffective = wantedEffective === keep ? effective : wantedEffective;
  const moves = wantedReal !== keep || (wantedEffective !== keep && wantedEffective !== real);
  setIds(of, kind, [newReal, newEffective, moves ? newEffective : saved, newEffective]);
  return null;
}

/** setresuid(2) */
function setThree(of: Credentials, kind: Kind, wanted: readonly [number, number, number]): Errno | null {
  const now = idsOf(of, kind);
  const current = now.slice(0, 3);
  if (!mayBeAnybody(of, kind) && wanted.some((id) => id !== keep && !current.includes(id))) return "EPERM";
  const [real, effective, saved] = wanted.map((id, i) => (id === keep ? now[i]! : id)) as [number, number, number];
  setIds(of, kind, [real, effective, saved, effective]);
  return null;
}

/** setfsuid(2) returns what the id was, whether it may be changed or not. */
function setOfFiles(of: Credentials, kind: Kind, id: number): number {
  const ids = idsOf(of, kind);
  const files = ids[3];
  if (id !== keep && (mayBeAnybody(of, kind) || ids.includes(id))) {
    const before = { ...of };
    of[kinds[kind][3]] = id;
    if (kind === "user") followFilesId(before, of);
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

type Row = SystemCall<LinuxKernel>;
const full = { support: "full" } as const;
const refused = { errors: ["EINVAL", "EPERM"] } as const;

const one = (name: string, nr: CallNumbers, kind: Kind): Row =>
  syscall({
    ...{ name, nr, ...full, ...refused },
    args: { id: uint },
    run: (_k: LinuxKernel, { id }, call) => result(changing(call, (of) => setOne(of, kind, id))),
  });

const two = (name: string, nr: CallNumbers, kind: Kind): Row =>
  syscall({
    ...{ name, nr, ...full, ...refused },
    args: { real: uint, effective: uint },
    run: (_k: LinuxKernel, { real, effective }, call) =>
      result(changing(call, (of) => setTwo(of, kind, real, effective))),
  });

const three = (name: string, nr: CallNumbers, kind: Kind): Row =>
  syscall({
    ...{ name, nr, ...full, ...refused },
    args: { real: uint, effective: uint, saved: uint },
    run: (_k: LinuxKernel, { real, effective, saved }, call) =>
      result(changing(call, (of) => setThree(of, kind, [real, effective, saved]))),
  });

const get = (name: string, nr: CallNumbers, kind: Kind): Row =>
  syscall({
    ...{ name, nr, ...full },
    args: { real: structOut(idWord), effective: structOut(idWord), saved: structOut(idWord) },
    errors: ["EFAULT"],
    run(_k: LinuxKernel, _args, { task }) {
      const [real, effective, saved] = idsOf(task.credentials, kind);
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
    run: (_k: LinuxKernel, { id }, call) => done(changing(call, (of) => setOfFiles(of, kind, id))),
  });

function getGroups(k: LinuxKernel, { task }: Call, room: number, list: bigint): Outcome {
  const { groups } = task.credentials;
  if (room < 0) return fail("EINVAL");
  if (room === 0) return done(groups.length);
  if (room < groups.length) return fail("EINVAL");
  const bytes = new Uint8Array(Uint32Array.from(groups).buffer);
  const errno = copyOut(k, getSpace(k, task.space), list, bytes);
  return errno === null ? done(groups.length) : fail(errno);
}

function setGroups(k: LinuxKernel, { task }: Call, count: number, list: bigint): Outcome {
  if (!mayBeAnybody(task.credentials, "group")) return fail("EPERM");
  if (count < 0 || count > mostGroups) return fail("EINVAL");
  const bytes = copyIn(k, getSpace(k, task.space), list, 4 * count);
  if (!bytes.ok) return fail(bytes.errno);
  const view = new DataView(bytes.value.buffer, bytes.value.byteOffset, bytes.value.length);
  const groups = Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
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
