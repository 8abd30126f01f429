/** Whatever well-formed messages a member of a course sends to whatever method: nothing is the server's own fault. */
import type { DescMethod, Message } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRequestStream, isResponseStream } from "../../api/operation.ts";
import { CourseService } from "../../proto/gen/ostler/v1/courses_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { SnapshotService } from "../../proto/gen/ostler/v1/snapshots_pb.js";
import { TaskService } from "../../proto/gen/ostler/v1/tasks_pb.js";
import { UserRole, UserService } from "../../proto/gen/ostler/v1/users_pb.js";
import type { Client } from "../support/client.ts";
import { contractMethods } from "../support/contract.ts";
import { outcome } from "../support/hosting.ts";
import { type Known, messagesOf } from "../support/messages.ts";
import { startServer, type TestServer } from "../support/server.ts";

/** The same messages in each run: one that is found wrong has to stay so until it is mended. */
const SEED = 20_270_115;
const MESSAGES = 6;
/** Until a call that waits, or a stream that goes on, is left. */
const PATIENCE_MS = 300;

let server: TestServer;
let key: string;
beforeAll(async () => {
  server = await startServer({ metrics: "open", machinesPerUser: 100, log: "errors" });
  const admin = server.client("grpc");
  await admin.call(CourseService, "createCourse", { courseId: "os", displayName: "os" });
  const user = { userId: "staff", name: "staff", role: UserRole.STAFF, courseId: "os" };
  key = (await admin.call(UserService, "createUser", user)).secret;
});
afterAll(() => server.stop());

/** By the names of the fields that take them. */
async function belongings(client: Client): Promise<Known> {
  const { machineId } = (await client.call(MachineService, "createMachine", {})).machine!;
  await client.call(TaskService, "createRemoteTask", { machineId });
  const { snapshot } = await client.call(SnapshotService, "createSnapshot", { machineId });
  return { machine_id: machineId, snapshot_id: snapshot!.snapshotId, course_id: "os" };
}

describe.each(["grpc", "rest"] as const)("over %s", (transport) => {
  test("every method answers, or says what is wrong", async () => {
    const client = server.client(transport, key);
    const send = async (method: DescMethod, message: Message) => {
      const left = AbortSignal.timeout(PATIENCE_MS);
      const name = method.localName as never;
      if (!isResponseStream(method)) return client.call(method.parent, name, message as never, left);
      for await (const _ of client.stream(method.parent, name, message as never, left)) return null;
      return null;
    };
    // What takes away what the others need comes last; each transport has a machine and a snapshot of its own.
    const isLast = ({ name }: DescMethod) => Number(/^(Delete|Remove|Restore)/.test(name));
    const methods = contractMethods
      .filter((method) => !isRequestStream(method))
      .toSorted((one, other) => isLast(one) - isLast(other));
    const known = await belongings(client);
    for (const method of methods) {
      const messages = fc.sample(messagesOf(method.input, known), { seed: SEED, numRuns: MESSAGES });
      await Promise.all(messages.map((message) => outcome(send(method, message))));
    }
    const figures = await (await fetch(`${server.http}/metrics`)).text();
    const faults = figures
      .split("\n")
      .filter((line) => /^ostler_calls_total.*code="(INTERNAL|UNKNOWN|DATA_LOSS)"/.test(line));
    expect(faults).toEqual([]);
  });
});
