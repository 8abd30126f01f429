/**
 * What a stored blob refers to, for hosts that collect, check and copy content:
 *
 *     root ─▶ state ─▶ content (files of the machine, images of its disks)
 *          └▶ node ─▶ node … ─▶ page
 *
 * Must hold: state names content as text of 64 lower-case hexadecimal digits, and never in another form. What looks like
 * a name is taken for one, so that a new field of the state needs nothing here; too much kept is harmless.
 */
import { SnapshotFormatError } from "./errors.ts";
import { fromHex, isAllZero, isHashName } from "./hash.ts";
import { fanOut, nodeBytes, nodeTag, slotHash } from "./page-tree.ts";
import { decoded, decodeRoot } from "./root.ts";

/** `leaf`: refers to nothing (pages, programs, files). */
export type ContentKind = "root" | "state" | "node" | "leaf";

/** `hash` is borrowed: it is part of the blob, and 32 bytes long. */
export type VisitReference = (kind: ContentKind, hash: Uint8Array) => void;

/** Throws SnapshotFormatError if the blob, whose hash has been checked, is not what it was referred to as. */
export function visitReferences(kind: ContentKind, hash: string, data: Uint8Array, visit: VisitReference): void {
  if (kind === "node") visitNode(hash, data, visit);
  else if (kind === "root") visitRoot(hash, data, visit);
  else if (kind === "state") for (const name of hashNamesIn(decoded(hash, data))) visit("leaf", fromHex(name));
}

function visitRoot(hash: string, data: Uint8Array, visit: VisitReference): void {
  const { state, ...trees } = decodeRoot(hash, data);
  visit("state", fromHex(state));
  for (const name of hashNamesIn(trees)) {
    const tree = fromHex(name);
    if (!isAllZero(tree)) visit("node", tree);
  }
}

function visitNode(hash: string, data: Uint8Array, visit: VisitReference): void {
  if (data.length !== nodeBytes || data[0] !== nodeTag || data[1] === 0)
    throw new SnapshotFormatError("corrupt", hash, `blob ${hash} is not a node of a page tree`);
  const below = data[1] === 1 ? "leaf" : "node";
  for (let slot = 0; slot < fanOut; slot++) {
    const child = slotHash(data, slot);
    if (!isAllZero(child)) visit(below, child);
  }
}

/** All texts in a value that have the form of a hash. Goes through arrays, records and Maps, not into bytes. */
export function hashNamesIn(value: unknown): string[] {
  const found = new Set<string>();
  const look = (part: unknown): void => {
    if (typeof part === "string") {
      if (part.length === 64 && isHashName(part)) found.add(part);
    } else if (Array.isArray(part)) {
      for (const element of part) look(element);
    } else if (part instanceof Map) {
      for (const [key, element] of part) {
        look(key);
        look(element);
      }
    } else if (typeof part === "object" && part !== null && !ArrayBuffer.isView(part)) {
      for (const element of Object.values(part)) look(element);
    }
  };
  look(value);
  return [...found];
}
