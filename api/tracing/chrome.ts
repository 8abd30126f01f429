/** Events in the Chrome trace event format (JSON; chrome://tracing, Perfetto, speedscope read it). Times are in µs. */
import type { DecodedEvent, FieldValue } from "../../kernel/trace/index.ts";
import { type Fields, type Mark, SpanTracker, type Track, threadNumber } from "./perfetto-spans.ts";

export interface ChromeExport {
  /** The next part of the file. */
  push(events: readonly DecodedEvent[]): string;
  /** The last part. */
  end(): string;
}

const head = '{"displayTimeUnit":"ns","traceEvents":[\n';
const tail = "\n]}\n";

export function createChromeExport(): ChromeExport {
  const tracker = new SpanTracker();
  let parts = 0;
  return {
    push(events) {
      let text = "";
      for (const mark of tracker.push(events)) {
        for (const entry of entriesOf(mark)) text += (parts++ === 0 ? head : ",\n") + JSON.stringify(entry);
      }
      return text;
    },
    end: () => (parts === 0 ? head : "") + tail,
  };
}

/** Harts and the machine are threads of a process 0, which no task is. */
function placeOf(track: Track): { pid: number; tid: number } {
  if (track.kind === "machine") return { pid: 0, tid: 0 };
  if (track.kind === "hart") return { pid: 0, tid: 1 + track.hart };
  return track.kind === "task" ? { pid: track.task, tid: 0 } : { pid: track.task, tid: threadNumber(track.thread) };
}

function entriesOf(mark: Mark): object[] {
  const place = placeOf(mark.track);
  if (mark.kind === "track") {
    const named = (what: string, name: string) => ({ ph: "M", name: what, ...place, args: { name } });
    if (mark.track.kind === "task") return [named("process_name", mark.name)];
    const thread = named("thread_name", mark.name);
    return mark.track.kind === "thread" ? [thread] : [named("process_name", "machine"), thread];
  }
  const common = { ...place, ts: mark.timeNs / 1000, args: argumentsOf(mark.fields) };
  if (mark.kind === "end") return [{ ph: "E", ...common }];
  const named = { name: mark.name, cat: mark.category, ...common };
  return [mark.kind === "begin" ? { ph: "B", ...named } : { ph: "i", s: "t", ...named }];
}

const argumentsOf = (fields: Fields): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, jsonOf(value)]));

/** What a JSON number cannot hold exactly is text. */
function jsonOf(value: FieldValue): number | boolean | string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (typeof value !== "bigint") return value;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString();
}
