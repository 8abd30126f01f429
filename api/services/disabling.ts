/**
 * Users that are kept out: their keys open nothing, and what is open ends. What they made stays with its course, and staff
 * go on seeing, forking and running it. Their machines that run are paused, since they cannot do that themselves any more.
 */
import { failedPrecondition } from "../errors.ts";
import type { Hosting } from "../hosting/hosting.ts";
import { Pause } from "../hosting/pauses.ts";
import { LastAdminError, type MachineRow, type Store, type UserRow } from "../store/types.ts";
import type { Deps } from "./common.ts";

type PauseDeps = Pick<Deps, "store" | "hosting">;

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

/** Says how many there were. */
export async function pauseMachinesOf({ store, hosting }: PauseDeps, ownerId: string): Promise<number> {
  const ids = new Set<string>();
  for (const { id, row } of hosting.resident) {
    const run = row.ownerId === ownerId && hosting.peek(id)?.visible.summary.run;
    if (run === "running" || run === "idle") ids.add(id);
  }
  for await (const { id } of runningOf(store, ownerId)) ids.add(id);
  let count = 0;
  for (const id of ids) if (await pause(hosting, id)) count += 1;
  return count;
}

async function pause(hosting: Hosting, id: string): Promise<boolean> {
  const machine = hosting.peek(id);
  if (machine === undefined) return hosting.pauseAbsent(id, "userDisabled");
  return machine.apply({ kind: "pause", reason: Pause.userDisabled }).then(
    () => true,
    // One that broke meanwhile would come back and run on.
    () => hosting.pauseAbsent(id, "userDisabled"),
  );
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
