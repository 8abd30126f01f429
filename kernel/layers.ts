/** Who may import whom inside kernel/: an area sees itself and every lower level. Read by test/architecture. */
export const layers: readonly (readonly string[])[] = [
  ["lib"],
  ["trace"],
  ["hardware"],
  ["hal"],
  ["time", "mm"],
  ["cap", "thread"],
  ["sched", "sync", "tty"],
  ["ipc/common", "ns"],
  ["ipc", "vfs", "block", "net"],
  ["fs", "drivers", "loader"],
  ["abi"],
  ["entry"],
  ["machine", "snapshot"],
];

/** Above hal only these may import hardware: they wire it. */
export const mayImportHardware: readonly string[] = ["hardware", "hal", "machine", "snapshot"];

/** Folders whose children never import each other. */
export const siblings: readonly string[] = ["ipc", "fs", "abi", "drivers", "hal"];
