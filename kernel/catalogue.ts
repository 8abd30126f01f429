/** The kernel's public tables: names and numbers, nothing that runs. Any part of the server may read them. */

export { errorNames, methods } from "./abi/sel4/names.ts";
export { ArchiveLoading } from "./fs/archive/archive.ts";
export { ArchiveProblem } from "./fs/archive/tar.ts";
export { defaultTiming, timingProblems } from "./hardware/cache/model.ts";
export { defaultMac } from "./hardware/network/state.ts";
export { errnoOf } from "./lib/errno.ts";
export { signalName } from "./lib/signals.ts";
export { bootProblem } from "./machine/bare/images.ts";
export { sel4CallCatalogue, systemCallCatalogue } from "./machine/catalogue.ts";
export { leastAvailableBytes } from "./mm/physical.ts";
