/**
 * A well-behaved machine beside floods in one worker. Of the worker's time while both could run, its fair share is half;
 * `share` is what it had of that by the worker's own account, `by the clock` how far it came, of what it comes beside an
 * endless loop in the same minute. That is as noisy as the host, so the same by processor time: of the worker's
 * (`of its worker`: how it fares where the rest of the server has processors of its own), and of the whole process's (`of
 * the process`: where it has none). `main` is what the main thread took, `helpers` V8's, both of what the worker took.
 * `longest` is the longest that others waited for one turn or command, `unaccounted` what the worker did for nobody's account.
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
  /** Processor time: of the worker, of this thread, of all. */
  worker: number;
  main: number;
  process: number;
}

const total = ({ user, system }: NodeJS.CpuUsage): number => user + system;

async function look({ modest }: Beside): Promise<Look> {
  const { worker, use, countedInstructions: instructions } = modest;
  const elu = worker.thread.performance.eventLoopUtilization();
  const all = worker.meter.read().chargedMs;
  const cpu = { main: total(process.threadCpuUsage()), process: total(process.cpuUsage()) };
  const { chargedMs: charged, wantedMs: wanted } = use;
  return {
    atMs: performance.now(),
    instructions,
    charged,
    wanted,
    all,
    elu,
    ...cpu,
    worker: total(await worker.thread.cpuUsage()),
  };
}

async function measure(name: string): Promise<{ from: Look; to: Look; longest: number; unaccounted: number }> {
  const bench = await startHosting({ workers: 1 });
  const beside = await startBeside(bench, name);
  let isOver = false;
  const flooding = beside.during(() => isOver);
  await sleep(WARM_MS);
  const from = await look(beside);
  await sleep(MEASURED_MS);
  const to = await look(beside);
  isOver = true;
  await flooding;
  const longest = beside.flood.use.longestMs;
  const { active } = beside.modest.worker.thread.performance.eventLoopUtilization(to.elu, from.elu);
  await bench.close();
  for (const { error } of bench.errors) console.error(error);
  return { from, to, longest, unaccounted: 1 - (to.all - from.all) / active };
}

type Measured = Pick<Awaited<ReturnType<typeof measure>>, "from" | "to">;
type Cost = "atMs" | "worker" | "process" | "main";
const spent = ({ from, to }: Measured, cost: Cost) => to[cost] - from[cost];
const speedOf = (measured: Measured, cost: Cost) =>
  (measured.to.instructions - measured.from.instructions) / spent(measured, cost);
const percent = (part: number) => `${(100 * part).toFixed(1)} %`;

export async function bench(): Promise<void> {
  const loop = await measure("an endless loop");
  const rows = [];
  for (const name of NAMES) {
    const measured = await measure(name);
    const { from, to, longest, unaccounted } = measured;
    const ofLoop = (cost: Cost) => percent(speedOf(measured, cost) / speedOf(loop, cost));
    const worker = spent(measured, "worker");
    rows.push({
      flood: name,
      share: percent((2 * (to.charged - from.charged)) / (to.wanted - from.wanted)),
      "by the clock": ofLoop("atMs"),
      "of its worker": ofLoop("worker"),
      "of the process": ofLoop("process"),
      main: percent(spent(measured, "main") / worker),
      helpers: percent((spent(measured, "process") - worker - spent(measured, "main")) / worker),
      "longest (ms)": longest.toFixed(0),
      unaccounted: percent(unaccounted),
    });
  }
  printTable(rows);
}
