/** Name spaces: unshare(2), setns(2); and what is in one, the machine's name (sethostname(2), setdomainname(2)). */
import { type NamespaceFile, namespacePlace } from "../../fs/procfs/namespaces.ts";
import { undoAll } from "../../ipc/sysv/semaphores.ts";
import type { Errno } from "../../lib/errno.ts";
import { decodeName } from "../../lib/text.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import {
  enterNamespace,
  type MachineName,
  type NamespaceKind,
  namespaceKinds,
  namespaceOf,
  namespaceProblem,
  newNamespaces,
  ownerOfNamespace,
  renameMachine,
} from "../../ns/namespaces.ts";
import { Cap, hasOwnCapability } from "../../thread/capabilities.ts";
import { copyCredentials, mayInspect } from "../../thread/credentials.ts";
import { isWithinPids, parentOfPids } from "../../thread/pids.ts";
import { sharers } from "../../thread/sharing.ts";
import type { Credentials, Task } from "../../thread/state.ts";
import { enterUserSpace, hasCapabilityIn, isWithinUsers, shownUser, userSpaceOf } from "../../thread/users.ts";
import { fileOf, openFile } from "../../vfs/descriptors.ts";
import { AccessMode } from "../../vfs/file-ops.ts";
import { copyNamespace, endNamespaces, goToTop, hasRoomForCopy } from "../../vfs/mounts.ts";
import { address, fd, flags, int } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

export const NewNamespace = {
  CLONE_NEWNS: 0x2_0000,
  CLONE_NEWUTS: 0x400_0000,
  CLONE_NEWIPC: 0x800_0000,
  CLONE_NEWUSER: 0x1000_0000,
  CLONE_NEWPID: 0x2000_0000,
  CLONE_NEWNET: 0x4000_0000,
} as const;
const bits: Readonly<Record<NamespaceKind, number>> = {
  ipc: NewNamespace.CLONE_NEWIPC,
  mnt: NewNamespace.CLONE_NEWNS,
  net: NewNamespace.CLONE_NEWNET,
  pid: NewNamespace.CLONE_NEWPID,
  user: NewNamespace.CLONE_NEWUSER,
  uts: NewNamespace.CLONE_NEWUTS,
};
export const newBits = Object.values(bits).reduce((all, bit) => all | bit, 0);
const Unshare = {
  CLONE_VM: 0x100,
  CLONE_FS: 0x200,
  CLONE_FILES: 0x400,
  CLONE_SIGHAND: 0x800,
  CLONE_THREAD: 0x10000,
  CLONE_SYSVSEM: 0x40000,
  ...NewNamespace,
} as const;
const knownUnshare = Object.values(Unshare).reduce((all, flag) => all | flag, 0);

export const kindsOf = (wanted: number): NamespaceKind[] => namespaceKinds.filter((kind) => wanted & bits[kind]);

/** Whether a task's root is another one than that of all that is mounted. */
function isChrooted(k: LinuxKernel, { root }: Task): boolean {
  const mount = k.files.mounts.get(root.mount);
  return mount === undefined || mount.on !== null || mount.root !== root.inode;
}

/** Why a task cannot have new name spaces of these kinds. With one of users the others are that one's, and anybody's. */
export function newProblem(k: LinuxKernel, task: Task, kinds: readonly NamespaceKind[]): Errno | null {
  if (kinds.length === 0) return null;
  const isNewUser = kinds.includes("user");
  if (isNewUser ? isChrooted(k, task) : !hasOwnCapability(task.credentials, Cap.SYS_ADMIN)) return "EPERM";
  if (kinds.includes("mnt") && !hasRoomForCopy(k, task.namespaces.mnt)) return "ENOSPC";
  return namespaceProblem(k, task, kinds);
}

/** The task leaves name spaces of these kinds for new ones: newProblem was asked. */
export function takeNamespaces(k: LinuxKernel, task: Task, kinds: readonly NamespaceKind[]): void {
  const from = task.namespaces.mnt;
  newNamespaces(k, task, kinds);
  if (kinds.includes("mnt"))
    copyNamespace(k, task, from, ownerOfNamespace(k, from) !== ownerOfNamespace(k, task.namespaces.mnt));
  endNamespaces(k);
}

