/** Events made with the real emitter and the real rows. */
import type { EventType, Fields, FieldValues } from "../../kernel/trace/define.ts";
import { catalogue, type DecodedEvent, decodeRecords } from "../../kernel/trace/index.ts";
import { createTraceRing } from "../../kernel/trace/record/ring.ts";

export interface At {
  task?: number;
  thread?: number;
  timeNs?: number;
}

export function recorder(limitBytes?: number) {
  const now = { timeNs: 0, instructions: 0, task: 0, thread: 0, hart: 0 };
  const ring = createTraceRing({ sequence: 0 }, () => now, limitBytes);
  ring.setMask(-1);
  return {
    emit<F extends Fields>(type: EventType<string, F>, values: FieldValues<F>, at: At = {}): void {
      Object.assign(now, at);
      now.instructions = now.timeNs;
      if (ring.on(type as unknown as EventType)) ring.write(type, values);
    },
    drain: () => ring.drain(),
    events: (): DecodedEvent[] => decodeRecords(ring.drain(), catalogue),
  };
}
