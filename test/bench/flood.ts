/**
 * A well-behaved machine beside floods in one worker. Of the worker's time while both could run, its fair share is half;
 * `share` is what it had of that by the worker's own account, `beside a
 * loop` how far it came, of what it comes beside an endless loop in the same minute (so it notices where the server around
 * the worker holds it up). `longest` is the longest that others waited for one turn or command, `unaccounted` what the worker did for nobody's account.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { HostedMachine } from "../../api/hosting/hosted.ts";
import { type Beside, floods, pests, startBeside } from "../support/floods.ts";
import { startHosting } from "../support/hosting.ts";
import { printTable } from "./table.ts";

/** Of `OSTLER_BENCH_FLOODS`, words between commas: floods that have one of them in their names. */
const WANTED = (process.env["OSTLER_BENCH_FLOODS"] ?? "").split(",");
const NAMES = [...Object.keys(floods), ...Object.keys(pests)].filter((name) =>
  WANTED.some((word) => name.includes(word)),
);
const WARM_MS = 1_500;
const MEASURED_MS = 4_000;

interface Look {
  atMs: number;
  instructions: number;
  charged: number;
  wanted: number;
  all: number;
  elu: ReturnType<HostedMachine["worker"]["thread"]["performance"]["eventLoopUtilization"]>;
}

function look({ modest }: Beside): Look {
  const { worker, use, countedInstructions: instructions } = modest;
  const elu = worker.thread.performance.eventLoopUtilization();
  const all = worker.meter.read().chargedMs;
  return { atMs: performance.now(), instructions, charged: use.chargedMs, wanted: use.wantedMs, all, elu };
}

async function measure(name: string): Promise<{ from: Look; to: Look; longest: number; unaccounted: number }> {
  const bench = await startHosting({ workers: 1 });
  const beside = await startBeside(bench, name);
  let isOver = false;
  const flooding = beside.during(() => isOver);
  await sleep(WARM_MS);
  const from = look(beside);
  await sleep(MEASURED_MS);
  const to = look(beside);
  isOver = true;
  await flooding;
  const longest = beside.flood.use.longestMs;
  const { active } = beside.modest.worker.thread.performance.eventLoopUtilization(to.elu, from.elu);
  await bench.close();
  for (const { error } of bench.errors) console.error(error);
  return { from, to, longest, unaccounted: 1 - (to.all - from.all) / active };
}

const speedOf = ({ from, to }: { from: Look; to: Look }) =>
  (to.instructions - from.instructions) / (to.atMs - from.atMs);
const percent = (part: number) => `${(100 * part).toFixed(1)} %`;

export async function bench(): Promise<void> {
  const beside = speedOf(await measure("an endless loop"));
  const rows = [];
  for (const name of NAMES) {
    const measured = await measure(name);
    const { from, to, longest, unaccounted } = measured;
    rows.push({
      flood: name,
      share: percent((2 * (to.charged - from.charged)) / (to.wanted - from.wanted)),
      "beside a loop": percent(speedOf(measured) / beside),
      "longest (ms)": longest.toFixed(0),
      unaccounted: percent(unaccounted),
    });
  }
  printTable(rows);
}
