/** What a state of version 6 needs to be one of version 7: a step for each thing that came, in the order they came. */

import type { BareState } from "../machine/bare/state.ts";
import type { MachineConfig } from "../machine/types.ts";
import { beginExecution, countWriter } from "../mm/executing.ts";
import type { MmState } from "../mm/state.ts";
import { userId } from "../thread/credentials.ts";
import type { ThreadsState } from "../thread/state.ts";
import type { TtyState } from "../tty/state.ts";
import { mayWrite } from "../vfs/file-ops.ts";
import { giveConsole } from "../vfs/first-tree.ts";
import type { FilesState } from "../vfs/state.ts";
import type { AnyState } from "./migrations.ts";

/** Nobody knew which files are programs that run, and which are open for writing. */
function programsAndWriters(state: AnyState): void {
  const { mm, threads, files } = state["kernel"] as { mm: MmState; threads: ThreadsState; files: FilesState };
  for (const file of mm.stored.values()) Object.assign(file, { writers: 0, executions: 0 });
  for (const space of mm.spaces.values()) space.executable = null;
  for (const { space: id, executable } of threads.tasks.values()) {
    const space = mm.spaces.get(id)!;
    const segment = space.regions.find(({ name, backing }) => name === executable && backing.kind === "file");
    if (space.executable === null && segment?.backing.kind === "file")
      beginExecution({ mm }, space, segment.backing.file);
  }
  for (const file of files.open.values()) {
    if (file.target.kind !== "regular" || file.opened === null || !mayWrite(file)) continue;
    const { filesystem } = files.mounts.get(file.opened.mount)!;
    if (files.filesystems.get(filesystem)!.source === "memfd") continue;
    file.writer = true;
    countWriter({ mm }, file.target.file, 1);
  }
}

/**
 * Edges were not counted of terminals, signals, and what an epoll instance watches, and of sockets in another way: of what
 * is ready it is told once more, because a count that was told could be the one of an edge to come.
 */
function edgesOfAll(state: AnyState): void {
  const { files, threads, tty } = state["kernel"] as { files: FilesState; threads: ThreadsState; tty: TtyState };
  for (const { target } of files.open.values()) {
    if (target.kind !== "epoll") continue;
    target.changes = 0;
    for (const item of target.items.values()) Object.assign(item, { seenIn: -1, seenOut: -1 });
  }
  for (const task of threads.tasks.values()) task.signalsSent = 0;
  for (const pair of tty.pairs.values()) pair.departures = 0;
  for (const terminal of [tty.console, ...[...tty.pairs.values()].map((pair) => pair.terminal)])
    Object.assign(terminal, { arrivals: 0, departures: 0 });
}

/** What was left of a timeout was not told. */
function timeoutsStay(state: AnyState): void {
  const { threads } = state["kernel"] as { threads: ThreadsState };
  for (const { wait } of threads.threads.values()) if (wait?.kind === "poll") wait.remaining = 0n;
}

/** mtime could not be written. */
function timeAsItIs(state: AnyState): void {
  const { bare } = state["hardware"] as { bare: BareState | null };
  if (bare !== null) bare.board.clint.offsetTicks = 0n;
}

/** All threads of a process had one name and one slack of their timers. */
function oneNameForAll(state: AnyState): void {
  const { threads } = state["kernel"] as { threads: ThreadsState };
  for (const thread of threads.threads.values()) {
    const isFirst = (thread.id as number) === thread.task;
    const name = isFirst ? null : threads.tasks.get(thread.task)!.name;
    Object.assign(thread, { name, slack: { ns: 50_000n, usualNs: 50_000n } });
  }
}

/** The console was root's even where all programs are the host's, for a user. */
function consoleOfUser(state: AnyState): void {
  const { files } = state["kernel"] as { files: FilesState };
  if ((state["config"] as MachineConfig).init === undefined) giveConsole({ files }, userId);
}

export const version7: readonly ((state: AnyState) => void)[] = [
  programsAndWriters,
  edgesOfAll,
  timeoutsStay,
  timeAsItIs,
  oneNameForAll,
  consoleOfUser,
];
