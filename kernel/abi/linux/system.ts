/** The system and who one is: uname(2), sysinfo(2), getrandom(2), ids, limits, and RISC-V's own calls. */

import { pageBytes } from "../../hal/types.ts";
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { randomBytes } from "../../lib/random.ts";
import { getSpace } from "../../mm/space.ts";
import type { Space } from "../../mm/state.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { machineName } from "../../ns/namespaces.ts";
import { Cap, hasCapability } from "../../thread/capabilities.ts";
import { numberFor, taskFor } from "../../thread/pids.ts";
import { lastResource, limitOf, Resource } from "../../thread/rlimits.ts";
import type { ResourceLimit, Task } from "../../thread/state.ts";
import { setLimit } from "../../thread/timers.ts";
import { hasCapabilityIn, shownGroup, shownUser } from "../../thread/users.ts";
import { address, bufferOut, choice, flags, inout, int, size, structIn, structOut, uint } from "../define/arguments.ts";
import { done, fail, type Outcome, orError } from "../define/outcome.ts";
import { type CallNumbers, type SystemCall, syscall } from "../define/syscall.ts";
import { type LinuxKernel, release } from "./kernel.ts";
import { rlimit, sysinfo, utsname } from "./layouts.ts";

/** Fills in the values of (key, value) pairs; a key that is not known becomes -1. */
function probe(k: LinuxKernel, space: Space, pairs: bigint, count: number): Errno | null {
  const bytes = copyIn(k, space, pairs, count * 16);
  if (!bytes.ok) return bytes.errno;
  const view = new DataView(bytes.value.buffer, bytes.value.byteOffset, bytes.value.length);
  for (let at = 0; at < bytes.value.length; at += 16) {
    const value = k.hal.isa.features.get(view.getBigInt64(at, true));
    if (value === undefined) view.setBigInt64(at, -1n, true);
    view.setBigUint64(at + 8, value ?? 0n, true);
  }
  return copyOut(k, space, pairs, bytes.value);
}

interface Limit {
  rlim_cur: bigint;
  rlim_max: bigint;
}

const toLimit = ({ soft, hard }: ResourceLimit): Limit => ({ rlim_cur: soft, rlim_max: hard });

/** Who may look at another's limits, and set them: its own user, and who may set all. */
const mayLimit = (k: LinuxKernel, { credentials: by }: Task, { credentials: of }: Task): boolean =>
  hasCapabilityIn(k, by, of.userSpace, Cap.SYS_RESOURCE) ||
  ([of.uid, of.euid, of.suid].every((id) => id === by.uid) && [of.gid, of.egid, of.sgid].every((id) => id === by.gid));

function prlimit(
  k: LinuxKernel,
  caller: Task,
  id: number,
  resource: number,
  wanted: Limit | null,
): Outcome<{ before?: Limit }> {
  const task = id === 0 ? caller : taskFor(k, caller, id);
  if (resource > lastResource) return fail("EINVAL");
  if (wanted !== null && wanted.rlim_cur > wanted.rlim_max) return fail("EINVAL");
  if (task === undefined) return fail("ESRCH");
  if (task !== caller && !mayLimit(k, caller, task)) return fail("EPERM");
  const before = toLimit(limitOf(k, task, resource));
  if (wanted === null) return { kind: "done", value: 0, out: { before } };
  const most = BigInt(limits.descriptors);
  if (wanted.rlim_max > before.rlim_max && !hasCapability(caller.credentials, Cap.SYS_RESOURCE)) return fail("EPERM");
  if (resource === Resource.RLIMIT_NOFILE && wanted.rlim_max > most) return fail("EPERM");
  const commit = (): void => setLimit(k, task, resource, { soft: wanted.rlim_cur, hard: wanted.rlim_max });
  return { kind: "done", value: 0, out: { before }, commit };
}

/** A call without arguments that returns an id. */
const idCall = (name: string, nr: CallNumbers, id: (task: Task, k: LinuxKernel) => number): SystemCall<LinuxKernel> =>
  syscall({ name, nr, support: "full", args: {}, run: (k: LinuxKernel, _args, { task }) => done(id(task, k)) });

