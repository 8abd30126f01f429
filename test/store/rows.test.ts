import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Page, PageQuery, SubmissionRow } from "../../api/store/types.ts";
import { bytes, freshId, freshStore, newMachine, newSnapshot, sha256 } from "./fixtures.ts";

const store = await freshStore();
const content = bytes("int main;");
await store.blobs.put([{ hash: sha256(content), data: content }], store.holds.open());

async function addSubmission(change: Partial<SubmissionRow> = {}) {
  const id = freshId("x");
  const row = {
    id,
    assignmentId: "a",
    assignmentVersion: 1,
    ownerId: "student",
    contentHash: sha256(content),
    contentKind: "c" as const,
    state: "queued" as const,
    report: new Uint8Array(0),
    error: "",
  };
  return store.submissions.create({ ...row, ...change });
}

describe("users and keys", () => {
  it("are found by a live key only", async () => {
    const user = await store.users.create({ id: freshId("u"), name: "Ada", role: "user" });
    expect(await store.users.get(user.id)).toEqual(user);
    expect(await store.users.get("none")).toBeNull();
    const add = (secret: string, expiresAt: Date | null) =>
      store.users.createKey({
        id: freshId("k"),
        userId: user.id,
        secretHash: sha256(bytes(secret)),
        label: secret,
        expiresAt,
      });
    const key = await add("live", new Date(Date.now() + 60_000));
    const expired = await add("expired", new Date(Date.now() - 1));
    expect(await store.users.findByKey(key.secretHash)).toEqual({ user, key, memberships: [] });
    expect(await store.users.findByKey(expired.secretHash)).toBeNull();
    expect(await store.users.findByKey(sha256(bytes("unknown")))).toBeNull();
    expect(await store.users.revokeKey("someone else", key.id)).toBe(false);
    expect(await store.users.revokeKey(user.id, key.id)).toBe(true);
    expect(await store.users.revokeKey(user.id, key.id)).toBe(false);
    expect(await store.users.findByKey(key.secretHash)).toBeNull();
    expect((await store.users.listKeys(user.id)).map(({ label }) => label)).toEqual(["live", "expired"]);
    expect(await store.users.count()).toBeGreaterThan(0);
    await expect(store.users.create({ id: user.id, name: "", role: "admin" })).rejects.toMatchObject({
      name: "AlreadyExistsError",
    });
    await expect(
      store.users.createKey({ ...key, id: freshId("k"), userId: "none", secretHash: sha256(bytes("other")) }),
    ).rejects.toMatchObject({ name: "MissingReferenceError" });
  });
});

