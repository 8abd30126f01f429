/** Name spaces: unshare(2), setns(2); and what is in one, the machine's name (sethostname(2), setdomainname(2)). */
import type { Errno } from "../../lib/errno.ts";
import { decodeName } from "../../lib/text.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn } from "../../mm/user.ts";
import {
  enterNamespace,
  type MachineName,
  type NamespaceKind,
  newNamespaces,
  renameMachine,
} from "../../ns/namespaces.ts";
import { Cap, hasCapability } from "../../thread/capabilities.ts";
import { sharers } from "../../thread/sharing.ts";
import type { Task } from "../../thread/state.ts";
import { fileOf } from "../../vfs/descriptors.ts";
import { address, fd, flags, int } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

export const NewNamespace = { CLONE_NEWUTS: 0x400_0000, CLONE_NEWIPC: 0x800_0000 } as const;
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

export const kindsOf = (wanted: number): NamespaceKind[] => [
  ...(wanted & NewNamespace.CLONE_NEWUTS ? (["uts"] as const) : []),
  ...(wanted & NewNamespace.CLONE_NEWIPC ? (["ipc"] as const) : []),
];

function unshare(k: LinuxKernel, { task }: Call, wanted: number): Outcome {
  if (wanted & ~knownUnshare) return fail("EINVAL");
  const kinds = kindsOf(wanted);
  // Threads have everything in common, and one cannot leave it alone.
  if (wanted & ~Unshare.CLONE_SYSVSEM && task.threads.length > 1) return fail("EINVAL");
  if (kinds.length > 0 && !hasCapability(task.credentials, Cap.SYS_ADMIN)) return fail("EPERM");
  // What it shares with other processes it shares for good, as long as these live.
  const handles = wanted & (Unshare.CLONE_VM | Unshare.CLONE_SIGHAND);
  if (handles && sharers(k, task, "actions").length > 0) return fail("EINVAL");
  if (wanted & Unshare.CLONE_VM && getSpace(k, task.space).users > 1) return fail("EINVAL");
  newNamespaces(k, task, kinds);
  if (wanted & Unshare.CLONE_FILES) task.sharing.files = null;
  if (wanted & Unshare.CLONE_FS) task.sharing.directories = null;
  return done(0);
}

const bits: Readonly<Record<NamespaceKind, number>> = {
  uts: NewNamespace.CLONE_NEWUTS,
  ipc: NewNamespace.CLONE_NEWIPC,
};

function enter(k: LinuxKernel, { task }: Call, number: number, wanted: number): Outcome {
  const file = fileOf(k, task, number);
  if (file === null) return fail("EBADF");
  if (file.target.kind !== "namespace") return fail("EINVAL");
  const { type, id } = file.target;
  if (wanted !== 0 && wanted !== bits[type]) return fail("EINVAL");
  if (!hasCapability(task.credentials, Cap.SYS_ADMIN)) return fail("EPERM");
  enterNamespace(k, task, type, id);
  return done(0);
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
    note: "Name spaces of the machine's name and of System V's objects.",
    args: { flags: flags(Unshare) },
    errors: ["EINVAL", "EPERM"],
    run: (k: LinuxKernel, { flags }, call) => unshare(k, call, flags),
  }),
  syscall({
    name: "setns",
    nr: { rv64: 268 },
    support: "partial",
    note: "By a file of /proc/<pid>/ns; not by a pidfd.",
    args: { fd, type: flags(NewNamespace) },
    errors: ["EBADF", "EINVAL", "EPERM"],
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
