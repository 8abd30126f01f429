/**
 * After a start: wakes the machines that were running when the server ended, as far as there is room. Those that have ended
 * a worker before come last: who hangs one again keeps nobody else waiting for as long as that takes to be noticed.
 */
import type { MachineRow, Store } from "../store/types.ts";

export interface Resumption {
  wake(machineId: string): Promise<unknown>;
  /** There is no room for more, or no use in it. */
  isFull(): boolean;
  isClosed(): boolean;
  onError(error: unknown, machineId: string): void;
}

export async function resumeRunning({ machines }: Pick<Store, "machines">, host: Resumption): Promise<void> {
  const suspects: MachineRow[] = [];
  for await (const row of running(machines)) {
    if (host.isFull()) return;
    if (row.workersEnded > 0) suspects.push(row);
    else await wake(row, host);
  }
  for (const row of suspects) {
    if (host.isFull()) return;
    await wake(row, host);
  }
}

async function* running(machines: Store["machines"]): AsyncGenerator<MachineRow> {
  const query = { ownerId: null, labels: {}, nameContains: "", run: "running" as const, pageSize: 100 };
  let pageToken = "";
  do {
    const page = await machines.list({ ...query, pageToken });
    yield* page.items;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

async function wake({ id }: MachineRow, host: Resumption): Promise<void> {
  try {
    await host.wake(id);
  } catch (error) {
    // One that was on its way in when the server was asked to end comes back with the next.
    if (!host.isClosed()) host.onError(error, id);
  }
}
