/** Capabilities of users: capget(2), capset(2), and what prctl(2) has about them. What they are: thread/capabilities.ts. */

import type { Errno } from "../../lib/errno.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import {
  Cap,
  capabilityBit,
  everyCapability,
  hasOwnCapability,
  isWithin,
  knownSecureBits,
  lastCapability,
  SecureBit,
  secureLocks,
} from "../../thread/capabilities.ts";
import { idFor, threadFor } from "../../thread/pids.ts";
import type { Credentials } from "../../thread/state.ts";
import { taskOf } from "../../thread/tasks.ts";
import { inout } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

/** How many words a set has, by the version that programs name; the last is what the kernel would have. */
const wordsOf: ReadonlyMap<number, number> = new Map([
  [0x1998_0330, 1],
  [0x2007_1026, 2],
  [0x2008_0522, 2],
]);
const latestVersion = 0x2008_0522;

interface Header {
  words: number;
  id: number;
}

/** Whom a call is about, and in how many words. To a version that there is not it answers the latest. */
function readHeader(k: LinuxKernel, { task }: Call, where: bigint): Header | Errno {
  const space = getSpace(k, task.space);
  const header = copyIn(k, space, where, 8);
  if (!header.ok) return header.errno;
  const view = new DataView(header.value.buffer, header.value.byteOffset, 8);
  const words = wordsOf.get(view.getUint32(0, true));
  if (words !== undefined) return { words, id: view.getInt32(4, true) };
  const answer = new Uint8Array(Uint32Array.of(latestVersion).buffer);
  return copyOut(k, space, where, answer) ?? "EINVAL";
}

function get(k: LinuxKernel, call: Call, where: bigint, data: bigint): Outcome {
  const header = readHeader(k, call, where);
  // Without room for an answer it is the version that is asked for.
  if (typeof header === "string") return header === "EINVAL" && data === 0n ? done(0) : fail(header);
  if (data === 0n) return done(0);
  const { id, words } = header;
  if (id < 0) return fail("EINVAL");
  const thread = id === 0 ? call.thread : threadFor(k, call.task, id);
  if (thread === undefined) return fail("ESRCH");
  const { effective, permitted, inheritable } = taskOf(k, thread).credentials.capabilities;
  const sets = [effective, permitted, inheritable];
  const low = sets.map((set) => Number(set & 0xffff_ffffn));
  const high = sets.map((set) => Number(set >> 32n));
  const bytes = new Uint8Array(Uint32Array.from(words === 1 ? low : [...low, ...high]).buffer);
  return orError(copyOut(k, getSpace(k, call.task.space), data, bytes));
}

interface Sets {
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
}

function readSets(k: LinuxKernel, { task }: Call, words: number, data: bigint): Sets | Errno {
  const bytes = copyIn(k, getSpace(k, task.space), data, 12 * words);
  if (!bytes.ok) return bytes.errno;
  const view = new DataView(bytes.value.buffer, bytes.value.byteOffset, bytes.value.length);
  const word = (at: number): bigint => BigInt(view.getUint32(4 * at, true));
  const set = (at: number): bigint => (word(at) | (words === 1 ? 0n : word(at + 3) << 32n)) & everyCapability;
  return { effective: set(0), permitted: set(1), inheritable: set(2) };
}

/** What is given up comes never back; what is inheritable has to be had, or to be allowed by the bounding set. */
function mayHave({ capabilities: now }: Credentials, wanted: Sets, sets: boolean): boolean {
  return (
    (sets || isWithin(wanted.inheritable, now.inheritable | now.permitted)) &&
    isWithin(wanted.inheritable, now.inheritable | now.bounding) &&
    isWithin(wanted.permitted, now.permitted) &&
    isWithin(wanted.effective, wanted.permitted)
  );
}

function set(k: LinuxKernel, call: Call, where: bigint, data: bigint): Outcome {
  const header = readHeader(k, call, where);
  if (typeof header === "string") return fail(header);
  const { credentials, id } = call.task;
  const named = idFor(k, call.task, header.id);
  if (header.id !== 0 && named !== call.thread.id && named !== id) return fail("EPERM");
  const wanted = readSets(k, call, header.words, data);
  if (typeof wanted === "string") return fail(wanted);
  if (!mayHave(credentials, wanted, hasOwnCapability(credentials, Cap.SETPCAP))) return fail("EPERM");
  Object.assign(credentials.capabilities, wanted);
  credentials.capabilities.ambient &= wanted.permitted & wanted.inheritable;
  return done(0);
}