describe("courses", () => {
  const key = (id: string, courseId: string) => ({
    id,
    secretHash: sha256(bytes(id)),
    label: "",
    expiresAt: null,
    courseId,
  });

  it("have members, whose keys for the course end when they leave", async () => {
    const [courseId, known, fresh] = [freshId("c"), freshId("u"), freshId("u")];
    const course = await store.courses.create({ id: courseId, displayName: "One" });
    expect(await store.courses.get(courseId)).toEqual(course);
    await store.users.create({ id: known, name: "Ada", role: "user" });
    const ids = [freshId("k"), freshId("k")];
    const enrolments = [
      { userId: known, name: "other", role: "staff" as const, key: key(ids[0]!, courseId) },
      { userId: fresh, name: "Bob", role: "student" as const, key: key(ids[1]!, courseId) },
    ];
    const first = await store.courses.enrol(courseId, enrolments);
    expect(first.map(({ before }) => before)).toEqual(["user", "unknown"]);
    const again = [{ ...enrolments[1]!, role: "grader" as const, key: key(freshId("k"), courseId) }];
    expect(await store.courses.enrol(courseId, again)).toMatchObject([
      { before: "member", member: { role: "grader" } },
    ]);
    const members = (await store.courses.members({ courseId, pageSize: 10, pageToken: "" })).items;
    expect(members.map(({ userId, name, role }) => [userId, name, role])).toEqual(
      [
        [known, "Ada", "staff"],
        [fresh, "Bob", "grader"],
      ].toSorted(([one], [other]) => (one! < other! ? -1 : 1)),
    );
    const secretHash = sha256(bytes(ids[1]!));
    expect((await store.users.findByKey(secretHash))!.memberships).toMatchObject([
      { courseId, role: "grader", archived: false },
    ]);
    expect(await store.courses.update(courseId, { archivedAt: new Date() })).toMatchObject({ id: courseId });
    expect((await store.users.findByKey(secretHash))!.memberships).toMatchObject([{ archived: true }]);
    expect(await store.courses.remove(courseId, [fresh, "nobody"])).toEqual([fresh]);
    expect(await store.courses.member(courseId, fresh)).toBeNull();
    expect(await store.users.findByKey(secretHash)).toBeNull();
    expect((await store.users.listKeys(fresh)).length).toBe(1);
  });

  it("take all of a list or none of it", async () => {
    const courseId = freshId("c");
    await store.courses.create({ id: courseId, displayName: "" });
    const [one, other] = [freshId("u"), freshId("u")];
    const taken = key(freshId("k"), courseId);
    const enrolments = [one, other].map((userId) => ({ userId, name: "", role: "student" as const, key: taken }));
    await expect(store.courses.enrol(courseId, enrolments)).rejects.toMatchObject({ name: "AlreadyExistsError" });
    expect(await store.users.get(one)).toBeNull();
    await expect(store.courses.enrol("none", enrolments.slice(0, 1))).rejects.toMatchObject({
      name: "MissingReferenceError",
    });
  });

  it("bound what is listed, counted and used", async () => {
    const [here, there, ownerId] = [freshId("c"), freshId("c"), freshId("u")];
    const data = bytes(freshId("content"));
    const hash = sha256(data);
    const hold = store.holds.open();
    await store.blobs.put([{ hash, data }], hold);
    for (const courseId of [here, there]) {
      await store.machines.create(newMachine({ courseId, ownerId }));
      await store.programs.put({ courseId, ownerId, hash, name: courseId, size: data.length });
      await store.assignments.create({ id: freshId("a"), courseId, ownerId, displayName: courseId, spec: bytes("") });
      await addSubmission({ courseId, ownerId, state: "graded" });
    }
    hold.release();
    const query = { pageSize: 10, pageToken: "", ownerId, courseIds: [here] };
    const machines = await store.machines.list({ ...query, labels: {}, nameContains: "", run: null });
    const lists = [
      machines,
      await store.programs.list(query),
      await store.assignments.list(query),
      await store.submissions.list({ ...query, assignmentId: null }),
    ];
    for (const { items } of lists) expect(items.map(({ courseId }) => courseId)).toEqual([here]);
    expect((await store.programs.list({ ...query, courseIds: [] })).items).toEqual([]);
    expect(await store.machines.count({ ownerId: null, courseIds: [here, there] }, [])).toBe(2);
    expect(await store.usage({ ownerId, courseIds: [there] })).toBe(data.length);
    expect(await store.programs.get({ courseId: here, ownerId }, hash)).toMatchObject({ name: here });
    expect(await store.programs.delete({ courseId: here, ownerId }, hash)).toBe(true);
    expect(await store.programs.get({ courseId: there, ownerId }, hash)).toMatchObject({ name: there });
    const machine = (await store.machines.acquire(machines.items[0]!.id))!;
    expect((await store.snapshots.create(newSnapshot(machine, 0), machine.epoch)).courseId).toBe(here);
  });
});

describe("programs", () => {
  it("stand on stored content and take a new name", async () => {
    const row = { ownerId: "p", hash: sha256(content), name: "one", size: content.length };
    const made = await store.programs.put(row);
    expect(await store.programs.put({ ...row, name: "two" })).toEqual({ ...made, name: "two" });
    expect(await store.programs.get({ ownerId: "p" }, row.hash)).toEqual({ ...made, name: "two" });
    expect(await store.programs.get({ ownerId: "q" }, row.hash)).toBeNull();
    await expect(store.programs.put({ ...row, hash: sha256(bytes("absent")) })).rejects.toMatchObject({
      name: "MissingReferenceError",
    });
    expect(await store.programs.delete({ ownerId: "p" }, row.hash)).toBe(true);
    expect(await store.programs.delete({ ownerId: "p" }, row.hash)).toBe(false);
  });
});

describe("assignments and submissions", () => {
  it("raise the version with each update", async () => {
    const made = await store.assignments.create({
      id: freshId("a"),
      ownerId: "staff",
      displayName: "one",
      spec: bytes("1"),
    });
    expect(made.version).toBe(1);
    expect(await store.assignments.update(made.id, { displayName: "two", spec: bytes("2") })).toEqual({
      ...made,
      displayName: "two",
      spec: bytes("2"),
      version: 2,
    });
    expect(await store.assignments.update("none", { displayName: "", spec: bytes("") })).toBeNull();
    expect((await store.assignments.get(made.id))!.version).toBe(2);
  });

  it("keep grades when the assignment goes, and cancel what was not graded", async () => {
    const { id } = await store.assignments.create({
      id: freshId("a"),
      ownerId: "staff",
      displayName: "",
      spec: bytes(""),
    });
    const graded = await addSubmission({ assignmentId: id });
    const open = await addSubmission({ assignmentId: id });
    await store.submissions.update(graded.id, { state: "graded", report: bytes("A") });
    await store.submissions.update(open.id, { state: "grading" });
    expect((await store.submissions.unfinished()).map((row) => row.id)).toEqual([open.id]);
    expect(await store.assignments.delete(id)).toBe(true);
    expect(await store.assignments.delete(id)).toBe(false);
    expect(await store.submissions.get(graded.id)).toEqual({ ...graded, state: "graded", report: bytes("A") });
    expect(await store.submissions.get(open.id)).toMatchObject({
      state: "cancelled",
      error: "the assignment was deleted",
    });
    expect(await store.submissions.unfinished()).toEqual([]);
  });
});

