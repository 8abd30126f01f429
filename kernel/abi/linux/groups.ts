/** Process groups and sessions: setpgid(2), getpgid(2), setsid(2), getsid(2). */

import { spend } from "../../lib/effort.ts";
import type { Errno } from "../../lib/errno.ts";
import type { TaskId } from "../../lib/ids.ts";
import { idFor, numberFor, releasePids, taskFor } from "../../thread/pids.ts";
import type { Task } from "../../thread/state.ts";
import { int } from "../define/arguments.ts";
import { done, fail, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

/** What has a number, alive or not yet waited for. */
function known(k: LinuxKernel, task: Task, number: number) {
  if (number === 0) return task;
  const id = idFor(k, task, number) as TaskId;
  return k.threads.tasks.get(id) ?? k.threads.zombies.get(id);
}

function groupExists(k: LinuxKernel, group: number, session: TaskId): boolean {
  spend(k.effort, k.threads.tasks.size + k.threads.zombies.size, "items");
  for (const task of k.threads.tasks.values()) if (task.group === group && task.session === session) return true;
  for (const zombie of k.threads.zombies.values())
    if (zombie.group === group && zombie.session === session) return true;
  return false;
}

/** Puts the caller or a child of it, which still runs the caller's program, into a group of its session. */
function setGroup(k: LinuxKernel, caller: Task, id: number, group: number): Errno | null {
  if (id < 0 || group < 0) return "EINVAL";
  const target = id === 0 ? caller : taskFor(k, caller, id);
  if (target === undefined) {
    const zombie = k.threads.zombies.get(idFor(k, caller, id) as TaskId);
    return zombie?.parent === caller.id ? null : "ESRCH";
  }
  if (target !== caller && target.parent !== caller.id) return "ESRCH";
  if (target !== caller && target.session !== caller.session) return "EPERM";
  if (target !== caller && target.executed) return "EACCES";
  if (target.session === target.id) return "EPERM";
  const wanted = group === 0 ? target.id : idFor(k, caller, group);
  if (wanted !== target.id && !groupExists(k, wanted, caller.session)) return "EPERM";
  const before = target.group;
  target.group = wanted as TaskId;
  releasePids(k, [before]);
  return null;
}

export const groupCalls = [
  syscall({
    name: "setpgid",
    nr: { rv64: 154 },
    support: "full",
    args: { id: int, group: int },
    errors: ["EACCES", "EINVAL", "EPERM", "ESRCH"],
    run(k: LinuxKernel, { id, group }, { task }) {
      const errno = setGroup(k, task, id, group);
      return orError(errno);
    },
  }),
  syscall({
    name: "getpgid",
    nr: { rv64: 155 },
    support: "full",
    args: { id: int },
    errors: ["ESRCH"],
    run(k: LinuxKernel, { id }, { task }) {
      const found = known(k, task, id);
      return found === undefined ? fail("ESRCH") : done(numberFor(k, task, found.group));
    },
  }),
  syscall({
    name: "getsid",
    nr: { rv64: 156 },
    support: "full",
    args: { id: int },
    errors: ["ESRCH"],
    run(k: LinuxKernel, { id }, { task }) {
      const found = known(k, task, id);
      return found === undefined ? fail("ESRCH") : done(numberFor(k, task, found.session));
    },
  }),
  syscall({
    name: "setsid",
    nr: { rv64: 157 },
    support: "full",
    args: {},
    errors: ["EPERM"],
    run(k: LinuxKernel, _args, { task }) {
      for (const { group } of k.threads.tasks.values()) if (group === task.id) return fail("EPERM");
      const before = [task.session, task.group];
      task.session = task.id;
      task.group = task.id;
      releasePids(k, before);
      return done(numberFor(k, task, task.id));
    },
  }),
] as const;
