/** Limits and allowances, by a clock that the test sets. */
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { HOUR_MS, type QuotaName } from "../../api/admission/kinds.ts";
import { Quotas } from "../../api/admission/quotas.ts";
import { Residents } from "../../api/admission/residents.ts";
import { readConfig, type ServerConfig } from "../../api/config.ts";
import type { OstlerError } from "../../api/errors.ts";
import { ALL_MEMBERS, type AllowanceRow, EACH_MEMBER, type Store } from "../../api/store/types.ts";
import { freshStore } from "../store/fixtures.ts";

const owner = (ownerId: string, courseId = "c") => ({ ownerId, courseId });
const none = {
  usage: async () => 0,
  quotas: {
    setLimits: async () => {},
    limits: async () => [],
    allowances: async () => [],
    saveAllowances: async () => {},
  },
};

function quotasAt(defaults: Partial<ServerConfig> = {}, store: Pick<Store, "usage" | "quotas"> = none) {
  const clock = { now: 0 };
  return { clock, quotas: new Quotas(store, readConfig({}, defaults), () => clock.now) };
}

/** Null: nothing was thrown. */
function refusal(work: () => unknown): OstlerError | null {
  try {
    work();
    return null;
  } catch (error) {
    return error as OstlerError;
  }
}

test("an allowance fills up evenly, and is worth coming back for when a tenth is there", () => {
  const { clock, quotas } = quotasAt({ instructionsPerHour: 1_000 });
  const waits = () => refusal(() => quotas.assertMayExecute(owner("a")))?.retryAfterMs ?? null;
  expect(quotas.executed(owner("a"), 999)).toBe(true);
  expect(waits()).toBeNull();
  expect(quotas.executed(owner("a"), 101)).toBe(false);
  expect(waits()).toBe(0.2 * HOUR_MS);
  expect(quotas.executed(owner("b"), 1)).toBe(true);
  clock.now += 0.1 * HOUR_MS;
  expect(waits()).toBe(0.1 * HOUR_MS);
  clock.now += 0.1 * HOUR_MS;
  expect(waits()).toBeNull();
  clock.now += 10 * HOUR_MS;
  expect(quotas.executed(owner("a"), 999)).toBe(true);
  expect(quotas.executed(owner("a"), 1)).toBe(false);
});

test("the course's allowance is its members' together, and no other course's", () => {
  const { quotas } = quotasAt({ courseInstructionsPerHour: 100 });
  expect(quotas.executed(owner("a"), 60)).toBe(true);
  expect(quotas.executed(owner("b"), 60)).toBe(false);
  const refused = refusal(() => quotas.assertMayExecute(owner("d")));
  expect(refused).toMatchObject({ reason: "INSTRUCTIONS_USED_UP", metadata: { quota: "instructions", course: "c" } });
  expect(refused!.metadata["user"]).toBeUndefined();
  expect(refusal(() => quotas.assertMayExecute(owner("a", "other")))).toBeNull();
});

test("a member's limit goes before each member's, and that before the server's", async () => {
  const { quotas } = quotasAt({ machinesPerUser: 7, courseMachines: 9 });
  const limitOf = (userId: string) => quotas.limitOf({ courseId: "c", userId }, "machines");
  expect(limitOf("a")).toEqual({ limit: 7, own: false });
  await quotas.set({ courseId: "c", userId: EACH_MEMBER }, [{ kind: "machines", limit: 5 }]);
  await quotas.set({ courseId: "c", userId: "a" }, [{ kind: "machines", limit: 3 }]);
  expect([limitOf("a"), limitOf("b"), limitOf(ALL_MEMBERS)]).toEqual([
    { limit: 3, own: true },
    { limit: 5, own: false },
    { limit: 9, own: false },
  ]);
  await quotas.set({ courseId: "c", userId: "a" }, [{ kind: "machines", limit: null }]);
  expect(limitOf("a")).toEqual({ limit: 5, own: false });
});

test("one who floods is refused, uses nothing of the course's up by it, and the others are let in", () => {
  const { clock, quotas } = quotasAt({ requestsPerSecond: 2, courseRequestsPerSecond: 10 });
  let refused = 0;
  for (let call = 0; call < 1_000; call++) if (refusal(() => quotas.admitRequest(owner("a"))) !== null) refused += 1;
  expect(refused).toBe(980);
  for (let call = 0; call < 20; call++) expect(refusal(() => quotas.admitRequest(owner("b")))).toBeNull();
  const error = refusal(() => quotas.admitRequest(owner("a")));
  expect(error).toMatchObject({
    reason: "TOO_MANY_REQUESTS",
    metadata: { user: "a", limit: "2" },
    retryAfterMs: 1_000,
  });
  clock.now += error!.retryAfterMs!;
  expect(refusal(() => quotas.admitRequest(owner("a")))).toBeNull();
});