export const systemCalls = [
  idCall("getpid", { rv64: 172 }, (task, k) => numberFor(k, task, task.id)),
  idCall("getppid", { rv64: 173 }, (task, k) => numberFor(k, task, task.parent)),
  idCall("getuid", { rv64: 174 }, (task, k) => shownUser(k, task, task.credentials.uid)),
  idCall("geteuid", { rv64: 175 }, (task, k) => shownUser(k, task, task.credentials.euid)),
  idCall("getgid", { rv64: 176 }, (task, k) => shownGroup(k, task, task.credentials.gid)),
  idCall("getegid", { rv64: 177 }, (task, k) => shownGroup(k, task, task.credentials.egid)),
  syscall({
    name: "uname",
    nr: { rv64: 160 },
    support: "full",
    args: { name: structOut(utsname) },
    errors: ["EFAULT"],
    run: (k: LinuxKernel, _args, { task }) => ({
      kind: "done",
      value: 0,
      out: {
        name: {
          sysname: "Linux",
          nodename: machineName(k, task.namespaces).node,
          release,
          version: "#1 Ostler",
          machine: k.hal.isa.machineName,
          domainname: machineName(k, task.namespaces).domain,
        },
      },
    }),
  }),
  syscall({
    name: "sysinfo",
    nr: { rv64: 179 },
    support: "partial",
    note: "No load averages.",
    args: { info: structOut(sysinfo) },
    errors: ["EFAULT"],
    run(k: LinuxKernel) {
      const info = {
        uptime: BigInt(Math.floor(k.hal.timer.nowNs() / 1e9)),
        totalram: BigInt(k.mm.frames.total * pageBytes),
        freeram: BigInt(k.mm.frames.free * pageBytes),
        bufferram: 0n,
        procs: Math.min(k.threads.tasks.size, 65535),
        mem_unit: 1,
      };
      return { kind: "done", value: 0, out: { info } };
    },
  }),
  syscall({
    name: "getrandom",
    nr: { rv64: 278 },
    support: "full",
    note: "From the machine's seed: the same in every run of the same journal.",
    args: {
      buffer: bufferOut("count"),
      count: size,
      flags: flags({ GRND_NONBLOCK: 1, GRND_RANDOM: 2, GRND_INSECURE: 4 }),
    },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { buffer: room, flags }) {
      if (flags & ~7) return fail("EINVAL");
      spend(k.effort, room, "bytes");
      const buffer = randomBytes(k.random, room);
      return { kind: "done", value: buffer.length, out: { buffer } };
    },
  }),
  syscall({
    name: "prlimit64",
    nr: { rv64: 261 },
    support: "partial",
    note: "RLIMIT_RSS, LOCKS, MSGQUEUE and RTTIME are kept and inherited, but bound nothing; no core is dumped.",
    args: { id: int, resource: choice(Resource), limit: structIn(rlimit), before: structOut(rlimit, "optional") },
    errors: ["EFAULT", "EINVAL", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { id, resource, limit }, { task }) => prlimit(k, task, id, resource, limit),
  }),
  syscall({
    name: "getrlimit",
    nr: { rv64: 163 },
    support: "full",
    args: { resource: choice(Resource), limit: structOut(rlimit) },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { resource }, { task }) {
      const found = prlimit(k, task, 0, resource, null);
      return found.kind === "done" ? { ...found, out: { limit: found.out!.before! } } : found;
    },
  }),
  syscall({
    name: "setrlimit",
    nr: { rv64: 164 },
    support: "partial",
    note: "As prlimit64.",
    args: { resource: choice(Resource), limit: structIn(rlimit) },
    errors: ["EFAULT", "EINVAL", "EPERM"],
    run(k: LinuxKernel, { resource, limit }, { task }) {
      if (limit === null) return fail("EFAULT");
      const set = prlimit(k, task, 0, resource, limit);
      return set.kind === "done" ? { ...set, out: {} } : set;
    },
  }),
  syscall({
    name: "riscv_hwprobe",
    nr: { rv64: 258 },
    support: "partial",
    note: "Keys 0 to 5, for all processors (there is one).",
    args: { pairs: inout("riscv_hwprobe"), count: size, cpuBytes: size, cpus: address, flags: uint },
    errors: ["EFAULT", "EINVAL"],
    run(k: LinuxKernel, { pairs, count, flags }, { task }) {
      if (flags !== 0 || count > 256) return fail("EINVAL");
      const errno = probe(k, getSpace(k, task.space), pairs, count);
      return orError(errno);
    },
  }),
  syscall({
    name: "riscv_flush_icache",
    nr: { rv64: 259 },
    support: "full",
    note: "Nothing to do: instructions are always fetched as memory is.",
    args: { start: address, end: address, flags: size },
    errors: ["EINVAL"],
    run: (_k: LinuxKernel, { flags }) => (flags > 1 ? fail("EINVAL") : done(0)),
  }),
] as const;
