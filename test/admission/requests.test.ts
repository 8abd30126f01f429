/** Messages of streams that clients send, by a clock that the test sets. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Quotas } from "../../api/admission/quotas.ts";
import { paced } from "../../api/admission/requests.ts";
import { readConfig } from "../../api/config.ts";
import type { Context, Operation } from "../../api/operation.ts";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";

/** Of the limit, in a second. */
const BURST = 10;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const contextOf = (role: "user" | "admin", signal: AbortSignal) =>
  ({
    caller: { id: "u", user: { id: "u", role }, key: { courseId: null, roleAtMost: null }, memberships: [] },
    requestHeaders: new Map(),
    signal,
  }) as unknown as Context;

/** A stream of so many messages of one of those, and what was read of it when. */
function streamOf(messages: number, requestsPerSecond: number, role: "user" | "admin" = "user") {
  const quotas = new Quotas({} as never, readConfig({}, { requestsPerSecond }), () => performance.now());
  const began = performance.now();
  const readAt: number[] = [];
  const state = { closed: false };
  const operation: Operation = {
    service: ConsoleService,
    method: ConsoleService.method.attachConsole,
    async handler(requests) {
      for await (const _ of requests as AsyncIterable<unknown>) readAt.push(performance.now() - began);
    },
  };
  async function* sent() {
    try {
      for (let message = 0; message < messages; message++) yield message;
    } finally {
      state.closed = true;
    }
  }
  const abort = new AbortController();
  const done = paced(operation, quotas).handler(sent(), contextOf(role, abort.signal)) as Promise<void>;
  return { quotas, readAt, state, abort, done };
}

test("all messages of a stream are read in the end, and no faster than calls may come", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 400 }), async (limit, messages) => {
      const { readAt, done } = streamOf(messages, limit);
      await vi.advanceTimersByTimeAsync(1_000 * (messages / limit) + 1_000);
      await done;
      expect(readAt.length).toBe(messages);
      // The first came with the call.
      for (const [index, atMs] of readAt.entries()) expect(index).toBeLessThanOrEqual(limit * (BURST + atMs / 1_000));
    }),
    { numRuns: 30 },
  );
});

test("a stream that waits for its turn ends when it is told to", async () => {
  const { readAt, state, abort, done } = streamOf(1_000, 1);
  await vi.advanceTimersByTimeAsync(100);
  expect(readAt.length).toBe(1 + BURST);
  abort.abort();
  await expect(done).rejects.toMatchObject({ name: "AbortError" });
  expect(state.closed).toBe(true);
});

test("admins are never kept waiting", async () => {
  const { readAt, done } = streamOf(1_000, 1, "admin");
  await done;
  expect(readAt.length).toBe(1_000);
});
