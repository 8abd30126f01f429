/** System V's semaphores: semget(2), semop(2), semtimedop(2), semctl(2). */
import { find, getObject, highestIndex, IpcAccess, namespaceOf, permits } from "../../ipc/sysv/objects.ts";
import { hasSemaphores, mostValue, operate, removeSet, setValues, waitersFor } from "../../ipc/sysv/semaphores.ts";
import type { IpcObject, SemaphoreOperation, SemaphoreSet } from "../../ipc/sysv/state.ts";
import { toSigned32 } from "../../lib/bits.ts";
import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import { limits } from "../../lib/limits.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { numberFor } from "../../thread/pids.ts";
import type { Task } from "../../thread/state.ts";
import { deadlineAfter } from "../../time/clock.ts";
import { address, choice, flags, inout, int, size, structIn } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import { Control, changeOwner, readStruct, tell, toControl, toTell } from "./ipc-control.ts";
import { ownerOf, semidDs, seminfo } from "./ipc-layouts.ts";
import type { LinuxKernel } from "./kernel.ts";
import { fromTimespec, type Timespec, timespec } from "./layouts.ts";

const Get = { IPC_CREAT: 0o1000, IPC_EXCL: 0o2000 } as const;
const OperationFlag = { IPC_NOWAIT: 0o4000, SEM_UNDO: 0x1000 } as const;
const Command = {
  ...Control,
  GETPID: 11,
  GETVAL: 12,
  GETALL: 13,
  GETNCNT: 14,
  GETZCNT: 15,
  SETVAL: 16,
  SETALL: 17,
  SEM_STAT: 18,
  SEM_INFO: 19,
  SEM_STAT_ANY: 20,
} as const;
const operationBytes = 6;

function createSet(k: LinuxKernel, base: IpcObject, count: number): SemaphoreSet {
  k.sysv.held.semaphores += count;
  return { ...base, values: new Uint16Array(count), pids: new Int32Array(count), usedAt: 0, undo: new Map() };
}

function get(k: LinuxKernel, task: Task, key: number, count: number, wanted: number): Outcome {
  if (count < 0 || count > limits.semaphoresOfSet) return fail("EINVAL");
  const problem = (): Errno | null => (count === 0 ? "EINVAL" : hasSemaphores(k, count) ? null : "ENOSPC");
  const fits = ({ values }: SemaphoreSet): Errno | null => (count > values.length ? "EINVAL" : null);
  const make = (base: IpcObject): SemaphoreSet => createSet(k, base, count);
  const id = getObject(k, task, ({ sets }) => sets, { key, flags: wanted }, { fits, problem, make });
  return typeof id === "number" ? done(id) : fail(id);
}

function readOperations(k: LinuxKernel, task: Task, where: bigint, count: number): SemaphoreOperation[] | Errno {
  const bytes = copyIn(k, getSpace(k, task.space), where, count * operationBytes);
  if (!bytes.ok) return bytes.errno;
  const view = new DataView(bytes.value.buffer, bytes.value.byteOffset, bytes.value.length);
  return Array.from({ length: count }, (_, i) => {
    const at = i * operationBytes;
    const how = view.getInt16(at + 4, true);
    return {
      semaphore: view.getUint16(at, true),
      change: view.getInt16(at + 2, true),
      noWait: (how & OperationFlag.IPC_NOWAIT) !== 0,
      undo: (how & OperationFlag.SEM_UNDO) !== 0,
    };
  });
}