test("no more calls than the limit and what was saved up are let in, whenever they come", () => {
  const waits = fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(waits, fc.integer({ min: 1, max: 5 }), (gaps, limit) => {
      const { clock, quotas } = quotasAt({ requestsPerSecond: limit });
      const admitted: number[] = [];
      for (const gap of gaps) {
        clock.now += gap;
        if (refusal(() => quotas.admitRequest(owner("a"))) === null) admitted.push(clock.now);
      }
      for (const [first, from] of admitted.entries()) {
        for (let last = first; last < admitted.length; last++) {
          const most = 10 * limit + ((admitted[last]! - from) / 1_000) * limit;
          expect(last - first + 1).toBeLessThanOrEqual(most + 1e-6);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test("limits and allowances outlast the server, and a clock that is set back gives nothing away", async () => {
  const store = await freshStore();
  const { quotas } = quotasAt({}, store);
  const changes = [{ kind: "instructions" as QuotaName, limit: 1_000 }];
  await quotas.set({ courseId: "c", userId: "a" }, [...changes, { kind: "requests", limit: 3 }]);
  await quotas.set({ courseId: "c", userId: "a" }, [{ kind: "requests", limit: null }]);
  quotas.executed(owner("a"), 1_200);
  await quotas.save();
  const later = quotasAt({}, store).quotas;
  await later.load();
  expect(later.limitOf({ courseId: "c", userId: "a" }, "instructions")).toEqual({ limit: 1_000, own: true });
  expect(later.limitOf({ courseId: "c", userId: "a" }, "requests")).toEqual({ limit: 0, own: false });
  expect(refusal(() => later.assertMayExecute(owner("a")))?.reason).toBe("INSTRUCTIONS_USED_UP");

  const ahead = (await store.quotas.allowances()).map(
    (row): AllowanceRow => ({ ...row, at: new Date(Date.now() + HOUR_MS * 50) }),
  );
  await store.quotas.saveAllowances(ahead);
  const back = quotasAt({}, store).quotas;
  await back.load();
  expect(refusal(() => back.assertMayExecute(owner("a")))?.retryAfterMs).toBe(0.3 * HOUR_MS);
});

test("weights are set, shown, kept, and taken back", async () => {
  const store = await freshStore();
  const { quotas } = quotasAt({}, store);
  const ofUser = (userId: string) => ({ courseId: "c", userId });
  await quotas.set(ofUser(ALL_MEMBERS), [{ kind: "weight", limit: 300 }]);
  await quotas.set(ofUser(EACH_MEMBER), [{ kind: "weight", limit: 50 }]);
  await quotas.set(ofUser("a"), [{ kind: "weight", limit: 20 }]);
  await quotas.set(ofUser("a"), [{ kind: "weight", limit: 200 }]);
  await quotas.set(ofUser("b"), [{ kind: "weight", limit: 10 }]);
  await quotas.set(ofUser("b"), [{ kind: "weight", limit: null }]);
  const later = quotasAt({}, store).quotas;
  await later.load();
  for (const each of [quotas, later]) {
    expect(each.weights()).toHaveLength(3);
    const shown = [ALL_MEMBERS, "a", "b"].map((userId) => each.weightOf(ofUser(userId)));
    expect(shown).toEqual([
      { limit: 300, own: true },
      { limit: 200, own: true },
      { limit: 50, own: false },
    ]);
  }
  expect(later.weightOf({ courseId: "d", userId: "a" })).toEqual({ limit: 100, own: false });
});

test("machines at rest make room for one that comes into memory, those in use do not", async () => {
  const { quotas } = quotasAt({ memoryPerUserBytes: 100 });
  const machine = (id: string, lastUsedAt: number, users = 0) => ({
    id,
    row: owner("a"),
    lastUsedAt,
    isPausing: false,
    users,
    wasRunning: false,
  });
  const resident = new Map([machine("m1", 2), machine("m2", 1), machine("m3", 0, 1)].map((each) => [each.id, each]));
  const gone: string[] = [];
  const residents = new Residents(
    {
      get resident() {
        return resident.values();
      },
      async hibernateUnused(id) {
        gone.push(id);
        resident.delete(id);
        quotas.left(id);
      },
    },
    quotas,
  );
  for (const id of resident.keys()) quotas.arrives(id, owner("a"), 30);
  await residents.arrives("m4", owner("a"), 30);
  expect(gone).toEqual(["m2"]);
  await expect(residents.arrives("m5", owner("a"), 101)).rejects.toMatchObject({
    reason: "TOO_MUCH_MEMORY",
    retryAfterMs: undefined,
  });
  expect(gone).toEqual(["m2"]);
  await expect(residents.arrives("m5", owner("a"), 90)).rejects.toMatchObject({ retryAfterMs: 5_000 });
  expect(gone).toEqual(["m2", "m1"]);
  await residents.arrives("m6", owner("b"), 90);
});

const machine = (id: string) => ({ id, ...owner("a") });

test("one that runs already while it is being set running counts once; one more that runs unasked is one too many", async () => {
  const { quotas } = quotasAt({ runningPerUser: 2 });
  const running = [machine("m1")];
  quotas.countRunningBy(() => running);
  const used = async () => (await quotas.use({ courseId: "c", userId: "a" }, "running", async () => 0)).used;
  await quotas.starting(machine("m2"), false, async () => {
    running.push(machine("m2"));
    expect(await used()).toBe(2);
    expect(["m1", "m2", "m3"].map((id) => quotas.mayRun(machine(id)))).toEqual([true, true, false]);
  });
  running.shift();
  expect(quotas.mayRun(machine("m3"))).toBe(true);
  expect(await used()).toBe(1);
});

test("machines that are being set running count, and as many submissions may be graded beside them", async () => {
  const { quotas } = quotasAt({ runningPerUser: 1 });
  const first = Promise.withResolvers<string>();
  const running = quotas.starting(machine("m1"), false, () => first.promise);
  await expect(quotas.starting(machine("m2"), false, async () => "")).rejects.toMatchObject({
    reason: "TOO_MANY_RUNNING",
  });
  expect(await quotas.starting(machine("m1"), true, async () => "counted already")).toBe("counted already");
  first.resolve("done");
  expect(await running).toBe("done");
  expect(await quotas.starting(machine("m2"), false, async () => "free")).toBe("free");
  expect([quotas.mayGrade(owner("a"), []), quotas.mayGrade(owner("a"), [owner("a")])]).toEqual([true, false]);
});

test("used under a limit that was higher, or far beyond one: it takes an hour and a tenth at most to come back", async () => {
  const { clock, quotas } = quotasAt({ instructionsPerHour: 1e12 });
  quotas.executed(owner("a"), 1e12);
  await quotas.set({ courseId: "c", userId: "a" }, [{ kind: "instructions", limit: 1 }]);
  const refused = refusal(() => quotas.assertMayExecute(owner("a")));
  expect(refused?.retryAfterMs).toBeLessThanOrEqual(1.1 * HOUR_MS + 1);
  const { fullAfterMs } = await quotas.use({ courseId: "c", userId: "a" }, "instructions", async () => 0);
  expect(fullAfterMs).toBeLessThanOrEqual(2 * HOUR_MS);
  clock.now += refused!.retryAfterMs!;
  expect(refusal(() => quotas.assertMayExecute(owner("a")))).toBeNull();
});

test("what could not be stored is stored the next time", async () => {
  const stored: AllowanceRow[] = [];
  let isAway = true;
  const saveAllowances = async (rows: readonly AllowanceRow[]) => {
    if (isAway) throw new Error("away");
    stored.push(...rows);
  };
  const { quotas } = quotasAt({ instructionsPerHour: 1_000 }, { ...none, quotas: { ...none.quotas, saveAllowances } });
  quotas.executed(owner("a"), 700);
  await expect(quotas.save()).rejects.toThrow("away");
  isAway = false;
  await quotas.save();
  expect(stored).toMatchObject([{ userId: "a", kind: "instructions", used: 700 }]);
});

test("who takes one message of a trace and goes has had it", async () => {
  const { quotas } = quotasAt({ traceBytesPerHour: 25 });
  const source = async function* () {
    for (let at = 0; ; at++) yield at;
  };
  const takeOne = async () => {
    for await (const _ of quotas.tracing(owner("a"), () => 10, source())) return;
  };
  for (let time = 0; time < 3; time++) await takeOne();
  await expect(takeOne()).rejects.toMatchObject({ reason: "TRACE_USED_UP" });
});

test("machines that are being loaded, of which nothing is visible yet, are in nobody's way", async () => {
  const { quotas } = quotasAt({ memoryPerUserBytes: 100, runningPerUser: 2 });
  const loading = (id: string, wasRunning: boolean) => ({
    id,
    row: owner("a"),
    lastUsedAt: 0,
    users: 0,
    wasRunning,
    isPausing: false,
    get visible(): never {
      throw new Error("the machine has not been loaded");
    },
  });
  const resident = [loading("m1", true), loading("m2", false)];
  for (const { id } of resident) quotas.arrives(id, owner("a"), 30);
  const residents = new Residents({ resident, hibernateUnused: async () => {} }, quotas);
  const { used } = await quotas.use({ courseId: "c", userId: "a" }, "running", async () => 0);
  expect(used).toBe(1);
  expect(await quotas.starting(machine("m3"), false, async () => "one more")).toBe("one more");
  await expect(residents.arrives("m3", owner("a"), 60)).rejects.toMatchObject({ reason: "TOO_MUCH_MEMORY" });
});

test("a trace ends when what may be read of it is used up", async () => {
  const { quotas } = quotasAt({ traceBytesPerHour: 25 });
  const got: number[] = [];
  const source = async function* () {
    for (let at = 0; ; at++) yield at;
  };
  const reading = (async () => {
    for await (const at of quotas.tracing(owner("a"), () => 10, source())) got.push(at);
  })();
  await expect(reading).rejects.toMatchObject({ reason: "TRACE_USED_UP" });
  expect(got).toEqual([0, 1, 2]);
});

test("however many are made at once, there are as many as there may be: one that fails leaves its place to another", async () => {
  const { quotas } = quotasAt({ machinesPerUser: 5, courseMachines: 8 });
  const made: string[] = [];
  const count = async ({ ownerId }: { ownerId: string | null }) => {
    await nextTurn();
    return made.filter((each) => ownerId === null || each === ownerId).length;
  };
  const make = (ownerId: string, fails: boolean) =>
    quotas.makingMachine(owner(ownerId), count, async () => {
      await nextTurn();
      if (fails) throw new Error("away");
      made.push(ownerId);
    });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 40 }, (_, index) => make(index % 2 === 0 ? "a" : "b", index % 4 < 2 && index < 8)),
  );
  expect(made.sort().join("")).toBe("aaaabbbb");
  const reasons = outcomes
    .filter(({ status }) => status === "rejected")
    .map((each) => (each as PromiseRejectedResult).reason);
  expect(reasons.filter(({ message }) => message === "away")).toHaveLength(4);
  expect(reasons.filter(({ reason }) => reason === "TOO_MANY_MACHINES")).toHaveLength(28);
});

test("where there is room for all, nobody waits for another", async () => {
  const { quotas } = quotasAt({ machinesPerUser: 2 });
  const { promise: second, resolve: secondIsMade } = Promise.withResolvers<void>();
  const make = (work: () => Promise<void>) => quotas.makingMachine(owner("a"), async () => 0, work);
  await Promise.all([make(() => second), make(async () => secondIsMade())]);
});

test("bytes that are stored at once count together", async () => {
  let stored = 0;
  const { quotas } = quotasAt({ storagePerUserBytes: 100 }, { ...none, usage: async () => stored });
  const store = (bytes: number) =>
    quotas.storing(owner("a"), bytes, async () => {
      await nextTurn();
      stored += bytes;
    });
  const outcomes = await Promise.allSettled([60, 60, 40, 1].map(store));
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected"]);
});

test("what has arrived and is named by nothing counts until it is, or until a collection that began later is over", async () => {
  const { quotas } = quotasAt({ storagePerUserBytes: 100 });
  const { arrivals } = quotas;
  const fits = (bytes: number) =>
    quotas.assertRoom(owner("a"), bytes).then(
      () => true,
      () => false,
    );
  const collected = { early: arrivals.collecting(), late: () => {} };
  const receive = (end: () => void) =>
    arrivals.during(async (arrival) => {
      arrival.owner = owner("a");
      arrival.bytes = 60;
      expect([await fits(40), await fits(41)]).toEqual([true, false]);
      await quotas.assertRoom(owner("a"), 100, arrival);
      await quotas.assertRoom(owner("b"), 100);
      collected.late = arrivals.collecting();
      end();
    });
  await receive(() => {});
  expect(await fits(100)).toBe(true);
  const broken = () => {
    throw new Error("it broke off");
  };
  await expect(receive(broken)).rejects.toThrow("it broke off");
  collected.early();
  collected.late();
  expect(await fits(41)).toBe(false);
  arrivals.collecting()();
  expect(await fits(100)).toBe(true);
});

test("no limit is none", async () => {
  const { quotas } = quotasAt();
  expect(quotas.executed(owner("a"), Number.MAX_SAFE_INTEGER)).toBe(true);
  quotas.assertMayExecute(owner("a"));
  for (let call = 0; call < 10_000; call++) quotas.admitRequest(owner("a"));
  await quotas.assertRoom(owner("a"), Number.MAX_SAFE_INTEGER);
});
