/**
 * One row per system call. From it come the decoding of registers, the copies of user memory, the text that
 * reads like strace's, and the catalogue for clients and documentation.
 */

import type { IsaName } from "../../hal/types.ts";
import { hex, toSigned64 } from "../../lib/bits.ts";
import { type Errno, errnoNumbers, errnoOf, errnoResult } from "../../lib/errno.ts";
import type { MmKernel } from "../../mm/kernel.ts";
import { getSpace } from "../../mm/space.ts";
import type { ArgumentKind, Direction, Memory, Peers } from "./arguments.ts";
import type { Call, Outcome, Outs } from "./outcome.ts";

// biome-ignore lint/suspicious/noExplicitAny: kinds of any value; each row's own types stay exact
type AnyKind = ArgumentKind<any, any>;
export type Arguments = Readonly<Record<string, AnyKind>>;

type ValueOf<Kind> = Kind extends ArgumentKind<infer In, infer _Out> ? In : never;
type OutOf<Kind> = Kind extends ArgumentKind<infer _In, infer Out> ? Out : never;
export type ValuesOf<A extends Arguments> = { readonly [Name in keyof A]: ValueOf<A[Name]> };
export type OutsOf<A extends Arguments> = {
  [Name in keyof A as [OutOf<A[Name]>] extends [never] ? never : Name]?: OutOf<A[Name]>;
};

export type Support = "full" | "partial" | "none";

/** A call's number by instruction set. */
export type CallNumbers = Readonly<Record<IsaName, number>>;

interface Declaration<K, A extends Arguments> {
  name: string;
  nr: CallNumbers;
  support: Support;
  /** What is missing or special, for the reference; "" for nothing. */
  note?: string;
  args: A;
  /** How the result reads in a trace; a number unless said. */
  result?: "address";
  errors?: readonly Errno[];
  run(k: K, args: ValuesOf<A>, call: Call): Outcome<OutsOf<A>>;
}

/** A call as it was decoded: enough to finish it and to describe it. */
export interface Decoding {
  readonly values: Readonly<Record<string, unknown>>;
  readonly errno: Errno | null;
}

const nothingDecoded: Decoding = { values: {}, errno: null };

export interface SystemCall<K> {
  readonly name: string;
  readonly nr: CallNumbers;
  readonly support: Support;
  readonly note: string;
  readonly args: Arguments;
  readonly argumentCount: number;
  readonly result: "number" | "address";
  readonly errors: readonly Errno[];
  decode(k: MmKernel, call: Call, raw: readonly bigint[]): Decoding;
  run(k: K, decoding: Decoding, call: Call): Outcome<Outs>;
  /** Copies what the handler returned for out arguments. */
  store(k: MmKernel, call: Call, raw: readonly bigint[], out: Outs): Errno | null;
  /** `write(1, "hello\n", 6)`; with `out`, what came back stands in its place. */
  show(decoding: Decoding, raw: readonly bigint[], out?: Outs): string;
  /** ` = 6`, where a number does not say it all. */
  showResult?(k: K, decoding: Decoding, call: Call, value: bigint): string;
}

export function syscall<K extends MmKernel, const A extends Arguments>(row: Declaration<K, A>): SystemCall<K> {
  const kinds = Object.entries(row.args);
  const index = new Map(kinds.map(([name], i) => [name, i]));
  const peersOf =
    (raw: readonly bigint[]): Peers =>
    (name) =>
      raw[index.get(name)!]!;
  const memoryOf = (k: MmKernel, call: Call): Memory => ({ k, space: getSpace(k, call.task.space) });

  return {
    name: row.name,
    nr: row.nr,
    support: row.support,
    note: row.note ?? "",
    args: row.args,
    argumentCount: kinds.length,
    result: row.result ?? "number",
    errors: row.errors ?? [],
    decode(k, call, raw) {
      if (kinds.length === 0) return nothingDecoded;
      const memory = memoryOf(k, call);
      const peers = peersOf(raw);
      const values: Record<string, unknown> = {};
      let errno: Errno | null = null;
      for (let i = 0; i < kinds.length; i++) {
        const [name, kind] = kinds[i]!;
        const decoded = kind.decode(memory, raw[i]!, peers);
        if ("errno" in decoded) errno ??= decoded.errno;
        else values[name] = decoded.value;
      }
      return { values, errno };
    },
    run: (k, { values }, call) => row.run(k, values as ValuesOf<A>, call) as Outcome<Outs>,
    store(k, call, raw, out) {
      const memory = memoryOf(k, call);
      const peers = peersOf(raw);
      for (let i = 0; i < kinds.length; i++) {
        const [name, kind] = kinds[i]!;
        if (out[name] === undefined || kind.store === undefined) continue;
        const errno = kind.store(memory, raw[i]!, peers, out[name]);
        if (errno !== null) return errno;
      }
      return null;
    },
    show(decoding, raw, out) {
      const texts = kinds.map(([name, kind], i) => {
        if (out?.[name] !== undefined && kind.showOut !== undefined) return kind.showOut(out[name]);
        // What could not be read is shown as the address it was.
        return name in decoding.values ? kind.show(decoding.values[name], raw[i]!) : `0x${raw[i]!.toString(16)}`;
      });
      return `${row.name}(${texts.join(", ")})`;
    },
  };
}

/** ` = 6`, ` = 0x3fff6fe000`, ` = -1 EFAULT`. */
export function showResult(value: bigint, result: "number" | "address"): string {
  const errno = errnoOf(value);
  if (errno !== null) return ` = -1 ${errno}`;
  return result === "address" ? ` = ${hex(value)}` : ` = ${value}`;
}

/** The result register of an outcome that is final. */
export const resultOf = (outcome: Outcome<Outs> & { kind: "done" | "fail" }): bigint =>
  outcome.kind === "fail" ? errnoResult(outcome.errno) : toSigned64(BigInt(outcome.value));

export interface SystemCallParameter {
  readonly name: string;
  readonly kind: string;
  readonly direction: Direction;
}

export interface SystemCallInfo {
  readonly name: string;
  readonly number: number;
  readonly support: Support;
  readonly note: string;
  readonly parameters: readonly SystemCallParameter[];
  readonly errors: readonly string[];
}

export function describeRow<K>(row: SystemCall<K>, isa: IsaName): SystemCallInfo {
  const { name, support, note, errors, nr } = row;
  const parameters = Object.entries(row.args).map(([parameter, kind]) => ({
    name: parameter,
    kind: kind.kind,
    direction: kind.direction,
  }));
  return {
    name,
    number: nr[isa],
    support,
    note,
    parameters,
    errors: [...errors].sort((a, b) => errnoNumbers[a] - errnoNumbers[b]),
  };
}
