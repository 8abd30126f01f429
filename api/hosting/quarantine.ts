/**
 * Machines that end their workers. Once may be bad luck, or the deed of another machine that had filled the memory; one
 * that does it twice is frozen until somebody thaws it or takes it back to a snapshot, so that it cannot take others with
 * it for ever. The count is stored: another start of the server forgets nothing.
 */
import { failedPrecondition } from "../errors.ts";
import type { MachineRow, Store } from "../store/types.ts";

const MOST = 2;

export const isQuarantined = ({ workersEnded }: Pick<MachineRow, "workersEnded">): boolean => workersEnded >= MOST;

export class Quarantine {
  readonly #machines: Store["machines"];
  /** Of machines that were blamed just now: nobody may wake them before that is stored. */
  readonly #blames = new Map<string, Promise<unknown>>();

  constructor({ machines }: Pick<Store, "machines">) {
    this.#machines = machines;
  }

  /** Its worker ended while it was executing. Resolves, when that is stored, to whether it is frozen now. */
  async blame(machineId: string, why: Error): Promise<boolean> {
    const before = this.#blames.get(machineId) ?? Promise.resolve();
    const reason = `ended its worker ${MOST} times (${why.message}); thaw it to try again`;
    const blamed = before.then(() => this.#machines.blame(machineId, MOST, reason));
    const settled = blamed.catch(() => {});
    this.#blames.set(machineId, settled);
    try {
      const row = await blamed;
      return row !== null && isQuarantined(row);
    } finally {
      if (this.#blames.get(machineId) === settled) this.#blames.delete(machineId);
    }
  }

  /** Resolves when nothing more will be said of what it did until now. */
  async settled(machineId: string): Promise<void> {
    await this.#blames.get(machineId);
  }
}

export function assertNotQuarantined(row: MachineRow): void {
  if (!isQuarantined(row)) return;
  throw failedPrecondition(
    "MACHINE_FROZEN",
    `Machine ${row.id} ${row.status.reason}. Its snapshots and its console can be read meanwhile.`,
    { metadata: { machine: row.id } },
  );
}
