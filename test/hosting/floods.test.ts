/**
 * A well-behaved machine beside real floods in one worker, in the worker's own account. How long that takes is up to the
 * host: it goes on until one turn too many would be little of all. More floods, and what the account does not show:
 * `npm run bench -- flood`.
 */
import { afterEach, expect, test } from "vitest";
import type { HostedMachine } from "../../api/hosting/hosted.ts";
import { LENT_MS, noUse } from "../../api/hosting/worker/shares.ts";
import { ORDINARY_WEIGHT, type WeightRow } from "../../api/hosting/worker/weights.ts";
import { startBeside } from "../support/floods.ts";
import { hasCompiler } from "../support/guest.ts";
import { startHosting, type TestHosting } from "../support/hosting.ts";

/** Of its fair share at least. */
const KEPT = 0.8;
/** The longest turn is at most this part of the time that is looked at, and so is what is lent. */
const PART = 1 / 12;
const WARM_MS = 100;

/** True once the flood is under way; what was charged before is forgotten, for the host's own code was cold. */
function flooded(modest: HostedMachine, flood: HostedMachine): () => boolean {
  let isUnderWay = false;
  return () => {
    if (!isUnderWay && flood.use.chargedMs > WARM_MS) {
      isUnderWay = true;
      for (const { use } of [modest, flood]) Object.assign(use, noUse());
    }
    return isUnderWay;
  };
}

let bench: TestHosting;
afterEach(() => bench.close());

test
  .skipIf(!hasCompiler)
  .each([
    "a fork bomb",
    "timers whose signals nobody takes",
    "snapshots without end",
    "a trace of everything that nobody reads",
  ])("a machine keeps its share beside %s", async (name) => {
  bench = await startHosting({ workers: 1 });
  const { modest, flood, during, end } = await startBeside(bench, name);
  const { use } = modest;
  const isUnderWay = flooded(modest, flood);
  const unfair = () => LENT_MS + Math.max(use.longestMs, flood.use.longestMs);
  await during(() => isUnderWay() && use.wantedMs * PART >= unfair() && flood.use.chargedMs > 0);
  // What the main thread did for it, also before, is part of what it has had.
  expect(use.chargedMs + modest.servedMs).toBeGreaterThan((KEPT * use.wantedMs) / 2);
  await end();
  expect(bench.errors).toEqual([]);
});

test.skipIf(!hasCompiler)("a weight counts for machines that run", async () => {
  const weights: WeightRow[] = [];
  bench = await startHosting({ workers: 1, weights: () => weights });
  const { modest, flood, during, end } = await startBeside(bench, "an endless loop");
  const { use } = modest;
  const isUnderWay = flooded(modest, flood);
  await during(isUnderWay);
  const { courseId, ownerId: userId } = modest.row;
  weights.push({ courseId, userId, weight: 3 * ORDINARY_WEIGHT });
  bench.hosting.reweigh();
  const before = { ...use };
  const since = (kind: "chargedMs" | "wantedMs") => use[kind] - before[kind];
  const unfair = () => LENT_MS + Math.max(use.longestMs, flood.use.longestMs);
  await during(() => since("wantedMs") * PART >= unfair());
  const wanted = since("wantedMs");
  expect(since("chargedMs") + modest.servedMs).toBeGreaterThan((KEPT * wanted * 3) / 4);
  expect(wanted - since("chargedMs") + flood.servedMs).toBeGreaterThan((KEPT * wanted) / 4);
  await end();
});
