/**
 * Events as what a timeline shows: tracks, slices on them, instants. The Perfetto and the Chrome export only differ
 * in how they write it down.
 *
 * - one process per task, one track per thread: its system calls as slices, all else as instants;
 * - one track per hart: which thread ran when. It is apart, since a thread may leave the hart in the middle of a
 *   system call and slices of one track have to nest;
 * - one track for what belongs to no task.
 */
import type { DecodedEvent, FieldValue } from "../../kernel/trace/index.ts";

export type Track =
  | { kind: "machine" }
  | { kind: "hart"; hart: number }
  | { kind: "task"; task: number }
  | { kind: "thread"; task: number; thread: number };

export type Fields = Readonly<Record<string, FieldValue>>;

export type Mark =
  /** Comes before the first other mark on its track; again when a name became known. */
  | { kind: "track"; track: Track; name: string }
  | { kind: "begin" | "instant"; track: Track; timeNs: number; name: string; category: string; fields: Fields }
  | { kind: "end"; track: Track; timeNs: number; fields: Fields };

export const trackKey = (track: Track): string =>
  track.kind === "machine"
    ? "m"
    : track.kind === "hart"
      ? `h${track.hart}`
      : track.kind === "task"
        ? `p${track.task}`
        : `t${track.thread}`;

export class SpanTracker {
  readonly #known = new Set<string>();
  readonly #taskNames = new Map<number, string>();
  readonly #taskOf = new Map<number, number>();
  /** Threads inside a call, and harts with a thread on them. */
  readonly #open = new Set<string>();
  #marks: Mark[] = [];

  push(events: readonly DecodedEvent[]): Mark[] {
    this.#marks = [];
    for (const event of events) this.#one(event);
    return this.#marks;
  }

  #one(event: DecodedEvent): void {
    if (event.thread !== 0) this.#taskOf.set(event.thread, event.task);
    switch (event.name) {
      case "task.start":
        this.#nameTask(event.values["task"] as number, event.values["name"] as string);
        this.#instant(event);
        break;
      case "thread.create":
        this.#taskOf.set(event.values["thread"] as number, event.values["task"] as number);
        this.#instant(event);
        break;
      case "thread.exit":
        this.#instant(event);
        this.#end(this.#threadTrack(event.values["thread"] as number), event.timeNs, {});
        break;
      case "syscall.enter":
        this.#enter(event);
        break;
      case "syscall.exit":
        this.#end(this.#trackOf(event), event.timeNs, event.values);
        break;
      case "sched.switch":
        this.#switch(event);
        break;
      default:
        this.#instant(event);
    }
  }

  #enter(event: DecodedEvent): void {
    const track = this.#trackOf(event);
    // Made again after a wait: the slice that is open goes on.
    if (this.#open.has(trackKey(track))) this.#instant(event);
    else this.#begin(track, event, event.values["name"] as string);
  }

  #switch(event: DecodedEvent): void {
    const track: Track = { kind: "hart", hart: event.hart };
    const to = event.values["to"] as number;
    this.#end(track, event.timeNs, {});
    if (to !== 0) this.#begin(track, event, this.#threadName(to));
  }

  #begin(track: Track, event: DecodedEvent, name: string): void {
    this.#declare(track);
    this.#open.add(trackKey(track));
    const { timeNs, category, values: fields } = event;
    this.#marks.push({ kind: "begin", track, timeNs, name, category, fields });
  }

  #end(track: Track, timeNs: number, fields: Fields): void {
    if (this.#open.delete(trackKey(track))) this.#marks.push({ kind: "end", track, timeNs, fields });
  }

  #instant(event: DecodedEvent): void {
    const track = this.#trackOf(event);
    this.#declare(track);
    const { timeNs, name, category, values: fields } = event;
    this.#marks.push({ kind: "instant", track, timeNs, name, category, fields });
  }

  #trackOf({ task, thread }: DecodedEvent): Track {
    if (thread !== 0) return { kind: "thread", task, thread };
    return task === 0 ? { kind: "machine" } : { kind: "task", task };
  }

  #threadTrack(thread: number): Track {
    return { kind: "thread", task: this.#taskOf.get(thread) ?? 0, thread };
  }

  #nameTask(task: number, name: string): void {
    this.#taskNames.set(task, name);
    const track: Track = { kind: "task", task };
    this.#known.add(trackKey(track));
    this.#marks.push({ kind: "track", track, name });
  }

  #taskName(task: number): string {
    return this.#taskNames.get(task) ?? `task ${task}`;
  }

  #threadName(thread: number): string {
    const task = this.#taskOf.get(thread);
    return task === undefined ? `thread ${thread}` : `${this.#taskName(task)} thread ${thread}`;
  }

  #declare(track: Track): void {
    const key = trackKey(track);
    if (this.#known.has(key)) return;
    this.#known.add(key);
    if (track.kind === "thread") this.#declare({ kind: "task", task: track.task });
    this.#marks.push({ kind: "track", track, name: this.#nameOf(track) });
  }

  #nameOf(track: Track): string {
    if (track.kind === "machine") return "machine";
    if (track.kind === "hart") return `hart ${track.hart}`;
    return track.kind === "task" ? this.#taskName(track.task) : `thread ${track.thread}`;
  }
}

/** Threads are numbered apart from tasks, but viewers take a thread whose number is a process's for its first. */
export const threadNumber = (thread: number): number => 1_000_000 + thread;
