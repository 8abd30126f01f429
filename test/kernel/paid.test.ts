/** What goes through as much as guests have made is paid for, so that a run ends soon after it. */
import { expect, it } from "vitest";
import { schedulingCalls } from "../../kernel/abi/linux/scheduling.ts";
import { dropNamespaces } from "../../kernel/ns/namespaces.ts";
import { isOrphaned } from "../../kernel/thread/family.ts";
import { namesOf, releasePids } from "../../kernel/thread/pids.ts";
import { mayQueueSignal } from "../../kernel/thread/rlimits.ts";
import { usualScheduling } from "../../kernel/thread/scheduling.ts";
import { sharers } from "../../kernel/thread/sharing.ts";
import { hasSignals } from "../../kernel/thread/signals.ts";
import { initThreads } from "../../kernel/thread/state.ts";
import { findTimer } from "../../kernel/thread/timers.ts";
import { tracedBy } from "../../kernel/thread/tracing.ts";
import { unwatch } from "../../kernel/vfs/epoll.ts";
import { covered } from "../../kernel/vfs/filesystem.ts";
import { hasRoomForInodes } from "../../kernel/vfs/filesystems.ts";
import type { FileKernel } from "../../kernel/vfs/kernel.ts";
import { dropLocksOf } from "../../kernel/vfs/locks.ts";
import { findFifo } from "../../kernel/vfs/pipe.ts";
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
    // An epoll instance that watches many, and they.
    open: new Map([
      [0, { id: 0, target: { kind: "epoll", items: new Map(numbers.map((id) => [`${id}`, { file: 0, fd: id }])) } }],
      ...numbers.map((id): [number, unknown] => [id, { id, target: { kind: "bytes" } }]),
    ]),
    sockets: new Map(),
    pipes: new Map(numbers.map((id) => [id, { fifo: null }])),
    locks: numbers.map((id) => ({ owner: { kind: "task", id }, filesystem: 1, inode: 1 })),
  };
  return { threads, files, effort: { spent: 0 }, endNamespace: () => {} } as unknown as FileKernel;
}

const getpriority = schedulingCalls.find(({ name }) => name === "getpriority")!;
/** One of many tasks with many timers; and what is pending for it. */
function crowd(k: FileKernel) {
  const scheduling = usualScheduling();
  const pending = numbers.map(() => ({ signal: 40 }));
  k.threads.jobs.set(1 as never, { limits: {} } as never);
  const task = {
    id: 1,
    job: 1,
    credentials: { uid: 0 },
    threads: [1],
    sharing: { files: 7 },
    resourceLimits: new Map(),
    pending,
  };
  for (const id of numbers) {
    k.threads.tasks.set(id as never, { ...task, id, group: 0, pending: [] } as never);
    k.threads.threads.set(id as never, { id, task: id, scheduling, signalMask: 0n, pending: [] } as never);
    k.threads.timers.set(id, { id, task: id, number: 0 } as never);
  }
  return { kernel: k, task: task as never, thread: k.threads.threads.get(1 as never)! };
}

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
  ["a timer, by its number", (k) => findTimer(crowd(k).kernel, 1 as never, 1)],
  ["which signal comes first", (k) => hasSignals(k, crowd(k).task, crowd(k).thread)],
  ["whether there is room for a signal", (k) => mayQueueSignal(k, crowd(k).task)],
  ["whom a task traces", (k) => tracedBy(crowd(k).kernel, 1 as never)],
  ["whether a group has nobody", (k) => isOrphaned(crowd(k).kernel, 1 as never)],
  ["who has descriptors in common", (k) => sharers(k, crowd(k).task, "files")],
  ["who watches a file", (k) => unwatch(k, { id: 5 } as never)],
  ["the locks of one who has none", (k) => dropLocksOf(k, { kind: "file", id: 1 }, null)],
  ["the pipe of a FIFO", (k) => findFifo(k, { filesystem: 1, inode: 1 } as never)],
  ["how nice somebody's threads are", (k) => priorityOfUser(k)],
])("%s", (_what, work) => {
  const k = kernel();
  work(k);
  expect(k.effort.spent).toBeGreaterThanOrEqual((many - 1) * leastEach);
});
