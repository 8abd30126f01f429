/** Open files that are no files: counters of events (eventfd(2)) and timers (timerfd(2)). Both are read as 8 bytes. */
import { wakeQueue } from "../thread/blocking.ts";
import { type FileOps, type ReadResult, Ready, readable, writable } from "./file-ops.ts";
import type { FileKernel } from "./kernel.ts";
import type { OpenFile, OpenTarget } from "./state.ts";

type Of<Kind> = OpenTarget & { kind: Kind };

/** The largest count; a write that would go beyond waits. */
const mostEvents = 2n ** 64n - 2n;
const wordBytes = 8;

export const eventsQueue = ({ id }: Pick<OpenFile, "id">): string => `events ${id}`;
export const eventsChanged = (k: FileKernel, file: OpenFile): number =>
  wakeQueue(k, eventsQueue(file), Number.POSITIVE_INFINITY);

const packed = (value: bigint): ReadResult => ({ bytes: new Uint8Array(BigUint64Array.of(value).buffer) });
const eventOf = (file: OpenFile): Of<"event"> => file.target as Of<"event">;
const timerOf = (file: OpenFile): Of<"timer"> => file.target as Of<"timer">;

const taken = ({ count, semaphore }: Of<"event">): bigint => (semaphore ? 1n : count);

export const eventOps: FileOps = {
  read(_k, file, _position, room) {
    if (room < wordBytes) return { errno: "EINVAL" };
    const event = eventOf(file);
    return event.count === 0n ? { queue: eventsQueue(file) } : packed(taken(event));
  },
  advance(k, file) {
    const event = eventOf(file);
    event.count -= taken(event);
    event.departures += 1;
    eventsChanged(k, file);
  },
  write(k, _task, file, _position, bytes) {
    if (bytes.length < wordBytes) return { errno: "EINVAL" };
    const event = eventOf(file);
    const added = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    if (added > mostEvents) return { errno: "EINVAL" };
    if (event.count + added > mostEvents) return { count: 0, queue: eventsQueue(file) };
    event.count += added;
    event.arrivals += 1;
    eventsChanged(k, file);
    return { count: wordBytes };
  },
  seekable: false,
  size: () => 0,
  ready(_k, file) {
    const { count } = eventOf(file);
    return (count > 0n ? readable & ~Ready.readNormal : 0) | (count < mostEvents ? writable & ~Ready.writeNormal : 0);
  },
  queues: (_k, file) => [eventsQueue(file)],
  edges(_k, file) {
    const { arrivals, departures } = eventOf(file);
    return { in: arrivals, out: departures };
  },
};

/** How often the timer was due since it was last read. */
export function expirations(k: FileKernel, { dueNs, intervalNs }: Of<"timer">): number {
  const now = k.hal.timer.nowNs();
  if (dueNs === null || dueNs > now) return 0;
  return intervalNs === 0 ? 1 : 1 + Math.floor((now - dueNs) / intervalNs);
}

export const timerOps: FileOps = {
  read(k, file, _position, room) {
    if (room < wordBytes) return { errno: "EINVAL" };
    const timer = timerOf(file);
    const count = expirations(k, timer);
    return count === 0 ? { queue: eventsQueue(file), dueNs: timer.dueNs } : packed(BigInt(count));
  },
  advance(k, file) {
    const timer = timerOf(file);
    const count = expirations(k, timer);
    timer.read += count;
    timer.dueNs = timer.intervalNs === 0 || timer.dueNs === null ? null : timer.dueNs + count * timer.intervalNs;
  },
  write: () => ({ errno: "EINVAL" }),
  seekable: false,
  size: () => 0,
  ready: (k, file) => (expirations(k, timerOf(file)) > 0 ? Ready.in : 0),
  queues: (_k, file) => [eventsQueue(file)],
  dueNs: (k, file) => (expirations(k, timerOf(file)) > 0 ? null : timerOf(file).dueNs),
  // Until it is read it is due once, however often that is.
  edges: (k, file) => ({ in: timerOf(file).read + Math.min(1, expirations(k, timerOf(file))), out: 0 }),
};
