/** What goes through as much as guests have made is paid for, so that a run ends soon after it. */
import { expect, it } from "vitest";
import { schedulingCalls } from "../../kernel/abi/linux/scheduling.ts";
import { dropNamespaces } from "../../kernel/ns/namespaces.ts";
import { namesOf, releasePids } from "../../kernel/thread/pids.ts";
import { usualScheduling } from "../../kernel/thread/scheduling.ts";
import { initThreads } from "../../kernel/thread/state.ts";
import { covered } from "../../kernel/vfs/filesystem.ts";
import { hasRoomForInodes } from "../../kernel/vfs/filesystems.ts";
import type { FileKernel } from "../../kernel/vfs/kernel.ts";
import type { Filesystem } from "../../kernel/vfs/state.ts";

const many = 1000;
const numbers = Array.from({ length: many }, (_, i) => i + 1);
/** Of one that is in a list that is gone through. */
const leastEach = 8;

const filesystem = { inodes: new Map(), options: null, pidSpace: 0 };
/** As much of a kernel as is looked at: mounts on each other, file systems, and name spaces that nobody has. */
function kernel(): FileKernel {
  const threads = initThreads();
  for (const id of numbers) threads.namespaces.set(id, { kind: "pid", owner: 0 });
  for (const id of numbers)
    threads.pidSpaces.set(id, {
      ...{ parent: 0, depth: 1, init: null, ended: false, last: 0 },
      ...{ numbers: new Map(), ids: new Map() },
    });
  const mounts = new Map(numbers.map((id) => [id, { root: 1, covers: new Map(id < many ? [[1, id + 1]] : []) }]));
  const files = {
    mounts,
    filesystems: new Map(numbers.map((id) => [id, filesystem])),
    open: new Map(),
    sockets: new Map(),
  };
  return { threads, files, effort: { spent: 0 }, endNamespace: () => {} } as unknown as FileKernel;
}

const getpriority = schedulingCalls.find(({ name }) => name === "getpriority")!;
/** getpriority(PRIO_USER, 0), of a user who has all threads. */
function priorityOfUser(k: FileKernel): unknown {
  const task = { id: 1, credentials: { uid: 7, userSpace: 0 } };
  k.threads.tasks.set(1 as never, task as never);
  const scheduling = usualScheduling();
  for (const id of numbers) k.threads.threads.set(id as never, { id, task: 1, scheduling } as never);
  const outcome = getpriority.run(k as never, { values: { which: 2, who: 0 }, errno: null }, { task } as never);
  expect(outcome).toMatchObject({ kind: "done", value: 20 });
  return outcome;
}

it.each<[what: string, work: (k: FileKernel) => unknown]>([
  ["the top of what is mounted on each other", (k) => covered(k, { mount: 1, inode: 1 } as never)],
  ["room for one inode more", (k) => hasRoomForInodes(k, filesystem as unknown as Filesystem, 1)],
  ["what an id is called in all name spaces", (k) => namesOf(k, 7)],
  ["whether somebody knows an id", (k) => releasePids(k, [7])],
  ["name spaces that nobody has", dropNamespaces],
  ["how nice somebody's threads are", (k) => priorityOfUser(k)],
])("%s", (_what, work) => {
  const k = kernel();
  work(k);
  expect(k.effort.spent).toBeGreaterThanOrEqual((many - 1) * leastEach);
});
