/**
 * The whole public face of the kernel: create, apply, run, snapshot, restore.
 *
 *     const machine = createMachine(config, ports);
 *     machine.apply({ kind: "startProgram", path: "/bin/hello", ... });
 *     while (machine.run({ instructions: 2_000_000 }).kind === "limit");
 *     machine.drainOutputs();
 */

export { ArchiveLoading, readArchive } from "./fs/archive/archive.ts";
export { ArchiveProblem } from "./fs/archive/tar.ts";
export type { Core, CoreFactory } from "./hardware/cpu/core.ts";
export { type CpuModules, createRv64Core } from "./hardware/cpu/rv64/core.ts";
export { Translations } from "./hardware/cpu/rv64/translate/modules.ts";
export type * from "./lib/ids.ts";
export { systemCallCatalogue } from "./machine/catalogue.ts";
export type { Machine, MachinePorts, RunLimit } from "./machine/face.ts";
export { decodeInput, encodeInput } from "./machine/inputs.ts";
export { createMachine, restoreMachine } from "./machine/machine.ts";
export type * from "./machine/types.ts";
export type * from "./snapshot/snapshot.ts";
export {
  captureSnapshot,
  differingPages,
  loadSnapshot,
  PageTree,
  SnapshotFormatError,
  stateDifferences,
  stateHash,
} from "./snapshot/snapshot.ts";
export type { Archive } from "./vfs/kernel.ts";
