/** The cache of content in a worker: what is asked for comes, however little room there is. */
import { expect, test } from "vitest";
import { ContentCache } from "../../api/hosting/worker/content.ts";
import type { Pieces } from "../../api/store/types.ts";

test("content that leaves the cache while other content is fetched is still delivered", async () => {
  const blobs = new Map(["a", "b", "c"].map((name) => [name, new Uint8Array(60).fill(name.charCodeAt(0))]));
  const get = (hashes: readonly string[]) => hashes.map((hash) => blobs.get(hash) ?? null);
  const cache = new ContentCache({ now: get, later: async (hashes) => get(hashes) }, 100);
  await cache.later(["a"]);
  expect((await cache.later(["b", "a"])).map((bytes) => bytes[0])).toEqual([98, 97]);
  expect(cache.now(["c", "a", "b"]).map((bytes) => bytes[0])).toEqual([99, 97, 98]);
});

test("content that the store has in pieces is there in one, too", async () => {
  const pieces = ["a", "b"].map((name): [string, Uint8Array<ArrayBuffer>] => [
    name,
    new Uint8Array(4).fill(name.charCodeAt(0)),
  ]);
  const stored = new Map<string, Uint8Array<ArrayBuffer> | Pieces>(pieces);
  stored.set("whole", { size: 8, pieceBytes: 4, hashes: ["a", "b"] });
  const get = (hashes: readonly string[]) => hashes.map((hash) => stored.get(hash) ?? null);
  const cache = () => new ContentCache({ now: get, later: async (hashes) => get(hashes) }, 100);
  expect(Buffer.concat(cache().now(["whole"])).toString()).toBe("aaaabbbb");
  expect(Buffer.concat(await cache().later(["whole", "a"])).toString()).toBe("aaaabbbbaaaa");
});
