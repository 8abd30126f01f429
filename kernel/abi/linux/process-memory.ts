/** Memory of other processes: process_vm_readv(2), process_vm_writev(2). */

import { pageBytes } from "../../hal/types.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { getSpace } from "../../mm/space.ts";
import type { Space } from "../../mm/state.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { mayInspect } from "../../thread/credentials.ts";
import { taskFor } from "../../thread/pids.ts";
import { inout, int, readVector, size, type VectorEntry } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

/** Goes through pieces of memory a bit at a time. */
interface Cursor {
  pieces: readonly VectorEntry[];
  index: number;
  at: number;
}

/** Where the cursor is, and how far it is to the end of the piece or page; null behind the last one. */
function here(cursor: Cursor): { address: bigint; room: number } | null {
  for (; cursor.index < cursor.pieces.length; cursor.index++, cursor.at = 0) {
    const { base, length } = cursor.pieces[cursor.index]!;
    if (cursor.at >= length) continue;
    const address = base + BigInt(cursor.at);
    const toPage = pageBytes - Number(address % BigInt(pageBytes));
    return { address, room: Math.min(length - cursor.at, toPage) };
  }
  return null;
}

/** Moves what fits, up to the first that cannot be: how much, or why nothing. */
function move(k: LinuxKernel, from: [Space, Cursor], to: [Space, Cursor]): number | Errno {
  let moved = 0;
  while (moved < limits.transferBytes) {
    const [source, target] = [here(from[1]), here(to[1])];
    if (source === null || target === null) break;
    const count = Math.min(source.room, target.room, limits.transferBytes - moved);
    const bytes = copyIn(k, from[0], source.address, count);
    const errno = bytes.ok ? copyOut(k, to[0], target.address, bytes.value) : bytes.errno;
    if (errno !== null) return moved > 0 ? moved : errno;
    moved += count;
    from[1].at += count;
    to[1].at += count;
  }
  return moved;
}

interface Vectors {
  id: number;
  local: bigint;
  localCount: number;
  remote: bigint;
  remoteCount: number;
  flags: number;
}

function transfer(k: LinuxKernel, { task }: Call, args: Vectors, reads: boolean): Outcome {
  if (args.flags !== 0) return fail("EINVAL");
  const own = getSpace(k, task.space);
  const local = readVector({ k, space: own }, args.local, BigInt(args.localCount));
  if ("errno" in local) return fail(local.errno);
  const remote = readVector({ k, space: own }, args.remote, BigInt(args.remoteCount));
  if ("errno" in remote) return fail(remote.errno);
  const other = taskFor(k, task, args.id);
  if (other === undefined) return fail("ESRCH");
  if (other !== task && !mayInspect(k, task, other)) return fail("EPERM");
  const here: [Space, Cursor] = [own, { pieces: local.value, index: 0, at: 0 }];
  const there: [Space, Cursor] = [getSpace(k, other.space), { pieces: remote.value, index: 0, at: 0 }];
  const moved = reads ? move(k, there, here) : move(k, here, there);
  return typeof moved === "number" ? done(moved) : fail(moved);
}

const args = {
  id: int,
  local: inout("iovec"),
  localCount: size,
  remote: inout("iovec"),
  remoteCount: size,
  flags: size,
} as const;
const errors = ["EFAULT", "EINVAL", "ENOMEM", "EPERM", "ESRCH"] as const;

export const processMemoryCalls = [
  syscall({
    name: "process_vm_readv",
    nr: { rv64: 270 },
    support: "full",
    args,
    errors,
    run: (k: LinuxKernel, vectors, call) => transfer(k, call, vectors, true),
  }),
  syscall({
    name: "process_vm_writev",
    nr: { rv64: 271 },
    support: "full",
    args,
    errors,
    run: (k: LinuxKernel, vectors, call) => transfer(k, call, vectors, false),
  }),
] as const;
