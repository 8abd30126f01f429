/**
 * Snapshots: a whole machine under one hash.
 *
 *     root    format, RAM size, hash of the page tree, hash of the state; its own SHA-256 names the snapshot
 *       state   everything but RAM, in the canonical codec (lib/codec.ts)
 *       memory  Merkle tree of pages (page-tree.ts)
 *
 * Must hold: machines in equal states have equal roots, whatever snapshots, restores and page fetches lie behind them.
 * Storing is the host's: every blob goes under the SHA-256 of its bytes.
 */
export { type CapturedSnapshot, captureSnapshot, type SnapshotStats, stateHash } from "./capture.ts";
export { type DifferingPages, differingPages, type StateDifference, stateDifferences } from "./compare.ts";
export { SnapshotFormatError } from "./errors.ts";
export { type Sha256, verifyBlob } from "./hash.ts";
export { type LoadedSnapshot, loadSnapshot, type SnapshotLoading } from "./load.ts";
export { PageTree, type SnapshotBlob } from "./page-tree.ts";
export { absentNeighbours } from "./read-ahead.ts";
