/** All trace events, and the union that graders and the console see: derived from the rows, never retyped. */
import type { EventType, FieldValues } from "../define.ts";
import { capabilityEvents } from "./capability.ts";
import { deviceEvents } from "./device.ts";
import { faultEvents } from "./fault.ts";
import { traceGap } from "./gap.ts";
import { ipcEvents } from "./ipc.ts";
import { machineEvents } from "./machine.ts";
import { memoryEvents } from "./memory.ts";
import { schedEvents } from "./sched.ts";
import { signalEvents } from "./signal.ts";
import { syscallEvents } from "./syscall.ts";
import { taskEvents } from "./task.ts";

const rows = [
  traceGap,
  ...machineEvents,
  ...taskEvents,
  ...schedEvents,
  ...syscallEvents,
  ...memoryEvents,
  ...faultEvents,
  ...deviceEvents,
  ...signalEvents,
  ...capabilityEvents,
  ...ipcEvents,
] as const;

export const catalogue: readonly EventType[] = rows;

type EventOf<Row> =
  Row extends EventType<infer Name, infer Fields> ? { readonly name: Name } & FieldValues<Fields> : never;
export type TraceEvent = EventOf<(typeof rows)[number]>;
