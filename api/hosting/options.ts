/** What hosting is told at the start, and whom it asks. */
import type { MachineRow, Owner } from "../store/types.ts";
import type { PoolOptions } from "./pool.ts";
import type { ResidencyOptions } from "./residency.ts";

export interface HostingOptions extends ResidencyOptions, PoolOptions {
  /** Told what machines execute; says whether the machines of this owner may go on. */
  executed?(owner: Owner, instructions: number): boolean;
  /** Of a machine that runs, once each time that it begins to: whether it may. */
  runs?(row: MachineRow): boolean;
  /** Before a machine comes into memory; what it throws keeps it out. */
  arrives?(row: MachineRow): Promise<void>;
  /** It is not in memory any more, or did not get there. */
  left?(machineId: string): void;
  /** Machines are moved from busy workers to idle ones. */
  balances?: boolean;
}
