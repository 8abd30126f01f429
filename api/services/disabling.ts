/**
 * Users that are kept out: their keys open nothing, and what is open ends. What they made stays with its course, and staff
 * go on seeing, forking and running it. Their machines that run are paused, since they cannot do that themselves any more.
 */
import { failedPrecondition } from "../errors.ts";
import { Pause } from "../hosting/pauses.ts";
import { LastAdminError, type MachineRow, type Store, type UserRow } from "../store/types.ts";
import type { Deps } from "./common.ts";

const PAGE = 100;

/** Null: there is no such user. */
export async function setDisabled(store: Store, userId: string, disabled: boolean): Promise<UserRow | null> {
  try {
    return await store.users.setDisabled(userId, disabled);
  } catch (error) {
    if (!(error instanceof LastAdminError)) throw error;
    throw failedPrecondition("LAST_ADMIN", `${userId} is the only admin left who is not disabled; make another first.`);
  }
}

/** Says how many there were. One that cannot come into memory to be paused does not run, either. */
export async function pauseMachinesOf({ store, hosting }: Deps, ownerId: string): Promise<number> {
  const ids = new Set<string>();
  for (const { id, row, visible } of hosting.resident)
    if (row.ownerId === ownerId && visible.summary.run !== "paused") ids.add(id);
  for await (const { id } of runningOf(store, ownerId)) ids.add(id);
  let count = 0;
  for (const id of ids) {
    const machine = await hosting.use(id).catch(() => null);
    const pausing = machine?.apply({ kind: "pause", reason: Pause.userDisabled });
    // One that broke or was deleted meanwhile needs none.
    count += await (pausing ?? Promise.reject()).then(() => 1).catch(() => 0);
  }
  return count;
}

/** Those that were running when they left memory, too, which come back with the next start of the server. */
async function* runningOf(store: Store, ownerId: string): AsyncGenerator<MachineRow> {
  let pageToken = "";
  do {
    const query = { ownerId, labels: {}, nameContains: "", run: "running" as const, pageSize: PAGE, pageToken };
    const page = await store.machines.list(query);
    yield* page.items;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}
