/**
 * Devices that stand alone: registers at a place, maybe an interrupt, and nothing that others on the board have to know.
 * A row says all that there is to say of one; state, bus, clock and device tree take it from here. Its name is that of its
 * state, which snapshots have.
 */
import type { Device, Wiring } from "../bus/device.ts";
import { addressMap } from "../bus/map.ts";
import type { DeviceEventKind } from "../clock/state.ts";
import type { PropertyValue } from "../devicetree/fdt.ts";
import { finisherOver } from "../finisher/finisher.ts";
import { initPower } from "../finisher/state.ts";
import { rtcOver } from "../rtc/rtc.ts";
import { initRtc } from "../rtc/state.ts";
import type { BoardSpec } from "./state.ts";
import { phandle } from "./tree-parts.ts";

export interface Place {
  base: number;
  bytes: number;
  irq?: number;
}

export interface Standalone<State, Event extends DeviceEventKind = DeviceEventKind> {
  /** What traces call it. */
  name: string;
  place: Place;
  init(spec: BoardSpec): State;
  over(state: State, wiring: Wiring): Device;
  /** Its events on the clock, if it schedules any. */
  event?: Event;
  /** In the device tree, beside its registers and its interrupt. */
  node: { name: string; compatible: PropertyValue; properties?: Readonly<Record<string, PropertyValue>> };
}

const row = <State, Event extends DeviceEventKind = never>(
  standalone: Standalone<State, Event>,
): Standalone<State, Event> => standalone;

/** In the order of the device tree. */
export const standalones = {
  power: row({
    name: "finisher",
    place: addressMap.finisher,
    init: initPower,
    over: finisherOver,
    node: {
      name: "test",
      compatible: ["sifive,test1", "sifive,test0", "syscon"],
      properties: { phandle: [phandle.finisher] },
    },
  }),
  rtc: row({
    name: "rtc",
    place: addressMap.rtc,
    init: ({ realtimeEpochNs }) => initRtc(realtimeEpochNs),
    over: (state, wiring) => rtcOver(state, addressMap.rtc.irq, wiring),
    event: "rtcAlarm",
    node: { name: "rtc", compatible: "google,goldfish-rtc" },
  }),
};

type Rows = typeof standalones;
export type StandaloneName = keyof Rows;
export type StandaloneEvent = NonNullable<Rows[StandaloneName]["event"]>;
export type StandaloneStates = { [Name in StandaloneName]: ReturnType<Rows[Name]["init"]> };

const names = Object.keys(standalones) as StandaloneName[];
/** What holds of a row holds of its own state: that much the compiler cannot see. */
const rowOf = (name: StandaloneName): Standalone<unknown> => standalones[name] as Standalone<unknown>;

export const standaloneRows: readonly Standalone<unknown>[] = names.map(rowOf);

export const initStandalones = (spec: BoardSpec): StandaloneStates =>
  Object.fromEntries(names.map((name) => [name, rowOf(name).init(spec)])) as unknown as StandaloneStates;

export interface Placed {
  row: Standalone<unknown>;
  device: Device;
}

export const standalonesOver = (states: StandaloneStates, wiring: Wiring): Placed[] =>
  names.map((name) => ({ row: rowOf(name), device: rowOf(name).over(states[name], wiring) }));
