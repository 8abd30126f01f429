/**
 * Events as a Perfetto trace (protobuf, opens in ui.perfetto.dev). Chunks are whole packets, so what has been
 * written so far is a valid trace at any time. Timestamps are virtual nanoseconds.
 *
 * Field numbers are those of perfetto's protos/perfetto/trace: trace_packet.proto and track_event/*.proto.
 */
import type { DecodedEvent, FieldValue } from "../../kernel/trace/index.ts";
import { type Fields, type Mark, SpanTracker, type Track, threadNumber } from "./perfetto-spans.ts";
import { ProtoWriter } from "./perfetto-wire.ts";

const Trace = { packet: 1 } as const;
const TracePacket = { timestamp: 8, sequenceId: 10, trackEvent: 11, trackDescriptor: 60 } as const;
const TrackDescriptor = { uuid: 1, name: 2, process: 3, thread: 4, parentUuid: 5 } as const;
const ProcessDescriptor = { pid: 1, processName: 6 } as const;
const ThreadDescriptor = { pid: 1, tid: 2, threadName: 5 } as const;
const TrackEvent = { debugAnnotations: 4, type: 9, trackUuid: 11, categories: 22, name: 23 } as const;
const DebugAnnotation = { bool: 2, uint: 3, int: 4, text: 6, name: 10 } as const;
const eventTypes = { begin: 1, end: 2, instant: 3 } as const;

/** All packets come from one writer. */
const sequenceId = 1;

const machineUuid = 1;
const uuidOf = (track: Track): number => {
  if (track.kind === "machine") return machineUuid;
  if (track.kind === "hart") return 2 ** 40 + track.hart;
  return track.kind === "task" ? 2 ** 41 + track.task : 2 ** 42 + track.thread;
};

export interface PerfettoExport {
  /** The next part of the file. */
  push(events: readonly DecodedEvent[]): Uint8Array<ArrayBuffer>;
}

export function createPerfettoExport(): PerfettoExport {
  const tracker = new SpanTracker();
  return {
    push(events) {
      const trace = new ProtoWriter();
      for (const mark of tracker.push(events)) trace.message(Trace.packet, packetOf(mark));
      return trace.finish();
    },
  };
}

function packetOf(mark: Mark): ProtoWriter {
  const packet = new ProtoWriter().uint(TracePacket.sequenceId, sequenceId);
  if (mark.kind === "track") return packet.message(TracePacket.trackDescriptor, descriptorOf(mark.track, mark.name));
  packet.uint(TracePacket.timestamp, mark.timeNs);
  const event = new ProtoWriter()
    .uint(TrackEvent.type, eventTypes[mark.kind])
    .uint(TrackEvent.trackUuid, uuidOf(mark.track));
  if (mark.kind !== "end") event.text(TrackEvent.categories, mark.category).text(TrackEvent.name, mark.name);
  annotate(event, mark.fields);
  return packet.message(TracePacket.trackEvent, event);
}

function descriptorOf(track: Track, name: string): ProtoWriter {
  const descriptor = new ProtoWriter().uint(TrackDescriptor.uuid, uuidOf(track)).text(TrackDescriptor.name, name);
  if (track.kind === "task") {
    const process = new ProtoWriter().uint(ProcessDescriptor.pid, track.task).text(ProcessDescriptor.processName, name);
    descriptor.message(TrackDescriptor.process, process);
  } else if (track.kind === "thread") {
    const thread = new ProtoWriter()
      .uint(ThreadDescriptor.pid, track.task)
      .uint(ThreadDescriptor.tid, threadNumber(track.thread))
      .text(ThreadDescriptor.threadName, name);
    descriptor.uint(TrackDescriptor.parentUuid, uuidOf({ kind: "task", task: track.task }));
    descriptor.message(TrackDescriptor.thread, thread);
  }
  return descriptor;
}

function annotate(event: ProtoWriter, fields: Fields): void {
  for (const [name, value] of Object.entries(fields)) {
    const annotation = new ProtoWriter().text(DebugAnnotation.name, name);
    event.message(TrackEvent.debugAnnotations, withValue(annotation, value));
  }
}

function withValue(annotation: ProtoWriter, value: FieldValue): ProtoWriter {
  if (typeof value === "boolean") return annotation.uint(DebugAnnotation.bool, value ? 1 : 0);
  if (typeof value === "string") return annotation.text(DebugAnnotation.text, value);
  if (value instanceof Uint8Array) return annotation.text(DebugAnnotation.text, Buffer.from(value).toString("hex"));
  return annotation.uint(value < 0 ? DebugAnnotation.int : DebugAnnotation.uint, value);
}
