/** What a process sets for itself: prctl(2), personality(2), membarrier(2). */

import type { Errno } from "../../lib/errno.ts";
import { lastSignal } from "../../lib/signals.ts";
import { decodeName, encodeName } from "../../lib/text.ts";
import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut, readString } from "../../mm/user.ts";
import { isRealTime } from "../../thread/scheduling.ts";
import { nameOfThread, renameThread } from "../../thread/tasks.ts";
import { choice, int, uint, word } from "../define/arguments.ts";
import { type Call, done, fail, type Outcome, orError } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import { CapabilityOption, controlCapabilities } from "./capabilities.ts";
import type { LinuxKernel } from "./kernel.ts";

const Option = {
  PR_SET_PDEATHSIG: 1,
  PR_GET_PDEATHSIG: 2,
  PR_GET_DUMPABLE: 3,
  PR_SET_DUMPABLE: 4,
  PR_SET_NAME: 15,
  PR_GET_NAME: 16,
  PR_GET_SECCOMP: 21,
  PR_SET_TIMERSLACK: 29,
  PR_GET_TIMERSLACK: 30,
  PR_SET_CHILD_SUBREAPER: 36,
  PR_GET_CHILD_SUBREAPER: 37,
  PR_SET_NO_NEW_PRIVS: 38,
  PR_GET_NO_NEW_PRIVS: 39,
  ...CapabilityOption,
} as const;

const nameBytes = 16;

/** A longer one is cut short. */
function setName(k: LinuxKernel, { task, thread }: Call, where: bigint): Errno | null {
  const space = getSpace(k, task.space);
  const text = readString(k, space, where, nameBytes);
  const name = !text.ok && text.errno === "ENAMETOOLONG" ? copyIn(k, space, where, nameBytes - 1) : text;
  if (!name.ok) return name.errno;
  renameThread(k, thread, decodeName(name.value));
  return null;
}

function getName(k: LinuxKernel, { task, thread }: Call, where: bigint): Errno | null {
  const bytes = new Uint8Array(nameBytes);
  bytes.set(encodeName(nameOfThread(k, thread)).subarray(0, nameBytes - 1));
  return copyOut(k, getSpace(k, task.space), where, bytes);
}

const flagWord = (flag: boolean): Uint8Array => Uint8Array.of(flag ? 1 : 0, 0, 0, 0);
function control(k: LinuxKernel, call: Call, option: number, argument: bigint, rest: readonly bigint[]): Outcome {
  const { task, thread } = call;
  const { traits } = task;
  const put = (bytes: Uint8Array): Outcome => orError(copyOut(k, getSpace(k, task.space), argument, bytes));
  switch (option) {
    case Option.PR_SET_PDEATHSIG:
      if (argument > BigInt(lastSignal)) return fail("EINVAL");
      traits.deathSignal = Number(argument);
      return done(0);
    case Option.PR_GET_PDEATHSIG:
      return put(Uint8Array.of(traits.deathSignal, 0, 0, 0));
    case Option.PR_GET_DUMPABLE:
      return done(traits.dumpable ? 1 : 0);
    case Option.PR_SET_DUMPABLE:
      if (argument > 1n) return fail("EINVAL");
      traits.dumpable = argument === 1n;
      return done(0);
    case Option.PR_SET_NAME:
      return orError(setName(k, call, argument));
    case Option.PR_GET_NAME:
      return orError(getName(k, call, argument));
    case Option.PR_GET_SECCOMP:
      return done(0);
    case Option.PR_SET_TIMERSLACK:
      if (!isRealTime(thread.scheduling)) thread.slack.ns = argument === 0n ? thread.slack.usualNs : argument;
      return done(0);
    case Option.PR_GET_TIMERSLACK:
      return done(isRealTime(thread.scheduling) ? 0n : thread.slack.ns);
    case Option.PR_SET_CHILD_SUBREAPER:
      traits.subreaper = argument !== 0n;
      return done(0);
    case Option.PR_GET_CHILD_SUBREAPER:
      return put(flagWord(traits.subreaper));
    case Option.PR_SET_NO_NEW_PRIVS:
      if (argument !== 1n || rest.some((other) => other !== 0n)) return fail("EINVAL");
      traits.noNewPrivileges = true;
      return done(0);
    case Option.PR_GET_NO_NEW_PRIVS:
      return argument !== 0n || rest.some((other) => other !== 0n)
        ? fail("EINVAL")
        : done(traits.noNewPrivileges ? 1 : 0);
    default:
      return controlCapabilities(task.credentials, option, argument, rest) ?? fail("EINVAL");
  }
}

const queryBarrier = 0;
/** MEMBARRIER_CMD_GLOBAL, GLOBAL_EXPEDITED and its registration, PRIVATE_EXPEDITED and its, and that of SYNC_CORE. */
const barriers = 0b1111111;

export const controlCalls = [
  syscall({
    name: "prctl",
    nr: { rv64: 167 },
    support: "partial",
    note: "Names, the signal of a parent's end, subreapers, dumpable, no_new_privs, timer slack, capabilities.",
    args: { option: choice(Option), argument: word, third: word, fourth: word, fifth: word },
    errors: ["EFAULT", "EINVAL", "EPERM"],
    run: (k: LinuxKernel, { option, argument, third, fourth, fifth }, call) =>
      control(k, call, option, argument, [third, fourth, fifth]),
  }),
  syscall({
    name: "personality",
    nr: { rv64: 92 },
    support: "partial",
    note: "Only that of Linux; its bits are kept, and addresses are never random.",
    args: { persona: uint },
    errors: ["EINVAL"],
    run(_k: LinuxKernel, { persona }, { task: { traits } }) {
      const before = traits.persona;
      if (persona === 0xffff_ffff) return done(before);
      if (persona & 0xff) return fail("EINVAL");
      traits.persona = persona;
      return done(before);
    },
  }),
  syscall({
    name: "membarrier",
    nr: { rv64: 283 },
    support: "partial",
    note: "Nothing to do: instructions of all threads are in one order. Who has not registered may do it nevertheless.",
    args: { command: int, flags: uint, cpu: int },
    errors: ["EINVAL"],
    run(_k: LinuxKernel, { command, flags }) {
      if (flags !== 0) return fail("EINVAL");
      if (command === queryBarrier) return done(barriers);
      const single = command > 0 && (command & (command - 1)) === 0;
      return single && (command & barriers) !== 0 ? done(0) : fail("EINVAL");
    },
  }),
] as const;
