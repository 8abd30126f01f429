/** What must hold of name spaces: who is in one finds it in the tables, and PIDs and ids lead to each other. */
import type { MachineState } from "../../kernel/machine/state.ts";
import type { NamespaceKind, PidSpace, ThreadsState, UserSpace } from "../../kernel/thread/state.ts";

/** What a member refers to: one of the first name spaces, or one in the table of that kind. */
function checkMembers({ tasks, namespaces }: ThreadsState, problems: string[]): void {
  const check = (who: string, kind: NamespaceKind, id: number): void => {
    if (id !== 0 && namespaces.get(id)?.kind !== kind) problems.push(`${who}: no ${kind} name space ${id}`);
  };
  for (const { id, namespaces: of, credentials } of tasks.values()) {
    const who = `task ${id}`;
    for (const kind of ["uts", "ipc", "net", "mnt", "pid"] as const) check(who, kind, of[kind]);
    check(who, "pid", of.childPid);
    check(who, "user", credentials.userSpace);
  }
  for (const [id, { owner }] of namespaces) check(`name space ${id}`, "user", owner);
}

function checkPids(threads: ThreadsState, own: number, space: PidSpace, problems: string[]): void {
  const { numbers, ids, init, parent, depth } = space;
  const above = parent === 0 ? null : threads.pidSpaces.get(parent);
  if (above === undefined || depth !== (above?.depth ?? 0) + 1) problems.push(`PIDs ${own}: parent ${parent}`);
  if (numbers.size !== ids.size) problems.push(`PIDs ${own}: ${numbers.size} numbers, ${ids.size} ids`);
  for (const [id, number] of numbers) {
    if (ids.get(number) !== id) problems.push(`PIDs ${own}: ${id} is ${number}, which is ${ids.get(number)}`);
    if (above?.numbers.has(id) === false) problems.push(`PIDs ${own}: ${id} has no number above`);
  }
  if (init !== null && numbers.get(init) !== 1) problems.push(`PIDs ${own}: init ${init} is ${numbers.get(init)}`);
  const members = [...threads.tasks.values()].filter(({ namespaces }) => namespaces.pid === own);
  for (const task of members)
    for (const id of [task.id, ...task.threads])
      if (!numbers.has(id)) problems.push(`PIDs ${own}: task ${task.id} has ${id} without a number`);
  if (members.length > 0 && init === null) problems.push(`PIDs ${own}: tasks without init`);
}

function checkUsers(threads: ThreadsState, own: number, { parent, maps }: UserSpace, problems: string[]): void {
  if (parent !== 0 && !threads.userSpaces.has(parent)) problems.push(`users ${own}: no parent ${parent}`);
  for (const ranges of Object.values(maps))
    for (const side of ["inside", "outside"] as const) {
      const sorted = [...ranges].sort((a, b) => a[side] - b[side]);
      for (const [i, range] of sorted.entries())
        if (i > 0 && sorted[i - 1]![side] + sorted[i - 1]!.count > range[side])
          problems.push(`users ${own}: ranges overlap ${side}`);
    }
}

export function checkNamespaces({ kernel: { threads } }: MachineState, problems: string[]): void {
  checkMembers(threads, problems);
  for (const [id, space] of threads.pidSpaces) {
    if (threads.namespaces.get(id)?.kind !== "pid") problems.push(`PIDs ${id}: not in the table`);
    checkPids(threads, id, space, problems);
  }
  for (const [id, space] of threads.userSpaces) {
    if (threads.namespaces.get(id)?.kind !== "user") problems.push(`users ${id}: not in the table`);
    checkUsers(threads, id, space, problems);
  }
}
