/** What can be asked for when the figures are read: how large, how busy, how many. */
import type { Grading } from "../grading/grader.ts";
import type { Hosting } from "../hosting/hosting.ts";
import type { WeightRow } from "../hosting/worker/weights.ts";
import type { Housekeeping } from "../services/housekeeping.ts";
import { ALL_MEMBERS, EACH_MEMBER } from "../store/people.ts";
import type { Store } from "../store/types.ts";
import type { Source } from "./metrics.ts";

interface Parts {
  store: Store;
  hosting: Hosting;
  grading: Grading;
  housekeeping: Housekeeping;
  /** Of shares of the processor, those that are set. */
  weights(): readonly WeightRow[];
  /** Calls under way. */
  activeCalls(): number;
  /** Of large bodies that are being received. */
  uploadBytes(): number;
}

export function sourcesOf(parts: Parts): Source[] {
  return [...machineSources(parts), ...workerSources(parts), ...queueSources(parts), ...storeSources(parts)];
}

/** Of so many hundredths of the machines: a machine of its own has no series of its own, since there may be thousands. */
const QUANTILES = [0.5, 0.9, 1];

/** By quantile; without machines there are none. */
function quantilesOf(sizes: readonly number[]): Record<string, number> {
  const sorted = sizes.toSorted((a, b) => a - b);
  if (sorted.length === 0) return {};
  return Object.fromEntries(QUANTILES.map((share) => [share, sorted[Math.ceil(share * sorted.length) - 1]!]));
}

function machineSources({ store, hosting }: Parts): Source[] {
  return [
    {
      name: "ostler_machines",
      help: "Machines that are known, by what they do.",
      kind: "gauge",
      label: "run",
      read: async () => (await store.figures()).machinesByRun,
    },
    {
      name: "ostler_machines_in_memory",
      help: "Machines in memory: waking, awake, leaving.",
      kind: "gauge",
      label: "phase",
      read: () => hosting.figures().byPhase,
    },
    {
      name: "ostler_machine_memory_bytes",
      help: "Memory that the machines in memory take; beyond OSTLER_MEMORY_CEILING_BYTES those at rest hibernate.",
      kind: "gauge",
      read: () => hosting.figures().memoryBytes,
    },
    {
      name: "ostler_departed_machine_bytes",
      help: "Memory of machines that have left, as far as workers have not given it back yet.",
      kind: "gauge",
      read: () => hosting.figures().departedBytes,
    },
    {
      name: "ostler_resident_machine_bytes",
      help: "Memory that a machine in memory takes: of the one in the middle, of the largest tenth, of the largest.",
      kind: "gauge",
      label: "quantile",
      read: () => quantilesOf(hosting.figures().machineBytes),
    },
    {
      name: "ostler_instructions_total",
      help: "Instructions that machines have executed; not those that were executed again, nor gradings.",
      kind: "counter",
      read: () => hosting.figures().instructions,
    },
    {
      name: "ostler_wakes_total",
      help: "Machines brought into memory.",
      kind: "counter",
      read: () => hosting.figures().wakes,
    },
    {
      name: "ostler_hibernations_total",
      help: "Machines that were put away from memory, to be woken when somebody needs them.",
      kind: "counter",
      read: () => hosting.figures().hibernations,
    },
    {
      name: "ostler_snapshots_total",
      help: "Snapshots taken.",
      kind: "counter",
      read: () => hosting.figures().snapshots,
    },
    {
      name: "ostler_trace_events_dropped_total",
      help: "Events that slow readers of live traces were told of as gaps.",
      kind: "counter",
      read: () => hosting.figures().droppedTraceEvents,
    },
  ];
}

/** Names of courses and users are no labels: how many are set is what can be watched. */
function countByHolder(rows: readonly WeightRow[]): Record<string, number> {
  const count = (of: (userId: string) => boolean) => rows.filter(({ userId }) => of(userId)).length;
  const each = count((userId) => userId === EACH_MEMBER);
  const courses = count((userId) => userId === ALL_MEMBERS);
  return { courses, each_member: each, members: rows.length - each - courses };
}

