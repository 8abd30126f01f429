/** Streams of a machine that goes away under them end; they neither wait for ever nor ask for ever. */
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Quotas } from "../../api/admission/quotas.ts";
import { readConfig } from "../../api/config.ts";
import type { Context } from "../../api/operation.ts";
import { consoleService } from "../../api/services/console.ts";

import type { CallArgument } from "../../kernel/index.ts";
import { FollowConsoleRequestSchema } from "../../proto/gen/ostler/v1/console_pb.js";
import { OWNER, outcome, startHosting, type TestHosting } from "../support/hosting.ts";

const WRITE = 64;

let bench: TestHosting;
beforeEach(async () => {
  bench = await startHosting();
});
afterEach(() => bench.close());

const service = () => {
  const quotas = new Quotas(bench.store, readConfig({}));
  return consoleService({ ...bench, quotas, uploadBytes: 1024, rolesChanged() {} });
};

async function context(): Promise<Context> {
  const caller = await bench.store.users.get(OWNER);
  return { caller, signal: AbortSignal.timeout(240_000) } as unknown as Context;
}

/** A machine with a remote task, and a way to let it write to the console. */
async function talker() {
  const { id } = await bench.machine();
  const machine = await bench.hosting.use(id);
  const limits = { instructions: 0, memoryBytes: 0, outputBytes: 0 };
  const { task } = await machine.apply({ kind: "createRemoteTask", name: "t", limits });
  const say = (bytes: Uint8Array) => {
    const [output, length] = [1n, BigInt(bytes.length)];
    const written: CallArgument[] = [
      { kind: "integer", value: output },
      { kind: "bytes", value: bytes },
      { kind: "integer", value: length },
    ];
    return machine.call(
      { kind: "call", task: task!, number: WRITE, arguments: written },
      new AbortController().signal,
      null,
    );
  };
  return { id, say };
}

test("a reader that is behind when the machine is taken back to before its output is told", async () => {
  const { id, say } = await talker();
  const before = await bench.hosting.snapshot(id, { id: "s-before", displayName: "", labels: {}, kind: "user" });
  for (let i = 0; i < 4; i++) await say(new Uint8Array(64 * 1024).fill(0x61));
  const stream = service().followConsole(create(FollowConsoleRequestSchema, { machineId: id }), await context());
  const reader = stream[Symbol.asyncIterator]();
  expect((await reader.next()).value).toMatchObject({ offset: 0n });
  await bench.hosting.restore(id, before);
  expect(await outcome(reader.next())).toMatchObject({ error: { reason: "MACHINE_MOVED" } });
});
