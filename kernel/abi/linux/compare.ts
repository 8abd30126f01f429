/** Whether two processes have something in common: kcmp(2), by which checkpoints find out what to save once. */
import { spend } from "../../lib/effort.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn } from "../../mm/user.ts";
import { mayInspect } from "../../thread/credentials.ts";
import { threadFor } from "../../thread/pids.ts";
import type { Sharing, Task } from "../../thread/state.ts";
import { taskOf } from "../../thread/tasks.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { choice, int, word } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

const Kind = {
  KCMP_FILE: 0,
  KCMP_VM: 1,
  KCMP_FILES: 2,
  KCMP_FS: 3,
  KCMP_SIGHAND: 4,
  KCMP_IO: 5,
  KCMP_SYSVSEM: 6,
  KCMP_EPOLL_TFD: 7,
} as const;

/** By what each kind is shared; what there is none of, all have in common. */
const sharedBy: ReadonlyMap<number, keyof Sharing> = new Map([
  [Kind.KCMP_FILES, "files"],
  [Kind.KCMP_FS, "directories"],
  [Kind.KCMP_SIGHAND, "actions"],
]);

/** 0: the same; 1 and 2: the first, or the second, comes first in an order that means nothing else. */
const order = (first: number, second: number): Outcome => done(first === second ? 0 : first < second ? 1 : 2);

const descriptor = (index: bigint): number => (index > 0x7fff_ffffn ? -1 : Number(index));

/** A task's open file, and one that an epoll instance of the other watches: by its descriptor, and how many came before. */
function compareWatched(k: LinuxKernel, call: Call, [one, other]: [Task, Task], fd: bigint, at: bigint): Outcome {
  const slot = copyIn(k, getSpace(k, call.task.space), at, 12);
  if (!slot.ok) return fail(slot.errno);
  const [instance, watched, before] = new Uint32Array(slot.value.slice().buffer);
  const file = fileOf(k, one, descriptor(fd));
  const epoll = fileOf(k, other, descriptor(BigInt(instance!)));
  if (file === null || epoll === null) return fail("EBADF");
  if (epoll.target.kind !== "epoll") return fail("EINVAL");
  spend(k.effort, epoll.target.items.size, "items");
  const item = [...epoll.target.items.values()].filter((each) => each.fd === watched)[before!];
  return item === undefined ? fail("ENOENT") : order(file.id, item.file);
}

function compare(k: LinuxKernel, call: Call, ids: [number, number], kind: number, indices: [bigint, bigint]): Outcome {
  const [first, second] = ids.map((id) => threadFor(k, call.task, id));
  if (first === undefined || second === undefined) return fail("ESRCH");
  const [one, other] = [taskOf(k, first), taskOf(k, second)];
  for (const task of [one, other]) if (task !== call.task && !mayInspect(k, call.task, task)) return fail("EPERM");
  const shared = sharedBy.get(kind);
  if (shared !== undefined) {
    if (one === other) return done(0);
    return one.sharing[shared] !== null && one.sharing[shared] === other.sharing[shared]
      ? done(0)
      : order(one.id, other.id);
  }
  switch (kind) {
    case Kind.KCMP_FILE: {
      const [a, b] = [fileOf(k, one, descriptor(indices[0])), fileOf(k, other, descriptor(indices[1]))];
      return a === null || b === null ? fail("EBADF") : order(a.id, b.id);
    }
    case Kind.KCMP_VM:
      return order(one.space, other.space);
    case Kind.KCMP_IO:
    case Kind.KCMP_SYSVSEM:
      return done(0);
    case Kind.KCMP_EPOLL_TFD:
      return compareWatched(k, call, [one, other], ...indices);
    default:
      return fail("EINVAL");
  }
}

export const compareCalls = [
  syscall({
    name: "kcmp",
    nr: { rv64: 272 },
    support: "full",
    note: "Nobody has contexts of input and output: KCMP_IO is 0. So is KCMP_SYSVSEM.",
    args: { one: int, other: int, kind: choice(Kind), first: word, second: word },
    errors: ["EBADF", "EFAULT", "EINVAL", "ENOENT", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { one, other, kind, first, second }, call) =>
      compare(k, call, [one, other], kind, [first, second]),
  }),
] as const;