function unshare(k: LinuxKernel, { task }: Call, wanted: number): Outcome {
  if (wanted & ~knownUnshare) return fail("EINVAL");
  const kinds = kindsOf(wanted);
  // Threads have everything in common, and one cannot leave it alone.
  if (wanted & ~Unshare.CLONE_SYSVSEM && task.threads.length > 1) return fail("EINVAL");
  const problem = newProblem(k, task, kinds);
  if (problem !== null) return fail(problem);
  // What it shares with other processes it shares for good, as long as these live.
  const handles = wanted & (Unshare.CLONE_VM | Unshare.CLONE_SIGHAND);
  if (handles && sharers(k, task, "actions").length > 0) return fail("EINVAL");
  if (wanted & Unshare.CLONE_VM && getSpace(k, task.space).users > 1) return fail("EINVAL");
  // What it has changed in semaphores of its old name space it cannot undo later.
  if (wanted & (Unshare.CLONE_SYSVSEM | NewNamespace.CLONE_NEWIPC) && task.threads.length === 1) undoAll(k, task);
  if (wanted & Unshare.CLONE_FILES) task.sharing.files = null;
  const apart = Unshare.CLONE_FS | Unshare.CLONE_NEWNS | Unshare.CLONE_NEWUSER;
  if (wanted & apart) task.sharing.directories = null;
  takeNamespaces(k, task, kinds);
  return done(0);
}

/** The name spaces that a descriptor leads to: its own, or those of these kinds that its process is in. */
function namespacesAt(
  k: LinuxKernel,
  task: Task,
  number: number,
  wanted: number,
): { kind: NamespaceKind; id: number }[] | Errno {
  const file = fileOf(k, task, number);
  if (file === null) return "EBADF";
  if (file.target.kind === "namespace") {
    const { type: kind, id } = file.target;
    return wanted === 0 || wanted === bits[kind] ? [{ kind, id }] : "EINVAL";
  }
  if (file.target.kind !== "process" || wanted === 0 || wanted & ~newBits) return "EINVAL";
  const process = k.threads.tasks.get(file.target.task);
  if (process === undefined) return "ESRCH";
  if (!mayInspect(k, task, process)) return "EPERM";
  return kindsOf(wanted).map((kind) => ({ kind, id: namespaceOf(process, kind) }));
}

/** Why a task cannot enter a user name space. */
function userProblem(k: LinuxKernel, task: Task, id: number): Errno | null {
  if (id === task.credentials.userSpace || sharers(k, task, "directories").length > 0) return "EINVAL";
  return hasCapabilityIn(k, task.credentials, id, Cap.SYS_ADMIN) ? null : "EPERM";
}

interface Entered {
  kind: NamespaceKind;
  id: number;
}

/** Why a task, acting for somebody who may be about to be in another user name space, cannot enter another name space. */
function enterProblem(k: LinuxKernel, task: Task, as: Credentials, { kind, id }: Entered): Errno | null {
  if (kind === "user") return userProblem(k, task, id);
  const isAdmin = hasCapabilityIn(k, as, ownerOfNamespace(k, id), Cap.SYS_ADMIN);
  if (!isAdmin || !hasOwnCapability(as, Cap.SYS_ADMIN)) return "EPERM";
  if (kind === "mnt" && !hasOwnCapability(as, Cap.SYS_CHROOT)) return "EPERM";
  if (kind === "mnt" && sharers(k, task, "directories").length > 0) return "EINVAL";
  return kind === "pid" && !isWithinPids(k, id, task.namespaces.pid) ? "EINVAL" : null;
}

/** Of several name spaces that a process is in, all are entered or none. */
function enter(k: LinuxKernel, { task }: Call, number: number, wanted: number): Outcome {
  const found = namespacesAt(k, task, number, wanted);
  if (typeof found === "string") return fail(found);
  if (task.threads.length > 1) return fail("EINVAL");
  const as = copyCredentials(task.credentials);
  for (const each of found) {
    const problem = enterProblem(k, task, as, each);
    if (problem !== null) return fail(problem);
    if (each.kind === "user") enterUserSpace(as, each.id);
  }
  const mounts = found.find(({ kind }) => kind === "mnt");
  if (found.some(({ kind }) => kind === "ipc")) undoAll(k, task);
  for (const { kind, id } of found) enterNamespace(k, task, kind, id);
  if (mounts !== undefined) goToTop(k, task, mounts.id);
  endNamespaces(k);
  return done(0);
}

/** ioctl_nsfs(2) */
export const NamespaceRequest = {
  NS_GET_USERNS: 0xb701,
  NS_GET_PARENT: 0xb702,
  NS_GET_NSTYPE: 0xb703,
  NS_GET_OWNER_UID: 0xb704,
} as const;