export const CapabilityOption = {
  PR_GET_KEEPCAPS: 7,
  PR_SET_KEEPCAPS: 8,
  PR_CAPBSET_READ: 23,
  PR_CAPBSET_DROP: 24,
  PR_GET_SECUREBITS: 27,
  PR_SET_SECUREBITS: 28,
  PR_CAP_AMBIENT: 47,
} as const;

const isNumber = (argument: bigint): boolean => argument <= BigInt(lastCapability);

function setSecureBits({ capabilities }: Credentials, wanted: bigint, mayChange: boolean): Outcome {
  const before = capabilities.secureBits;
  const bits = Number(wanted & BigInt(knownSecureBits));
  const locked = (before & secureLocks) >> 1;
  const isLocked = (locked & (before ^ bits)) !== 0 || (before & secureLocks & ~bits) !== 0;
  if (isLocked || BigInt(bits) !== wanted || !mayChange) return fail("EPERM");
  capabilities.secureBits = bits;
  return done(0);
}

function keep({ capabilities }: Credentials, wanted: bigint): Outcome {
  if (wanted > 1n) return fail("EINVAL");
  if (capabilities.secureBits & (SecureBit.keepCapabilities << 1)) return fail("EPERM");
  capabilities.secureBits &= ~SecureBit.keepCapabilities;
  if (wanted === 1n) capabilities.secureBits |= SecureBit.keepCapabilities;
  return done(0);
}

const Ambient = { isSet: 1n, raise: 2n, lower: 3n, clearAll: 4n } as const;

function changeAmbient({ capabilities }: Credentials, how: bigint, rest: readonly bigint[]): Outcome {
  const [number = 0n, ...unused] = rest;
  if (unused.some((other) => other !== 0n)) return fail("EINVAL");
  if (how === Ambient.clearAll) {
    if (number !== 0n) return fail("EINVAL");
    capabilities.ambient = 0n;
    return done(0);
  }
  if (!isNumber(number)) return fail("EINVAL");
  const bit = capabilityBit(Number(number));
  if (how === Ambient.isSet) return done((capabilities.ambient & bit) !== 0n ? 1 : 0);
  if (how === Ambient.lower) {
    capabilities.ambient &= ~bit;
    return done(0);
  }
  if (how !== Ambient.raise) return fail("EINVAL");
  const { permitted, inheritable, secureBits } = capabilities;
  if (!isWithin(bit, permitted & inheritable) || secureBits & SecureBit.noAmbientRaise) return fail("EPERM");
  capabilities.ambient |= bit;
  return done(0);
}

/** Options of prctl(2) about capabilities; null: it is not one of them. */
export function controlCapabilities(
  credentials: Credentials,
  option: number,
  argument: bigint,
  rest: readonly bigint[],
): Outcome | null {
  const { capabilities } = credentials;
  const mayChange = hasOwnCapability(credentials, Cap.SETPCAP);
  switch (option) {
    case CapabilityOption.PR_GET_KEEPCAPS:
      return done(capabilities.secureBits & SecureBit.keepCapabilities ? 1 : 0);
    case CapabilityOption.PR_SET_KEEPCAPS:
      return keep(credentials, argument);
    case CapabilityOption.PR_CAPBSET_READ:
      if (!isNumber(argument)) return fail("EINVAL");
      return done((capabilities.bounding & capabilityBit(Number(argument))) !== 0n ? 1 : 0);
    case CapabilityOption.PR_CAPBSET_DROP:
      if (!mayChange) return fail("EPERM");
      if (!isNumber(argument)) return fail("EINVAL");
      capabilities.bounding &= ~capabilityBit(Number(argument));
      return done(0);
    case CapabilityOption.PR_GET_SECUREBITS:
      return done(capabilities.secureBits);
    case CapabilityOption.PR_SET_SECUREBITS:
      return setSecureBits(credentials, argument, mayChange);
    case CapabilityOption.PR_CAP_AMBIENT:
      return changeAmbient(credentials, argument, rest);
    default:
      return null;
  }
}

export const capabilityCalls = [
  syscall({
    name: "capget",
    nr: { rv64: 90 },
    support: "full",
    args: { header: inout("cap_user_header"), data: inout("cap_user_data") },
    errors: ["EFAULT", "EINVAL", "ESRCH"],
    run: (k: LinuxKernel, { header, data }, call) => get(k, call, header, data),
  }),
  syscall({
    name: "capset",
    nr: { rv64: 91 },
    support: "full",
    note: "A process's, which its threads have in common.",
    args: { header: inout("cap_user_header"), data: inout("cap_user_data") },
    errors: ["EFAULT", "EINVAL", "EPERM"],
    run: (k: LinuxKernel, { header, data }, call) => set(k, call, header, data),
  }),
] as const;
