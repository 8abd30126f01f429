/** openat2(2): open(2) that refuses what it does not know, and says how a path may be walked. */
import type { Errno } from "../../lib/errno.ts";
import { getSpace } from "../../mm/space.ts";
import { copyStructIn } from "../../mm/user.ts";
import { OpenFlag } from "../../vfs/open.ts";
import { Resolve } from "../../vfs/walk.ts";
import { fd, inout, path, size } from "../define/arguments.ts";
import { type Call, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import { makeErrors, open } from "./files.ts";
import type { LinuxKernel } from "./kernel.ts";
import { pathFrom } from "./names.ts";

/** struct open_how. */
interface OpenHow {
  flags: bigint;
  mode: bigint;
  resolve: bigint;
}
const howBytes = 24;

/** What open(2) has besides and does nothing here: O_ASYNC, O_DIRECT, and what O_SYNC is more than O_DSYNC. */
const ignored = 0o20000 | 0o40000 | 0o4000000;
const knownFlags = BigInt(Object.values(OpenFlag).reduce((all, flag) => all | flag, ignored));
const ofNames = BigInt(OpenFlag.O_PATH | OpenFlag.O_DIRECTORY | OpenFlag.O_NOFOLLOW | OpenFlag.O_CLOEXEC);
/** Everything is in memory, so that a walk is as good as one that asks nobody (RESOLVE_CACHED). */
const cached = 0x20n;
const knownResolve = BigInt(Object.values(Resolve).reduce((all, flag) => all | flag, 0)) | cached;

function readHow(k: LinuxKernel, { task }: Call, where: bigint, bytes: number): OpenHow | Errno {
  if (bytes < howBytes) return "EINVAL";
  const copied = copyStructIn(k, getSpace(k, task.space), where, bytes, howBytes);
  if (!copied.ok) return copied.errno;
  const view = copied.value;
  const [flags, mode, resolve] = [view.getBigUint64(0, true), view.getBigUint64(8, true), view.getBigUint64(16, true)];
  return { flags, mode, resolve };
}

function howProblem({ flags, mode, resolve }: OpenHow): Errno | null {
  if (flags & ~knownFlags || resolve & ~knownResolve) return "EINVAL";
  const scopes = BigInt(Resolve.beneath | Resolve.inRoot);
  if ((resolve & scopes) === scopes) return "EINVAL";
  const makes = (flags & BigInt(OpenFlag.O_CREAT | OpenFlag.O_TMPFILE)) !== 0n;
  if (makes ? mode & ~0o7777n : mode) return "EINVAL";
  const makesTree = BigInt(OpenFlag.O_CREAT | OpenFlag.O_DIRECTORY);
  if ((flags & makesTree) === makesTree) return "EINVAL";
  if (flags & BigInt(OpenFlag.O_PATH) && flags & ~ofNames) return "EINVAL";
  return resolve & cached && (makes || flags & BigInt(OpenFlag.O_TRUNC)) ? "EAGAIN" : null;
}

function openHow(
  k: LinuxKernel,
  call: Call,
  { directory, path: name, how: where, size: bytes }: { directory: number; path: string; how: bigint; size: number },
): Outcome {
  const how = readHow(k, call, where, bytes);
  if (typeof how === "string") return fail(how);
  const problem = howProblem(how);
  if (problem !== null) return fail(problem);
  const resolve = Number(how.resolve & ~cached);
  // An absolute path begins at the directory, too, if that is the root.
  const begins = resolve & Resolve.inRoot && name.startsWith("/") ? "." : name;
  const from = pathFrom(k, call.task, directory, begins);
  if ("errno" in from) return fail(from.errno);
  return open(k, call, { start: from.start, path: name, resolve }, Number(how.flags), Number(how.mode));
}

export const openHowCalls = [
  syscall({
    name: "openat2",
    nr: { rv64: 437 },
    support: "partial",
    note: "As openat; RESOLVE_CACHED refuses nothing but to make and to cut.",
    args: { directory: fd, path, how: inout("open_how"), size },
    errors: [
      ...makeErrors,
      ...([
        "E2BIG",
        "EAGAIN",
        "EINTR",
        "EINVAL",
        "EISDIR",
        "EMFILE",
        "ENFILE",
        "ENXIO",
        "EOPNOTSUPP",
        "EPERM",
        "ETXTBSY",
        "EXDEV",
      ] as const),
    ],
    run: (k: LinuxKernel, args, call) => openHow(k, call, args),
  }),
] as const;