describe("idempotency", () => {
  it("keeps the first answer until it is pruned", async () => {
    const row = { ownerId: "u", method: "M", key: "k", requestHash: sha256(bytes("q")), response: bytes("first") };
    await store.idempotency.save(row);
    await store.idempotency.save({ ...row, response: bytes("second") });
    expect(await store.idempotency.find("u", "M", "k")).toEqual(row);
    expect(await store.idempotency.find("v", "M", "k")).toBeNull();
    expect(await store.idempotency.prune(new Date(0))).toBe(0);
    expect(await store.idempotency.prune(new Date(Date.now() + 1000))).toBe(1);
    expect(await store.idempotency.find("u", "M", "k")).toBeNull();
  });
});

describe("pages", () => {
  async function walk<T>(list: (query: PageQuery) => Promise<Page<T>>, pageSize: number): Promise<T[]> {
    const items: T[] = [];
    let pageToken = "";
    do {
      const page = await list({ pageSize, pageToken });
      if (page.nextPageToken !== "") expect(page.items.length).toBe(pageSize);
      items.push(...page.items);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return items;
  }

  it("show every row exactly once, in order, at every page size", async () => {
    await Promise.all(
      Array.from({ length: 37 }, async (_, index) => {
        const data = bytes(`program ${index}`);
        await store.blobs.put([{ hash: sha256(data), data }], store.holds.open());
        await store.programs.put({ ownerId: `o${index % 3}`, hash: sha256(data), name: "", size: 1 });
        const machine = await store.machines.create(newMachine({ ownerId: "pages" }));
        await store.snapshots.create(newSnapshot(machine, 0), machine.epoch);
        await store.users.create({ id: freshId("u"), name: "", role: "user" });
        await store.assignments.create({ id: freshId("a"), ownerId: "", displayName: "", spec: bytes("") });
        await addSubmission({ ownerId: "pages" });
      }),
    );
    const filter = { ownerId: "pages", labels: {}, nameContains: "", run: null };
    const lists: ((query: PageQuery) => Promise<Page<{ createdAt: Date }>>)[] = [
      (query) => store.machines.list({ ...query, ...filter }),
      (query) => store.snapshots.list({ ...query, ownerId: "pages", machineId: null, kind: null }),
      (query) => store.snapshots.list({ ...query, ownerId: null, machineId: null, kind: null }),
      (query) => store.users.list(query),
      (query) => store.programs.list({ ...query, ownerId: null }),
      (query) => store.programs.list({ ...query, ownerId: "o1" }),
      (query) => store.assignments.list(query),
      (query) => store.submissions.list({ ...query, ownerId: "pages", assignmentId: null }),
      (query) => store.submissions.list({ ...query, ownerId: null, assignmentId: "a" }),
    ];
    for (const list of lists) {
      const whole = (await list({ pageSize: 500, pageToken: "" })).items;
      expect(whole.length).toBeGreaterThanOrEqual(12);
      expect([...whole].sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())).toEqual(whole);
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 1, max: 40 }), async (pageSize) => {
          expect(await walk(list, pageSize)).toEqual(whole);
        }),
        { numRuns: 6 },
      );
    }
  });

  it("refuse a token that the list did not give out", async () => {
    const { nextPageToken } = await store.users.list({ pageSize: 1, pageToken: "" });
    await expect(store.assignments.list({ pageSize: 1, pageToken: nextPageToken })).rejects.toMatchObject({
      name: "InvalidPageTokenError",
    });
    const forged = Buffer.from('["programs",1,"o","not a hash"]').toString("base64url");
    await expect(store.programs.list({ pageSize: 1, pageToken: forged, ownerId: null })).rejects.toMatchObject({
      name: "InvalidPageTokenError",
    });
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1 }), async (pageToken) => {
        await expect(store.users.list({ pageSize: 1, pageToken })).rejects.toMatchObject({
          name: "InvalidPageTokenError",
        });
      }),
    );
  });
});