function operateOn(
  k: LinuxKernel,
  { task }: Call,
  id: number,
  where: bigint,
  count: number,
  timeout: Timespec | null,
): Outcome {
  if (count < 1) return fail("EINVAL");
  if (count > limits.semaphoreOperations) return fail("E2BIG");
  const operations = readOperations(k, task, where, count);
  if (typeof operations === "string") return fail(operations);
  const ns = timeout === null ? null : fromTimespec(timeout);
  if (timeout !== null && ns === null) return fail("EINVAL");
  const set = find(namespaceOf(k, task).sets, id);
  if (set === null) return fail("EINVAL");
  if (operations.some(({ semaphore }) => semaphore >= set.values.length)) return fail("EFBIG");
  const changes = operations.some(({ change }) => change !== 0);
  if (!permits(k, task, set, changes ? IpcAccess.write : IpcAccess.read)) return fail("EACCES");
  const result = operate(k, task, set, operations, ns === null ? null : deadlineAfter(k, ns));
  if (result === null) return done(0);
  if (typeof result === "string") return fail(result);
  return ns === 0n ? fail("EAGAIN") : { kind: "blocked", wait: result };
}

const bounds = {
  semmap: limits.semaphores,
  semmni: limits.ipcObjects,
  semmns: limits.semaphores,
  semmnu: limits.semaphores,
  semmsl: limits.semaphoresOfSet,
  semopm: limits.semaphoreOperations,
  semume: limits.semaphoreOperations,
  semusz: 20,
  semvmx: mostValue,
  semaem: mostValue,
};

/** IPC_INFO, and SEM_INFO with what there is in the place of two bounds. */
function tellBounds(k: LinuxKernel, task: Task, where: bigint, withUse: boolean): Outcome {
  const { sets } = namespaceOf(k, task);
  spend(k.effort, sets.entries.size, "items");
  let used = 0;
  for (const { values } of sets.entries.values()) used += values.length;
  const told = withUse ? { ...bounds, semusz: sets.entries.size, semaem: used } : bounds;
  return tell(k, task, where, seminfo, told, highestIndex(k, sets));
}

function tellSet(k: LinuxKernel, task: Task, id: number, command: number, where: bigint): Outcome {
  const how = { byIndex: command !== Command.IPC_STAT, any: command === Command.SEM_STAT_ANY };
  const found = toTell(k, task, namespaceOf(k, task).sets, id, how);
  if (typeof found === "string") return fail(found);
  const { usedAt, changedAt, values } = found.object;
  const told = { otime: BigInt(usedAt), ctime: BigInt(changedAt), nsems: BigInt(values.length) };
  return tell(k, task, where, semidDs, { ...ownerOf(k, task, found.object), ...told }, found.value);
}

/** What is asked about all semaphores of a set, or about one. */
function ask(k: LinuxKernel, task: Task, set: SemaphoreSet, number: number, command: number, where: bigint): Outcome {
  if (command === Command.GETALL) {
    const bytes = new Uint8Array(set.values.slice().buffer);
    const errno = copyOut(k, getSpace(k, task.space), where, bytes);
    return errno === null ? done(0) : fail(errno);
  }
  if (number < 0 || number >= set.values.length) return fail("EINVAL");
  switch (command) {
    case Command.GETVAL:
      return done(set.values[number]!);
    case Command.GETPID:
      return done(numberFor(k, task, set.pids[number]!));
    default:
      return done(waitersFor(k, task.namespaces.ipc, set, number, command === Command.GETZCNT));
  }
}

function setAll(k: LinuxKernel, task: Task, set: SemaphoreSet, where: bigint): Outcome {
  const bytes = copyIn(k, getSpace(k, task.space), where, set.values.length * 2);
  if (!bytes.ok) return fail(bytes.errno);
  const view = new DataView(bytes.value.buffer, bytes.value.byteOffset, bytes.value.length);
  const values = new Map([...set.values.keys()].map((at) => [at, view.getUint16(at * 2, true)] as const));
  for (const value of values.values()) if (value > mostValue) return fail("ERANGE");
  setValues(k, task, set, values);
  return done(0);
}

