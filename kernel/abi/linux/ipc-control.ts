/** What the control calls of System V's objects have in common (msgctl(2), semctl(2), shmctl(2)). */
import { atIndex, find, IpcAccess, mayControl, permits, setOwner } from "../../ipc/sysv/objects.ts";
import type { IpcObject, IpcTable } from "../../ipc/sysv/state.ts";
import type { Errno } from "../../lib/errno.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import type { Task } from "../../thread/state.ts";
import { idFromUser } from "../../thread/users.ts";
import { type Layout, pack } from "../define/arguments.ts";
import { done, fail, type Outcome } from "../define/outcome.ts";
import type { LinuxKernel } from "./kernel.ts";

export const Control = { IPC_RMID: 0, IPC_SET: 1, IPC_STAT: 2, IPC_INFO: 3 } as const;

/** Puts a structure where the caller wants it; `value` is what the call then returns. */
export function tell<T>(k: LinuxKernel, task: Task, where: bigint, layout: Layout<T>, told: T, value = 0): Outcome {
  const errno = copyOut(k, getSpace(k, task.space), where, pack(layout, told));
  return errno === null ? done(value) : fail(errno);
}

export function readStruct<T>(k: LinuxKernel, task: Task, where: bigint, layout: Layout<T>): { read: T } | Errno {
  const bytes = copyIn(k, getSpace(k, task.space), where, layout.bytes);
  if (!bytes.ok) return bytes.errno;
  return { read: layout.read(new DataView(bytes.value.buffer, bytes.value.byteOffset, layout.bytes)) };
}

/** By its id, or (`byIndex`) by its place in the table; who may read it, or (`any`) anybody is told of it. */
export function toTell<T extends IpcObject>(
  k: LinuxKernel,
  task: Task,
  table: IpcTable<T>,
  id: number,
  how: { byIndex: boolean; any: boolean },
): { object: T; value: number } | Errno {
  const object = how.byIndex ? atIndex(table, id) : find(table, id);
  if (object === null) return "EINVAL";
  if (!how.any && !permits(k, task, object, IpcAccess.read)) return "EACCES";
  return { object, value: how.byIndex ? object.id : 0 };
}

/** The object of an id, for who may change it. */
export function toControl<T extends IpcObject>(k: LinuxKernel, task: Task, table: IpcTable<T>, id: number): T | Errno {
  const object = find(table, id);
  if (object === null) return "EINVAL";
  return mayControl(k, task, object) ? object : "EPERM";
}

/** Who owns it from now on, as the caller's structure says by the numbers that its user name space has. */
export function changeOwner(
  k: LinuxKernel,
  { credentials: { userSpace } }: Task,
  object: IpcObject,
  wanted: { uid: number; gid: number; mode: number },
): Errno | null {
  const uid = idFromUser(k, userSpace, "uid", wanted.uid);
  const gid = idFromUser(k, userSpace, "gid", wanted.gid);
  if (uid === null || gid === null) return "EINVAL";
  setOwner(k, object, uid, gid, wanted.mode);
  return null;
}