/** A descriptor for a name space that the caller's own is, or is above. */
function openNamespace(k: LinuxKernel, task: Task, type: NamespaceKind, id: number): Outcome {
  const opened = namespacePlace(k, type, id);
  if (opened === null) return fail("ENOENT");
  const number = openFile(k, task, { kind: "namespace", type, id }, opened, AccessMode.read, true);
  return typeof number === "number" ? done(number) : fail(number);
}

function openOwner(k: LinuxKernel, task: Task, kind: NamespaceKind, id: number): Outcome {
  const owner = ownerOfNamespace(k, id);
  const isAbove = kind === "user" && id === 0;
  return isAbove || !isWithinUsers(k, owner, task.credentials.userSpace)
    ? fail("EPERM")
    : openNamespace(k, task, "user", owner);
}

function openParent(k: LinuxKernel, task: Task, kind: NamespaceKind, id: number): Outcome {
  if (kind === "user") return openOwner(k, task, kind, id);
  if (kind !== "pid") return fail("EINVAL");
  if (id === 0 || !isWithinPids(k, parentOfPids(k, id), task.namespaces.pid)) return fail("EPERM");
  return openNamespace(k, task, "pid", parentOfPids(k, id));
}

/** What a file that stands for a name space tells of that. */
export function namespaceIoctl(
  k: LinuxKernel,
  { task }: Call,
  { type, id }: NamespaceFile,
  request: number,
  where: bigint,
): Outcome {
  switch (request) {
    case NamespaceRequest.NS_GET_USERNS:
      return openOwner(k, task, type, id);
    case NamespaceRequest.NS_GET_PARENT:
      return openParent(k, task, type, id);
    case NamespaceRequest.NS_GET_NSTYPE:
      return done(bits[type]);
    case NamespaceRequest.NS_GET_OWNER_UID: {
      if (type !== "user") return fail("EINVAL");
      const owner = shownUser(k, task, id === 0 ? 0 : userSpaceOf(k, id).owner);
      return orError(copyOut(k, getSpace(k, task.space), where, new Uint8Array(Uint32Array.of(owner).buffer)));
    }
    default:
      return fail("ENOTTY");
  }
}

const mostName = 64;

function readName(k: LinuxKernel, task: Task, where: bigint, length: number): { text: string } | Errno {
  const owner = ownerOfNamespace(k, task.namespaces.uts);
  if (!hasCapabilityIn(k, task.credentials, owner, Cap.SYS_ADMIN)) return "EPERM";
  if (length < 0 || length > mostName) return "EINVAL";
  const bytes = copyIn(k, getSpace(k, task.space), where, length);
  if (!bytes.ok) return bytes.errno;
  const end = bytes.value.indexOf(0);
  return { text: decodeName(end < 0 ? bytes.value : bytes.value.subarray(0, end)) };
}

function rename(k: LinuxKernel, { task }: Call, what: keyof MachineName, where: bigint, length: number): Outcome {
  const name = readName(k, task, where, length);
  if (typeof name === "string") return fail(name);
  renameMachine(k, task, { [what]: name.text });
  return done(0);
}

export const namespaceCalls = [
  syscall({
    name: "unshare",
    nr: { rv64: 97 },
    support: "partial",
    note: "Not of control groups and time.",
    args: { flags: flags(Unshare) },
    errors: ["EINVAL", "ENOSPC", "EPERM"],
    run: (k: LinuxKernel, { flags }, call) => unshare(k, call, flags),
  }),
  syscall({
    name: "setns",
    nr: { rv64: 268 },
    support: "partial",
    note: "Of a process with one thread.",
    args: { fd, type: flags(NewNamespace) },
    errors: ["EBADF", "EINVAL", "EPERM", "ESRCH"],
    run: (k: LinuxKernel, { fd, type }, call) => enter(k, call, fd, type),
  }),
  syscall({
    name: "sethostname",
    nr: { rv64: 161 },
    support: "full",
    args: { name: address, length: int },
    errors: ["EFAULT", "EINVAL", "EPERM"],
    run: (k: LinuxKernel, { name, length }, call) => rename(k, call, "node", name, length),
  }),
  syscall({
    name: "setdomainname",
    nr: { rv64: 162 },
    support: "full",
    args: { name: address, length: int },
    errors: ["EFAULT", "EINVAL", "EPERM"],
    run: (k: LinuxKernel, { name, length }, call) => rename(k, call, "domain", name, length),
  }),
] as const;
