/** Every kind of damage is found and named, and what is whole is not. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Check } from "../../api/hosting/collection/check.ts";
import { Pacer } from "../../api/hosting/collection/pace.ts";
import { newId } from "../../api/hosting/ids.ts";
import { pageHashesOf } from "../support/closure.ts";
import { gather } from "../support/gather.ts";
import { OWNER, startHosting, type TestHosting, typed } from "../support/hosting.ts";
import { sha256Hex } from "../support/machine.ts";
import { behindItsBack, locationOf } from "../support/store.ts";

let bench: TestHosting;
afterEach(() => bench.close());

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

async function check(share = 1) {
  const pacer = new Pacer({ share: 1, signal: new AbortController().signal });
  const check = new Check(bench.store, { share, pacer });
  const findings = await gather(check.run());
  return { findings: findings.map(({ problem, text }) => `${problem}: ${text}`).sort(), figures: check.figures };
}

const sql = (...statements: string[]): Promise<void> => behindItsBack(bench.dataDir, statements);

/** Two machines with a snapshot each that share most pages, a program, a journal, a fork. */
async function world() {
  bench = await startHosting({ workers: 1 });
  const { hosting, store } = bench;
  const program = bytes("a program");
  const first = await bench.machine({ "/p": program });
  const write = async (id: string, address: number, text: string) =>
    (await hosting.use(id)).apply({ kind: "writePhysical", address, bytes: bytes(text) });
  const take = (id: string) => hosting.snapshot(id, { id: newId("s"), displayName: "", labels: {}, kind: "user" });
  await write(first.id, 0x8080_0000, "shared");
  const base = await take(first.id);
  await write(first.id, 0x80c0_0000, "later");
  const later = await take(first.id);
  const fork = await store.machines.create({
    id: newId("m"),
    ownerId: OWNER,
    displayName: "",
    labels: {},
    spec: first.spec,
    originSnapshotId: base.id,
    lastSequence: base.sequence,
    reached: base.at,
    status: { run: "paused", reason: "", consoleLength: 0, taskCount: 0, traceSequence: base.traceSequence },
  });
  for (const text of ["a", "b", "c"]) await (await hosting.use(fork.id)).apply(typed(text));
  for (const { id } of [first, fork]) await hosting.hibernate(id);
  const own = await pageHashesOf(store, base.root);
  const added = (await pageHashesOf(store, later.root)).filter((hash) => !own.includes(hash));
  return { first, fork, base, later, program: sha256Hex(program), shared: own, added };
}

test("a store that is whole has no finding, and all of it was looked at", async () => {
  await world();
  const { findings, figures } = await check();
  expect(findings).toEqual([]);
  expect(figures).toMatchObject({ machines: 2, snapshots: 4, verifiedBlobs: figures.blobs });
  expect(figures.blobs).toBeGreaterThan(10);
  const tenth = (await check(0.1)).figures;
  expect(tenth.verifiedBlobs).toBe(Math.floor(tenth.blobs / 10));
});

test("a damaged page is named with each snapshot that has it, and with no other", async () => {
  const { later, added } = await world();
  expect(added).toHaveLength(1);
  await sql(`UPDATE "Blob" SET data = X'00' WHERE hash = X'${added[0]}'`);
  const { findings } = await check();
  expect(findings).toContain(`damaged: content ${added[0]} is damaged: its SHA-256 is another`);
  expect(findings).toContain(`damaged: snapshot ${later.id} needs content that is damaged: ${added[0]}`);
  // The one more is the automatic snapshot of the same state.
  expect(findings).toHaveLength(3);
});

test("missing pages, nodes and programs are named with everything that needs them", async () => {
  const { base, first, fork, program, shared } = await world();
  await sql(`DELETE FROM "Blob" WHERE hash = X'${shared[0]}'`, `DELETE FROM "Blob" WHERE hash = X'${program}'`);
  const { findings } = await check();
  expect(findings.filter((text) => text.includes(shared[0]!))).toHaveLength(4);
  expect(findings).toContainEqual(
    expect.stringMatching(`missing: snapshot ${base.id} needs content that is not stored: .*${shared[0]}`),
  );
  for (const subject of [`machine ${first.id}`, `machine ${fork.id}`, `program ${program}`])
    expect(findings).toContain(`missing: ${subject} needs content that is not stored: ${program}`);
});

test("a root of which nothing is left is missing, once for each that needs it", async () => {
  const { base } = await world();
  await sql(`DELETE FROM "Blob" WHERE hash = X'${base.root}'`);
  expect((await check(0)).findings).toEqual([
    `missing: snapshot ${base.id} needs content that is not stored: ${base.root}`,
  ]);
});

test("holes and disorder in a journal, and a console that is cut, are named with their numbers", async () => {
  const { first, fork, base } = await world();
  const from = base.sequence + 1;
  const { lastSequence } = (await bench.store.machines.get(fork.id))!;
  await sql(
    `DELETE FROM "JournalEntry" WHERE "machineId" = '${fork.id}' AND sequence = ${from + 1}`,
    `UPDATE "JournalEntry" SET "timeNs" = 99 WHERE "machineId" = '${first.id}' AND sequence = 1`,
    `UPDATE "Machine" SET "consoleLength" = 10 WHERE id = '${first.id}'`,
  );
  const count = lastSequence - base.sequence;
  expect((await check(0)).findings).toEqual([
    `console: machine ${first.id}: 0 bytes of console output are stored, not all from 0 to 10`,
    `journal: machine ${first.id}: 1 of its journal's entries stand before the entry that they follow`,
    `journal: machine ${fork.id}: its journal should have ${count} entries from ${from} to ${lastSequence}, and has ${count - 1} entries from ${from} to ${lastSequence}`,
  ]);
});

