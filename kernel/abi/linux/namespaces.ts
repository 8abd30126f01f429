/** Name spaces: unshare(2), setns(2); and what is in one, the machine's name (sethostname(2), setdomainname(2)). */
import type { Errno } from "../../lib/errno.ts";
import { decodeName } from "../../lib/text.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn } from "../../mm/user.ts";
import {
  enterNamespace,
  type MachineName,
  type NamespaceKind,
  namespaceKinds,
  namespaceOf,
  namespaceProblem,
  newNamespaces,
  renameMachine,
} from "../../ns/namespaces.ts";
import { Cap, hasCapability } from "../../thread/capabilities.ts";
import { mayInspect } from "../../thread/credentials.ts";
import { isWithinPids } from "../../thread/pids.ts";
import { sharers } from "../../thread/sharing.ts";
import type { Task } from "../../thread/state.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { copyNamespace, endNamespaces, goToTop, hasRoomForCopy } from "../../vfs/mounts.ts";
import { address, fd, flags, int } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

export const NewNamespace = {
  CLONE_NEWNS: 0x2_0000,
  CLONE_NEWUTS: 0x400_0000,
  CLONE_NEWIPC: 0x800_0000,
  CLONE_NEWPID: 0x2000_0000,
  CLONE_NEWNET: 0x4000_0000,
} as const;
const bits: Readonly<Record<NamespaceKind, number>> = {
  ipc: NewNamespace.CLONE_NEWIPC,
  mnt: NewNamespace.CLONE_NEWNS,
  net: NewNamespace.CLONE_NEWNET,
  pid: NewNamespace.CLONE_NEWPID,
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

/** Why a task cannot have new name spaces of these kinds. */
export function newProblem(k: LinuxKernel, task: Task, kinds: readonly NamespaceKind[]): Errno | null {
  if (kinds.length === 0) return null;
  if (!hasCapability(task.credentials, Cap.SYS_ADMIN)) return "EPERM";
  if (kinds.includes("mnt") && !hasRoomForCopy(k, task.namespaces.mnt)) return "ENOSPC";
  return namespaceProblem(k, task, kinds);
}

/** The task leaves name spaces of these kinds for new ones: newProblem was asked. */
export function takeNamespaces(k: LinuxKernel, task: Task, kinds: readonly NamespaceKind[]): void {
  const from = task.namespaces.mnt;
  newNamespaces(k, task, kinds);
  if (kinds.includes("mnt")) copyNamespace(k, task, from);
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
  if (wanted & Unshare.CLONE_FILES) task.sharing.files = null;
  if (wanted & (Unshare.CLONE_FS | Unshare.CLONE_NEWNS)) task.sharing.directories = null;
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
  if (!mayInspect(task, process)) return "EPERM";
  return kindsOf(wanted).map((kind) => ({ kind, id: namespaceOf(process, kind) }));
}

/** Of several name spaces that a process is in, all are entered or none. */
function enter(k: LinuxKernel, { task }: Call, number: number, wanted: number): Outcome {
  const found = namespacesAt(k, task, number, wanted);
  if (typeof found === "string") return fail(found);
  if (!hasCapability(task.credentials, Cap.SYS_ADMIN)) return fail("EPERM");
  if (task.threads.length > 1) return fail("EINVAL");
  const isAbove = ({ kind, id }: { kind: NamespaceKind; id: number }): boolean =>
    kind === "pid" && !isWithinPids(k, id, task.namespaces.pid);
  if (found.some(isAbove)) return fail("EINVAL");
  const mounts = found.find(({ kind }) => kind === "mnt");
  if (mounts !== undefined && sharers(k, task, "directories").length > 0) return fail("EINVAL");
  if (mounts !== undefined && !hasCapability(task.credentials, Cap.SYS_CHROOT)) return fail("EPERM");
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

/** What a file that stands for a name space tells of that. */
export function namespaceIoctl(kind: NamespaceKind, request: number): Outcome {
  switch (request) {
    case NamespaceRequest.NS_GET_NSTYPE:
      return done(bits[kind]);
    default:
      return fail("ENOTTY");
  }
}

const mostName = 64;

function readName(k: LinuxKernel, task: Task, where: bigint, length: number): { text: string } | Errno {
  if (!hasCapability(task.credentials, Cap.SYS_ADMIN)) return "EPERM";
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
    note: "Name spaces of the machine's name, of System V's objects, of the network, of mounts and of PIDs.",
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
