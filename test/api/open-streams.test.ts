/** Streams last as long as what let them in: the key, and what its user may do. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createFirstAdmin, hashSecret, type Identifier, identifier } from "../../api/auth/identity.ts";
import { OpenStreams } from "../../api/auth/open-streams.ts";
import { readConfig } from "../../api/config.ts";
import { notFound, type OstlerError } from "../../api/errors.ts";
import type { Context } from "../../api/operation.ts";
import { createServer, type OstlerServer } from "../../api/server.ts";
import type { Store } from "../../api/store/index.ts";
import type { KeyHolder } from "../../api/store/types.ts";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { CourseService } from "../../proto/gen/ostler/v1/courses_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { TraceService } from "../../proto/gen/ostler/v1/traces_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import { type Client, grpcClient, restClient } from "../support/client.ts";
import { gather } from "../support/gather.ts";
import { eventually, outcome } from "../support/hosting.ts";
import { callWithOne } from "../support/request-streams.ts";
import { openTestStore } from "../support/store.ts";

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  let dataDir: string;
  let store: Store;
  let server: OstlerServer;
  let where: { http: string; grpc: string };
  let admin: Client;
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "ostler-open-streams-"));
    store = await openTestStore(dataDir);
    const key = (await createFirstAdmin(store))!;
    const options = { dataDir, httpPort: 0, grpcPort: 0, workers: 1, log: "errors" } as const;
    server = await createServer(store, readConfig({}, options));
    where = await server.listen();
    admin = clientOf(key);
    await admin.call(CourseService, "createCourse", { courseId: "os", displayName: "os" });
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await server.close();
    await store.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const clients: Client[] = [];
  function clientOf(key: string): Client {
    const client = transport === "grpc" ? grpcClient(where.grpc, key) : restClient(where.http, key);
    clients.push(client);
    return client;
  }

  const followersOf = (machineId: string): number => server.hosting.peek(machineId)?.followers ?? 0;

  /** Streams of all kinds to a machine of a student's, and what each comes to in the end. */
  async function openStreams(userId: string) {
    const user = { userId, name: userId, role: UserRole.STUDENT, courseId: "os" };
    const key = (await admin.call(UserService, "createUser", user)).secret;
    const client = clientOf(key);
    const { machineId } = (await client.call(MachineService, "createMachine", {})).machine!;
    const first = { message: { case: "open", value: { machineId } } };
    const ends = [
      gather(client.stream(ConsoleService, "followConsole", { machineId })),
      gather(client.stream(TraceService, "followTrace", { machineId })),
      gather(client.stream(MachineService, "waitMachine", { machineId, consoleContains: "never" })),
      callWithOne(where, transport, key, ConsoleService.method.attachConsole, first),
    ].map((end: Promise<unknown>) => outcome(end));
    await eventually(() => followersOf(machineId) === ends.length);
    return { client, machineId, ends };
  }

  test("streams of a key that is revoked end, and those of others go on", async () => {
    const { client, machineId, ends } = await openStreams("ann");
    const other = await openStreams("bob");
    const { key } = await client.call(UserService, "getSelf", {});
    await admin.call(UserService, "revokeKey", { userId: "ann", keyId: key!.keyId });
    for (const end of await Promise.all(ends)) expect(end).toMatchObject({ error: { code: "UNAUTHENTICATED" } });
    await eventually(() => followersOf(machineId) === 0);
    expect(followersOf(other.machineId)).toBe(other.ends.length);
  });

  test("a call that blocks ends with its key", async () => {
    const { client, machineId, ends } = await openStreams("joe");
    const { task } = await client.call(TaskService, "createRemoteTask", { machineId, name: "t" });
    const read = client.call(TaskService, "call", {
      machineId,
      task: task!.task,
      call: { case: "name", value: "read" },
      arguments: [
        { argument: { case: "integer", value: 0n } },
        { argument: { case: "buffer", value: 8 } },
        { argument: { case: "integer", value: 8n } },
      ],
    });
    const ended = outcome(read);
    const blocked = async () => {
      const { tasks } = await server.hosting.peek(machineId)!.query({ kind: "tasks" });
      return tasks!.some(({ threads }) => threads.some(({ call }) => call !== null));
    };
    await eventually(blocked);
    const { key } = await client.call(UserService, "getSelf", {});
    await admin.call(UserService, "revokeKey", { userId: "joe", keyId: key!.keyId });
    for (const end of [await ended, ...(await Promise.all(ends))])
      expect(end).toMatchObject({ error: { code: "UNAUTHENTICATED" } });
    await eventually(async () => !(await blocked()));
  });

  test("who is disabled is out at once, with streams and machines, and in again with the same key", async () => {
    const { client, machineId, ends } = await openStreams("mal");
    await client.call(MachineService, "runMachine", { machineId });
    const stateOf = async () => (await admin.call(MachineService, "getMachine", { machineId })).machine!;
    await eventually(async () => (await stateOf()).runReason === "");
    const { user, pausedMachines } = await admin.call(UserService, "disableUser", { userId: "mal" });
    expect([user!.disabled, pausedMachines]).toEqual([true, 1]);
    for (const end of await Promise.all(ends)) expect(end).toMatchObject({ error: { code: "UNAUTHENTICATED" } });
    await expect(client.call(UserService, "getSelf", {})).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect((await stateOf()).runReason).toBe("user disabled");
    const disabled = async () => (await admin.call(UserService, "listUsers", { disabledOnly: true })).users;
    expect((await disabled()).map(({ userId }) => userId)).toEqual(["mal"]);
    const key = admin.call(UserService, "createKey", { userId: "mal" });
    await expect(key).rejects.toMatchObject({ code: "FAILED_PRECONDITION", reason: "USER_DISABLED" });
    await admin.call(MachineService, "runMachine", { machineId });
    expect((await admin.call(UserService, "enableUser", { userId: "mal" })).user!.disabled).toBe(false);
    expect((await client.call(UserService, "getSelf", {})).user!.userId).toBe("mal");
    expect(await disabled()).toEqual([]);
  });

  test("the last admin is not disabled, nor is an admin by a key that is not good for everything", async () => {
    const disable = (by: Client, userId: string) => by.call(UserService, "disableUser", { userId });
    await expect(disable(admin, "admin")).rejects.toMatchObject({ reason: "LAST_ADMIN" });
    await expect(disable(admin, "nobody")).rejects.toMatchObject({ code: "NOT_FOUND" });
    const second = { userId: "second", name: "s", role: UserRole.ADMIN };
    const { secret } = await admin.call(UserService, "createUser", second);
    const scope = { userId: "admin", operations: ["UserService/*"] };
    const bounded = clientOf((await admin.call(UserService, "createKey", scope)).secret);
    await expect(disable(bounded, "second")).rejects.toMatchObject({ reason: "KEY_BOUNDED" });
    await disable(admin, "second");
    await expect(disable(admin, "admin")).rejects.toMatchObject({ reason: "LAST_ADMIN" });
    await expect(clientOf(secret).call(UserService, "getSelf", {})).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    const past = { userId: "admin", expiresAt: { seconds: 1_000_000_000n, nanos: 0 } };
    await expect(admin.call(UserService, "createKey", past)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("must be in the future"),
    });
  });

  test("streams of who is in the course no longer end as if there were no such machine", async () => {
    const { machineId, ends } = await openStreams("eve");
    await admin.call(CourseService, "removeMembers", { courseId: "os", userIds: ["eve"] });
    for (const end of await Promise.all(ends))
      expect(end).toMatchObject({ error: { code: "NOT_FOUND", reason: "MACHINE_NOT_FOUND" } });
    await eventually(() => followersOf(machineId) === 0);
  });
});

