/**
 * What a program finds on its stack (Linux's riscv64 process start, fs/binfmt_elf.c):
 *
 *     high  executable's path, environment and argument strings, platform name, 16 random bytes
 *           auxiliary vector (pairs, ended by AT_NULL)
 *           environment pointers, 0
 *           argument pointers, 0
 *     sp ─▶ argc                          (16-byte aligned)
 */

import { alignDown } from "../lib/bits.ts";
import { encodeName } from "../lib/text.ts";

/** Numbers of the auxiliary vector's entries (include/uapi/linux/auxvec.h). */
const Aux = {
  phdr: 3,
  phent: 4,
  phnum: 5,
  pagesz: 6,
  base: 7,
  flags: 8,
  entry: 9,
  uid: 11,
  euid: 12,
  gid: 13,
  egid: 14,
  hwcap: 16,
  clktck: 17,
  secure: 23,
  random: 25,
  execfn: 31,
  vdso: 33,
} as const;

/** Whom the program acts for. */
export interface Identity {
  uid: number;
  euid: number;
  gid: number;
  egid: number;
}

export interface StackPlan {
  top: number;
  path: string;
  arguments: readonly string[];
  environment: readonly string[];
  random: Uint8Array;
  headersAddress: number;
  headersCount: number;
  entry: number;
  pageBytes: number;
  /** Where the kernel's page of code is. */
  vdso: number;
  hardwareCapabilities: number;
  /** Where the dynamic linker was loaded that is to load the rest; 0: there is none. */
  base: number;
  identity: Identity;
  /** More entries of the auxiliary vector. */
  auxiliary: readonly (readonly [number, number])[];
}

export interface InitialStack {
  pointer: number;
  /** The bytes from `pointer` to `top`. */
  bytes: Uint8Array;
  /** The argument strings (/proc/<pid>/cmdline), and behind them the environment's. */
  argumentsStart: number;
  argumentsEnd: number;
  environmentEnd: number;
  /** The auxiliary vector's bytes. */
  auxiliary: Uint8Array;
}

const programHeaderBytes = 56;
const clockTicks = 100;

/** Writes strings downwards from the top of a stack. */
class Strings {
  readonly parts: { at: number; bytes: Uint8Array }[] = [];
  at: number;

  constructor(top: number) {
    this.at = top;
  }

  push(bytes: Uint8Array): number {
    this.at -= bytes.length;
    this.parts.push({ at: this.at, bytes });
    return this.at;
  }

  text(text: string): number {
    return this.push(encodeName(`${text}\0`));
  }

  /** Where each of them is; they lie in their order. */
  texts(list: readonly string[]): number[] {
    return list
      .toReversed()
      .map((text) => this.text(text))
      .reverse();
  }
}

export function buildStack(plan: StackPlan): InitialStack {
  const strings = new Strings(plan.top - 8);
  const execfn = strings.text(plan.path);
  // The first one lowest, and the environment right behind the arguments, as programs that rename themselves expect.
  const environmentEnd = strings.at;
  const environment = strings.texts(plan.environment);
  const argumentsEnd = strings.at;
  const args = strings.texts(plan.arguments);
  const argumentsStart = strings.at;
  const random = strings.push(plan.random);
  const { uid, euid, gid, egid } = plan.identity;
  const vector: [number, number][] = [
    [Aux.vdso, plan.vdso],
    [Aux.hwcap, plan.hardwareCapabilities],
    [Aux.pagesz, plan.pageBytes],
    [Aux.clktck, clockTicks],
    [Aux.phdr, plan.headersAddress],
    [Aux.phent, programHeaderBytes],
    [Aux.phnum, plan.headersCount],
    [Aux.base, plan.base],
    [Aux.flags, 0],
    [Aux.entry, plan.entry],
    [Aux.uid, uid],
    [Aux.euid, euid],
    [Aux.gid, gid],
    [Aux.egid, egid],
    // With more rights than its caller has a program trusts no environment.
    [Aux.secure, uid === euid && gid === egid ? 0 : 1],
    [Aux.random, random],
    [Aux.execfn, execfn],
    ...plan.auxiliary.map(([type, value]): [number, number] => [type, value]),
    [0, 0],
  ];
  const words = [args.length, ...args, 0, ...environment, 0, ...vector.flat()];
  const pointer = alignDown(strings.at - words.length * 8, 16);
  const bytes = new Uint8Array(plan.top - pointer);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setBigUint64(i * 8, BigInt(word), true);
  for (const part of strings.parts) bytes.set(part.bytes, part.at - pointer);
  const auxiliary = bytes.slice((words.length - 2 * vector.length) * 8, words.length * 8);
  return { pointer, bytes, argumentsStart, argumentsEnd, environmentEnd, auxiliary };
}
