/** Snapshots of every version of the state that there was: each still loads, and its machine goes on. */
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { loadSnapshot, type Machine } from "../../kernel/index.ts";
import { encodePlain } from "../../kernel/lib/codec.ts";
import { decodePlain } from "../../kernel/lib/codec-decode.ts";
import type { TaskId } from "../../kernel/lib/ids.ts";
import type { MachineState } from "../../kernel/machine/state.ts";
import { migrateState } from "../../kernel/snapshot/migrations.ts";
import { version7 } from "../../kernel/snapshot/version-7.ts";
import { guest, hasCompiler } from "../guest/compile.ts";
import { brokenInvariants } from "../support/invariants.ts";
import {
  consoleOf,
  exitOf,
  fileOf,
  restoreMachine,
  runOn,
  sha256,
  testMachine,
  testPorts,
  text,
} from "../support/machine.ts";

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
  expect(ownersOfConsole(machine)).toEqual([1000]);
  expect(consoleOf(outputs)).toBe("tiny\n");
  expect(exitOf(outputs)?.status).toEqual({ kind: "exited", code: 3 });
  expect(text(machine.readVirtual(golden.client, golden.mapped + 3 * 4096, 6)!)).toBe("page 3");
});

/** Users whom the console's device belongs to. */
const ownersOfConsole = (machine: Machine): number[] =>
  [...(decodePlain(machine.encodeState()) as unknown as MachineState).kernel.files.filesystems.values()]
    .flatMap(({ inodes }) => [...inodes.values()])
    .filter(({ data }) => data.kind === "device" && data.major === 5 && data.minor === 1)
    .map(({ uid }) => uid);

/** The same machine as version 5 had it. */
function asOfVersion5(state: MachineState): Uint8Array {
  const { mm, sysv, threads } = state.kernel;
  const without = (record: object, ...fields: string[]): void => {
    for (const field of fields) delete (record as Record<string, unknown>)[field];
  };
  for (const space of mm.spaces.values()) {
    without(space, "promised", "executable");
    for (const region of space.regions) if (region.backing.kind === "file") region.growsDown = true;
  }
  for (const file of mm.stored.values()) without(file, "mappings", "seals", "writers", "executions");
  for (const { id, traits } of threads.tasks.values())
    Object.assign(traits, { nice: threads.threads.get(id as number as never)!.scheduling.nice });
  for (const thread of threads.threads.values()) without(thread, "scheduling");
  without(mm, "regions", "promised");
  without(sysv, "segments");
  without(sysv.held, "adjustments");
  return encodePlain({ ...state, version: 5 } as never);
}

test.skipIf(!hasCompiler).each(["segments", "adjustments"] as const)(
  "what version 6 keeps of %s is counted when a state of version 5 is loaded",
  (kind) => {
    const init = { paths: ["/bin/maxima"], arguments: [kind] };
    const machine = testMachine({ files: [fileOf("/bin/maxima", guest("maxima"))], init });
    runOn(machine, 200_000);
    const state = decodePlain(machine.encodeState()) as unknown as MachineState;
    const { sysv, threads, tty } = state.kernel;
    // Edges of terminals were not counted.
    tty.console.departures = 0;
    expect({ segments: sysv.segments.size, adjustments: sysv.held.adjustments }[kind]).toBeGreaterThan(10);
    for (const { scheduling } of threads.threads.values()) scheduling.nice = 5;
    const expected = encodePlain(state as never);
    const migrated = migrateState("", asOfVersion5(state));
    expect(decodePlain(migrated)).toEqual(decodePlain(expected));
  },
);

test("what epoll told before version 7 is told once more: other counts are no edges that were seen", () => {
  const item = { file: 2, fd: 3, seenIn: 4, seenOut: 5 };
  const epoll = { id: 1, target: { kind: "epoll", items: new Map([["3:2", item]]) } };
  const kernel = {
    files: { open: new Map([[1, epoll]]) },
    threads: { tasks: new Map() },
    tty: { console: {}, pairs: new Map() },
  };
  version7.find(({ name }) => name === "edgesOfAll")!({ kernel } as never);
  expect(epoll.target).toMatchObject({ changes: 0, items: new Map([["3:2", { ...item, seenIn: -1, seenOut: -1 }]]) });
});