test("a fork whose snapshot is gone, and specs and entries that do not decode", async () => {
  const { fork, first, base } = await world();
  await sql(
    `DELETE FROM "Snapshot" WHERE id = '${base.id}'`,
    `UPDATE "Machine" SET spec = X'ff' WHERE id = '${first.id}'`,
  );
  expect((await check(0)).findings).toEqual([
    `origin: machine ${fork.id} goes on from a snapshot that is not there`,
    `undecodable: machine ${first.id} cannot be decoded`,
  ]);
});

test("rows that name what is not there, or hold what cannot be, in every table", async () => {
  const { first, fork, later, program } = await world();
  const wrongs: Record<string, string> = {
    [`UPDATE "Machine" SET "ownerId" = 'nobody' WHERE id = '${first.id}'`]: `machine ${first.id} is of user nobody, which is not stored`,
    [`UPDATE "Machine" SET run = 'up', labels = '{' WHERE id = '${fork.id}'`]: `machine ${fork.id} has the run up; there are running, paused, idle, frozen`,
    [`INSERT INTO "MachineLabel" VALUES ('m-0', 'a', 'b')`]:
      "label of machine m-0 a is of machine m-0, which is not stored",
    [`INSERT INTO "JournalEntry" VALUES ('m-0', 1, 0, 0, X'00')`]:
      "journal of machine m-0 is stored, but no such machine",
    [`INSERT INTO "ConsoleBlock" VALUES ('m-0', 0, X'00')`]: "console of machine m-0 is stored, but no such machine",
    [`UPDATE "Snapshot" SET "newBytes" = -1 WHERE id = '${later.id}'`]: `snapshot ${later.id} has the newBytes -1, which is less than 0`,
    [`UPDATE "Program" SET "courseId" = 'c-0' WHERE hash = X'${program}'`]: `program c-0 owner ${program} is of course c-0, which is not stored`,
    [`INSERT INTO "Blob" (hash, data) VALUES (X'00', X'')`]: "content 00 has a name that is no SHA-256",
    [`UPDATE "User" SET role = 'king' WHERE id = 'neighbour'`]:
      "user neighbour has the role king; there are admin, user",
    [`INSERT INTO "Member" VALUES ('default', 'owner', 'king', CURRENT_TIMESTAMP)`]:
      "member of course default owner has the role king; there are student, grader, staff",
    [`INSERT INTO "ApiKey" (id, "userId", "secretHash", label, "createdAt", operations) VALUES ('k-0', 'owner', X'00', '', CURRENT_TIMESTAMP, '[1]')`]:
      "key k-0 has the secretHash 00, which is no SHA-256",
    [`INSERT INTO "QuotaLimit" VALUES ('default', 'nobody', 'running', 1)`]:
      "quota in course default nobody running is of user nobody, which is not stored",
    [`INSERT INTO "QuotaLimit" VALUES ('default', '*', 'running', -1)`]:
      "quota in course default * running has the limit -1, which is less than 0",
    [`INSERT INTO "Allowance" VALUES ('default', '', 'trace', -1, CURRENT_TIMESTAMP)`]:
      "allowance in course default  trace has the used -1, which is less than 0",
  };
  await sql(...Object.keys(wrongs));
  const { findings } = await check(0);
  const others = [`machine ${fork.id} has labels that cannot be read`, "key k-0 has operations that cannot be read"];
  for (const text of [...Object.values(wrongs), ...others]) expect(findings).toContain(`row: ${text}`);
  // What cannot be read for its content is told for that, too; the rest is not hidden by it.
  const again = [
    `undecodable: journal entry 1 of machine m-0 cannot be decoded`,
    `undecodable: machine ${fork.id} cannot be decoded`,
  ];
  expect(findings.filter((text) => !text.startsWith("row: ")).sort()).toEqual(again);
  expect(findings).toHaveLength(Object.keys(wrongs).length + others.length + again.length);
});

test("an entry of a journal that cannot be decoded, whatever it held", async () => {
  const { fork, base } = await world();
  const sequence = base.sequence + 2;
  await sql(`UPDATE "JournalEntry" SET payload = X'00ff' WHERE "machineId" = '${fork.id}' AND sequence = ${sequence}`);
  expect((await check(0)).findings).toEqual([
    `undecodable: journal entry ${sequence} of machine ${fork.id} cannot be decoded`,
  ]);
});

test("the command on a store without a server: sentences and status", async () => {
  const { later, added } = await world();
  const { dataDir, databaseUrl } = await locationOf(bench.dataDir);
  const place = databaseUrl || dataDir;
  const run = (...args: string[]) => {
    const root = join(import.meta.dirname, "../..");
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "api/cli/main.ts"), "fsck", ...args], {
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  };
  expect(run(place)).toMatchObject({ status: 1, stderr: expect.stringContaining("without a place") });
  expect(run(`${dataDir}-none`)).toMatchObject({ status: 1, stderr: expect.stringContaining("no database") });
  await bench.shut();
  expect(run(place)).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/2 machines, 4 snapshots.*nothing is wrong/s),
  });
  await sql(`UPDATE "Blob" SET data = X'00' WHERE hash = X'${added[0]}'`);
  const damaged = run(place);
  expect(damaged).toMatchObject({
    status: 1,
    stdout: expect.stringContaining(`snapshot ${later.id} needs content that is damaged`),
  });
});
