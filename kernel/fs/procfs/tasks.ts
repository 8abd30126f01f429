/** The tree of files that /proc has of each process, and of each thread. */

import type { Errno } from "../../lib/errno.ts";
import { decodeName, tooLongPath } from "../../lib/text.ts";
import { pidSpaceOf } from "../../thread/pids.ts";
import type { Place, Task } from "../../thread/state.ts";
import { renameThread } from "../../thread/tasks.ts";
import { openedAt, pathOf, type Viewer } from "../../vfs/filesystem.ts";
import { findPlace } from "../../vfs/walk.ts";
import type { ProcKernel } from "./kernel.ts";
import { auxiliary, commandLine, environment, maps, smaps, statm } from "./memory.ts";
import { mountInfo, mounts } from "./mounts.ts";
import { namespaceLink } from "./namespaces.ts";
import {
  directory,
  file,
  fileOfMemory,
  knob,
  link,
  memoryFile,
  type Node,
  number,
  type Store,
  type Target,
} from "./nodes.ts";
import { childrenOf, limitLines, oomScore, statistics, status } from "./status.ts";
import { live, nameOf, type Subject, threadOf } from "./subject.ts";
import { groupsText, mapText, storeGroups, storeMap } from "./users.ts";

const to = (k: ProcKernel, reader: Viewer, place: Place): Target => ({
  text: pathOf(k, reader, place) ?? "(unreachable)/",
  place,
});

/** The program's file by the name that it was started by. */
function executable(k: ProcKernel, task: Task): Target | Errno {
  if (task.executable === "") return "ENOENT";
  if (task.executable === tooLongPath) return "ENAMETOOLONG";
  const found = findPlace(k, task, task.root, task.executable);
  if ("errno" in found) return { text: task.executable, place: null };
  return { text: task.executable, place: openedAt(k, found.place, found.directory, found.name) };
}

/** A link that only a task has that lives. */
const liveLink = (target: (k: ProcKernel, task: Task, reader: Viewer) => Target | Errno): Node<Subject> =>
  link((k, subject, reader) => (subject.kind === "live" ? target(k, subject.task, reader) : "ENOENT"));

const mostNameBytes = 15;

/** Threads of a process may name each other; what is more than a name is cut off. */
const storeName: Store<Subject> = (k, subject, by, bytes) => {
  if (subject.kind === "zombie") return "ESRCH";
  if (subject.task.id !== by.id) return "EINVAL";
  const name = bytes.subarray(0, mostNameBytes);
  const end = name.indexOf(0);
  renameThread(k, threadOf(k, subject), decodeName(end < 0 ? name : name.subarray(0, end)));
  return null;
};

/** What a process and each of its threads have. */
const common = {
  auxv: fileOfMemory(live(auxiliary), 0o400),
  cgroup: file<Subject>(() => "0::/\n"),
  cmdline: file(live(commandLine)),
  comm: knob<Subject>((k, subject) => `${nameOf(k, subject)}\n`, storeName),
  cwd: liveLink((k, task, reader) => to(k, reader, task.directory)),
  environ: fileOfMemory(live(environment), 0o400),
  exe: liveLink((k, task) => executable(k, task)),
  limits: file(live(limitLines)),
  loginuid: file<Subject>(() => "4294967295"),
  maps: fileOfMemory(live(maps)),
  mem: memoryFile<Subject>(),
  mountinfo: file(live(mountInfo)),
  mounts: file(live(mounts)),
  ns: directory<Subject>(
    {
      ipc: liveLink((k, { namespaces }) => namespaceLink(k, "ipc", namespaces.ipc)),
      mnt: liveLink((k, { namespaces }) => namespaceLink(k, "mnt", namespaces.mnt)),
      net: liveLink((k, { namespaces }) => namespaceLink(k, "net", namespaces.net)),
      pid: liveLink((k, { namespaces }) => namespaceLink(k, "pid", namespaces.pid)),
      pid_for_children: liveLink((k, { namespaces: { childPid } }) =>
        childPid !== 0 && pidSpaceOf(k, childPid).init === null ? "ENOENT" : namespaceLink(k, "pid", childPid),
      ),
      user: liveLink((k, { credentials }) => namespaceLink(k, "user", credentials.userSpace)),
      uts: liveLink((k, { namespaces }) => namespaceLink(k, "uts", namespaces.uts)),
    },
    0o511,
  ),
  oom_adj: file<Subject>(() => "0\n"),
  oom_score: file(live(oomScore)),
  oom_score_adj: file<Subject>(() => "0\n"),
  personality: file(
    live((_k, task) => `${task.traits.persona.toString(16).padStart(8, "0")}\n`),
    0o400,
  ),
  root: liveLink((k, task, reader) => to(k, reader, task.root)),
  sessionid: file<Subject>(() => "4294967295"),
  smaps: fileOfMemory(live(smaps)),
  stat: file<Subject>(statistics),
  statm: file<Subject>((k, subject) => (subject.kind === "live" ? statm(k, subject.task) : "0 0 0 0 0 0 0\n")),
  status: file<Subject>(status),
  gid_map: knob<Subject>(mapText("gid"), storeMap("gid")),
  projid_map: knob<Subject>(mapText("projid"), storeMap("projid")),
  setgroups: knob<Subject>(groupsText, storeGroups),
  uid_map: knob<Subject>(mapText("uid"), storeMap("uid")),
  wchan: file<Subject>(() => "0"),
} as const;

export const taskTree = number<Subject>(
  directory<Subject>({
    ...common,
    fd: directory({}, 0o500),
    fdinfo: directory({}, 0o555),
    task: directory({}),
  }),
);

const indexOf = (wanted: string): number => taskTree.findIndex(({ name }) => name === wanted);
export const fdIndex = indexOf("fd");
export const fdInfoIndex = indexOf("fdinfo");
export const threadsIndex = indexOf("task");

/** What a thread's own folder has of it. */
export const threadTree = number<Subject>(directory<Subject>({ ...common, children: file<Subject>(childrenOf) }));
