/** The cache of content in a worker: what is asked for comes, however little room there is. */
import { expect, test } from "vitest";
import { ContentCache } from "../../api/hosting/worker/content.ts";

test("content that leaves the cache while other content is fetched is still delivered", async () => {
  const blobs = new Map(["a", "b", "c"].map((name) => [name, new Uint8Array(60).fill(name.charCodeAt(0))]));
  const get = (hashes: readonly string[]) => hashes.map((hash) => blobs.get(hash) ?? null);
  const cache = new ContentCache({ now: get, later: async (hashes) => get(hashes) }, 100);
  await cache.later(["a"]);
  expect((await cache.later(["b", "a"])).map((bytes) => bytes[0])).toEqual([98, 97]);
  expect(cache.now(["c", "a", "b"]).map((bytes) => bytes[0])).toEqual([99, 97, 98]);
});
