/** Machines that belong to a client are deleted when it has been gone for a while, and not before. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchUnattended } from "../../api/services/unattended.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function bench(ephemeral: string[]) {
  const followers = new Map<string, number>();
  const deps = {
    store: { machines: { ephemeral: async () => [...ephemeral] } },
    hosting: {
      peek: (id: string) => ({ followers: followers.get(id) ?? 0 }),
      delete: async (id: string) => void ephemeral.splice(ephemeral.indexOf(id), 1),
    },
  };
  const watch = () => watchUnattended(deps as never, 60_000, (error) => expect.unreachable(String(error)));
  return { ephemeral, followers, watch };
}

test("a machine that nobody follows for the whole time is deleted", async () => {
  const { ephemeral, followers, watch } = bench(["m-left", "m-followed", "m-back"]);
  followers.set("m-followed", 1);
  const stop = watch();
  await vi.advanceTimersByTimeAsync(40_000);
  followers.set("m-back", 2);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(ephemeral).toEqual(["m-followed", "m-back"]);
  followers.set("m-back", 0);
  await vi.advanceTimersByTimeAsync(40_000);
  expect(ephemeral).toEqual(["m-followed", "m-back"]);
  await vi.advanceTimersByTimeAsync(40_000);
  expect(ephemeral).toEqual(["m-followed"]);
  stop();
});

test("a server that is started anew gives every client the whole time to come back", async () => {
  const { ephemeral, watch } = bench(["m-1"]);
  const stop = watch();
  await vi.advanceTimersByTimeAsync(55_000);
  stop();
  const stopAgain = watch();
  await vi.advanceTimersByTimeAsync(55_000);
  expect(ephemeral).toEqual(["m-1"]);
  stopAgain();
});
