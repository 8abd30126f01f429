/**
 * The platform-level interrupt controller, as the RISC-V PLIC specification has it, in SiFive's layout.
 *
 * A source's gateway turns the level of a line into requests: when the line is raised and no request of the source is
 * being handled, one becomes pending, and stays so until a context claims it, also when the line falls. While it is
 * claimed there is no other; on completion there is at once when the line is still raised.
 */
import type { Device } from "../bus/device.ts";
import type { Register } from "../bus/registers.ts";
import { contextsOf, type PlicState, sourceCount } from "./state.ts";

/** Bits of mip. */
export const machineExternalInterrupt = 1 << 11;
export const supervisorExternalInterrupt = 1 << 9;

const words = sourceCount / 32;
const highestPriority = 7;

const has = (set: Uint32Array, source: number, from = 0): boolean =>
  ((set[from + (source >>> 5)]! >>> (source & 31)) & 1) !== 0;
function put(set: Uint32Array, source: number, member: boolean): void {
  const bit = 1 << (source & 31);
  if (member) set[source >>> 5]! |= bit;
  else set[source >>> 5]! &= ~bit;
}

function passGateway(state: PlicState, source: number): void {
  if (has(state.raised, source) && !has(state.claimed, source)) put(state.pending, source, true);
}

/** The level of a source's line; whether that is a change. */
export function setSource(state: PlicState, source: number, raised: boolean): boolean {
  if (has(state.raised, source) === raised) return false;
  put(state.raised, source, raised);
  passGateway(state, source);
  return true;
}

/** The pending source that a context may have with the highest priority, of equals the lowest number; 0: none. */
function best(state: PlicState, context: number): number {
  let source = 0;
  for (let word = 0; word < words; word++) {
    const candidates = state.pending[word]! & state.enabled[context * words + word]!;
    for (let bits = candidates >>> 0; bits !== 0; bits = (bits & (bits - 1)) >>> 0) {
      const other = word * 32 + 31 - Math.clz32(bits & -bits);
      if (state.priority[other]! > state.priority[source]!) source = other;
    }
  }
  return source;
}

const interrupts = (state: PlicState, context: number): boolean =>
  state.priority[best(state, context)]! > state.threshold[context]!;

/** The hart's external interrupts, as bits of mip. */
export const plicLines = (state: PlicState, hart: number): number =>
  (interrupts(state, 2 * hart) ? machineExternalInterrupt : 0) |
  (interrupts(state, 2 * hart + 1) ? supervisorExternalInterrupt : 0);

function claim(state: PlicState, context: number): number {
  const source = best(state, context);
  if (source !== 0) {
    put(state.pending, source, false);
    put(state.claimed, source, true);
  }
  return source;
}

/** Of a source that is not enabled for the context it is ignored. */
function complete(state: PlicState, context: number, source: number): void {
  if (source >= sourceCount || !has(state.enabled, source, context * words)) return;
  put(state.claimed, source, false);
  passGateway(state, source);
}

/** Source 0 does not exist. */
const withoutSource0 = (word: number, value: number): number => (word === 0 ? value & ~1 : value) >>> 0;

const sourceRegisters = (state: PlicState): Register[] => [
  {
    name: "priority",
    offset: 0,
    bytes: 4,
    count: sourceCount,
    read: (source) => state.priority[source]!,
    write(source, value) {
      if (source !== 0) state.priority[source] = value & highestPriority;
    },
  },
  { name: "pending", offset: 0x1000, bytes: 4, count: words, read: (word) => state.pending[word]! },
];

const contextRegisters = (state: PlicState, context: number): Register[] => [
  {
    name: `enable ${context}`,
    offset: 0x2000 + 0x80 * context,
    bytes: 4,
    count: words,
    read: (word) => state.enabled[context * words + word]!,
    write: (word, value) => void (state.enabled[context * words + word] = withoutSource0(word, value)),
  },
  {
    name: `threshold ${context}`,
    offset: 0x20_0000 + 0x1000 * context,
    bytes: 4,
    read: () => state.threshold[context]!,
    write: (_, value) => void (state.threshold[context] = value & highestPriority),
  },
  {
    name: `claim ${context}`,
    offset: 0x20_0004 + 0x1000 * context,
    bytes: 4,
    read: () => claim(state, context),
    write: (_, source) => complete(state, context, source),
  },
];

export function plicOver(state: PlicState): Device {
  const contexts = Array.from({ length: contextsOf(state.threshold.length / 2) }, (_, context) => context);
  return {
    registers: [...sourceRegisters(state), ...contexts.flatMap((context) => contextRegisters(state, context))],
    /** Lines keep their levels: they are the devices'. */
    reset() {
      for (const set of [state.priority, state.pending, state.claimed, state.enabled, state.threshold]) set.fill(0);
    },
  };
}
