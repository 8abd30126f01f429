/** The only file that names concrete things: instruction set, tables of system calls, what tasks hold. */
import { describeCalls, describeSel4Calls } from "../abi/catalogue.ts";
import type { SystemCall, SystemCallInfo } from "../abi/define/syscall.ts";
import type { LinuxKernel } from "../abi/linux/kernel.ts";
import { linuxTable } from "../abi/linux/table.ts";
import { sel4Table } from "../abi/sel4/calls.ts";
import type { ObjectBehaviour } from "../cap/kernel.ts";
import { closeBanks, openBanks } from "../cap/memory.ts";
import type { CapabilityOf } from "../cap/state.ts";
import type { PersonalityKernel } from "../entry/kernel.ts";
import { devpts } from "../fs/devpts.ts";
import type { ProcKernel } from "../fs/procfs/kernel.ts";
import { procfs } from "../fs/procfs/procfs.ts";
import { sysfs } from "../fs/sysfs.ts";
import { tmpfs } from "../fs/tmpfs.ts";
import type { IsaName } from "../hal/types.ts";
import type { Sel4Kernel } from "../ipc/sel4/kernel.ts";
import { objectBehaviour as sel4Behaviour } from "../ipc/sel4/objects.ts";
import { releaseWorld } from "../ipc/sel4/world.ts";
import { undoAll } from "../ipc/sysv/semaphores.ts";
import { inheritSegments, leaveSegments } from "../ipc/sysv/shared-memory.ts";
import { signals } from "../lib/signals.ts";
import { dropNamespaces } from "../ns/namespaces.ts";
import { leaveMemory } from "../sync/robust.ts";
import { getThread } from "../thread/blocking.ts";
import type { TaskResource } from "../thread/kernel.ts";
import { killTask } from "../thread/tasks.ts";
import { endSession } from "../tty/pty.ts";
import { closeAll, closeOnExec, finaliseFile, inheritDescriptors } from "../vfs/descriptors.ts";
import type { FilesystemOps } from "../vfs/filesystem.ts";
import type { FileKernel } from "../vfs/kernel.ts";
import { endNamespaces, leaveDirectories } from "../vfs/mounts.ts";
import type { FilesystemKind } from "../vfs/state.ts";

export { createHal, isa as instructionSet } from "../hal/rv64/hal.ts";
export { addressMap } from "../hardware/bus/map.ts";

const isa: IsaName = "rv64";

/** System calls by number. */
const rows: readonly SystemCall<PersonalityKernel>[] = [...linuxTable, ...sel4Table];
export const systemCalls: ReadonlyMap<number, SystemCall<PersonalityKernel>> = new Map(
  rows.map((row) => [row.nr[isa], row]),
);

export const systemCallCatalogue = (): SystemCallInfo[] => describeCalls(isa);
export const sel4CallCatalogue = (): SystemCallInfo[] => describeSel4Calls(isa);

export const taskResources = (k: () => FileKernel & Sel4Kernel & LinuxKernel): readonly TaskResource[] => [
  { threadEnds: (task, thread) => leaveMemory(k(), task, thread) },
  { release: (task) => releaseWorld(k(), task) },
  { release: (task) => undoAll(k(), task) },
  {
    inherit: (from, to) => inheritSegments(k(), from, to),
    release: (task) => leaveSegments(k(), task),
  },
  { ended: () => dropNamespaces(k()) },
  { ended: () => endNamespaces(k()) },
  { release: (task) => endSession(k(), task) },
  { release: (task) => leaveDirectories(k(), task) },
  {
    release: (task) => closeAll(k(), task),
    inherit: (from, to) => inheritDescriptors(k(), from, to),
    execute: (task) => closeOnExec(k(), task),
  },
  { begin: (task) => openBanks(k(), task.id), release: (task) => closeBanks(k(), task.id) },
];

/** A task whose memory is taken away ends; one that is ending gives it back. */
function finaliseBank(k: Sel4Kernel, { task: id }: CapabilityOf<"bank">): void {
  const task = k.threads.tasks.get(id);
  if (task === undefined || task.threads.length === 0) return;
  const pc = k.hal.contexts.getPc(getThread(k, task.threads[0]!).context);
  task.fault = { signal: signals.SIGKILL, pc, address: 0n, description: "its memory was revoked" };
  // Nothing is written to what is being taken away.
  for (const id of task.threads) Object.assign(getThread(k, id), { robustList: 0n, clearOnExit: 0n });
  killTask(k, task, signals.SIGKILL);
}

/** What can be mounted, by its kind. */
export const filesystems = (k: () => ProcKernel): Readonly<Record<FilesystemKind, FilesystemOps>> => ({
  tmpfs,
  devtmpfs: tmpfs,
  proc: procfs(k),
  sysfs,
  devpts,
});

/** What becomes of objects, by whose they are. */
export function objectBehaviour(k: () => FileKernel & Sel4Kernel): ObjectBehaviour {
  const { create, finalise } = sel4Behaviour(k);
  return {
    create,
    finalise(cap, final) {
      if (cap.type === "file") finaliseFile(k(), cap, final);
      else if (cap.type === "bank") finaliseBank(k(), cap);
      else finalise(cap, final);
    },
  };
}
