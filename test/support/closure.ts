/** What rows lead to and what is stored, compared one by one: slowly, and without anything of the collector. */

import { fromBinary } from "@bufbuild/protobuf";
import type { Naming, Reference, Store } from "../../api/store/types.ts";
import { contentMark, contentOfInput, hashNamesIn, visitReferences } from "../../kernel/content.ts";
import { AssignmentSpecSchema } from "../../proto/gen/ostler/v1/grading_pb.js";
import { MachineSpecSchema } from "../../proto/gen/ostler/v1/machines_pb.js";

const KINDS = ["machine", "snapshot", "program", "submission", "assignment", "entry"] as const;
const leaves = (hashes: string[]): Reference[] => hashes.map((hash) => ({ kind: "leaf", hash }));

export async function* everyNaming(store: Store): AsyncGenerator<Naming> {
  for (const kind of KINDS) {
    let cursor: string | null = null;
    do {
      const page: { items: Naming[]; cursor: string | null } = await store.contents.namings(kind, cursor, contentMark);
      yield* page.items;
      ({ cursor } = page);
    } while (cursor !== null);
  }
}

function namedBy(naming: Naming): Reference[] {
  if (naming.kind === "entry") return leaves(contentOfInput(naming.payload));
  if ("content" in naming) return leaves([naming.content]);
  const schema = naming.kind === "assignment" ? AssignmentSpecSchema : MachineSpecSchema;
  const spec = naming.spec === null ? [] : leaves(hashNamesIn(fromBinary(schema, naming.spec)));
  const labels = naming.kind === "machine" ? leaves(hashNamesIn(JSON.parse(naming.labels))) : [];
  return [...spec, ...labels, ...(naming.kind === "snapshot" ? [{ kind: "root", hash: naming.root } as const] : [])];
}

export async function closureOf(store: Store): Promise<{ unreachable: string[]; missing: string[] }> {
  const reached = new Set<string>();
  const missing: string[] = [];
  const visit = async ({ kind, hash }: Reference): Promise<void> => {
    if (reached.has(`${kind} ${hash}`)) return;
    reached.add(`${kind} ${hash}`);
    const stored = (await store.blobs.look([hash])).get(hash);
    if (stored === undefined) return void missing.push(hash);
    const below = stored instanceof Uint8Array ? [] : leaves([...stored.hashes]);
    for (const piece of below) await visit(piece);
    // What is in pieces leads to whatever else it leads to as well; with a piece missing nobody can tell.
    if (below.some(({ hash: piece }) => missing.includes(piece))) return;
    for (const reference of await referencesFrom(store, { kind, hash })) await visit(reference);
  };
  for await (const naming of everyNaming(store)) for (const reference of namedBy(naming)) await visit(reference);
  const names = new Set([...reached].map((key) => key.slice(key.indexOf(" ") + 1)));
  const stored = await store.contents.hashes(null, 1_000_000);
  return { unreachable: stored.filter((hash) => !names.has(hash)), missing };
}

async function referencesFrom(store: Store, { kind, hash }: Reference): Promise<Reference[]> {
  const data = (await store.blobs.get([hash])).get(hash)!;
  const below: Reference[] = [];
  visitReferences(kind, hash, data, (of, name) => below.push({ kind: of, hash: Buffer.from(name).toString("hex") }));
  return below;
}

/** Of a snapshot: the names of its pages. */
export async function pageHashesOf(store: Store, root: string): Promise<string[]> {
  const pages: string[] = [];
  const visit = async (kind: Reference["kind"], hash: string): Promise<void> => {
    for (const reference of await referencesFrom(store, { kind, hash })) {
      if (reference.kind === "node") await visit("node", reference.hash);
      else if (kind === "node") pages.push(reference.hash);
    }
  };
  await visit("root", root);
  return pages;
}
