/** Which harts threads may run on, and which one they are on. */

import { getSpace } from "../../mm/space.ts";
import { copyIn, copyOut } from "../../mm/user.ts";
import { setAffinity } from "../../sched/sched.ts";
import { threadFor } from "../../thread/pids.ts";
import type { Thread } from "../../thread/state.ts";
import { address, inout, int, size } from "../define/arguments.ts";
import { type Call, done, fail } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

/** Bytes of a set of processors: a word, which has more bits than there can be harts. */
const setBytes = 8;

/** 0 is the caller. */
const threadNamed = (k: LinuxKernel, id: number, { task, thread }: Call): Thread | undefined =>
  id === 0 ? thread : threadFor(k, task, id);

const present = (k: LinuxKernel): number => 2 ** k.sched.parked.length - 1;

export const affinityCalls = [
  syscall({
    name: "sched_setaffinity",
    nr: { rv64: 122 },
    support: "full",
    note: "Threads that capabilities control are for TCB_SetAffinity: EPERM.",
    args: { id: int, bytes: size, mask: inout("cpu_set") },
    errors: ["EFAULT", "EINVAL", "EPERM", "ESRCH"],
    run(k: LinuxKernel, { id, bytes, mask }, call) {
      const thread = threadNamed(k, id, call);
      if (thread === undefined) return fail("ESRCH");
      if (bytes === 0) return fail("EINVAL");
      const set = copyIn(k, getSpace(k, call.task.space), mask, Math.min(bytes, setBytes));
      if (!set.ok) return fail(set.errno);
      const wanted = set.value[0]! & present(k);
      if (wanted === 0) return fail("EINVAL");
      if (thread.tcb !== null) return fail("EPERM");
      setAffinity(k, thread, wanted);
      return done(0);
    },
  }),
  syscall({
    name: "sched_getaffinity",
    nr: { rv64: 123 },
    support: "full",
    args: { id: int, bytes: size, mask: inout("cpu_set") },
    errors: ["EFAULT", "EINVAL", "ESRCH"],
    run(k: LinuxKernel, { id, bytes, mask }, call) {
      if (bytes < setBytes || bytes % setBytes !== 0) return fail("EINVAL");
      const thread = threadNamed(k, id, call);
      if (thread === undefined) return fail("ESRCH");
      const set = new Uint8Array(setBytes);
      set[0] = thread.affinity & present(k);
      const errno = copyOut(k, getSpace(k, call.task.space), mask, set);
      return errno === null ? done(setBytes) : fail(errno);
    },
  }),
  syscall({
    name: "getcpu",
    nr: { rv64: 168 },
    support: "full",
    note: "All memory is one node.",
    args: { cpu: address, node: address, cache: address },
    errors: ["EFAULT"],
    run(k: LinuxKernel, { cpu, node }, { task, thread }) {
      const space = getSpace(k, task.space);
      const puts = [
        { at: cpu, value: k.sched.current === thread.id ? k.sched.hart : thread.hart },
        { at: node, value: 0 },
      ];
      for (const { at, value } of puts) {
        const errno = at === 0n ? null : copyOut(k, space, at, Uint8Array.of(value, 0, 0, 0));
        if (errno !== null) return fail(errno);
      }
      return done(0);
    },
  }),
] as const;