function workerSources({ hosting, weights }: Parts): Source[] {
  return [
    {
      name: "ostler_worker_busy_seconds_total",
      help: "Time that a worker thread was busy; its rate is the worker's load, 1 at most.",
      kind: "counter",
      label: "worker",
      read: () => Object.fromEntries(hosting.figures().busyMs.map((ms, worker) => [worker, ms / 1000])),
    },
    {
      name: "ostler_weights",
      help: "Weights of shares of the processor that are set, by of what: courses, all members of one, single members.",
      kind: "gauge",
      label: "of",
      read: () => countByHolder(weights()),
    },
    {
      name: "ostler_workers_lost_total",
      help: "Worker threads that were lost with all that was in them: they broke, hung, or were ended.",
      kind: "counter",
      label: "cause",
      read: () => hosting.figures().workersLost,
    },
    {
      name: "ostler_moves_total",
      help: "Machines moved from a busy worker to an idler one.",
      kind: "counter",
      read: () => hosting.figures().moves,
    },
    {
      name: "ostler_worker_load",
      help: "Machines and jobs that could run at once in each worker, on average over some seconds.",
      kind: "gauge",
      label: "worker",
      read: () => Object.fromEntries(hosting.workers.map(({ recentLoad }, index) => [index, recentLoad.value])),
    },
    {
      name: "ostler_translations",
      help: "Regions of guest code that workers keep translated to WebAssembly.",
      kind: "gauge",
      read: () => hosting.figures().translations,
    },
    {
      name: "ostler_translated_bytes",
      help: "Size of the WebAssembly that hot guest code is translated to, over all workers.",
      kind: "gauge",
      read: () => hosting.figures().translatedBytes,
    },
  ];
}

function queueSources({ store, hosting, grading, activeCalls, uploadBytes }: Parts): Source[] {
  const queues = async () => {
    const { waitingCommits, waitingWrites } = await store.figures();
    const { commands, jobs } = hosting.figures();
    const { waiting, running } = grading.figures();
    return {
      calls: activeCalls(),
      commits: waitingCommits,
      writes: waitingWrites,
      worker_commands: commands,
      worker_jobs: jobs,
      submissions_waiting: waiting,
      submissions_running: running,
    };
  };
  return [
    {
      name: "ostler_queue_length",
      help: "What is under way or waits, by where.",
      kind: "gauge",
      label: "queue",
      read: queues,
    },
    {
      name: "ostler_buffer_bytes",
      help: "Memory that waits with clients: traces for slow readers, large bodies that are being received.",
      kind: "gauge",
      label: "buffer",
      read: () => ({ traces: hosting.figures().traceQueueBytes, uploads: uploadBytes() }),
    },
  ];
}

function storeSources({ store, housekeeping }: Parts): Source[] {
  const bytes = async () => {
    const { databaseBytes, freeBytes } = await store.figures();
    return { used: databaseBytes - freeBytes, free: freeBytes };
  };
  return [
    { name: "ostler_store_bytes", help: "Size of the database.", kind: "gauge", label: "part", read: bytes },
    {
      name: "ostler_content_blobs",
      help: "Pages, nodes, states and programs stored, as of the last collection.",
      kind: "gauge",
      read: () => (housekeeping.last === null ? {} : housekeeping.last.examinedBlobs - housekeeping.last.deletedBlobs),
    },
    {
      name: "ostler_content_missing_blobs",
      help: "Content that is named and not stored, as of the last collection. Not 0: see ostler fsck.",
      kind: "gauge",
      read: () => housekeeping.last?.missingBlobs ?? {},
    },
    {
      name: "ostler_collection_timestamp_seconds",
      help: "When the last collection began.",
      kind: "gauge",
      read: () => (housekeeping.last === null ? {} : housekeeping.last.startedAt.getTime() / 1000),
    },
  ];
}