describe("what keeps streams open", () => {
  const SECRETS = ["a", "b", "c"];
  const LONG_MS = 100 * 3_600_000;
  let store: { keys: Map<string, KeyHolder>; isAway: boolean };
  let known: Identifier;
  let streams: OpenStreams;
  beforeEach(() => {
    vi.useFakeTimers();
    store = { keys: new Map(), isAway: false };
    const findByKey = async (hash: string) => {
      if (store.isAway) throw new Error("away");
      return store.keys.get(hash) ?? null;
    };
    known = identifier({ users: { findByKey } as never });
    streams = new OpenStreams(known.current);
  });
  afterEach(() => void vi.useRealTimers());

  function makeKey(secret: string, expiresAt: Date | null = null): void {
    store.keys.set(hashSecret(secret), { user: { id: secret }, key: { expiresAt } } as unknown as KeyHolder);
  }

  function changed(): void {
    known.forget();
    streams.changed();
  }

  function revoke(secret: string): void {
    store.keys.delete(hashSecret(secret));
    changed();
  }

  async function open(secret: string) {
    const header = `Bearer ${secret}`;
    const errors: OstlerError[] = [];
    const context = {
      caller: await known.identify(header),
      requestHeaders: new Map([["authorization", header]]),
      abort: (reason: () => OstlerError) => void errors.push(reason()),
    } as unknown as Context;
    return { errors, stream: streams.open(context) };
  }

  test("a key that expires ends its streams then, however far that is away, and no others", async () => {
    makeKey("a", new Date(Date.now() + LONG_MS));
    makeKey("b");
    const [expiring, lasting] = [await open("a"), await open("b")];
    await vi.advanceTimersByTimeAsync(LONG_MS - 1);
    expect(expiring.errors).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(expiring.errors).toMatchObject([{ reason: "UNAUTHENTICATED" }]);
    expect(lasting.errors).toEqual([]);
  });

  test("a change that comes while a stream is let in is not missed", async () => {
    makeKey("a");
    const { stream, errors } = await open("a");
    const member = { isOne: true };
    const looked = Promise.withResolvers<void>();
    stream.authorise = async () => {
      const { isOne } = member;
      await looked.promise;
      if (!isOne) throw notFound("machine", "m");
    };
    const letIn = stream.authorise();
    member.isOne = false;
    changed();
    looked.resolve();
    await letIn;
    await vi.advanceTimersByTimeAsync(0);
    expect(errors).toMatchObject([{ reason: "MACHINE_NOT_FOUND" }]);
  });

  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom("open", "revoke", "change"), secret: fc.constantFrom(...SECRETS) }),
    fc.record({ kind: fc.constant("close"), index: fc.nat(20) }),
    fc.record({ kind: fc.constant("store"), isAway: fc.boolean() }),
    fc.record({ kind: fc.constant("pass"), ms: fc.nat(3_000) }),
  );
  type Step = { kind: string; secret?: string; index?: number; isAway?: boolean; ms?: number };

  test("whatever happens in whatever order: in the end those are open whose keys are good", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps: Step[]) => {
        store.isAway = false;
        for (const secret of SECRETS) makeKey(secret);
        changed();
        const opened: (Awaited<ReturnType<typeof open>> & { secret: string; isClosed: boolean })[] = [];
        const take: Record<string, (step: Step) => unknown> = {
          open: async ({ secret }) => {
            const one = await open(secret!).catch(() => null);
            if (one !== null) opened.push({ ...one, secret: secret!, isClosed: false });
          },
          revoke: ({ secret }) => revoke(secret!),
          change: changed,
          close: ({ index }) => {
            const one = opened[index! % (opened.length || 1)];
            if (one === undefined) return;
            one.isClosed = true;
            one.stream.close();
          },
          store: ({ isAway }) => (store.isAway = isAway!),
          pass: ({ ms }) => vi.advanceTimersByTimeAsync(ms!),
        };
        for (const each of steps) await take[each.kind]!(each);
        store.isAway = false;
        await vi.advanceTimersByTimeAsync(5_000);
        for (const { errors, secret, isClosed } of opened) {
          const isGood = store.keys.has(hashSecret(secret));
          if (!isClosed) expect(errors.map(({ reason }) => reason)).toEqual(isGood ? [] : ["UNAUTHENTICATED"]);
        }
        for (const { stream } of opened) stream.close();
        expect(streams.size).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
