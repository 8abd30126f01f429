/** Pipes: pipe2(2). */
import { assert } from "../../lib/assert.ts";
import type { Errno } from "../../lib/errno.ts";
import { getSpace } from "../../mm/space.ts";
import { copyOut } from "../../mm/user.ts";
import type { Task } from "../../thread/state.ts";
import { closeDescriptor, openTarget, roomProblem } from "../../vfs/descriptors.ts";
import { AccessMode, inPackets } from "../../vfs/file-ops.ts";
import { createPipe, openPipe } from "../../vfs/pipe.ts";
import { flags, inout } from "../define/arguments.ts";
import { done, fail, type Outcome } from "../define/outcome.ts";
import { syscall } from "../define/syscall.ts";
import type { LinuxKernel } from "./kernel.ts";

const Flag = { O_NONBLOCK: 0o4000, O_DIRECT: inPackets, O_CLOEXEC: 0o2000000 } as const;

function openEnd(k: LinuxKernel, task: Task, pipe: number, mode: number, wanted: number): number {
  const kept = mode | (wanted & Flag.O_NONBLOCK) | (mode === AccessMode.write ? wanted & Flag.O_DIRECT : 0);
  const fd = openTarget(k, task, { kind: "pipe", pipe }, kept, (wanted & Flag.O_CLOEXEC) !== 0);
  assert(typeof fd === "number", "there was room for two descriptors");
  return fd;
}

function pipe2(k: LinuxKernel, task: Task, where: bigint, wanted: number): Outcome {
  if (wanted & ~(Flag.O_NONBLOCK | Flag.O_DIRECT | Flag.O_CLOEXEC)) return fail("EINVAL");
  const problem: Errno | null = roomProblem(k, task, 2);
  if (problem !== null) return fail(problem);
  const pipe = createPipe(k, k.files.nextInode++);
  openPipe(k, pipe, true, true);
  const numbers = [
    openEnd(k, task, pipe, AccessMode.read, wanted),
    openEnd(k, task, pipe, AccessMode.write, wanted),
  ] as const;
  const errno = copyOut(k, getSpace(k, task.space), where, new Uint8Array(Int32Array.from(numbers).buffer));
  if (errno === null) return done(0);
  for (const number of numbers) closeDescriptor(k, task, number);
  return fail(errno);
}

export const pipeCalls = [
  syscall({
    name: "pipe2",
    nr: { rv64: 59 },
    support: "full",
    args: { ends: inout("int[2]"), flags: flags(Flag) },
    errors: ["EFAULT", "EINVAL", "EMFILE", "ENFILE", "ENOMEM"],
    run: (k: LinuxKernel, { ends, flags }, { task }) => pipe2(k, task, ends, flags),
  }),
] as const;
