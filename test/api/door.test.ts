/** How many calls may be under way. */
import { expect, test } from "vitest";
import { notFound } from "../../api/errors.ts";
import type { Context, Operation } from "../../api/operation.ts";
import { behind, Door } from "../../api/services/door.ts";
import { ConsoleService } from "../../proto/gen/ostler/v1/console_pb.js";
import { MachineService } from "../../proto/gen/ostler/v1/machines_pb.js";
import { barrier } from "../support/hosting.ts";

const contextOf = (id: string) => ({ caller: { id } }) as unknown as Context;
const doorFor = (most: number, mostPerUser: number) => new Door({ reason: "FULL", what: "calls", most, mostPerUser });

test("a call is under way until it is answered or has failed, and others are told to come again meanwhile", async () => {
  const held = barrier();
  const operation: Operation = {
    service: MachineService,
    method: MachineService.method.getMachine,
    async handler(request) {
      await held.stop();
      if (request === "fails") throw notFound("machine", "m");
      return {};
    },
  };
  const door = doorFor(3, 2);
  const { handler } = behind(door, operation);
  const calls = [handler("fails", contextOf("a")), handler("", contextOf("a"))] as Promise<unknown>[];
  const full = { reason: "FULL", retryAfterMs: 2_000 };
  await expect(handler("", contextOf("a"))).rejects.toMatchObject(full);
  calls.push(handler("", contextOf("b")) as Promise<unknown>);
  await expect(handler("", contextOf("c"))).rejects.toMatchObject(full);
  held.open();
  expect((await Promise.allSettled(calls)).map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
  expect(door.inside).toBe(0);
  expect(await handler("", contextOf("c"))).toEqual({});
});

test("a stream is under way until it has ended, or its reader has gone", async () => {
  const operation: Operation = {
    service: ConsoleService,
    method: ConsoleService.method.followConsole,
    async *handler() {
      for (;;) yield {};
    },
  };
  const door = doorFor(1, 1);
  const { handler } = behind(door, operation);
  const open = (id: string) => handler("", contextOf(id)) as AsyncGenerator<unknown>;
  const stream = open("a");
  await stream.next();
  await expect(open("b").next()).rejects.toMatchObject({ reason: "FULL" });
  await stream.return(undefined);
  expect(door.inside).toBe(0);
  expect(await open("b").next()).toMatchObject({ done: false });
});
