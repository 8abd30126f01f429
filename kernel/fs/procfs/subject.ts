/** Whom a file of a process tells of: a task, one of its threads, or one that has ended and was not waited for yet. */

import { getThread } from "../../thread/blocking.ts";
import { numberIn } from "../../thread/pids.ts";
import type { Task, Thread, Zombie } from "../../thread/state.ts";
import { nameOfThread } from "../../thread/tasks.ts";
import type { ProcKernel } from "./kernel.ts";

export type Subject = ({ kind: "live"; task: Task; thread: Thread | null } | { kind: "zombie"; zombie: Zombie }) & {
  /** The PID name space of the /proc that tells of it: ids are told as they are numbered there. */
  pidSpace: number;
  /** The user name space that ids of users and groups are told for. */
  userSpace: number;
};

export const idOf = (subject: Subject): number =>
  subject.kind === "zombie" ? subject.zombie.id : (subject.thread?.id ?? subject.task.id);

/** What somebody is called where it is told of; 0: nobody, or somebody who is not to be seen there. */
export const shownId = (k: ProcKernel, { pidSpace }: Subject, id: number | null): number =>
  id === null ? 0 : numberIn(k, pidSpace, id);

export const nameOf = (k: ProcKernel, subject: Subject): string =>
  shortName(subject.kind === "zombie" ? subject.zombie.name : nameOfThread(k, threadOf(k, subject)));

/** As it is kept (TASK_COMM_LEN). */
const shortName = (name: string): string => name.slice(0, 15);

/** The thread that is meant, or the first. */
export const threadOf = (k: ProcKernel, { task, thread }: { task: Task; thread: Thread | null }): Thread =>
  thread ?? getThread(k, task.threads[0]!);

/** The text of a file that tells of what an ended task has no more of: nothing. */
export const live =
  (text: (k: ProcKernel, task: Task, thread: Thread | null) => string | Uint8Array) =>
  (k: ProcKernel, subject: Subject): string | Uint8Array =>
    subject.kind === "live" ? text(k, subject.task, subject.thread) : "";
