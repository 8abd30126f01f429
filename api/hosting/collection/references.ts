/** What rows name. The form of a hash decides, so that a new field of a spec or of an input needs nothing here. */
import { fromBinary } from "@bufbuild/protobuf";
import { contentOfInput, hashNamesIn } from "../../../kernel/content.ts";
import { AssignmentSpecSchema } from "../../../proto/gen/ostler/v1/grading_pb.js";
import { MachineSpecSchema } from "../../../proto/gen/ostler/v1/machines_pb.js";
import type { Bytes, Hash, Naming, Reference } from "../../store/types.ts";

const HASH_DIGITS = 64;
/** Whether content is stored by a name that some content can have: a damaged row has any. */
export const isHash = (name: Hash): boolean => name.length === HASH_DIGITS;

const leaf = (hash: Hash): Reference => ({ kind: "leaf", hash });
const leaves = (hashes: readonly Hash[]): Reference[] => hashes.map(leaf);

/** Content that a spec, a message or other plain data names. */
export const contentIn = (value: unknown): Reference[] => leaves(hashNamesIn(value));
export const snapshotRoot = (hash: Hash): Reference => ({ kind: "root", hash });

const ofMachineSpec = (spec: Bytes): Reference[] => contentIn(fromBinary(MachineSpecSchema, spec));

export function referencesOf(naming: Naming): Reference[] {
  switch (naming.kind) {
    case "machine":
      return [...ofMachineSpec(naming.spec), ...contentIn(JSON.parse(naming.labels))];
    case "snapshot":
      return [snapshotRoot(naming.root), ...(naming.spec === null ? [] : ofMachineSpec(naming.spec))];
    case "program":
    case "submission":
      return [leaf(naming.content)];
    case "assignment":
      return contentIn(fromBinary(AssignmentSpecSchema, naming.spec));
    case "entry":
      return leaves(contentOfInput(naming.payload));
  }
}
