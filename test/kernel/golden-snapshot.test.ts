/** Snapshots of every version of the state that there was: each still loads, and its machine goes on. */
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { loadSnapshot } from "../../kernel/index.ts";
import type { TaskId } from "../../kernel/lib/ids.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { consoleOf, exitOf, fileOf, restoreMachine, runOn, sha256, testPorts, text } from "../support/machine.ts";

interface Golden {
  root: string;
  client: TaskId;
  mapped: number;
  blobs: Record<string, string>;
  program: string;
}

const folder = new URL("../golden/", import.meta.url);
const files = readdirSync(folder).filter((name) => /^snapshot-\d+\.json\.gz$/.test(name));
const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"));

test.each(files)("%s loads, and runs to its end", (name) => {
  const golden = JSON.parse(gunzipSync(readFileSync(new URL(name, folder))).toString()) as Golden;
  fileOf("/bin/tiny", bytesOf(golden.program));
  const stored = (hash: string): Uint8Array => bytesOf(golden.blobs[hash]!);
  const loading = loadSnapshot(golden.root, sha256);
  while (loading.need.length > 0) loading.provide(new Map(loading.need.map((hash) => [hash, stored(hash)])));
  const { state, tree } = loading.result();
  const fetchPages = (pages: readonly number[]) => pages.map((page) => stored(tree.pageHash(page)));
  const machine = restoreMachine(state, testPorts({ fetchPages }), (page) => tree.isZero(page));
  for (let stop = runOn(machine); stop.kind === "needPages"; stop = runOn(machine))
    for (const page of stop.pages) machine.providePage(page, stored(tree.pageHash(page)));
  const outputs = machine.drainOutputs();
  for (let page = 0; page < machine.memory.pages; page++)
    if (!machine.memory.isPresent(page)) machine.providePage(page, stored(tree.pageHash(page)));
  expect(brokenInvariants(machine)).toEqual([]);
  expect(consoleOf(outputs)).toBe("tiny\n");
  expect(exitOf(outputs)?.status).toEqual({ kind: "exited", code: 3 });
  expect(text(machine.readVirtual(golden.client, golden.mapped + 3 * 4096, 6)!)).toBe("page 3");
});
