/** Events are written with the change that they are of, or not at all. */
import { expect, it } from "vitest";
import type { AuditQuery, AuditRow } from "../../api/store/types.ts";
import { freshId, freshStore, newMachine } from "./fixtures.ts";

const store = await freshStore();

const row = (change: Partial<AuditRow> = {}): AuditRow => ({
  id: freshId("e"),
  at: new Date(),
  count: 1,
  lastAt: new Date(),
  actorId: "ada",
  keyId: "k",
  courseId: "default",
  operation: "MachineService/CreateMachine",
  target: "",
  outcome: "OK",
  reason: "",
  transport: "grpc",
  peer: "somewhere",
  requestId: "r",
  ...change,
});

const listed = async (filter: Partial<AuditQuery> = {}) => {
  const any = { courseIds: null, ofServer: true, actorId: "", operation: "", target: "", since: null, until: null };
  return (await store.audit.list({ pageSize: 100, pageToken: "", ...any, ...filter })).items;
};

const pending = (event: AuditRow) => ({ row: () => event, taken: false });

it("the first change takes the event along, names what it made, and no other change does", async () => {
  const [event, first, second] = [pending(row()), freshId("m"), freshId("m")];
  await store.audit.during(event, async () => {
    await store.machines.create(newMachine({ id: first }));
    await store.machines.create(newMachine({ id: second }));
  });
  expect(event.taken).toBe(true);
  expect(await listed()).toEqual([{ ...event.row(), target: `machine ${first}` }]);
});

it("a change that fails leaves no event, and leaves it to the next", async () => {
  const { id } = await store.machines.create(newMachine());
  const event = pending(row({ actorId: "bob" }));
  const twice = () => store.machines.create(newMachine({ id }));
  await expect(store.audit.during(event, twice)).rejects.toMatchObject({ name: "AlreadyExistsError" });
  expect(event.taken).toBe(false);
  expect(await listed({ actorId: "bob" })).toEqual([]);
  await store.audit.during(event, () => store.machines.delete(id));
  expect(await listed({ actorId: "bob" })).toHaveLength(1);
});

it("what changes nothing of anybody's takes none", async () => {
  const event = pending(row());
  await store.audit.during(event, () => store.check());
  expect(event.taken).toBe(false);
});

it("they are found by who, where, what and when, newest first, and go when they are old", async () => {
  const at = (minute: number) => new Date(Date.UTC(2020, 0, 1, 0, minute));
  const events = [0, 1, 2].map((minute) =>
    row({ at: at(minute), actorId: "cy", courseId: `c${minute % 2}`, target: `t${minute}` }),
  );
  for (const event of events) await store.audit.write(event);
  const idsOf = async (filter: Partial<AuditQuery>) => (await listed({ actorId: "cy", ...filter })).map(({ id }) => id);
  const [first, second, third] = events.map(({ id }) => id);
  expect(await idsOf({})).toEqual([third, second, first]);
  expect(await idsOf({ courseIds: ["c0"] })).toEqual([third, first]);
  expect(await idsOf({ target: "t1" })).toEqual([second]);
  expect(await idsOf({ since: at(1), until: at(2) })).toEqual([second]);
  await store.audit.amend(second!, { count: 7, outcome: "INTERNAL", reason: "R" });
  expect(await listed({ target: "t1" })).toMatchObject([{ count: 7, outcome: "INTERNAL", reason: "R" }]);
  expect(await store.audit.prune(at(1))).toBe(1);
  expect(await idsOf({})).toEqual([third, second]);
});