function setOne(k: LinuxKernel, task: Task, id: number, number: number, value: number): Outcome {
  if (value < 0 || value > mostValue) return fail("ERANGE");
  const set = find(namespaceOf(k, task).sets, id);
  if (set === null || number < 0 || number >= set.values.length) return fail("EINVAL");
  if (!permits(k, task, set, IpcAccess.write)) return fail("EACCES");
  setValues(k, task, set, new Map([[number, value]]));
  return done(0);
}

function change(k: LinuxKernel, task: Task, id: number, command: number, where: bigint): Outcome {
  const wanted = command === Command.IPC_SET ? readStruct(k, task, where, semidDs) : null;
  if (typeof wanted === "string") return fail(wanted);
  const { sets } = namespaceOf(k, task);
  const set = toControl(k, task, sets, id);
  if (typeof set === "string") return fail(set);
  const errno = wanted === null ? null : changeOwner(k, task, set, wanted.read);
  if (wanted === null) removeSet(k, task.namespaces.ipc, sets, set);
  return errno === null ? done(0) : fail(errno);
}

function control(k: LinuxKernel, task: Task, id: number, number: number, command: number, argument: bigint): Outcome {
  if (id < 0) return fail("EINVAL");
  switch (command) {
    case Command.IPC_INFO:
    case Command.SEM_INFO:
      return tellBounds(k, task, argument, command === Command.SEM_INFO);
    case Command.IPC_STAT:
    case Command.SEM_STAT:
    case Command.SEM_STAT_ANY:
      return tellSet(k, task, id, command, argument);
    case Command.IPC_SET:
    case Command.IPC_RMID:
      return change(k, task, id, command, argument);
    case Command.SETVAL:
      return setOne(k, task, id, number, toSigned32(argument));
    case Command.GETALL:
    case Command.GETVAL:
    case Command.GETPID:
    case Command.GETNCNT:
    case Command.GETZCNT:
    case Command.SETALL: {
      const set = find(namespaceOf(k, task).sets, id);
      if (set === null) return fail("EINVAL");
      const wanted = command === Command.SETALL ? IpcAccess.write : IpcAccess.read;
      if (!permits(k, task, set, wanted)) return fail("EACCES");
      return command === Command.SETALL ? setAll(k, task, set, argument) : ask(k, task, set, number, command, argument);
    }
    default:
      return fail("EINVAL");
  }
}

const operationErrors = [
  ...(["E2BIG", "EACCES", "EAGAIN", "EFAULT", "EFBIG", "EIDRM", "EINTR", "EINVAL", "ENOMEM", "ERANGE"] as const),
];

export const semaphoreCalls = [
  syscall({
    name: "semget",
    nr: { rv64: 190 },
    support: "full",
    args: { key: int, count: int, flags: flags(Get) },
    errors: ["EACCES", "EEXIST", "EINVAL", "ENOENT", "ENOSPC"],
    run: (k: LinuxKernel, { key, count, flags }, { task }) => get(k, task, key, count, flags),
  }),
  syscall({
    name: "semctl",
    nr: { rv64: 191 },
    support: "full",
    args: { id: int, semaphore: int, command: choice(Command), argument: inout("semun") },
    errors: ["EACCES", "EFAULT", "EINVAL", "ENOMEM", "EPERM", "ERANGE"],
    run: (k: LinuxKernel, { id, semaphore, command, argument }, { task }) =>
      control(k, task, id, semaphore, command, argument),
  }),
  syscall({
    name: "semtimedop",
    nr: { rv64: 192 },
    support: "full",
    args: { id: int, operations: address, count: size, timeout: structIn(timespec) },
    errors: operationErrors,
    run: (k: LinuxKernel, { id, operations, count, timeout }, call) =>
      operateOn(k, call, id, operations, count, timeout),
  }),
  syscall({
    name: "semop",
    nr: { rv64: 193 },
    support: "full",
    args: { id: int, operations: address, count: size },
    errors: operationErrors,
    run: (k: LinuxKernel, { id, operations, count }, call) => operateOn(k, call, id, operations, count, null),
  }),
] as const;
