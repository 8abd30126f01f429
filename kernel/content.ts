/**
 * The public face for those who keep content for machines: what a stored blob, and an entry of a journal, refers to.
 * Pure functions over bytes; nothing here runs a machine.
 */
import { encodePlain } from "./lib/codec.ts";
import { decodeInput } from "./machine/inputs.ts";
import { hashNamesIn } from "./snapshot/references.ts";

export { SnapshotFormatError } from "./snapshot/errors.ts";
export { type ContentKind, hashNamesIn, type VisitReference, visitReferences } from "./snapshot/references.ts";

/** Content that a journal entry names. */
export const contentOfInput = (payload: Uint8Array): string[] => hashNamesIn(decodeInput(payload));

/** Of the encoding of { content: <hash> }: what lies between the record's head and the hash itself. */
const recordHeadBytes = 4;
const nameAndLengthBytes = 10;

/**
 * Bytes that stand in every journal entry that names content. An input names content by a field `content` alone, so
 * that these few entries can be found without decoding all.
 */
export const contentMark: Uint8Array<ArrayBuffer> = encodePlain({ content: "0".repeat(64) }).slice(
  recordHeadBytes,
  recordHeadBytes + nameAndLengthBytes,
);
